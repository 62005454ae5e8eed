package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

func main() {
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Println(countVowels(line))
}

// countVowels counts the letters that are vowels.
func countVowels(text string) int {
	count := 0
	for _, letter := range text {
		if isVowel(letter) {
			count++
		}
	}
	return count
}

// isVowel says whether a letter is one of a, e, i, o, u.
func isVowel(letter rune) bool {
	return strings.ContainsRune("aeiou", letter)
}

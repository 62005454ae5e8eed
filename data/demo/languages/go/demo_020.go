package main

import (
	"bufio"
	"fmt"
	"os"
	"unicode"
)

func main() {
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	if isMirror(lettersOf(line)) {
		fmt.Println("YES")
	} else {
		fmt.Println("NO")
	}
}

// lettersOf returns all letters, in lowercase.
func lettersOf(text string) []rune {
	var letters []rune
	for _, letter := range text {
		if unicode.IsLetter(letter) {
			letters = append(letters, unicode.ToLower(letter))
		}
	}
	return letters
}

// isMirror compares the letters from both ends.
func isMirror(letters []rune) bool {
	for i := range letters {
		if letters[i] != letters[len(letters)-1-i] {
			return false
		}
	}
	return true
}

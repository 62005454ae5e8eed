package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

func main() {
	words := readWords()
	reverse(words)
	fmt.Println(strings.Join(words, " "))
}

// readWords returns the words of the first line.
func readWords() []string {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Scan()
	return strings.Fields(scanner.Text())
}

// reverse turns a list around in its place.
func reverse(words []string) {
	for i, j := 0, len(words)-1; i < j; i, j = i+1, j-1 {
		words[i], words[j] = words[j], words[i]
	}
}

package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Scan()
	var places int
	fmt.Sscan(scanner.Text(), &places)
	scanner.Scan()
	fmt.Println(strings.Map(shifter(places), scanner.Text()))
}

// shifter returns what shifts one letter; other characters stay.
func shifter(places int) func(rune) rune {
	return func(letter rune) rune {
		if !isLower(letter) {
			return letter
		}
		return 'a' + (letter-'a'+rune(places))%26
	}
}

func isLower(letter rune) bool {
	return 'a' <= letter && letter <= 'z'
}

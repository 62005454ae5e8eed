package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Split(bufio.ScanWords)
	var name strings.Builder
	for scanner.Scan() {
		name.WriteString(initial(scanner.Text()))
	}
	fmt.Println(name.String())
}

// initial returns the uppercase first letter of a word, nothing for a short one.
func initial(word string) string {
	if len(word) < 3 {
		return ""
	}
	return strings.ToUpper(word[:1])
}

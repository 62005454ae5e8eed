package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
)

type entry struct {
	word  string
	count int
}

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Split(bufio.ScanWords)
	scanner.Scan()
	for _, e := range ranking(countWords(scanner)) {
		fmt.Println(e.word, e.count)
	}
}

// Count every word that follows.
func countWords(scanner *bufio.Scanner) map[string]int {
	counts := make(map[string]int)
	for scanner.Scan() {
		counts[scanner.Text()]++
	}
	return counts
}

// The more frequent word first, of equal ones the earlier in the alphabet.
func ranking(counts map[string]int) []entry {
	var entries []entry
	for word, count := range counts {
		entries = append(entries, entry{word, count})
	}
	sort.Slice(entries, func(i, j int) bool {
		if entries[i].count != entries[j].count {
			return entries[i].count > entries[j].count
		}
		return entries[i].word < entries[j].word
	})
	return entries
}

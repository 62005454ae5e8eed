package main

import "fmt"

func main() {
	var word string
	fmt.Scan(&word)
	letter, count := favourite(countLetters(word))
	fmt.Printf("%c %d\n", letter, count)
}

// countLetters returns how often each letter of the alphabet occurs.
func countLetters(word string) (counts [26]int) {
	for _, letter := range word {
		counts[letter-'a']++
	}
	return counts
}

// favourite returns the first letter with the greatest count.
func favourite(counts [26]int) (byte, int) {
	most := 0
	for i, count := range counts {
		if count > counts[most] {
			most = i
		}
	}
	return 'a' + byte(most), counts[most]
}

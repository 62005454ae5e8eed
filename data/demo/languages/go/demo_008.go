package main

// longestWord returns the first of the longest words.
func longestWord(words []string) string {
	longest := ""
	for _, word := range words {
		longest = longer(longest, word)
	}
	return longest
}

// longer returns the longer of two words, the first if they are equally long.
func longer(first, second string) string {
	if len(second) > len(first) {
		return second
	}
	return first
}

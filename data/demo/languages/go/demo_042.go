package main

// freshStretch moves the end on; the start jumps behind the last time that the song was played.
func freshStretch(songs string) int {
	last := map[rune]int{}
	start, longest := 0, 0
	for end, song := range songs {
		if before, found := last[song]; found && before >= start {
			start = before + 1
		}
		last[song] = end
		longest = larger(longest, end-start+1)
	}
	return longest
}

func larger(a, b int) int {
	if a > b {
		return a
	}
	return b
}

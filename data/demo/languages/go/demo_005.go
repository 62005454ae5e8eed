package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	fmt.Println(widestGap(readPosts()))
}

// Read n and the n positions.
func readPosts() []int {
	reader := bufio.NewReader(os.Stdin)
	var n int
	fmt.Fscan(reader, &n)
	posts := make([]int, n)
	for i := range posts {
		fmt.Fscan(reader, &posts[i])
	}
	return posts
}

// Return the largest distance between two neighbours.
func widestGap(posts []int) int {
	widest := 0
	for i := 1; i < len(posts); i++ {
		if gap := posts[i] - posts[i-1]; gap > widest {
			widest = gap
		}
	}
	return widest
}

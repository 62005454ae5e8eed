package main

import "fmt"

func main() {
	fmt.Println(countAbove(readScores()))
}

// Read n and the n scores.
func readScores() []int {
	var n int
	fmt.Scan(&n)
	scores := make([]int, n)
	for i := range scores {
		fmt.Scan(&scores[i])
	}
	return scores
}

// Count the scores above the average, without dividing.
func countAbove(scores []int) (count int) {
	sum := 0
	for _, score := range scores {
		sum += score
	}
	for _, score := range scores {
		if score*len(scores) > sum {
			count++
		}
	}
	return
}

package main

import "fmt"

var notes = [...]int{50, 20, 10, 5, 1}

func main() {
	fmt.Println(countNotes(readAmount()))
}

func readAmount() (amount int) {
	fmt.Scan(&amount)
	return amount
}

// countNotes takes the largest note first.
func countNotes(amount int) (count int) {
	for _, note := range notes {
		count += amount / note
		amount %= note
	}
	return count
}

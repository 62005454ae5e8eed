package main

import "fmt"

func main() {
	var a, b int
	fmt.Scan(&a, &b)
	fmt.Println(oddSum(firstOdd(a), b))
}

// firstOdd is the smallest odd number that is not below a limit.
func firstOdd(limit int) int {
	return limit | 1
}

// oddSum adds up every second number.
func oddSum(first, last int) int {
	sum := 0
	for number := first; number <= last; number += 2 {
		sum += number
	}
	return sum
}

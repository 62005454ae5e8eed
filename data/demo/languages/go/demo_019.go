package main

import "fmt"

var square = func(number int) int { return number * number }

func main() {
	var n int
	fmt.Scan(&n)
	fmt.Println(sum(n, square))
}

// sum reads n numbers and adds up what a function makes of them.
func sum(n int, of func(int) int) int {
	total := 0
	for i := 0; i < n; i++ {
		var number int
		fmt.Scan(&number)
		total += of(number)
	}
	return total
}

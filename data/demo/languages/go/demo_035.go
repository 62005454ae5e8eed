package main

import "fmt"

const (
	limit = 100
	off   = 10
)

func main() {
	var n int
	fmt.Scan(&n)
	fmt.Println(discounted(total(n)))
}

// total is what n kinds of goods cost together.
func total(n int) int {
	sum := 0
	for i := 0; i < n; i++ {
		var price, quantity int
		fmt.Scan(&price, &quantity)
		sum += price * quantity
	}
	return sum
}

func discounted(sum int) int {
	if sum >= limit {
		sum -= off
	}
	return sum
}

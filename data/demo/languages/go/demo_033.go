package main

// runningTotals adds up the numbers and keeps every sum on the way.
func runningTotals(nums []int) []int {
	add := adder()
	totals := make([]int, len(nums))
	for i, number := range nums {
		totals[i] = add(number)
	}
	return totals
}

// adder returns a function that adds a number to all before and returns the sum.
func adder() func(int) int {
	total := 0
	return func(number int) int {
		total += number
		return total
	}
}

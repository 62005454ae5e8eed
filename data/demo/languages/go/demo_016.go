package main

import "sort"

// runnerUp returns the second of the different values.
func runnerUp(nums []int) int {
	values := different(nums)
	if len(values) < 2 {
		return -1
	}
	sort.Sort(sort.Reverse(sort.IntSlice(values)))
	return values[1]
}

func different(nums []int) []int {
	seen := make(map[int]struct{})
	for _, number := range nums {
		seen[number] = struct{}{}
	}
	var values []int
	for number := range seen {
		values = append(values, number)
	}
	return values
}

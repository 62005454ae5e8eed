package main

type counter map[int]int

// add counts a number.
func (c counter) add(number int) { c[number]++ }

// countPairs counts, for each number, the earlier ones that complete it.
func countPairs(nums []int, target int) int {
	earlier := counter{}
	pairs := 0
	for _, number := range nums {
		pairs += earlier[target-number]
		earlier.add(number)
	}
	return pairs
}

package main

import "fmt"

const never = 1 << 30

func main() {
	var k, amount int
	fmt.Scan(&k, &amount)
	coins := make([]int, k)
	for i := range coins {
		fmt.Scan(&coins[i])
	}
	fmt.Println(fewest(coins, amount))
}

// The fewest coins of every amount, from those of smaller amounts.
func fewest(coins []int, amount int) int {
	best := make([]int, amount+1)
	for paid := 1; paid <= amount; paid++ {
		best[paid] = never
		for _, coin := range coins {
			if coin <= paid && best[paid-coin]+1 < best[paid] {
				best[paid] = best[paid-coin] + 1
			}
		}
	}
	if best[amount] >= never {
		return -1
	}
	return best[amount]
}

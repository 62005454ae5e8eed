package main

import "fmt"

func main() {
	fmt.Println(spread(read[int64]()))
}

// read reads n and the n numbers.
func read[Number int64 | float64]() []Number {
	var n int
	fmt.Scan(&n)
	numbers := make([]Number, n)
	for i := range numbers {
		fmt.Scan(&numbers[i])
	}
	return numbers
}

// spread is the largest number minus the smallest.
func spread[Number int64 | float64](numbers []Number) Number {
	least, most := numbers[0], numbers[0]
	for _, number := range numbers {
		if number < least {
			least = number
		}
		if number > most {
			most = number
		}
	}
	return most - least
}

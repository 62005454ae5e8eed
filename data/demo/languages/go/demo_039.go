package main

import "fmt"

var values = map[byte]int{'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}

func main() {
	var n int
	fmt.Scan(&n)
	oldest, newest := 4000, 0
	for ; n > 0; n-- {
		var numeral string
		fmt.Scan(&numeral)
		value := year(numeral)
		if value < oldest {
			oldest = value
		}
		if value > newest {
			newest = value
		}
	}
	fmt.Println(oldest, newest)
}

// year adds the letters; one before a greater one is subtracted.
func year(numeral string) int {
	sum := 0
	for i := range numeral {
		value := values[numeral[i]]
		if i+1 < len(numeral) && values[numeral[i+1]] > value {
			value = -value
		}
		sum += value
	}
	return sum
}

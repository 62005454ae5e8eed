package main

import "fmt"

func main() {
	var number int
	if _, err := fmt.Scan(&number); err != nil {
		panic(err)
	}
	fmt.Println(steps(number))
}

// steps counts the numbers before 1.
func steps(number int) int {
	if number == 1 {
		return 0
	}
	return 1 + steps(next(number))
}

func next(number int) int {
	if number%2 == 0 {
		return number / 2
	}
	return 3*number + 1
}

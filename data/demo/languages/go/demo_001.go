package main

import "fmt"

// Read the number as text, since it has up to 30 digits, and print the sum of its digits.
func main() {
	var number string
	fmt.Scan(&number)
	fmt.Println(digitSum(number))
}

// Return the sum of the values of all digits.
func digitSum(number string) (sum int) {
	for _, digit := range number {
		sum += int(digit - '0')
	}
	return
}

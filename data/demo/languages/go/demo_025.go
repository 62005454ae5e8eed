package main

import "fmt"

const digits = "0123456789ABCDEF"

func main() {
	var number, base uint64
	fmt.Scan(&number, &base)
	fmt.Println(inBase(number, base))
}

// inBase writes all digits but the last, then the last.
func inBase(number, base uint64) string {
	last := string(digits[number%base])
	if number < base {
		return last
	}
	return inBase(number/base, base) + last
}

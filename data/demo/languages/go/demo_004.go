package main

// evenTotal adds up the even numbers.
func evenTotal(nums []int) int {
	total := 0
	for _, number := range nums {
		if isEven(number) {
			total += number
		}
	}
	return total
}

func isEven(number int) bool { return number%2 == 0 }

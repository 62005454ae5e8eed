package main

import (
	"fmt"
	"strings"
)

func main() {
	var n int64
	fmt.Scan(&n)
	fmt.Println(strings.Join(factors(n), " * "))
}

// How one prime stands in the product.
func power(prime int64, times int) string {
	if times == 1 {
		return fmt.Sprint(prime)
	}
	return fmt.Sprintf("%d^%d", prime, times)
}

// Divide by every candidate as often as it goes; what is left above 1 is a prime.
func factors(n int64) (found []string) {
	for prime := int64(2); prime*prime <= n; prime++ {
		times := 0
		for ; n%prime == 0; n /= prime {
			times++
		}
		if times > 0 {
			found = append(found, power(prime, times))
		}
	}
	if n > 1 {
		found = append(found, power(n, 1))
	}
	return
}

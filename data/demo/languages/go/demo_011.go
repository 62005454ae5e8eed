package main

import "fmt"

func main() {
	var limit, a, b int
	fmt.Scan(&limit, &a, &b)
	fmt.Println(limit/a + limit/b - limit/lcm(a, b))
}

func lcm(a, b int) int { return a / gcd(a, b) * b }

func gcd(a, b int) int {
	if b == 0 {
		return a
	}
	return gcd(b, a%b)
}

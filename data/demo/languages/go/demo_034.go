package main

import (
	"fmt"
	"sort"
)

func main() {
	sides := make([]int, 3)
	fmt.Scan(&sides[0], &sides[1], &sides[2])
	sort.Ints(sides)
	fmt.Println(kind(sides[0], sides[1], sides[2]))
}

// kind of a triangle with sorted sides: only the last can be too long, and equal ones stand side by side.
func kind(a, b, c int) string {
	switch {
	case !isTriangle(a, b, c):
		return "NONE"
	case a == c:
		return "EQUILATERAL"
	case a == b || b == c:
		return "ISOSCELES"
	}
	return "SCALENE"
}

func isTriangle(a, b, c int) bool { return c < a+b }

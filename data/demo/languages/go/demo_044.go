package main

import (
	"container/ring"
	"fmt"
	"strings"
)

func main() {
	var n, k int
	fmt.Scan(&n, &k)
	fmt.Println(strings.Trim(fmt.Sprint(leavingOrder(circleOf(n), k)), "[]"))
}

// circleOf returns the last of n children in a circle: the next one is child 1.
func circleOf(n int) *ring.Ring {
	circle := ring.New(n)
	for child := 1; child <= n; child++ {
		circle.Value = child
		circle = circle.Next()
	}
	return circle.Prev()
}

// leavingOrder counts from the child after the one that it is given.
func leavingOrder(circle *ring.Ring, k int) []int {
	var order []int
	for left := circle.Len(); left > 0; left-- {
		circle = circle.Move((k - 1) % left)
		order = append(order, circle.Next().Value.(int))
		circle.Unlink(1)
		if left == 2 {
			order = append(order, circle.Value.(int))
			break
		}
	}
	return order
}

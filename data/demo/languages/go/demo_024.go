package main

import (
	"fmt"
	"strings"
)

func main() {
	fmt.Println(strings.Join(spiral(readTable()), " "))
}

// readTable reads R, C and the numbers, as texts.
func readTable() [][]string {
	var rows, columns int
	fmt.Scan(&rows, &columns)
	table := make([][]string, rows)
	for i := range table {
		table[i] = make([]string, columns)
		for j := range table[i] {
			fmt.Scan(&table[i][j])
		}
	}
	return table
}

// spiral walks around the border of what is left, then makes it smaller.
func spiral(table [][]string) []string {
	var order []string
	top, left, bottom, right := 0, 0, len(table)-1, len(table[0])-1
	for top <= bottom && left <= right {
		for c := left; c <= right; c++ {
			order = append(order, table[top][c])
		}
		for r := top + 1; r <= bottom; r++ {
			order = append(order, table[r][right])
		}
		if top < bottom {
			for c := right - 1; c >= left; c-- {
				order = append(order, table[bottom][c])
			}
		}
		if left < right {
			for r := bottom - 1; r > top; r-- {
				order = append(order, table[r][left])
			}
		}
		top, left, bottom, right = top+1, left+1, bottom-1, right-1
	}
	return order
}

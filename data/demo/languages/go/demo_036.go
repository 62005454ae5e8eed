package main

import "fmt"

type lakes [][]byte

// Turn a lake to land, field by field, and return its size.
func (m lakes) drain(row, column int) int {
	if row < 0 || column < 0 || row >= len(m) || column >= len(m[row]) || m[row][column] != '#' {
		return 0
	}
	m[row][column] = '.'
	return 1 + m.drain(row-1, column) + m.drain(row+1, column) + m.drain(row, column-1) + m.drain(row, column+1)
}

func main() {
	m := readMap()
	count, largest := 0, 0
	for row := range m {
		for column := range m[row] {
			if size := m.drain(row, column); size > 0 {
				count++
				if size > largest {
					largest = size
				}
			}
		}
	}
	fmt.Println(count, largest)
}

func readMap() lakes {
	var height, width int
	fmt.Scan(&height, &width)
	m := make(lakes, height)
	for row := range m {
		var text string
		fmt.Scan(&text)
		m[row] = []byte(text)
	}
	return m
}

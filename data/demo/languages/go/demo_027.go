package main

// turnGrid makes each column, read from bottom to top, a row.
func turnGrid(grid [][]int) [][]int {
	var turned [][]int
	for column := range grid[0] {
		turned = append(turned, upwards(grid, column))
	}
	return turned
}

func upwards(grid [][]int, column int) []int {
	numbers := make([]int, 0, len(grid))
	for i := len(grid) - 1; i >= 0; i-- {
		numbers = append(numbers, grid[i][column])
	}
	return numbers
}

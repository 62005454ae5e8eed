package main

import (
	"bufio"
	"container/heap"
	"fmt"
	"os"
)

type place struct{ highest, row, column int }

// places is a heap with the lowest way on top.
type places []place

func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i].highest < p[j].highest }
func (p places) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *places) Push(x any)        { *p = append(*p, x.(place)) }
func (p *places) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}

func main() {
	fmt.Println(lowestPass(readMap()))
}

// readMap reads R, C and the heights.
func readMap() [][]int {
	reader := bufio.NewReader(os.Stdin)
	var rows, columns int
	fmt.Fscan(reader, &rows, &columns)
	heights := make([][]int, rows)
	for i := range heights {
		heights[i] = make([]int, columns)
		for j := range heights[i] {
			fmt.Fscan(reader, &heights[i][j])
		}
	}
	return heights
}

// lowestPass takes the place with the lowest way first, until the last field is reached.
func lowestPass(heights [][]int) int {
	rows, columns := len(heights), len(heights[0])
	seen := map[[2]int]bool{}
	open := &places{{heights[0][0], 0, 0}}
	for open.Len() > 0 {
		here := heap.Pop(open).(place)
		if here.row == rows-1 && here.column == columns-1 {
			return here.highest
		}
		if seen[[2]int{here.row, here.column}] {
			continue
		}
		seen[[2]int{here.row, here.column}] = true
		for _, step := range [][2]int{{0, 1}, {1, 0}, {0, -1}, {-1, 0}} {
			r, c := here.row+step[0], here.column+step[1]
			if r < 0 || c < 0 || r >= rows || c >= columns {
				continue
			}
			highest := here.highest
			if heights[r][c] > highest {
				highest = heights[r][c]
			}
			heap.Push(open, place{highest, r, c})
		}
	}
	return -1
}

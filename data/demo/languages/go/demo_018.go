package main

import (
	"container/heap"
	"fmt"
	"strings"
)

type tasks []int

func (t tasks) Len() int           { return len(t) }
func (t tasks) Less(i, j int) bool { return t[i] < t[j] }
func (t tasks) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *tasks) Push(x any)        { *t = append(*t, x.(int)) }
func (t *tasks) Pop() any {
	last := len(*t) - 1
	task := (*t)[last]
	*t = (*t)[:last]
	return task
}

func main() {
	var n, m int
	fmt.Scan(&n, &m)
	after := make([][]int, n+1)
	waitsFor := make([]int, n+1)
	for i := 0; i < m; i++ {
		var a, b int
		fmt.Scan(&a, &b)
		after[a] = append(after[a], b)
		waitsFor[b]++
	}
	order := smallestOrder(after, waitsFor)
	if len(order) < n {
		fmt.Println("IMPOSSIBLE")
		return
	}
	fmt.Println(strings.Trim(fmt.Sprint(order), "[]"))
}

// Of the tasks that wait for nothing, always take the smallest; what is in a circle never comes.
func smallestOrder(after [][]int, waitsFor []int) (order []int) {
	ready := &tasks{}
	for task := 1; task < len(after); task++ {
		if waitsFor[task] == 0 {
			heap.Push(ready, task)
		}
	}
	for ready.Len() > 0 {
		task := heap.Pop(ready).(int)
		order = append(order, task)
		for _, next := range after[task] {
			waitsFor[next]--
			if waitsFor[next] == 0 {
				heap.Push(ready, next)
			}
		}
	}
	return order
}

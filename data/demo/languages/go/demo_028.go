package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
)

var reader = bufio.NewReader(os.Stdin)

func main() {
	var changes [][2]int
	for n := read(); n > 0; n-- {
		changes = append(changes, [2]int{read(), 1}, [2]int{read(), -1})
	}
	fmt.Println(mostAtOnce(changes))
}

// The next number.
func read() (number int) {
	fmt.Fscan(reader, &number)
	return
}

// Sorted by time, and what gives back before what takes, the largest running sum.
func mostAtOnce(changes [][2]int) int {
	sort.Slice(changes, func(i, j int) bool {
		a, b := changes[i], changes[j]
		return a[0] < b[0] || (a[0] == b[0] && a[1] < b[1])
	})
	now, most := 0, 0
	for _, change := range changes {
		now += change[1]
		if now > most {
			most = now
		}
	}
	return most
}

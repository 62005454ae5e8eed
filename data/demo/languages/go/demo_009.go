package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	reader := bufio.NewReader(os.Stdin)
	var n int
	fmt.Fscan(reader, &n)
	fmt.Println(countRises(temperatures(reader, n)))
}

// temperatures sends one day after the other.
func temperatures(reader *bufio.Reader, n int) <-chan int {
	days := make(chan int)
	go func() {
		defer close(days)
		for i := 0; i < n; i++ {
			var day int
			fmt.Fscan(reader, &day)
			days <- day
		}
	}()
	return days
}

// countRises compares each day with the one before it.
func countRises(days <-chan int) int {
	rises, before := 0, <-days
	for day := range days {
		if day > before {
			rises++
		}
		before = day
	}
	return rises
}

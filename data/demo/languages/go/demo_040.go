package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
)

func main() {
	var n int
	fmt.Scan(&n)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for number := 1; number <= n; number++ {
		fmt.Fprintln(out, call(number))
	}
}

// call returns what stands for a number.
func call(number int) string {
	switch {
	case number%12 == 0:
		return "ping pong"
	case number%4 == 0:
		return "ping"
	case number%6 == 0:
		return "pong"
	}
	return strconv.Itoa(number)
}

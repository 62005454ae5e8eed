package main

import (
	"bufio"
	"fmt"
	"os"
)

const modulus = 1_000_000_007

var countWays = func(broken []bool) int {
	ways := make([]int, len(broken))
	ways[0] = 1
	for step := 1; step < len(broken); step++ {
		for move := 1; move <= 3 && move <= step && !broken[step]; move++ {
			ways[step] = (ways[step] + ways[step-move]) % modulus
		}
	}
	return ways[len(ways)-1]
}

func main() {
	reader := bufio.NewReader(os.Stdin)
	var n, b, step int
	fmt.Fscan(reader, &n, &b)
	broken := make([]bool, n+1)
	for ; b > 0; b-- {
		fmt.Fscan(reader, &step)
		broken[step] = true
	}
	fmt.Println(countWays(broken))
}

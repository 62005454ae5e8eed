package main

import "fmt"

type garden struct{ a, b int }

func (g garden) area() int  { return g.a * g.b }
func (g garden) fence() int { return 2 * (g.a + g.b) }

func main() {
	var g garden
	fmt.Scan(&g.a, &g.b)
	fmt.Println(g.area(), g.fence())
}

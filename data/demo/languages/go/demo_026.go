package main

import "fmt"

// guestList holds every name once.
type guestList map[string]bool

func (g guestList) sign(name string) {
	g[name] = true
}

func main() {
	var n int
	fmt.Scan(&n)
	list := make(guestList, n)
	for ; n > 0; n-- {
		var name string
		fmt.Scan(&name)
		list.sign(name)
	}
	fmt.Println(len(list))
}

package main

import "fmt"

// matcher keeps the closing brackets that are still to come.
type matcher struct{ open []rune }

var pairs = map[rune]rune{'(': ')', '[': ']', '{': '}'}

// take takes one bracket; false if it closes what is not open.
func (m *matcher) take(bracket rune) bool {
	if closing, found := pairs[bracket]; found {
		m.open = append(m.open, closing)
		return true
	}
	last := len(m.open) - 1
	if last < 0 || m.open[last] != bracket {
		return false
	}
	m.open = m.open[:last]
	return true
}

// done says whether everything is closed.
func (m matcher) done() bool { return len(m.open) == 0 }

func main() {
	var text string
	fmt.Scan(&text)
	var m matcher
	for _, bracket := range text {
		if !m.take(bracket) {
			fmt.Println("NO")
			return
		}
	}
	if m.done() {
		fmt.Println("YES")
	} else {
		fmt.Println("NO")
	}
}

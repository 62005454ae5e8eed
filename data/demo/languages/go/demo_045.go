package main

import "fmt"

type number interface{ ~int | ~int64 }

func main() {
	var insert, remove, replace int
	var from, to string
	fmt.Scan(&insert, &remove, &replace, &from, &to)
	fmt.Println(repair(from, to, insert, remove, replace))
}

// The edit distance, row by row of the table of beginnings of both words.
func repair(from, to string, insert, remove, replace int) int {
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j * insert
	}
	for i := 1; i <= len(from); i++ {
		next := make([]int, len(to)+1)
		next[0] = i * remove
		for j := 1; j <= len(to); j++ {
			same := row[j-1]
			if from[i-1] != to[j-1] {
				same += replace
			}
			next[j] = smallest(same, row[j]+remove, next[j-1]+insert)
		}
		row = next
	}
	return row[len(to)]
}

func smallest[T number](first T, others ...T) T {
	for _, other := range others {
		if other < first {
			first = other
		}
	}
	return first
}

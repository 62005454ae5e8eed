package main

type visited map[int]bool

// isNew says whether a city has not been visited, and visits it.
func (v visited) isNew(city int) bool {
	seen := v[city]
	v[city] = true
	return !seen
}

func firstVisits(cities []int) []int {
	first, seen := []int{}, visited{}
	for _, city := range cities {
		if seen.isNew(city) {
			first = append(first, city)
		}
	}
	return first
}

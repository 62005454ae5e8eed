package main

import "sort"

// mergeBookings sorts by the first day; a span that begins before the last one ends makes it longer.
func mergeBookings(bookings [][]int) [][]int {
	sort.Slice(bookings, func(i, j int) bool { return bookings[i][0] < bookings[j][0] })
	merged := [][]int{}
	for _, span := range bookings {
		if last := len(merged) - 1; last >= 0 && span[0] <= merged[last][1] {
			merged[last][1] = max(merged[last][1], span[1])
		} else {
			merged = append(merged, []int{span[0], span[1]})
		}
	}
	return merged
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

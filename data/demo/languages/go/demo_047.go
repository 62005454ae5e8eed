package main

type stack []int

func (s *stack) pop() int {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

func (s stack) top() int {
	if len(s) == 0 {
		return -1
	}
	return s[len(s)-1]
}

// largestPoster keeps the houses whose posters may still go on, lower ones below.
func largestPoster(heights []int) int {
	var rising stack
	largest := 0
	for i := 0; i <= len(heights); i++ {
		for len(rising) > 0 && (i == len(heights) || heights[rising.top()] >= heights[i]) {
			height := heights[rising.pop()]
			if area := height * (i - rising.top() - 1); area > largest {
				largest = area
			}
		}
		rising = append(rising, i)
	}
	return largest
}

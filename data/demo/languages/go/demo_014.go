package main

import "fmt"

type robot struct{ x, y int }

// move carries out one command.
func (r *robot) move(direction string, distance int) {
	switch direction {
	case "U":
		r.y += distance
	case "D":
		r.y -= distance
	case "R":
		r.x += distance
	case "L":
		r.x -= distance
	}
}

// distance is how far the robot is from the start, along the axes.
func (r robot) distance() int {
	return abs(r.x) + abs(r.y)
}

func abs(number int) int {
	if number < 0 {
		return -number
	}
	return number
}

func main() {
	var n, farthest int
	fmt.Scan(&n)
	var r robot
	for ; n > 0; n-- {
		var direction string
		var distance int
		fmt.Scan(&direction, &distance)
		r.move(direction, distance)
		if r.distance() > farthest {
			farthest = r.distance()
		}
	}
	fmt.Println(r.x, r.y)
	fmt.Println(farthest)
}

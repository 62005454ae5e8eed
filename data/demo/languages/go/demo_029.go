package main

import "fmt"

type pack struct{ value, weight int }

// with returns the pack and one more thing.
func (p pack) with(thing pack) pack {
	return pack{p.value + thing.value, p.weight + thing.weight}
}

// betterThan: more value, or as much with less weight.
func (p pack) betterThan(other pack) bool {
	if p.value != other.value {
		return p.value > other.value
	}
	return p.weight < other.weight
}

func main() {
	var n, limit int
	fmt.Scan(&n, &limit)
	things := make([]pack, n)
	for i := range things {
		fmt.Scan(&things[i].weight, &things[i].value)
	}
	best := fill(things, limit)
	fmt.Println(best.value, best.weight)
}

// fill finds the best pack of each size up to the limit, one thing after the other.
func fill(things []pack, limit int) pack {
	best := make([]pack, limit+1)
	for _, thing := range things {
		for room := limit; room >= thing.weight; room-- {
			if more := best[room-thing.weight].with(thing); more.betterThan(best[room]) {
				best[room] = more
			}
		}
	}
	return best[limit]
}

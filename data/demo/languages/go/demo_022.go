package main

import "fmt"

func main() {
	var seconds int
	fmt.Scan(&seconds)
	fmt.Println(clock(seconds))
}

// Cut the seconds into hours, minutes and seconds.
func clock(seconds int) string {
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

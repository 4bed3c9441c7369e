package safetext

import "strconv"

// Count is a number, as it is shown, with its noun: "1 log", "1,200 logs".
func Count(number, one, many string) string {
	if number == "1" {
		return number + " " + one
	}
	return number + " " + many
}

// CountOf is a number with a noun whose plural ends in s: "1 rule", "2 rules".
func CountOf(n int, noun string) string { return Count(strconv.Itoa(n), noun, noun+"s") }

package safetext

// Count is a number, as it is shown, with its noun: "1 log", "1,200 logs".
func Count(number, one, many string) string {
	if number == "1" {
		return number + " " + one
	}
	return number + " " + many
}

package rule

// Lints are the names of all lints.
func Lints() []string { return []string{"no-anchor", "short-for"} }

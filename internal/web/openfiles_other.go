//go:build !unix

package web

// openFiles is the number of files that this process may open.
func openFiles() int { return 1 << 20 }

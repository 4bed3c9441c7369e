//go:build unix

package web

import "syscall"

// openFiles is the number of files that this process may open.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(uint64(limit.Cur), 1<<20)) // #nosec G115 -- bounded
}

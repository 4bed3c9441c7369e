package linear

import (
	"syscall"
	"time"
)

const rusageThread = 1

// threadTime is the processor time of the thread so far.
func threadTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(rusageThread, &u) != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package linear

import (
	"time"

	"golang.org/x/sys/unix"
)

// ThreadTime is the processor time of the thread so far. That of getrusage is an estimate: of work
// that takes 2 ms it may say 9 us, and so make a linear law look broken, or the reverse.
func ThreadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(t.Nano())
}

package main

import (
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// threadCPU is the CPU time of the calling thread, which must be locked to its goroutine. The clock
// on the wall would say how busy the machine is.
func threadCPU() time.Duration { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

// processCPU is the CPU time of the whole process, garbage collection and all.
func processCPU() time.Duration { return clock(unix.CLOCK_PROCESS_CPUTIME_ID) }

func clock(id int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// enough is how long one measurement lasts: clocks of CPU time may advance in steps of ten
// milliseconds.
const enough = 150 * time.Millisecond

// contest measures several functions in turn, again and again, and keeps for each the least time:
// what disturbs a machine disturbs all of them.
type contest struct{ entries []*entry }

type entry struct {
	name string
	logs int     // that one call of run handles
	run  func()  // on one locked thread
	best float64 // nanoseconds of CPU time per log
}

func (c *contest) add(name string, logs int, run func()) *entry {
	e := &entry{name, logs, run, math.Inf(1)}
	c.entries = append(c.entries, e)
	return e
}

// hold runs the contest for some rounds.
func (c *contest) hold(rounds int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range rounds {
		for _, e := range c.entries {
			runs, start := 0, threadCPU()
			for threadCPU()-start < enough {
				e.run()
				runs++
			}
			e.best = min(e.best, float64(threadCPU()-start)/float64(e.logs*runs))
		}
	}
}

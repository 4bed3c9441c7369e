package main

import (
	"math"
	"runtime"
	"syscall"
	"time"
)

// threadCPU is the CPU time of the calling thread, which must be locked to its goroutine. The clock on the wall would say how busy the machine is.
func threadCPU() time.Duration {
	const rusageThread = 1
	return rusage(rusageThread)
}

// processCPU is the CPU time of the whole process, garbage collection and all.
func processCPU() time.Duration { return rusage(syscall.RUSAGE_SELF) }

func rusage(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// contest measures several functions in turn, again and again, and keeps for each the least time: what disturbs a machine disturbs all of them.
type contest struct{ entries []*entry }

type entry struct {
	name string
	logs int    // that one call of run handles
	run  func() // on one locked thread
	best float64
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
			start := threadCPU()
			e.run()
			e.best = min(e.best, float64(threadCPU()-start)/float64(e.logs))
		}
	}
}

package app

import (
	"log/slog"
	"math"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"strconv"
	"strings"
	"sync"
)

// limitMemory sets the soft memory limit to nine tenths of the control group's, so that the garbage
// collector works harder before the system kills the process. GOMEMLIMIT takes precedence.
func limitMemory(logger *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit, ok := groupLimit(os.ReadFile); ok {
		limit -= limit / 10
		debug.SetMemoryLimit(limit)
		logger.Info("memory is limited by the control group", "limit_bytes", limit)
	}
}

// What the heap may grow by between two collections: as much as is alive, but not beyond
// roomyHeap, and at least a sixth of it, or smallHeap. Go's default, as much as is alive, would
// have the memory of a flood of alerts taken twice; a sixth from the beginning would have the
// collector take half the time of a flood, though memory that is needed later is free.
const (
	smallHeap  = 48 << 20
	roomyHeap  = 352 << 20
	largeShare = 6
)

// collectorPercent is the GC percent for a heap of so many live bytes.
func collectorPercent(live uint64) int {
	if live <= smallHeap {
		return 100
	}
	grow := max(smallHeap, live/largeShare)
	if live < roomyHeap {
		grow = max(grow, min(live, roomyHeap-live))
	}
	return int(grow * 100 / live)
}

// tuneCollector has the collector work harder when the heap is large. It looks after each
// collection, by an object that each one finds dead. GOGC takes precedence.
var tuneCollector = sync.OnceFunc(func() {
	if os.Getenv("GOGC") != "" {
		return
	}
	percent := 100
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var arm func()
	arm = func() {
		runtime.AddCleanup(new([16]byte), func(struct{}) {
			runtimemetrics.Read(sample)
			if want := collectorPercent(sample[0].Value.Uint64()); want != percent {
				percent = want
				debug.SetGCPercent(percent)
			}
			arm()
		}, struct{}{})
	}
	arm()
})

// frugal is the GC percent of a command that reads many rules once. Go's default would have a third
// more memory taken for a tenth less time.
const frugal = 50

// SaveMemory has the collector of this process run more often. GOGC takes precedence.
func SaveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(frugal)
	}
}

// groupLimit is what the process's control group, of version 2 or 1, allows it.
func groupLimit(readFile func(string) ([]byte, error)) (int64, bool) {
	own, _ := readFile("/proc/self/cgroup")
	files := []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}
	for line := range strings.Lines(string(own)) {
		if dir, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			files = append(files, path.Join("/sys/fs/cgroup", dir, "memory.max"))
		}
	}
	least := int64(math.MaxInt64)
	for _, file := range files {
		text, err := readFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil &&
			n > 0 {
			least = min(least, n)
		}
	}
	return least, least < 1<<60 // version 1 writes a huge number for no limit
}

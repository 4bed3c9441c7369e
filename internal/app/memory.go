package app

import (
	"log/slog"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
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

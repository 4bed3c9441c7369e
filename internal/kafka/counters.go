package kafka

import (
	"maps"
	"sync"
	"sync/atomic"
)

// counters only increase. They may be read at any time.
type counters struct {
	messages           atomic.Int64 // processed records
	bytes              atomic.Int64 // of their values
	logs               atomic.Int64 // decoded from them
	repeated           atomic.Int64 // skipped because they were processed before
	lost               atomic.Int64 // records that were never read
	rebalances         atomic.Int64
	commits            atomic.Int64
	deadLettersWritten atomic.Int64
	deadLettersLost    atomic.Int64
	errors             namedCounters // by kind
	rejected           namedCounters // records, or logs within them, by reason
	recent             rejectionRing // the newest rejections
}

// namedCounters counts by name.
type namedCounters struct {
	mu sync.Mutex // guards n
	n  map[string]int64
}

func (t *namedCounters) add(name string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int64{}
	}
	t.n[name] += n
}

func (t *namedCounters) snapshot() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

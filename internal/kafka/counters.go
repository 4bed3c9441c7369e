package kafka

import (
	"maps"
	"sync"
	"sync/atomic"
)

// counters only ever grow. They are read while they grow.
type counters struct {
	messages           atomic.Int64 // records worked off
	bytes              atomic.Int64 // of their values
	logs               atomic.Int64 // read from them
	repeated           atomic.Int64 // records that came again and were left out
	lost               atomic.Int64 // records that were never seen
	rebalances         atomic.Int64
	commits            atomic.Int64
	deadLettersWritten atomic.Int64  // dead letters written
	deadLettersLost    atomic.Int64  // dead letters that could not be written
	errors             namedCounters // by kind
	rejected           namedCounters // records or logs within them, by reason
	recent             rejectionRing // the newest of them
}

// tally counts by name.
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

package kafka

import (
	"maps"
	"sync"
	"sync/atomic"
)

// counters only ever grow. They are read while they grow.
type counters struct {
	messages   atomic.Int64 // records worked off
	bytes      atomic.Int64 // of their values
	logs       atomic.Int64 // read from them
	repeated   atomic.Int64 // records that came again and were left out
	lost       atomic.Int64 // records that were never seen
	rebalances atomic.Int64
	commits    atomic.Int64
	kept       atomic.Int64 // dead letters written
	unkept     atomic.Int64 // dead letters that could not be written
	errors     tally        // by kind
	rejected   tally        // records or logs within them, by reason
	unread     unread       // the newest of them
}

// tally counts by name.
type tally struct {
	mu sync.Mutex // guards n
	n  map[string]int64
}

func (t *tally) add(name string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int64{}
	}
	t.n[name] += n
}

func (t *tally) all() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

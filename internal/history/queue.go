package history

import (
	"slices"
	"sync"

	"github.com/log-monitoring/alert-engine/internal/fair"
)

const queueLength = 20_000

// queue is what waits to be written. Rules share it.
type queue struct {
	ready chan struct{} // has a value while something waits

	mu      sync.Mutex // guards what follows
	entries []*Entry
	sizes   fair.Sizes // entries of each rule
}

func newQueue() queue { return queue{ready: make(chan struct{}, 1)} }

// add adds an entry. If the queue is full, the newest entry of the rule with most is dropped, and
// add reports false.
func (q *queue) add(e *Entry) (kept bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries = append(q.entries, e)
	q.sizes.Add(e.Rule, 1)
	if kept = len(q.entries) <= queueLength; !kept {
		most := q.sizes.Most()
		for i, other := range slices.Backward(q.entries) {
			if other.Rule == most {
				q.entries = slices.Delete(q.entries, i, i+1)
				break
			}
		}
		q.sizes.Add(most, -1)
	}
	select {
	case q.ready <- struct{}{}:
	default: // it is known already
	}
	return kept
}

// take returns what waits, and empties the queue.
func (q *queue) take() []*Entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	entries := q.entries
	q.entries, q.sizes = nil, fair.Sizes{}
	return entries
}

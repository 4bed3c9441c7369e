package web

import (
	"sync"
	"time"
)

// remembered keeps a value that was expensive to make for some multiple of the time that it took:
// with a hundred thousand alerts, pages and streams would otherwise spend all their time on copying
// and sorting. A value that took very long is made anew beside the requests, which get the last one
// meanwhile. What is cheap is always made anew.
type remembered[T any] struct {
	from    time.Duration  // of work; cheaper values are not kept
	refresh sync.WaitGroup // of a value that is made beside the requests

	making sync.Mutex // by who makes it; taken before mu
	mu     sync.Mutex // guards what follows
	value  T
	made   time.Time     // zero before the first
	took   time.Duration // to make it
	beside bool          // it is being made beside the requests
}

const (
	rememberedTimes = 10 // as long as the work took
	rememberedMost  = 3 * time.Second
	// A value that took besideFrom may be older than that by as much as rememberedBeside.
	besideFrom       = 100 * time.Millisecond
	rememberedBeside = 10 * time.Second
)

// get returns the value, of which f makes a new one. Callers share it.
func (m *remembered[T]) get(f func() T) T {
	m.mu.Lock()
	value, age, took := m.value, time.Since(m.made), m.took
	known := !m.made.IsZero() && took >= m.from
	fresh := known && age < min(rememberedTimes*took, rememberedMost)
	stale := known && took >= besideFrom && age < rememberedBeside
	if start := stale && !fresh && !m.beside; start {
		m.beside = true
		m.refresh.Go(func() {
			m.make(f)
			m.mu.Lock()
			defer m.mu.Unlock()
			m.beside = false
		})
	}
	m.mu.Unlock()
	if fresh || stale {
		return value
	}
	return m.make(f)
}

// make makes the value, unless another goroutine has since it was called.
func (m *remembered[T]) make(f func() T) T {
	called := time.Now()
	m.making.Lock()
	defer m.making.Unlock()
	m.mu.Lock()
	value, since := m.value, m.made.After(called)
	m.mu.Unlock()
	if since {
		return value
	}
	began := time.Now()
	value = f()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.value, m.made, m.took = value, time.Now(), time.Since(began)
	return value
}

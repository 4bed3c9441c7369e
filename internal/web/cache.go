package web

import (
	"sync"
	"time"
)

// cache keeps a value that is expensive to compute, for a multiple of the time that it took: with a
// hundred thousand alerts, pages and streams would otherwise spend all their time on copying and
// sorting. A value that took very long is computed in the background, and requests get the last one
// in the meantime. Cheap values are always computed anew.
type cache[T any] struct {
	least    time.Duration     // cheaper values are not kept
	panicked func(problem any) // is called when a computation in the background panics

	computing sync.Mutex // held by the goroutine that computes; taken before mu
	mu        sync.Mutex // guards what follows
	value     T
	at        time.Time     // when it was computed; zero if there is none
	took      time.Duration // to compute it
	number    int           // of its computation
	started   int           // computations so far
	dropped   int           // values of computations up to this one are outdated
	// a computation in the background is under way; none is started once the cache is closed
	refreshing, closed bool
	refreshes          sync.WaitGroup
}

const (
	cacheFactor = 10 // a value is kept for so many times as long as it took
	cacheTime   = 3 * time.Second
	// A value that took expensiveFrom may be older than that by as much as staleTime.
	expensiveFrom = 100 * time.Millisecond
	staleTime     = 10 * time.Second
)

// get returns the value, which compute computes. Callers share it.
func (c *cache[T]) get(compute func() T) T {
	c.mu.Lock()
	value, age := c.value, time.Since(c.at)
	known := !c.at.IsZero() && c.took >= c.least
	fresh := known && age < min(cacheFactor*c.took, cacheTime)
	stale := known && c.took >= expensiveFrom && age < staleTime
	if stale && !fresh && !c.refreshing && !c.closed {
		c.refreshing = true
		c.refreshes.Go(func() { c.refresh(compute) })
	}
	c.mu.Unlock()
	if fresh || stale {
		return value
	}
	return c.compute(compute)
}

// refresh computes the value in the background. A panic there must not end the process.
func (c *cache[T]) refresh(compute func() T) {
	defer func() {
		if problem := recover(); problem != nil {
			c.panicked(problem)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refreshing = false
	}()
	c.compute(compute)
}

// compute computes the value, unless another goroutine has begun to after compute was called.
func (c *cache[T]) compute(compute func() T) T {
	c.mu.Lock()
	called := c.started
	c.mu.Unlock()
	c.computing.Lock()
	defer c.computing.Unlock()
	c.mu.Lock()
	if c.number > called && !c.at.IsZero() {
		defer c.mu.Unlock()
		return c.value
	}
	c.started++
	number := c.started
	c.mu.Unlock()
	began := time.Now()
	value := compute()
	c.mu.Lock()
	defer c.mu.Unlock()
	if number > c.dropped {
		c.value, c.number = value, number
		c.at, c.took = time.Now(), time.Since(began)
	}
	return value
}

// drop has the next get compute the value, because what it is computed of has changed.
func (c *cache[T]) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.dropped = time.Time{}, c.started
}

// close waits for the computation in the background. None begins from then on.
func (c *cache[T]) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.refreshes.Wait()
}

package main

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	pauseMin = 100 * time.Millisecond
	pauseMax = 10 * time.Second
)

// dialer connects as librdkafka does with its defaults: after an attempt that failed it pauses, for
// 100 ms at first and twice as long after each further one, with a jitter of 25 % less to 50 %
// more, and at most 10 s. Most shippers use librdkafka, and other clients pause less.
type dialer struct {
	mu    sync.Mutex // guards what follows
	rand  *rand.Rand
	pause time.Duration // before the jitter; zero when the last attempt did not fail
	next  time.Time     // no attempt before
	err   error         // of the last attempt
}

// DialContext connects. Within a pause it fails at once, as the attempt before.
func (d *dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	d.mu.Lock()
	pausing, last := time.Now().Before(d.next), d.err
	d.mu.Unlock()
	if pausing {
		return nil, last
	}
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, addr)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.pause, d.next = 0, time.Time{}
		return conn, nil
	}
	if now := time.Now(); !now.Before(d.next) { // not one of several attempts at the same time
		d.pause = min(max(2*d.pause, pauseMin), pauseMax)
		d.err = err
		jittered := time.Duration(float64(d.pause) * (0.75 + 0.75*d.rand.Float64()))
		d.next = now.Add(min(jittered, pauseMax))
	}
	return nil, err
}

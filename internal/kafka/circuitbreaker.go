package kafka

import (
	"log/slog"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

// circuitBreaker stops workers from calling an engine that keeps failing. While it is open no
// worker evaluates. After a pause, doubling up to 30 s, one worker probes.
type circuitBreaker struct {
	log  *slog.Logger
	base time.Duration

	mu        sync.Mutex    // guards the fields below
	err       error         // why it is open; nil when closed
	until     time.Time     // no probe before
	pause     time.Duration // the next pause
	probing   bool          // a worker is probing
	openSince time.Time
	changed   chan struct{} // closed at the next state change
}

const (
	minPause = 100 * time.Millisecond
	maxPause = 30 * time.Second
)

func newCircuitBreaker(base time.Duration, log *slog.Logger) *circuitBreaker {
	return &circuitBreaker{
		log:     log,
		base:    min(max(base, minPause), maxPause),
		changed: make(chan struct{}),
	}
}

// reason is why the breaker is open; nil when it is closed.
func (b *circuitBreaker) reason() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// enter waits until the worker may evaluate; probing means that it is a single attempt. It
// returns !ok when the worker must stop, or when the partition of its first message is being
// revoked. An open breaker does not delay shutdown.
func (b *circuitBreaker) enter(w *worker) (probing, ok bool) {
	for {
		b.mu.Lock()
		if b.err == nil {
			b.mu.Unlock()
			select {
			case <-w.dispatcher.current.abort.Done():
				return false, false
			default:
				return false, true
			}
		}
		wait, changed := time.Until(b.until), b.changed
		if wait <= 0 && !b.probing {
			b.probing = true
			b.mu.Unlock()
			return true, true
		}
		b.mu.Unlock()
		if !b.await(w, max(wait, minPause), changed) {
			return false, false
		}
	}
}

func (b *circuitBreaker) await(w *worker, d time.Duration, changed chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-w.dispatcher.current.drain:
		return false
	case <-w.wake:
		return !w.dispatcher.isRevoking(w.pending[0].part)
	}
	return true
}

// leave ends a probe without a result.
func (b *circuitBreaker) leave(probing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probing {
		b.probing = false
	}
}

// failed opens the breaker, or extends the pause.
func (b *circuitBreaker) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.openSince, b.pause = time.Now(), b.base
		b.log.Warn(
			"the engine keeps failing: circuit breaker open, consumption paused, no data lost",
			"error", err)
	}
	b.err, b.until, b.probing = err, time.Now().Add(b.pause), false
	b.pause = min(2*b.pause, maxPause)
	b.notifyLocked()
}

// succeeded closes the breaker.
func (b *circuitBreaker) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		return
	}
	b.log.Info(
		"the engine has recovered: circuit breaker closed, consumption resumed",
		"after",
		duration.Measured(time.Since(b.openSince)),
	)
	b.err, b.probing = nil, false
	b.notifyLocked()
}

func (b *circuitBreaker) notifyLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

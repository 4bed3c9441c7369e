package kafka

import (
	"log/slog"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

// breaker keeps workers from an engine that goes on failing. While it is open nobody evaluates;
// after a pause, which doubles up to half a minute, one worker may try.
type circuitBreaker struct {
	log  *slog.Logger
	base time.Duration

	mu        sync.Mutex    // guards all below
	err       error         // why it is open; nil when it is closed
	until     time.Time     // nobody tries before
	pause     time.Duration // the next one
	probing   bool          // somebody tries
	openSince time.Time     // it is open
	changed   chan struct{} // closed at the next change
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

// reason is why it is open; nil when it is closed.
func (b *circuitBreaker) reason() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// enter waits until the worker may evaluate, and says whether that is a mere try. Not ok means that
// the worker has something else to do: it is to stop, or the partition of its first message is
// being given up. An open breaker does not hold up a stop.
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

// leave ends a try without a result.
func (b *circuitBreaker) leave(probing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probing {
		b.probing = false
	}
}

// failed opens the breaker, or keeps it open for longer.
func (b *circuitBreaker) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.openSince, b.pause = time.Now(), b.base
		b.log.Warn(
			"the alert engine goes on failing; consumption pauses until it is well, and nothing is lost",
			"error",
			err,
		)
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
		"the alert engine is well again; consumption goes on",
		"after",
		duration.Format(time.Since(b.openSince).Round(time.Millisecond)),
	)
	b.err, b.probing = nil, false
	b.notifyLocked()
}

func (b *circuitBreaker) notifyLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

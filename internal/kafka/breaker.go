package kafka

import (
	"log/slog"
	"sync"
	"time"
)

// breaker keeps workers from an engine that goes on failing. While it is open nobody evaluates;
// after a pause, which doubles up to half a minute, one worker may try.
type breaker struct {
	log  *slog.Logger
	base time.Duration

	mu      sync.Mutex    // guards all below
	err     error         // why it is open; nil when it is closed
	until   time.Time     // nobody tries before
	pause   time.Duration // the next one
	probing bool          // somebody tries
	since   time.Time     // it is open
	changed chan struct{} // closed at the next change
}

const (
	minPause = 100 * time.Millisecond
	maxPause = 30 * time.Second
)

func newBreaker(base time.Duration, log *slog.Logger) *breaker {
	return &breaker{
		log:     log,
		base:    min(max(base, minPause), maxPause),
		changed: make(chan struct{}),
	}
}

// reason is why it is open; nil when it is closed.
func (b *breaker) reason() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// enter waits until the worker may evaluate, and says whether that is a mere try. Not ok means that
// the worker has something else to do: it is to stop, or the partition of its first message is
// being given up. An open breaker does not hold up a stop.
func (b *breaker) enter(w *worker) (probing, ok bool) {
	for {
		b.mu.Lock()
		if b.err == nil {
			b.mu.Unlock()
			select {
			case <-w.pump.job.abort.Done():
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

func (b *breaker) await(w *worker, d time.Duration, changed chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-w.pump.job.drain:
		return false
	case <-w.bell:
		return !w.pump.given(w.pending[0].part)
	}
	return true
}

// leave ends a try without a result.
func (b *breaker) leave(probing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probing {
		b.probing = false
	}
}

// failed opens the breaker, or keeps it open for longer.
func (b *breaker) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.since, b.pause = time.Now(), b.base
		b.log.Warn(
			"the alert engine goes on failing; consumption pauses until it is well, and nothing is lost",
			"error",
			err,
		)
	}
	b.err, b.until, b.probing = err, time.Now().Add(b.pause), false
	b.pause = min(2*b.pause, maxPause)
	b.change()
}

// succeeded closes the breaker.
func (b *breaker) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		return
	}
	b.log.Info(
		"the alert engine is well again; consumption goes on",
		"after",
		time.Since(b.since).Round(time.Millisecond),
	)
	b.err, b.probing = nil, false
	b.change()
}

func (b *breaker) change() {
	close(b.changed)
	b.changed = make(chan struct{})
}

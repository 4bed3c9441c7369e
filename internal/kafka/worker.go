package kafka

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

type entries = []models.LogEntry

// worker evaluates the messages of its partitions in order, singly or in batches.
//
// Failures are retried with doubling pauses. If that does not help, the circuit breaker opens:
// all workers pause, and single attempts are made until the engine succeeds. If the engine
// refuses one message for long, the next ones are tried. If it accepts one of those and still
// refuses the first, the message is at fault and becomes a dead letter.
type worker struct {
	dispatcher *dispatcher
	decoder    *decode.Decoder
	pending    []*message   // evaluated together
	messages   atomic.Int64 // processed

	mu    sync.Mutex // guards queue
	queue []*message
	wake  chan struct{} // signals a change
}

// suspectRounds is how often a message must fail before other messages are tried.
const suspectRounds = 3

var errInterrupted = errors.New("given up")

func (w *worker) put(messages []*message) {
	w.mu.Lock()
	w.queue = append(w.queue, messages...)
	w.mu.Unlock()
	w.signal()
}

func (w *worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// pop returns the next message, or nil.
func (w *worker) pop() *message {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil
	}
	m := w.queue[0]
	w.queue[0] = nil
	if w.queue = w.queue[1:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return m
}

// dropQueuedRevoked drops queued messages of revoked partitions.
func (w *worker) dropQueuedRevoked() {
	w.mu.Lock()
	var kept []*message
	for _, m := range w.queue {
		if w.dispatcher.isRevoking(m.part) {
			w.dispatcher.finished(m.part, 1)
			continue
		}
		kept = append(kept, m)
	}
	w.queue = kept
	w.mu.Unlock()
	w.signal()
}

// run evaluates messages until no more come.
func (w *worker) run() {
	var deadline <-chan time.Time
	var timer *time.Timer
	for {
		if m := w.pop(); m != nil {
			if w.add(m); len(w.pending) == 1 && w.dispatcher.opts.batch > 1 {
				timer = time.NewTimer(w.dispatcher.opts.flush)
				deadline = timer.C
			}
			if len(w.pending) < w.dispatcher.opts.batch {
				continue
			}
			w.flush()
		} else {
			select {
			case <-w.wake:
				w.dropPendingRevoked()
			case <-deadline:
				w.flush()
			case <-w.dispatcher.current.drain:
				if m := w.pop(); m != nil { // it came with the last poll
					w.add(m)
					continue
				}
				w.flush()
				return
			}
		}
		if len(w.pending) == 0 && timer != nil {
			timer.Stop()
			timer, deadline = nil, nil
		}
	}
}

// add decodes a message and makes it pending.
func (w *worker) add(m *message) {
	if w.decode(m); w.dispatcher.isRevoking(m.part) {
		w.dispatcher.finished(m.part, 1)
		return
	}
	w.pending = append(w.pending, m)
}

// decode decodes a message. Failures are counted and become dead letters.
func (w *worker) decode(m *message) {
	if m.record == nil {
		return
	}
	if w.decoder == nil {
		// the format was validated
		w.decoder, _ = newDecoder(w.dispatcher.current.format)
	}
	var rejected []models.Rejection
	err := safely(func() error {
		r := modelRecord(m.record)
		now, future := w.dispatcher.group.clock.at(time.Now()), 0
		if r.Timestamp.After(now.Add(maxFuture)) {
			r.Timestamp, future = now, 1
		}
		w.dispatcher.group.noteFuture(m.part, 1, future, m.record, now)
		w.decoder.Decode(
			&r,
			func(l *decode.Log) { m.entries = append(m.entries, l.Entry()) },
			func(reason decode.Reason, detail string) {
				rejected = append(rejected, models.Rejection{
					Reason: string(reason),
					Detail: detail,
				})
			},
		)
		return nil
	})
	if err != nil {
		w.decoder = nil // its state after a panic is unknown
		rejected = append(rejected, models.Rejection{Reason: "panic", Detail: err.Error()})
	}
	for _, r := range rejected {
		m.invalid = m.invalid || !decode.Reason(r.Reason).Drop()
	}
	w.dispatcher.current.deadLetters.Load().rejectOne(m.record, rejected)
	w.dispatcher.group.counters.logs.Add(int64(len(m.entries)))
	w.dispatcher.group.counters.bytes.Add(int64(len(m.record.Value)))
}

// dropPendingRevoked drops pending messages of revoked partitions; the next owner evaluates them.
func (w *worker) dropPendingRevoked() {
	kept := w.pending[:0]
	for _, m := range w.pending {
		if w.dispatcher.isRevoking(m.part) {
			w.dispatcher.finished(m.part, 1)
			continue
		}
		kept = append(kept, m)
	}
	clear(w.pending[len(kept):])
	w.pending = kept
}

// flush evaluates the pending messages together, and one by one if that fails.
func (w *worker) flush() {
	w.dropPendingRevoked()
	if len(w.pending) > 1 && w.dispatcher.breaker.reason() == nil {
		if took, err := w.attempt(w.pending, false); err == nil {
			for _, m := range w.pending {
				w.done(m, took/time.Duration(len(w.pending)))
			}
			w.pending = w.pending[:0]
			return
		}
	}
	for len(w.pending) > 0 {
		if !w.evaluateFirst() {
			w.dropAll()
			return
		}
	}
}

// dropAll drops all messages at a stop. They are not committed, so nothing is lost.
func (w *worker) dropAll() {
	for _, m := range w.pending {
		w.dispatcher.finished(m.part, 1)
	}
	w.pending = w.pending[:0]
	for m := w.pop(); m != nil; m = w.pop() {
		w.dispatcher.finished(m.part, 1)
	}
}

// evaluateFirst evaluates the first pending message, or another one to find out what is at fault.
// It returns false when there is no time left.
func (w *worker) evaluateFirst() bool {
	w.dropPendingRevoked()
	if len(w.pending) == 0 {
		return true
	}
	m := w.pending[0]
	if m.evaluated || len(m.entries) == 0 {
		w.dropFirst()
		w.done(m, 0)
		return true
	}
	breaker := w.dispatcher.breaker
	probing, ok := breaker.enter(w)
	if !ok {
		return w.dispatcher.isRevoking(m.part)
	}
	candidate := w.nextCandidate()
	took, err := w.attempt([]*message{candidate}, probing)
	switch {
	case errors.Is(err, errInterrupted):
		breaker.leave(probing)
		return w.dispatcher.isRevoking(m.part)
	case err != nil && candidate.othersSucceeded:
		w.dropFirst()
		w.rejectMessage(m, err)
	case err != nil:
		if candidate.failedRounds++; candidate.failedRounds == 1 {
			w.dispatcher.results.add(w.dispatcher.opts, outcome{failed: true})
		}
		breaker.failed(err)
	case candidate == m:
		breaker.succeeded()
		w.dropFirst()
		w.done(m, took)
	default:
		// Either the first message is at fault, or the engine has just recovered: the first
		// message's next attempts tell.
		breaker.succeeded()
		candidate.evaluated, m.othersSucceeded = true, true
	}
	return true
}

// nextCandidate is the message to try: the first, unless it has failed so often that another one
// must show whether it is at fault.
func (w *worker) nextCandidate() *message {
	m := w.pending[0]
	if m.failedRounds < suspectRounds || m.othersSucceeded {
		return m
	}
	for len(w.pending) < 4 {
		next := w.pop()
		if next == nil {
			break
		}
		w.add(next)
	}
	best := m
	for _, other := range w.pending[1:] {
		if other.failedRounds < best.failedRounds && len(other.entries) > 0 && !other.evaluated {
			best = other
		}
	}
	return best
}

func (w *worker) dropFirst() {
	w.pending[0] = nil
	w.pending = w.pending[1:]
}

// attempt evaluates messages with retries, and returns the duration of the last attempt.
func (w *worker) attempt(messages []*message, once bool) (time.Duration, error) {
	for try := 0; ; try++ {
		began := time.Now()
		for _, m := range messages {
			m.tries++
		}
		err := w.evaluate(messages)
		if err == nil {
			return time.Since(began), nil
		}
		if once || try >= w.dispatcher.opts.retries {
			return 0, err
		}
		w.dispatcher.group.limited.warn("retry", "the engine fails; retrying", "attempt", try+1,
			"error", err)
		if !w.sleep(backoff(w.dispatcher.opts.delay, try), messages[0].part) {
			return 0, errInterrupted
		}
	}
}

// evaluate evaluates messages once. Single logs that succeeded are not repeated when a later one
// fails.
func (w *worker) evaluate(messages []*message) error {
	r := &w.dispatcher.current
	if r.batches != nil {
		all := messages[0].entries
		if len(messages) > 1 {
			all = nil
			for _, m := range messages {
				all = append(all, m.entries...)
			}
		}
		if len(all) == 0 {
			return nil
		}
		return safely(func() error { return r.batches.EvaluateBatch(r.abort, all) })
	}
	for _, m := range messages {
		for ; m.evaluatedEntries < len(m.entries); m.evaluatedEntries++ {
			if err := safely(func() error {
				r.engine.EvaluateLog(m.entries[m.evaluatedEntries])
				return nil
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %.200v", p)
		}
	}()
	return f()
}

// backoff is the pause after an attempt. It doubles each time and has 50 % jitter.
func backoff(base time.Duration, try int) time.Duration {
	d := min(base<<min(try, 16), 30*time.Second)
	return d/2 + time.Duration(rand.Int64N(int64(d)+1))
}

// sleep pauses. It returns false when there is no time left, or the partition is being revoked.
func (w *worker) sleep(d time.Duration, part *partition) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-w.dispatcher.current.abort.Done():
			return false
		case <-w.dispatcher.current.drain:
			return false // the next run retries
		case <-w.wake:
			if w.dispatcher.isRevoking(part) {
				return false
			}
		}
	}
}

// done counts a processed message.
func (w *worker) done(m *message, took time.Duration) {
	n := 1
	if m.record == nil {
		n = 0
	}
	w.dispatcher.group.advance(m.part, m.next, m.record, n)
	w.dispatcher.finished(m.part, 1)
	w.messages.Add(int64(n))
	if m.invalid && m.failedRounds > 0 {
		return // it counts as failed already
	}
	if n == 1 && (len(m.entries) > 0 || m.invalid) {
		w.dispatcher.results.add(w.dispatcher.opts, outcome{failed: m.invalid, took: took})
	}
}

// rejectMessage gives up a message that the engine refuses while it accepts others.
func (w *worker) rejectMessage(m *message, err error) {
	w.dispatcher.group.counters.errors.add("refused", 1)
	w.dispatcher.group.limited.error("refused",
		"the engine refuses a message but accepts others; it becomes a dead letter",
		"topic", m.part.Topic, "partition", m.part.Partition.Partition, "offset", m.record.Offset,
		"attempts", m.tries, "error", err)
	w.dispatcher.current.deadLetters.Load().
		write(newDeadLetter(m.record, "evaluation_failed", err.Error(), "", m.tries))
	m.invalid = true
	w.done(m, 0)
}

// outcome is the result of one message.
type outcome struct {
	at     time.Time
	failed bool
	took   time.Duration
}

// outcomes are recent results and totals.
type outcomes struct {
	mu        sync.Mutex // guards the fields below
	recent    []outcome  // a ring
	next      int
	processed int64
	failure   int64
	took      time.Duration
	last      time.Time
	counting  bool // metrics are enabled
}

const (
	recentCount = 1000
	recentTime  = 5 * time.Minute
)

func (o *outcomes) add(opts processOptions, out outcome) {
	out.at = time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.recent) < recentCount {
		o.recent = append(o.recent, out)
	} else {
		o.recent[o.next] = out
	}
	o.next = (o.next + 1) % recentCount
	o.counting = opts.metrics
	if !opts.metrics {
		return
	}
	o.last = out.at
	if out.failed {
		o.failure++
		return
	}
	o.processed++
	o.took += out.took
}

// rate is the error rate of recent messages, and their number.
func (o *outcomes) rate() (float64, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rateLocked()
}

func (o *outcomes) rateLocked() (float64, int) {
	n, failed := 0, 0
	for _, out := range o.recent {
		if time.Since(out.at) > recentTime {
			continue
		}
		n++
		if out.failed {
			failed++
		}
	}
	if n == 0 {
		return 0, 0
	}
	return float64(failed) / float64(n), n
}

func (o *outcomes) metrics() ProcessorMetrics {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := ProcessorMetrics{
		MessagesProcessed: o.processed,
		MessagesFailure:   o.failure,
		LastProcessed:     o.last,
	}
	if o.processed > 0 {
		m.ProcessingTime = o.took / time.Duration(o.processed)
	}
	if o.counting {
		m.ErrorRate, _ = o.rateLocked()
	}
	return m
}

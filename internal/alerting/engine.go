// Package alerting decides when logs amount to an alert, and when the alert resolves.
//
// An Engine has two parts. Its scanners decode records and find the rules that match. They share
// nothing that changes, so every worker has its own. A match is a hit. The other part is the state:
// windows and alerts, by rule and group. Only Apply, which takes hits, and Advance, which moves
// time, change it. So the state is a fold of the logs: the same logs give the same alerts with the
// same IDs. The size of batches, the order within a rule's lateness, the speed of reading and
// restarts make no difference.
//
// docs/reference/glossary.md defines episode, lateness, linger, transition and watermark.
//
// What is compiled of a rule is immutable and read by all scanners (ruleSet, compiledRule). What
// has been seen of it is state (state, ruleState, group), under the engine's lock.
//
// An alert fires in one of two ways. A condition that more logs can only make truer, such as
// count() > 10, fires with the log that completes it. Everything else, and the end of every alert,
// is decided at the watermark: the event time before which no more logs are expected. The watermark
// follows the logs while reading is behind. It follows the clock when Kafka reports that there are
// no more logs. So neither a backlog nor a broker that is down is mistaken for silence.
//
// A decision is a transition, a models.Alert, which is passed to the function given by WithEmit.
// The engine reads no clock, starts no goroutine, does no input or output, and stores nothing: Save
// and Restore exchange its state with the caller.
package alerting

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Engine evaluates logs against rules. EvaluateLog, EvaluateBatch, NewScanner and everything that
// only reads may be used by any number of goroutines. Apply, Advance, Save and Restore are for one:
// the goroutine that owns the order of the logs.
type Engine struct {
	opts     options
	scanners scanners
	singles  sync.Pool // of *scanner, for logs that come one by one

	changing sync.Mutex // serialises changes of the rules
	// keeps transitions in order while they are emitted; taken before mu is released
	emitting sync.Mutex

	mu    sync.Mutex // guards state
	state state
}

// NewEngine makes an engine. Without options it has a few rules of its own, see DefaultRules, and
// logs its alerts.
func NewEngine(opts ...Option) *Engine {
	e := &Engine{}
	for _, o := range opts {
		o(&e.opts)
	}
	e.opts.withDefaults()
	e.scanners.opts = &e.opts
	e.scanners.scans.New = func() any { return newScan() }
	e.singles.New = func() any { return e.scanners.newScanner() }
	e.state.init(&e.opts, e.scanners.newScanner())
	p, err := e.scanners.compile(e.opts.rules)
	if err != nil {
		panic(fmt.Sprintf("alerting: %v", err))
	}
	e.adopt(p)
	if e.opts.registerer != nil {
		e.opts.registerer.MustRegister(collector{e})
	}
	return e
}

// EvaluateLog evaluates one log. Time follows the logs: it is not known whether there are more.
func (e *Engine) EvaluateLog(log models.LogEntry) {
	e.evaluate([]models.LogEntry{log})
}

// EvaluateBatch evaluates logs in their order. It returns an error if ctx ends before all are
// evaluated.
func (e *Engine) EvaluateBatch(ctx context.Context, logs []models.LogEntry) error {
	const chunk = 256
	for len(logs) > 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("evaluate logs: %d are left: %w", len(logs), err)
		}
		n := min(chunk, len(logs))
		e.evaluate(logs[:n])
		logs = logs[n:]
	}
	return nil
}

func (e *Engine) evaluate(logs []models.LogEntry) {
	s := e.singles.Get().(*scanner)
	scans := make([]*scan, len(logs))
	for i := range logs {
		scans[i] = s.entry(&logs[i])
	}
	e.singles.Put(s)
	e.mu.Lock()
	for _, sc := range scans {
		e.state.apply(sc)
		e.state.watermarks.alone(e.state.watermarks.partition(sc.partition), sc.logs)
	}
	e.state.advanceAlone()
	e.unlockAndEmit()
	for _, sc := range scans {
		e.scanners.release(sc)
	}
}

// Apply applies a scan of one of the engine's scanners: those of a partition in the order of their
// offsets. The scan is gone afterwards.
func (e *Engine) Apply(s models.Scan) {
	sc := s.(*scan)
	e.mu.Lock()
	e.state.apply(sc)
	e.unlockAndEmit()
	e.scanners.release(sc)
}

// Advance moves time, and says how far partitions were read. A partition missing from progress
// keeps its watermark. It holds back the rules that read it for at most one minute.
func (e *Engine) Advance(now time.Time, progress []models.Progress) {
	e.mu.Lock()
	e.state.watermarks.advance(now.UnixNano(), progress)
	e.state.advance()
	e.unlockAndEmit()
}

// ResumeAt gives an engine that was restored the time of the last Advance before it was saved. It
// decides nothing.
func (e *Engine) ResumeAt(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state.watermarks.resumeAt(now.UnixNano())
}

// LongestWindow is how far back the logs lie that any rule needs.
func (e *Engine) LongestWindow() time.Duration {
	longest := time.Duration(0)
	for _, c := range e.scanners.ruleSet.Load().rules {
		longest = max(longest, c.condition.Lookback()+c.rule.For+time.Duration(c.mostLateness()))
	}
	return longest
}

// unlockAndEmit releases the state, and emits the transitions. They are emitted without the lock,
// so that the receiver may read the engine.
func (e *Engine) unlockAndEmit() {
	out := e.state.takeTransitions()
	if len(out) == 0 {
		e.mu.Unlock()
		return
	}
	e.emitting.Lock()
	e.mu.Unlock()
	for i := range out {
		e.opts.emit(out[i])
	}
	e.emitting.Unlock()
}

package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// backfills evaluates new rules over past logs before they become active, as if they had been there
// all the time.
//
// A second engine with the new rules alone reads beside the source, from as far back as the rules
// look up to the source's offsets, repeatedly. When few records remain it waits for the next
// checkpoint, at which the main engine stands still: it reads the remaining records up to the
// offsets that the main engine has applied, which then adopts its state. So each log counts once.
//
// In a cluster the leader does so, and all members adopt the state at one record of the frames
// topic: see clusterbackfill.go.
type backfills struct {
	p    *process
	bell chan struct{} // rules have changed

	mu sync.Mutex // guards what follows
	// the engine's offsets at the last checkpoint; nil before the first
	reached offsets
	moved   chan struct{}
	current *backfill // under way
	waiting *backfill // for the next checkpoint
}

// offsets are those of the next record of each partition.
type offsets map[models.Partition]int64

// backfill is one run of a second engine over past logs.
type backfill struct {
	p        *process
	ctx      context.Context
	cancel   context.CancelCauseFunc
	scratch  *alerting.Engine
	scanner  models.Scanner
	why      string  // why it does not read all of the past
	next     offsets // nil before the start
	progress []models.Progress
	batch    []models.Record // of one partition, not scanned yet
	now      time.Time       // of the newest record
	records  int
	logged   time.Time // when progress was last logged
	done     chan error
}

const (
	// records that may be left to be read while the engine stands still
	maxRemaining     = 20_000
	maxPause         = 5 * time.Second // at most
	backfillSlack    = time.Minute     // by which records may be older than their logs
	backfillBatch    = 512
	backfillFailures = 5 // in a row, after which a rule begins without its past
	logEvery         = 10 * time.Second
)

var (
	errRestart = errors.New("rules or partitions have changed; the backfill starts again")
	errBehind  = errors.New("the source has read further")
)

func newBackfills(p *process) *backfills {
	w := &backfills{p: p, bell: make(chan struct{}, 1), moved: make(chan struct{}, 1)}
	w.changed() // there may be new rules at the start
	return w
}

// changed looks for new rules.
func (w *backfills) changed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.current; r != nil && !w.p.state.BackfillCurrent(r.scratch) {
		r.cancel(errRestart)
	}
	ring(w.bell)
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// run backfills new rules until ctx is done.
func (w *backfills) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.bell:
		}
		for w.next(ctx) {
		}
	}
}

// next backfills and activates the new rules. It is false when there are none, or ctx is done.
func (w *backfills) next(ctx context.Context) bool {
	m := w.p.state.cluster
	if m != nil && !m.leads() {
		return false
	}
	scratch, past := w.p.state.BackfillEngine()
	if scratch == nil {
		return false
	}
	if m != nil && w.p.config.Limits.BackfillTimeout == 0 {
		return m.skipBackfill(ctx, "") == nil
	}
	begin := w.position(ctx) // none of the logs after it has counted for the rules
	if begin == nil {
		return false
	}
	log := w.p.logger.With("rules", scratch.RuleIDs())
	log.Info("backfill started", "lookback", past)
	err := w.read(ctx, &backfill{p: w.p, scratch: scratch}, w.p.config.Limits.BackfillTimeout,
		w.since(begin, past))
	if ctx.Err() == nil && err != nil && !errors.Is(err, errRestart) &&
		!errors.Is(err, errNotLeading) {
		log.Error("backfill failed; the rules start with logs since they were added", "error", err)
		scratch, _ = w.p.state.BackfillEngine()
		if scratch == nil {
			return false
		}
		err = w.read(ctx, &backfill{p: w.p, scratch: scratch, why: err.Error(), next: begin},
			max(w.p.config.Limits.BackfillTimeout/10, time.Second), time.Time{})
	}
	if ctx.Err() != nil || errors.Is(err, errNotLeading) {
		return false
	}
	if err != nil && !errors.Is(err, errRestart) {
		log.Error("backfill failed; the rules start without past logs", "error", err)
		if m != nil {
			return m.skipBackfill(ctx, err.Error()) == nil
		}
		w.p.state.SkipBackfill(scratch, err.Error())
	}
	return true
}

// position returns the engine's offsets as soon as they are known; nil when ctx is done.
func (w *backfills) position(ctx context.Context) offsets {
	for {
		w.mu.Lock()
		reached := w.reached
		w.mu.Unlock()
		if m := w.p.state.cluster; m != nil {
			reached = m.stands()
		}
		if len(reached) > 0 {
			return reached
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.moved:
		case <-w.p.state.cluster.movedOn():
		}
	}
}

// since is the time of the first relevant records: the lookback before the engine's watermark,
// which may be far behind the clock.
func (w *backfills) since(reached offsets, past time.Duration) time.Time {
	at := time.Now()
	for _, s := range w.p.state.Watermarks() {
		if _, ours := reached[models.Partition{Topic: s.Topic, Partition: s.Partition}]; ours &&
			!s.Time.IsZero() &&
			s.Time.Before(at) {
			at = s.Time
		}
	}
	return at.Add(-past - backfillSlack)
}

// read reads until the engine has adopted the state, or the timeout.
func (w *backfills) read(
	ctx context.Context,
	r *backfill,
	limit time.Duration,
	from time.Time,
) (err error) {
	timed, stop := context.WithTimeoutCause(ctx, limit,
		fmt.Errorf("it took longer than %s", duration.Format(limit)))
	defer stop()
	r.ctx, r.cancel = context.WithCancelCause(timed)
	defer r.cancel(nil)
	r.scanner, r.logged, r.done = r.scratch.NewScanner(), time.Now(), make(chan error, 1)
	w.mu.Lock()
	w.current = r
	w.mu.Unlock()
	defer w.clear(r)
	began := time.Now()
	if err := w.approach(r, from); err != nil {
		return err
	}
	w.p.logger.Info("backfill finished", "rules", r.scratch.RuleIDs(), "records", r.records,
		"took", time.Since(began))
	return nil
}

func (w *backfills) clear(r *backfill) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current, w.waiting = nil, nil
}

// approach reads up to the engine's offsets, repeatedly, until few records remain.
func (w *backfills) approach(r *backfill, from time.Time) error {
	for failures := 0; ; {
		err := r.to(r.ctx, w.position(r.ctx), from)
		if err == nil {
			failures = 0
			err = w.offer(r)
		}
		switch {
		case err == nil, errors.Is(err, errRestart):
			return err
		case r.ctx.Err() != nil:
			return context.Cause(r.ctx)
		case errors.Is(err, errBehind):
			continue
		case errors.Is(err, errNotLeading), errors.Is(err, cluster.ErrPastTooLarge):
			return err
		}
		if failures++; failures == backfillFailures {
			return err
		}
		w.p.logger.Warn("backfill failed; retrying", "error", err)
		wait.Sleep(r.ctx, time.Second)
	}
}

// offer waits for the next checkpoint and its result.
func (w *backfills) offer(r *backfill) error {
	if m := w.p.state.cluster; m != nil {
		return m.finishBackfill(r)
	}
	w.mu.Lock()
	w.waiting = r
	w.mu.Unlock()
	w.p.state.wanted.Store(true)
	select {
	case err := <-r.done:
		return err
	case <-r.ctx.Done():
	}
	w.mu.Lock() // until meet is done with it
	defer w.mu.Unlock()
	if w.waiting == r {
		w.waiting = nil
		return context.Cause(r.ctx)
	}
	return <-r.done
}

// meet is called while the engine stands still. The waiting backfill reads up to the same offsets,
// and the engine adopts its state.
func (w *backfills) meet(read []models.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = make(offsets, len(read))
	for _, at := range read {
		w.reached[models.Partition{Topic: at.Topic, Partition: at.Partition}] = at.Next
	}
	ring(w.moved)
	r := w.waiting
	if r == nil {
		return
	}
	w.waiting = nil
	r.done <- r.finish(w.reached)
}

// finish reads the last records and makes the engine adopt the state.
func (r *backfill) finish(end offsets) error {
	if r.next.before(end) > maxRemaining {
		return errBehind
	}
	ctx, cancel := context.WithTimeout(r.ctx, maxPause)
	defer cancel()
	if err := r.to(ctx, end, time.Time{}); err != nil {
		return err
	}
	r.p.state.FinishBackfill(r.scratch, r.why)
	return nil
}

// before is the number of records between offsets.
func (o offsets) before(end offsets) int64 {
	n := int64(0)
	for p, at := range o {
		n += max(end[p]-at, 0)
	}
	return n
}

// follows reports whether offsets are of the same partitions as earlier ones, and none of them
// before those.
func (o offsets) follows(earlier offsets) bool {
	for p, at := range earlier {
		if end, ok := o[p]; !ok || end < at {
			return false
		}
	}
	return len(o) == len(earlier)
}

// to reads up to some offsets: on from where it stands, or from a time when it has not begun. After
// an error it stands where it has come.
func (r *backfill) to(ctx context.Context, end offsets, from time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := r.p.reader("")
	o.Topics, o.Ends, o.Readable = end.topics(), end, r.p.config.readable()
	if r.next == nil {
		o.From = from
		if err := r.begin(ctx, o, end); err != nil {
			return err
		}
		o.From = time.Time{}
	}
	if !end.follows(r.next) {
		return errRestart // partitions were added or removed, or offsets were reset
	}
	if r.next.before(end) == 0 {
		return nil
	}
	o.Offsets = maps.Clone(r.next)
	samples := kafka.Samples(kafka.NewReader(o).Records(ctx))
	for s, err := range decode.JoinSamples(samples, r.p.config.Format) {
		if err != nil {
			r.apply()
			return err
		}
		if n := len(r.batch); n == backfillBatch ||
			n > 0 && (r.batch[0].Topic != s.Topic || r.batch[0].Partition != s.Partition) {
			if r.apply(); ctx.Err() != nil {
				return ctx.Err()
			}
		}
		r.batch = append(r.batch, s.Record)
	}
	r.apply()
	r.next = maps.Clone(end)
	return nil
}

// begin finds the first offsets. Partitions without past records are not waited for.
func (r *backfill) begin(ctx context.Context, o kafka.ReaderConfig, end offsets) error {
	spans, err := kafka.NewReader(o).Partitions(ctx)
	if err != nil {
		return err
	}
	r.next = maps.Clone(end)
	for _, s := range spans {
		s.Replay = true
		r.next[models.Partition{Topic: s.Topic, Partition: s.Partition}] = s.Next
		r.progress = append(r.progress, s)
	}
	return nil
}

func (o offsets) topics() []string {
	var list []string
	for p := range o {
		if !slices.Contains(list, p.Topic) {
			list = append(list, p.Topic)
		}
	}
	return list
}

// apply evaluates the batch.
func (r *backfill) apply() {
	if len(r.batch) == 0 {
		return
	}
	r.scan(r.batch)
	r.records += len(r.batch)
	last := r.batch[len(r.batch)-1]
	if last.Timestamp.After(r.now) {
		r.now = last.Timestamp
	}
	p := models.Partition{Topic: last.Topic, Partition: last.Partition}
	r.next[p] = last.Offset + 1
	i := slices.IndexFunc(
		r.progress,
		func(at models.Progress) bool { return at.Topic == p.Topic && at.Partition == p.Partition },
	)
	if i < 0 {
		i = len(r.progress)
		r.progress = append(
			r.progress,
			models.Progress{Topic: p.Topic, Partition: p.Partition, Replay: true},
		)
	}
	r.progress[i].Next = last.Offset + 1
	r.scratch.Advance(r.now, r.progress)
	clear(r.batch)
	r.batch = r.batch[:0]
	if time.Since(r.logged) >= logEvery {
		r.logged = time.Now()
		r.p.logger.Info("backfill in progress", "rules", r.scratch.RuleIDs(), "records", r.records,
			"at", last.Timestamp)
	}
}

// scan evaluates records. One that makes the scanner panic is left out, as the source does.
func (r *backfill) scan(records []models.Record) {
	scan := r.scanSafely(records)
	if scan != nil {
		r.scratch.Apply(scan)
		return
	}
	r.scanner = r.scratch.NewScanner()
	if len(records) > 1 {
		for i := range records {
			r.scan(records[i : i+1])
		}
	}
}

func (r *backfill) scanSafely(records []models.Record) (scan models.Scan) {
	defer func() {
		if recover() != nil {
			scan = nil
		}
	}()
	return r.scanner.Scan(records)
}

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
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// warmUp has rules that are new read their own past from the topics before they go live, so that
// they know what they would know had they been there before.
//
// A scratch engine with these rules alone reads beside the source, from as far back as they look up
// to where the source has come, and again what the source has read meanwhile. When hardly anything
// is left, it waits for the next checkpoint, for which the engine stands still between two polls:
// there it reads the few records up to the very offsets that the engine has applied, and the engine
// adopts what it has seen. So no log counts twice, and none is missed.
type warmUp struct {
	p    *program
	bell chan struct{} // rules have changed

	mu sync.Mutex // guards what follows
	// how far the engine has read, as of the last checkpoint; nil before the first
	reached offsets
	moved   chan struct{}
	current *reading // under way
	waiting *reading // for the next checkpoint
}

// offsets are those of the next records of partitions.
type offsets map[models.Partition]int64

// reading is one run of a scratch engine through the past.
type reading struct {
	p        *program
	ctx      context.Context
	cancel   context.CancelCauseFunc
	scratch  *alerting.Engine
	scanner  models.Scanner
	why      string  // it does not read all of the past
	next     offsets // nil before it has begun
	progress []models.Progress
	batch    []models.Record // of one partition, not scanned yet
	now      time.Time       // of the newest record
	records  int
	told     time.Time // when the log last heard of it
	done     chan error
}

const (
	// records that may be left to be read while the engine stands still
	nearlyThere  = 20_000
	standStill   = 5 * time.Second // for which it does at most
	warmSlack    = time.Minute     // by which records may be older than their logs
	warmBatch    = 512
	warmFailures = 5 // in a row, after which a rule begins without its past
	tellEvery    = 10 * time.Second
)

var (
	errAnew   = errors.New("rules or partitions have changed; beginning anew")
	errNotYet = errors.New("the source is further")
)

func newWarmUp(p *program) *warmUp {
	w := &warmUp{p: p, bell: make(chan struct{}, 1), moved: make(chan struct{}, 1)}
	w.changed() // a start may find rules that are new
	return w
}

// changed has the warm-up look for rules that are new.
func (w *warmUp) changed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.current; r != nil && !w.p.state.BackfillCurrent(r.scratch) {
		r.cancel(errAnew)
	}
	ring(w.bell)
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// run warms rules up until ctx is done.
func (w *warmUp) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.bell:
		}
		for w.warm(ctx) {
		}
	}
}

// warm has the rules that wait now go live, with their past or without. It is false when none
// waits, or ctx is done.
func (w *warmUp) warm(ctx context.Context) bool {
	scratch, past := w.p.state.BackfillEngine()
	if scratch == nil {
		return false
	}
	begin := w.where(ctx) // none of the logs after it has counted for the rules
	if begin == nil {
		return false
	}
	log := w.p.logger.With("rules", scratch.RuleIDs())
	log.Info("rules that are new read their past", "back", past)
	err := w.read(
		ctx,
		&reading{p: w.p, scratch: scratch},
		w.p.config.Limits.WarmUp,
		w.since(begin, past),
	)
	if ctx.Err() == nil && err != nil && !errors.Is(err, errAnew) {
		log.Error(
			"rules could not read their past; they begin with what was logged since they came",
			"error",
			err,
		)
		scratch, _ = w.p.state.BackfillEngine()
		if scratch == nil {
			return false
		}
		err = w.read(
			ctx,
			&reading{p: w.p, scratch: scratch, why: err.Error(), next: begin},
			max(w.p.config.Limits.WarmUp/10, time.Second),
			time.Time{},
		)
	}
	if ctx.Err() != nil {
		return false
	}
	if err != nil && !errors.Is(err, errAnew) {
		log.Error("rules begin without what was logged since they came", "error", err)
		w.p.state.SkipBackfill(scratch, err.Error())
	}
	return true
}

// where returns how far the engine has read, as soon as that is known; nil when ctx is done.
func (w *warmUp) where(ctx context.Context) offsets {
	for {
		w.mu.Lock()
		reached := w.reached
		w.mu.Unlock()
		if len(reached) > 0 {
			return reached
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.moved:
		}
	}
}

// since is the time of the first records that matter: so long before the time that the engine has
// reached, which may be far behind the clock.
func (w *warmUp) since(reached offsets, past time.Duration) time.Time {
	at := time.Now()
	for _, s := range w.p.state.Watermarks() {
		if _, ours := reached[models.Partition{Topic: s.Topic, Partition: s.Partition}]; ours &&
			!s.Time.IsZero() &&
			s.Time.Before(at) {
			at = s.Time
		}
	}
	return at.Add(-past - warmSlack)
}

// read reads until the engine has adopted what was read, or the time for it is over.
func (w *warmUp) read(
	ctx context.Context,
	r *reading,
	limit time.Duration,
	from time.Time,
) (err error) {
	timed, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %v", limit))
	defer stop()
	r.ctx, r.cancel = context.WithCancelCause(timed)
	defer r.cancel(nil)
	r.scanner, r.told, r.done = r.scratch.NewScanner(), time.Now(), make(chan error, 1)
	w.mu.Lock()
	w.current = r
	w.mu.Unlock()
	defer w.over(r)
	began := time.Now()
	if err := w.approach(r, from); err != nil {
		return err
	}
	w.p.logger.Info(
		"rules that were new are live",
		"rules",
		r.scratch.RuleIDs(),
		"records",
		r.records,
		"took",
		time.Since(began),
	)
	return nil
}

func (w *warmUp) over(r *reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current, w.waiting = nil, nil
}

// approach reads up to where the engine has come, again and again, until the rest is so short that
// the engine may wait for it.
func (w *warmUp) approach(r *reading, from time.Time) error {
	for failures := 0; ; {
		err := r.to(r.ctx, w.where(r.ctx), from)
		if err == nil {
			failures = 0
			err = w.offer(r)
		}
		switch {
		case err == nil, errors.Is(err, errAnew):
			return err
		case r.ctx.Err() != nil:
			return context.Cause(r.ctx)
		case errors.Is(err, errNotYet):
			continue
		}
		if failures++; failures == warmFailures {
			return err
		}
		w.p.logger.Warn("reading the past of new rules failed; trying again", "error", err)
		select {
		case <-r.ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// offer waits for a checkpoint, and for what becomes of the reading there.
func (w *warmUp) offer(r *reading) error {
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

// meet is called while the engine stands still. The reading that waits reads up to the same
// offsets, and the engine adopts it.
func (w *warmUp) meet(read []models.Progress) {
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

// finish reads the last records, and has the engine adopt what was read.
func (r *reading) finish(end offsets) error {
	if r.next.before(end) > nearlyThere {
		return errNotYet
	}
	ctx, cancel := context.WithTimeout(r.ctx, standStill)
	defer cancel()
	if err := r.to(ctx, end, time.Time{}); err != nil {
		return err
	}
	r.p.state.FinishBackfill(r.scratch, r.why)
	return nil
}

// before is how many records lie between offsets.
func (o offsets) before(end offsets) int64 {
	n := int64(0)
	for p, at := range o {
		n += max(end[p]-at, 0)
	}
	return n
}

// follows says whether offsets are of the same partitions as earlier ones, and none of them before
// those.
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
func (r *reading) to(ctx context.Context, end offsets, from time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := r.p.reader("")
	o.Topics, o.Ends = end.topics(), end
	if r.next == nil {
		o.From = from
		if err := r.begin(ctx, o, end); err != nil {
			return err
		}
		o.From = time.Time{}
	}
	if !end.follows(r.next) {
		return errAnew // partitions came or went, or the engine was sent back
	}
	if r.next.before(end) == 0 {
		return nil
	}
	o.Offsets = maps.Clone(r.next)
	for s, err := range kafka.Samples(kafka.NewReader(o).Records(ctx)) {
		if err != nil {
			r.apply()
			return err
		}
		if n := len(r.batch); n == warmBatch ||
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

// begin finds out where the past begins. Partitions that have none are not waited for.
func (r *reading) begin(ctx context.Context, o kafka.ReaderConfig, end offsets) error {
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

// apply has the scratch engine evaluate the batch.
func (r *reading) apply() {
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
	if time.Since(r.told) >= tellEvery {
		r.told = time.Now()
		r.p.logger.Info(
			"rules that are new read their past",
			"rules",
			r.scratch.RuleIDs(),
			"records",
			r.records,
			"at",
			last.Timestamp,
		)
	}
}

// scan evaluates records. One that makes the scanner panic is left out, as the source does.
func (r *reading) scan(records []models.Record) {
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

func (r *reading) scanSafely(records []models.Record) (scan models.Scan) {
	defer func() {
		if recover() != nil {
			scan = nil
		}
	}()
	return r.scanner.Scan(records)
}

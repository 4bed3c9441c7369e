package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/wait"
)

// processOptions are how messages are evaluated.
type processOptions struct {
	batch   int           // messages evaluated together
	flush   time.Duration // an incomplete batch is evaluated after this time
	workers int
	retries int           // with doubling pauses
	delay   time.Duration // the first pause
	metrics bool
}

// defaultProcessOptions evaluate one message at a time with three retries.
func defaultProcessOptions() processOptions { return DefaultProcessorConfig().processOptions(1) }

func (m processOptions) validate() []error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(m.batch < 1, "batch_size is %d; it must be at least 1", m.batch)
	wrong(m.flush <= 0, "flush_interval is %s; it must be above zero", m.flush)
	wrong(m.workers < 1, "the number of consumers is %d; it must be at least 1", m.workers)
	wrong(m.retries < 0, "retry_attempts is %d; it must not be negative", m.retries)
	wrong(m.delay < 0, "retry_delay is %s; it must not be negative", m.delay)
	return errs
}

const (
	dispatchPollRecords = 2000 // records per poll
	// queued messages at which polling pauses; the client stays in the group
	maxQueued     = 2 * dispatchPollRecords
	stopGrace     = 10 * time.Second // shutdown waits this long for fetched messages
	revokeTimeout = 15 * time.Second // a rebalance waits this long for messages in evaluation
)

// dispatcher passes messages from a group consumer to workers. A partition has one worker, so its
// messages are evaluated in order. Offsets follow evaluation.
type dispatcher struct {
	group   *groupConsumer
	opts    processOptions
	current dispatchRun
	results outcomes

	breaker *circuitBreaker

	mu      sync.Mutex // guards workers
	workers []*worker  // of the current or the last run
}

// dispatchRun is the state of one run.
type dispatchRun struct {
	engine      AlertEngine
	batches     BatchEngine // nil when the engine takes single logs
	format      string
	deadLetters atomic.Pointer[deadLetterWriter]
	queued      atomic.Int64  // messages
	progress    chan struct{} // signals that a message was finished
	drain       chan struct{} // closed when no more messages come
	abort       context.Context
}

func newDispatcher(f *groupConsumer, opts processOptions) *dispatcher {
	p := &dispatcher{group: f, opts: opts, breaker: newCircuitBreaker(opts.delay, f.log)}
	p.workers = p.makeWorkers(max(opts.workers, 0))
	f.onRevoke = p.revoked
	return p
}

func (d *dispatcher) makeWorkers(n int) []*worker {
	workers := make([]*worker, n)
	for i := range workers {
		workers[i] = &worker{dispatcher: d, wake: make(chan struct{}, 1)}
	}
	return workers
}

// run consumes until ctx is done.
func (d *dispatcher) run(
	ctx context.Context,
	engine AlertEngine,
	opts processOptions,
	config ConsumerConfig,
) error {
	d.opts = opts
	abort, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	r := &d.current
	r.engine, r.format, r.abort = engine, config.Format, abort
	r.batches, _ = engine.(BatchEngine)
	for {
		err := d.session(ctx, giveUp, config.DeadLetterTopic)
		if ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, errReopen) {
			return err
		}
		d.group.log.Warn("a topic was deleted or created again; rejoining the group",
			"group", d.group.cfg.group)
		wait.Sleep(ctx, time.Second)
	}
}

// session is the lifetime of one client. It stays whole, since it starts things in order and
// stops them in reverse order.
func (d *dispatcher) session(
	ctx context.Context, giveUp context.CancelFunc, deadLetters string,
) error {
	if err := d.group.open(ctx); err != nil {
		return err
	}
	defer d.group.close()
	letters, err := openDeadLetters(ctx, d.group, deadLetters, "", "")
	if err != nil {
		return err
	}
	defer letters.close()
	d.current.deadLetters.Store(letters)
	d.current.queued.Store(0)
	d.current.progress, d.current.drain = make(chan struct{}, 1), make(chan struct{})

	probing, stop := context.WithCancel(ctx)
	var probe, committing, working sync.WaitGroup
	probe.Go(func() { d.group.probe(probing) })
	defer probe.Wait()
	defer stop()
	workers := d.makeWorkers(d.opts.workers)
	d.mu.Lock()
	for i, w := range workers {
		if i < len(d.workers) {
			w.messages.Store(d.workers[i].messages.Load())
		}
	}
	d.workers = workers
	d.mu.Unlock()
	for _, w := range workers {
		working.Go(w.run)
	}

	err = d.loop(ctx, &committing)
	d.group.allowRebalance()
	close(d.current.drain)
	if ctx.Err() != nil { // only a shutdown has a deadline
		timer := time.AfterFunc(stopGrace, giveUp)
		defer timer.Stop()
	}
	working.Wait()
	committing.Wait()
	letters.flush()
	d.group.commits.commit(context.WithoutCancel(ctx), nil)
	d.group.releaseAll()
	return err
}

// loop polls while the queue has room, and commits once a second.
func (d *dispatcher) loop(ctx context.Context, committing *sync.WaitGroup) error {
	var committed time.Time
	var failed []batch // partitions whose error is handled after their queued messages
	for ctx.Err() == nil {
		if d.current.queued.Load() >= maxQueued {
			d.wait(ctx, checkpointInterval)
		} else {
			batches, err := d.group.poll(ctx, checkpointInterval, dispatchPollRecords)
			for _, b := range batches {
				d.dispatch(b)
				if b.err != nil {
					failed = append(failed, b)
				}
			}
			if failed, err = d.handleErrors(ctx, failed, err); err != nil {
				return err
			}
			d.group.assignment.takeChange()
			d.group.skipDeleted()
			d.group.diagnoseStalled(ctx)
			d.group.allowRebalance()
		}
		if time.Since(committed) >= checkpointInterval {
			committed = time.Now()
			d.current.deadLetters.Load().flush()
			d.group.commits.commitSoon(context.WithoutCancel(ctx), committing)
		}
	}
	return nil
}

// wait returns after progress, or after the timeout.
func (d *dispatcher) wait(ctx context.Context, timeout time.Duration) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-d.current.progress:
	}
}

// handleErrors handles the errors of partitions without queued messages, and returns the others.
func (d *dispatcher) handleErrors(ctx context.Context, failed []batch, err error) ([]batch, error) {
	var left []batch
	for _, b := range failed {
		if d.queuedOf(b.part) > 0 {
			left = append(left, b)
			continue
		}
		if e := d.group.handlePartitionError(ctx, b.part, b.err); e != nil {
			err = e
		}
	}
	return left, err
}

func (d *dispatcher) queuedOf(part *partition) int {
	d.group.assignment.mu.Lock()
	defer d.group.assignment.mu.Unlock()
	return part.queued
}

// dispatch queues a batch at the partition's worker.
func (d *dispatcher) dispatch(b batch) {
	w := d.workers[d.workerOf(b.part)]
	messages := make([]*message, 0, len(b.records)+1)
	for _, r := range b.records {
		messages = append(messages, &message{part: b.part, record: r, next: r.Offset + 1})
	}
	if n := len(messages); n > 0 {
		messages[n-1].next = b.next
	} else if b.err == nil {
		messages = append(messages, &message{part: b.part, next: b.next}) // control records only
	}
	d.group.assignment.mu.Lock()
	b.part.queued += len(messages)
	d.group.assignment.mu.Unlock()
	d.current.queued.Add(int64(len(messages)))
	w.put(messages)
}

// workerOf returns the partition's worker. A new partition gets the worker with the fewest
// partitions.
func (d *dispatcher) workerOf(part *partition) int {
	d.group.assignment.mu.Lock()
	defer d.group.assignment.mu.Unlock()
	if part.worker > 0 {
		return part.worker - 1
	}
	load := make([]int, len(d.workers))
	for _, other := range d.group.assignment.parts {
		if other.worker > 0 && other.worker <= len(load) {
			load[other.worker-1]++
		}
	}
	least := 0
	for i, n := range load {
		if n < load[least] {
			least = i
		}
	}
	part.worker = least + 1
	return least
}

// finished removes evaluated or dropped messages from the queue's count.
func (d *dispatcher) finished(part *partition, n int) {
	d.group.assignment.mu.Lock()
	part.queued -= n
	d.group.assignment.mu.Unlock()
	d.current.queued.Add(int64(-n))
	select {
	case d.current.progress <- struct{}{}:
	default:
	}
}

// revoked drops queued messages of revoked partitions, waits for the current ones, and commits.
func (d *dispatcher) revoked(ctx context.Context, parts []*partition, lost bool) {
	d.group.assignment.mu.Lock()
	for _, part := range parts {
		part.revoking = true
	}
	d.group.assignment.mu.Unlock()
	d.mu.Lock()
	workers := d.workers
	d.mu.Unlock()
	for _, w := range workers {
		w.dropQueuedRevoked()
	}
	deadline := time.Now().Add(revokeTimeout)
	for _, part := range parts {
		for d.queuedOf(part) > 0 && time.Now().Before(deadline) {
			d.wait(ctx, 100*time.Millisecond)
		}
	}
	if !lost {
		d.group.commits.commit(ctx, parts)
	}
}

// isRevoking reports whether a partition is being revoked.
func (d *dispatcher) isRevoking(part *partition) bool {
	d.group.assignment.mu.Lock()
	defer d.group.assignment.mu.Unlock()
	return part.revoking
}

// stats are the statistics of each worker.
func (d *dispatcher) stats() []Stats {
	d.mu.Lock()
	workers := d.workers
	d.mu.Unlock()
	list := make([]Stats, len(workers))
	for i, w := range workers {
		list[i].Messages = w.messages.Load()
	}
	d.group.assignment.mu.Lock()
	defer d.group.assignment.mu.Unlock()
	for _, part := range d.group.assignment.sorted() {
		if part.worker == 0 || part.worker > len(list) {
			continue
		}
		s, ps := &list[part.worker-1], part.stats(d.group.clock)
		s.Partitions = append(s.Partitions, ps)
		s.Lag += ps.Lag
		s.LagTime = max(s.LagTime, ps.LagTime)
	}
	return list
}

// metrics are the totals.
func (d *dispatcher) metrics() ProcessorMetrics { return d.results.metrics() }

const (
	unhealthyErrorRate = 0.1              // of recent messages
	minRateSamples     = 10               // below this count the rate means nothing
	stallTimeout       = 30 * time.Second // without progress despite lag
	maxLagTime         = 10 * time.Minute
)

// healthProblems are the reasons why the dispatcher is unhealthy.
func (d *dispatcher) healthProblems() []string {
	var list []string
	if err := d.breaker.reason(); err != nil {
		list = append(list, "the engine fails: "+err.Error())
	}
	if rate, n := d.results.rate(); n >= minRateSamples && rate > unhealthyErrorRate {
		list = append(list, fmt.Sprintf("%.0f%% of recent messages failed", rate*100))
	}
	s := d.group.stats()
	if s.LagTime > maxLagTime {
		list = append(list, fmt.Sprintf("the consumer is %s behind",
			duration.Format(s.LagTime.Round(time.Second))))
	}
	d.group.assignment.mu.Lock()
	defer d.group.assignment.mu.Unlock()
	for _, part := range d.group.assignment.sorted() {
		if part.next < part.end && part.start < part.end &&
			time.Since(part.lastMoved) > stallTimeout {
			list = append(
				list,
				fmt.Sprintf("no progress on %s/%d for %s", part.Topic, part.Partition.Partition,
					duration.Format(time.Since(part.lastMoved).Round(time.Second))),
			)
		}
	}
	return list
}

// message is a record that is being processed.
type message struct {
	part             *partition
	record           *kgo.Record // nil for control records
	next             int64       // the offset after it
	entries          entries
	evaluatedEntries int
	tries            int
	failedRounds     int
	evaluated        bool // before its turn
	othersSucceeded  bool // another message succeeded while this one failed
	invalid          bool // (partly) undecodable
}

// newDecoder returns a decoder of messages. Without a configured format they are JSON: what is not
// JSON is logged, counted as a failure and skipped.
func newDecoder(format string) (*decode.Decoder, error) {
	if format == "" {
		format = "json"
	}
	return decode.New(decode.Config{Format: format}, decode.NewFields())
}

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
)

// manner is how messages are evaluated.
type processOptions struct {
	batch   int           // messages at once
	flush   time.Duration // after which a batch that is not full is evaluated
	workers int
	retries int           // further attempts, with pauses that double
	delay   time.Duration // the first pause
	metrics bool
}

// defaultManner is one message at once, tried four times.
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
	dispatchPollRecords = 2000 // records taken from the client at once
	// messages that may wait for workers before polling pauses; the client still belongs to the
	// group then
	maxQueued     = 2 * dispatchPollRecords
	stopGrace     = 10 * time.Second // that a stop waits for messages that were fetched already
	revokeTimeout = 15 * time.Second // that a rebalance waits for the message that is being evaluated
)

// pump carries messages from a feed to workers. Each partition belongs to one worker, so its
// messages are evaluated in order; offsets follow what was evaluated.
type dispatcher struct {
	group   *groupConsumer
	opts    processOptions
	current dispatchRun
	results outcomes

	breaker *circuitBreaker

	mu      sync.Mutex // guards workers
	workers []*worker  // of the current or the last run
}

// pumpJob is what one run has of its own.
type dispatchRun struct {
	engine      AlertEngine
	batches     BatchEngine // the engine, when it takes batches
	format      string
	deadLetters atomic.Pointer[deadLetterWriter]
	queued      atomic.Int64  // messages that wait
	progress    chan struct{} // something was finished
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

// run pumps until ctx is done.
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
		d.group.log.Warn(
			"a topic was deleted or created again; joining the group afresh",
			"group",
			d.group.cfg.group,
		)
		sleep(ctx, time.Second)
	}
}

// session is one life of the client. It is one story: begin in order, pump, end in the reverse
// order.
func (d *dispatcher) session(ctx context.Context, giveUp context.CancelFunc, deadLetters string) error {
	if err := d.group.open(ctx); err != nil {
		return err
	}
	defer d.group.close()
	letters, err := openDeadLetters(
		ctx,
		d.group.client,
		deadLetters,
		"",
		"",
		d.group.counters,
		d.group.limited,
	)
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
	if ctx.Err() != nil { // nothing but the end of the process hurries
		timer := time.AfterFunc(stopGrace, giveUp)
		defer timer.Stop()
	}
	working.Wait()
	committing.Wait()
	letters.flush()
	d.group.commit(context.WithoutCancel(ctx), nil)
	d.group.releaseAll()
	return err
}

// loop polls while there is room, and commits once a second.
func (d *dispatcher) loop(ctx context.Context, committing *sync.WaitGroup) error {
	var committed time.Time
	var failed []batch // partitions with an error, which is decided when all before it is evaluated
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
			d.group.takeAssignmentChange()
			d.group.skipDeleted()
			d.group.diagnoseStalled(ctx)
			d.group.allowRebalance()
		}
		if time.Since(committed) >= checkpointInterval {
			committed = time.Now()
			d.current.deadLetters.Load().flush()
			d.group.commitSoon(context.WithoutCancel(ctx), committing)
		}
	}
	return nil
}

// wait returns when something was finished, or after a while.
func (d *dispatcher) wait(ctx context.Context, timeout time.Duration) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-d.current.progress:
	}
}

// decide decides the errors of partitions for which nobody has anything to evaluate any more, and
// returns the others.
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
	d.group.mu.Lock()
	defer d.group.mu.Unlock()
	return part.queued
}

// dispatch gives a batch's messages to the partition's worker.
func (d *dispatcher) dispatch(b batch) {
	w := d.workers[d.workerOf(b.part)]
	messages := make([]*message, 0, len(b.records)+1)
	for _, r := range b.records {
		messages = append(messages, &message{part: b.part, record: r, next: r.Offset + 1})
	}
	if n := len(messages); n > 0 {
		messages[n-1].next = b.next
	} else if b.err == nil {
		messages = append(messages, &message{part: b.part, next: b.next}) // control records alone
	}
	d.group.mu.Lock()
	b.part.queued += len(messages)
	d.group.mu.Unlock()
	d.current.queued.Add(int64(len(messages)))
	w.put(messages)
}

// workerOf returns the partition's worker: at its first message, the one with the fewest
// partitions.
func (d *dispatcher) workerOf(part *partition) int {
	d.group.mu.Lock()
	defer d.group.mu.Unlock()
	if part.worker > 0 {
		return part.worker - 1
	}
	load := make([]int, len(d.workers))
	for _, other := range d.group.parts {
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

// finished notes that messages are out of a worker's hands, evaluated or dropped.
func (d *dispatcher) finished(part *partition, n int) {
	d.group.mu.Lock()
	part.queued -= n
	d.group.mu.Unlock()
	d.current.queued.Add(int64(-n))
	select {
	case d.current.progress <- struct{}{}:
	default:
	}
}

// revoked takes back what was not evaluated yet of partitions that are taken from us, waits for
// what is being evaluated, and commits.
func (d *dispatcher) revoked(ctx context.Context, parts []*partition, lost bool) {
	d.group.mu.Lock()
	for _, part := range parts {
		part.revoking = true
	}
	d.group.mu.Unlock()
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
		d.group.commit(ctx, parts)
	}
}

// given says whether a partition is being given up.
func (d *dispatcher) isRevoking(part *partition) bool {
	d.group.mu.Lock()
	defer d.group.mu.Unlock()
	return part.revoking
}

// stats are those of each worker.
func (d *dispatcher) stats() []Stats {
	d.mu.Lock()
	workers := d.workers
	d.mu.Unlock()
	list := make([]Stats, len(workers))
	for i, w := range workers {
		list[i].Messages = w.messages.Load()
	}
	d.group.mu.Lock()
	defer d.group.mu.Unlock()
	for _, part := range d.group.sorted() {
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

// metrics are what was done so far.
func (d *dispatcher) metrics() ProcessorMetrics { return d.results.metrics() }

const (
	unhealthyErrorRate = 0.5              // of recent messages that failed
	minRateSamples     = 10               // that there have to be for a rate to say anything
	stallTimeout       = 30 * time.Second // without a message evaluated, although there are some
	maxLagTime         = 10 * time.Minute
)

// ailments are the reasons why the pump is not healthy.
func (d *dispatcher) healthProblems() []string {
	var list []string
	if err := d.breaker.reason(); err != nil {
		list = append(list, "the alert engine fails: "+err.Error())
	}
	if rate, n := d.results.rate(); n >= minRateSamples && rate > unhealthyErrorRate {
		list = append(list, fmt.Sprintf("%.0f%% of recent messages failed", rate*100))
	}
	s := d.group.stats()
	if s.LagTime > maxLagTime {
		list = append(list, fmt.Sprintf("it is %s behind", duration.Format(s.LagTime.Round(time.Second))))
	}
	d.group.mu.Lock()
	defer d.group.mu.Unlock()
	for _, part := range d.group.sorted() {
		if part.next < part.end && part.start < part.end && time.Since(part.lastMoved) > stallTimeout {
			list = append(
				list,
				fmt.Sprintf(
					"nothing of %s/%d was evaluated for %s",
					part.Topic,
					part.Partition.Partition,
					duration.Format(time.Since(part.lastMoved).Round(time.Second)),
				),
			)
		}
	}
	return list
}

// message is one record on its way.
type message struct {
	part             *partition
	record           *kgo.Record // nil for control records
	next             int64       // the offset after it
	entries          entries
	evaluatedEntries int  // entries that were evaluated already
	tries            int  // attempts
	failedRounds     int  // rounds of attempts that failed
	evaluated        bool // before its turn
	othersSucceeded  bool // the engine took another message while it refused this one
	invalid          bool // it cannot be read, or not all of it
}

func newDecoder(format string) (*decode.Decoder, error) {
	return decode.New(decode.Config{Format: format}, decode.NewFields())
}

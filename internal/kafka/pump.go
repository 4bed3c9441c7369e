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
)

// manner is how messages are evaluated.
type manner struct {
	batch   int           // messages at once
	flush   time.Duration // after which a batch that is not full is evaluated
	workers int
	retries int           // further attempts, with pauses that double
	delay   time.Duration // the first pause
	metrics bool
}

// defaultManner is one message at once, tried four times.
func defaultManner() manner { return DefaultProcessorConfig().manner(1) }

func (m manner) problems() []error {
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
	pumpPoll = 2000 // records taken from the client at once
	// messages that may wait for workers before polling pauses; the client still belongs to the
	// group then
	pumpRoom   = 2 * pumpPoll
	pumpGrace  = 10 * time.Second // that a stop waits for messages that were fetched already
	revokeWait = 15 * time.Second // that a rebalance waits for the message that is being evaluated
)

// pump carries messages from a feed to workers. Each partition belongs to one worker, so its
// messages are evaluated in order; offsets follow what was evaluated.
type pump struct {
	feed *feed
	how  manner
	job  pumpJob
	out  outcomes

	breaker *breaker

	mu      sync.Mutex // guards workers
	workers []*worker  // of the current or the last run
}

// pumpJob is what one run has of its own.
type pumpJob struct {
	engine  AlertEngine
	batches BatchEngine // the engine, when it takes batches
	format  string
	letters atomic.Pointer[letters]
	room    atomic.Int64  // messages that wait
	moved   chan struct{} // something was finished
	drain   chan struct{} // closed when no more messages come
	abort   context.Context
}

func newPump(f *feed, how manner) *pump {
	p := &pump{feed: f, how: how, breaker: newBreaker(how.delay, f.log)}
	p.workers = p.makeWorkers(max(how.workers, 0))
	f.revoked = p.revoked
	return p
}

func (p *pump) makeWorkers(n int) []*worker {
	workers := make([]*worker, n)
	for i := range workers {
		workers[i] = &worker{pump: p, bell: make(chan struct{}, 1)}
	}
	return workers
}

// run pumps until ctx is done.
func (p *pump) run(
	ctx context.Context,
	engine AlertEngine,
	how manner,
	config ConsumerConfig,
) error {
	p.how = how
	abort, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	r := &p.job
	r.engine, r.format, r.abort = engine, config.Format, abort
	r.batches, _ = engine.(BatchEngine)
	for {
		err := p.session(ctx, giveUp, config.DeadLetterTopic)
		if ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, errReopen) {
			return err
		}
		p.feed.log.Warn(
			"a topic was deleted or created again; joining the group afresh",
			"group",
			p.feed.cfg.group,
		)
		pause(ctx, time.Second)
	}
}

// session is one life of the client. It is one story: begin in order, pump, end in the reverse
// order.
func (p *pump) session(ctx context.Context, giveUp context.CancelFunc, deadLetters string) error {
	if err := p.feed.open(ctx); err != nil {
		return err
	}
	defer p.feed.close()
	letters, err := openLetters(
		ctx,
		p.feed.client,
		deadLetters,
		"",
		"",
		p.feed.count,
		p.feed.sparing,
	)
	if err != nil {
		return err
	}
	defer letters.close()
	p.job.letters.Store(letters)
	p.job.room.Store(0)
	p.job.moved, p.job.drain = make(chan struct{}, 1), make(chan struct{})

	probing, stop := context.WithCancel(ctx)
	var probe, committing, working sync.WaitGroup
	probe.Go(func() { p.feed.probe(probing) })
	defer probe.Wait()
	defer stop()
	workers := p.makeWorkers(p.how.workers)
	p.mu.Lock()
	for i, w := range workers {
		if i < len(p.workers) {
			w.messages.Store(p.workers[i].messages.Load())
		}
	}
	p.workers = workers
	p.mu.Unlock()
	for _, w := range workers {
		working.Go(w.run)
	}

	err = p.loop(ctx, &committing)
	p.feed.allow()
	close(p.job.drain)
	if ctx.Err() != nil { // nothing but the end of the process hurries
		timer := time.AfterFunc(pumpGrace, giveUp)
		defer timer.Stop()
	}
	working.Wait()
	committing.Wait()
	letters.flush()
	p.feed.commit(context.WithoutCancel(ctx), nil)
	p.feed.leave()
	return err
}

// loop polls while there is room, and commits once a second.
func (p *pump) loop(ctx context.Context, committing *sync.WaitGroup) error {
	var committed time.Time
	var failed []batch // partitions with an error, which is decided when all before it is evaluated
	for ctx.Err() == nil {
		if p.job.room.Load() >= pumpRoom {
			p.wait(ctx, checkpointEvery)
		} else {
			batches, err := p.feed.poll(ctx, checkpointEvery, pumpPoll)
			for _, b := range batches {
				p.dispatch(b)
				if b.err != nil {
					failed = append(failed, b)
				}
			}
			if failed, err = p.decide(ctx, failed, err); err != nil {
				return err
			}
			p.feed.took()
			p.feed.deleted()
			p.feed.examine(ctx)
			p.feed.allow()
		}
		if time.Since(committed) >= checkpointEvery {
			committed = time.Now()
			p.job.letters.Load().flush()
			p.feed.commitSoon(context.WithoutCancel(ctx), committing)
		}
	}
	return nil
}

// wait returns when something was finished, or after a while.
func (p *pump) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-p.job.moved:
	}
}

// decide decides the errors of partitions for which nobody has anything to evaluate any more, and
// returns the others.
func (p *pump) decide(ctx context.Context, failed []batch, err error) ([]batch, error) {
	var left []batch
	for _, b := range failed {
		if p.queued(b.part) > 0 {
			left = append(left, b)
			continue
		}
		if e := p.feed.decide(ctx, b.part, b.err); e != nil {
			err = e
		}
	}
	return left, err
}

func (p *pump) queued(part *partition) int {
	p.feed.mu.Lock()
	defer p.feed.mu.Unlock()
	return part.queued
}

// dispatch gives a batch's messages to the partition's worker.
func (p *pump) dispatch(b batch) {
	w := p.workers[p.workerOf(b.part)]
	messages := make([]*message, 0, len(b.records)+1)
	for _, r := range b.records {
		messages = append(messages, &message{part: b.part, record: r, next: r.Offset + 1})
	}
	if n := len(messages); n > 0 {
		messages[n-1].next = b.next
	} else if b.err == nil {
		messages = append(messages, &message{part: b.part, next: b.next}) // control records alone
	}
	p.feed.mu.Lock()
	b.part.queued += len(messages)
	p.feed.mu.Unlock()
	p.job.room.Add(int64(len(messages)))
	w.put(messages)
}

// workerOf returns the partition's worker: at its first message, the one with the fewest
// partitions.
func (p *pump) workerOf(part *partition) int {
	p.feed.mu.Lock()
	defer p.feed.mu.Unlock()
	if part.worker > 0 {
		return part.worker - 1
	}
	load := make([]int, len(p.workers))
	for _, other := range p.feed.parts {
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
func (p *pump) finished(part *partition, n int) {
	p.feed.mu.Lock()
	part.queued -= n
	p.feed.mu.Unlock()
	p.job.room.Add(int64(-n))
	select {
	case p.job.moved <- struct{}{}:
	default:
	}
}

// revoked takes back what was not evaluated yet of partitions that are taken from us, waits for
// what is being evaluated, and commits.
func (p *pump) revoked(ctx context.Context, parts []*partition, lost bool) {
	p.feed.mu.Lock()
	for _, part := range parts {
		part.given = true
	}
	p.feed.mu.Unlock()
	p.mu.Lock()
	workers := p.workers
	p.mu.Unlock()
	for _, w := range workers {
		w.takeBack()
	}
	deadline := time.Now().Add(revokeWait)
	for _, part := range parts {
		for p.queued(part) > 0 && time.Now().Before(deadline) {
			p.wait(ctx, 100*time.Millisecond)
		}
	}
	if !lost {
		p.feed.commit(ctx, parts)
	}
}

// given says whether a partition is being given up.
func (p *pump) given(part *partition) bool {
	p.feed.mu.Lock()
	defer p.feed.mu.Unlock()
	return part.given
}

// stats are those of each worker.
func (p *pump) stats() []Stats {
	p.mu.Lock()
	workers := p.workers
	p.mu.Unlock()
	list := make([]Stats, len(workers))
	for i, w := range workers {
		list[i].Messages = w.messages.Load()
	}
	p.feed.mu.Lock()
	defer p.feed.mu.Unlock()
	for _, part := range p.feed.sorted() {
		if part.worker == 0 || part.worker > len(list) {
			continue
		}
		s, ps := &list[part.worker-1], part.stats(p.feed.clock)
		s.Partitions = append(s.Partitions, ps)
		s.Lag += ps.Lag
		s.LagTime = max(s.LagTime, ps.LagTime)
	}
	return list
}

// metrics are what was done so far.
func (p *pump) metrics() ProcessorMetrics { return p.out.metrics() }

const (
	badRate    = 0.5              // of recent messages that failed
	badCount   = 10               // that there have to be for a rate to say anything
	stalled    = 30 * time.Second // without a message evaluated, although there are some
	maxLagTime = 10 * time.Minute
)

// ailments are the reasons why the pump is not healthy.
func (p *pump) ailments() []string {
	var list []string
	if err := p.breaker.reason(); err != nil {
		list = append(list, "the alert engine fails: "+err.Error())
	}
	if rate, n := p.out.rate(); n >= badCount && rate > badRate {
		list = append(list, fmt.Sprintf("%.0f%% of recent messages failed", rate*100))
	}
	s := p.feed.stats()
	if s.LagTime > maxLagTime {
		list = append(list, fmt.Sprintf("it is %s behind", s.LagTime.Round(time.Second)))
	}
	p.feed.mu.Lock()
	defer p.feed.mu.Unlock()
	for _, part := range p.feed.sorted() {
		if part.next < part.end && part.start < part.end && time.Since(part.moved) > stalled {
			list = append(
				list,
				fmt.Sprintf(
					"nothing of %s/%d was evaluated for %s",
					part.Topic,
					part.Partition.Partition,
					time.Since(part.moved).Round(time.Second),
				),
			)
		}
	}
	return list
}

// message is one record on its way.
type message struct {
	part      *partition
	record    *kgo.Record // nil for control records
	next      int64       // the offset after it
	entries   entries
	at        int  // entries that were evaluated already
	tries     int  // attempts
	rounds    int  // rounds of attempts that failed
	evaluated bool // before its turn
	others    bool // the engine took another message while it refused this one
	invalid   bool // it cannot be read, or not all of it
}

func newDecoder(format string) (*decode.Decoder, error) {
	return decode.New(decode.Config{Format: format}, decode.NewFields())
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// groupConfig is what a groupConsumer reads.
type groupConfig struct {
	ClientConfig
	topics, patterns  []string
	exclude           []string // topics that patterns exclude; "" for none
	group, instance   string
	rack              string
	serverSide        bool          // the brokers assign partitions
	session           time.Duration // 0 for the client's default
	start             int64
	minBytes, maxByte int
	maxWait           time.Duration
	outageGrace       time.Duration
	pool              *recordPool // nil where the owner does not give records back
}

// groupConsumer is a member of a consumer group. It joins, tracks the positions of each
// partition, and handles the errors of partitions. Source and Consumer differ only in what they
// do with records.
//
// Its owner polls, processes the batches, and then allows a rebalance. onRevoke is called only in
// between, so it never runs beside the loop. When a topic was created again the client must be
// replaced, and the owner opens the consumer again.
type groupConsumer struct {
	cfg        groupConfig
	log        *slog.Logger
	limited    *rateLimitedLogger
	counters   *counters
	clock      *clockGuard
	assignment *assignment // the partitions
	starts     *starts     // where their reading starts
	commits    *committer
	problems   *problems

	// whether no other member may read our topics
	exclusive  func() bool
	onRevoke   func(ctx context.Context, parts []*partition, lost bool)
	beforeJoin func(context.Context) error // called before the first join

	client *kgo.Client
	side   *kgo.Client // for requests

	lastPollFailed bool      // it returned only errors; used by the loop alone
	lastDiagnosis  time.Time // used by the loop alone
	everOpened     bool      // the checks have succeeded once

	// The fields below are guarded by the lock of the assignment.

	partitionCounts map[string]int32 // of our topics, from the last probe
	memberCount     int              // of the group; 0 when unknown
	joined          bool             // we have been a member, with or without partitions
	// topics with partitions that no member reads, and since when
	unassigned map[string]time.Time
	cancelPoll context.CancelFunc
	woken      bool // the next poll does not wait
	// start of the last successful probe
	lastProbe        time.Time
	unansweredProbes int // failed probes since then
}

var errReopen = errors.New("the topic was deleted or created again")

// newGroupConsumer returns a consumer that has not joined yet. The system clock is wall; nil for
// that of the machine.
func newGroupConsumer(
	cfg groupConfig, wall func() time.Time, log *slog.Logger, count *counters,
) *groupConsumer {
	limited, clock := newRateLimitedLogger(log), newClockGuard(wall, log)
	a := &assignment{
		parts:        map[models.Partition]*partition{},
		availability: map[models.Partition]*availability{},
		released:     map[models.Partition]models.SourcePosition{},
	}
	return &groupConsumer{
		cfg:        cfg,
		log:        log,
		limited:    limited,
		counters:   count,
		clock:      clock,
		assignment: a,
		starts: &starts{
			cfg:        cfg,
			assignment: a,
			clock:      clock,
			counters:   count,
			log:        log,
			restoredPosition: func(models.Partition, [16]byte) (models.SourcePosition, bool) {
				return models.SourcePosition{}, false
			},
		},
		commits:    &committer{cfg: cfg, assignment: a, counters: count, limited: limited},
		problems:   newProblems(cfg, count, limited),
		exclusive:  func() bool { return false },
		onRevoke:   func(context.Context, []*partition, bool) {},
		beforeJoin: func(context.Context) error { return nil },
	}
}

// open returns once a broker has answered and all topics exist, with a client that joins the
// group. It retries while no broker is reachable.
func (g *groupConsumer) open(ctx context.Context) error {
	opts, err := g.cfg.options(g.log)
	if err != nil {
		return err
	}
	// Requests use a client of their own: the consuming client joins at once, which must wait for
	// the checks. Metadata is cached briefly, since a topic may be new.
	side, err := kgo.NewClient(append(
		slices.Clip(opts), kgo.WithHooks(g.problems), kgo.MetadataMinAge(500*time.Millisecond),
	)...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	g.side = side
	g.starts.side = side
	err = g.check(ctx)
	if err == nil && !g.everOpened {
		err = g.beforeJoin(ctx)
	}
	if err != nil {
		side.Close()
		return err
	}
	g.assignment.mu.Lock() // callbacks wait until the client is set
	defer g.assignment.mu.Unlock()
	if g.client, err = kgo.NewClient(g.options(opts)...); err != nil {
		side.Close()
		return fmt.Errorf("kafka client: %w", err)
	}
	g.commits.client = g.client
	g.everOpened = true
	return nil
}

// admin makes requests. It is made for each of them, which costs nothing, since a field would keep
// all of its methods in the program: 0.7 MB.
func (g *groupConsumer) admin() *kadm.Client { return kadm.NewClient(g.side) }

// close leaves the group. The client leaves by itself only as a dynamic member. A static member
// would keep its partitions until the session times out, so it leaves explicitly. After a kill it
// finds its partitions again by its name.
func (g *groupConsumer) close() {
	g.client.CloseAllowingRebalance()
	if g.cfg.instance != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := g.admin().LeaveGroup(ctx,
			kadm.LeaveGroup(g.cfg.group).InstanceIDs(g.cfg.instance).Reason(
				"stopped")); err != nil {
			g.log.Warn("the group was not left; partitions stay assigned until the session timeout",
				"group", g.cfg.group, "error", err)
		}
	}
	g.side.Close()
}

// options are those of a group member.
func (g *groupConsumer) options(opts []kgo.Opt) []kgo.Opt {
	opts = append(
		slices.Clip(opts),
		kgo.ConsumerGroup(g.cfg.group),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsRevoked(
			func(ctx context.Context, _ *kgo.Client, lost map[string][]int32) {
				g.revoke(ctx, lost, false)
			},
		),
		kgo.OnPartitionsLost(
			func(ctx context.Context, _ *kgo.Client, lost map[string][]int32) {
				g.revoke(ctx, lost, true)
			},
		),
		kgo.OnPartitionsAssigned(
			func(context.Context, *kgo.Client, map[string][]int32) { g.joinedGroup() },
		),
		kgo.AdjustFetchOffsetsFn(g.assign),
		kgo.WithHooks(g.problems),
		kgo.FetchMinBytes(int32(g.cfg.minBytes)),
		kgo.FetchMaxBytes(int32(g.cfg.maxByte)),
		kgo.FetchMaxWait(g.cfg.maxWait),
		// A small share per partition bounds the memory of a fetch over many partitions.
		kgo.FetchMaxPartitionBytes(int32(min(g.cfg.maxByte, 1<<20))),
		kgo.BrokerMaxReadBytes(int32(max(100<<20, min(2*g.cfg.maxByte, 1<<30)))),
		// Transaction markers are records: without them the end of a partition is never reached.
		kgo.KeepControlRecords(),
		kgo.MetadataMaxAge(time.Minute),
		kgo.ConsumeResetOffset(kgo.RewindOffset(time.Minute)),
	)
	if g.cfg.serverSide { // the balancer says which of the brokers' assignors is asked for
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	} else {
		opts = append(opts, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}
	if g.cfg.pool != nil {
		opts = append(opts, kgo.WithPools(g.cfg.pool))
	}
	if g.cfg.rack != "" {
		opts = append(opts, kgo.Rack(g.cfg.rack))
	}
	if g.cfg.instance != "" {
		opts = append(opts, kgo.InstanceID(g.cfg.instance))
	}
	if g.cfg.session > 0 {
		opts = append(opts, kgo.SessionTimeout(g.cfg.session),
			kgo.HeartbeatInterval(min(3*time.Second, g.cfg.session/3)))
	}
	if g.starts.resume != nil && g.cfg.session > 0 {
		// what a revoked member has not finished, the next one reads again; no member waits for it
		opts = append(opts, kgo.RebalanceTimeout(g.cfg.session))
	}
	if len(g.cfg.patterns) == 0 {
		return append(opts, kgo.ConsumeTopics(g.cfg.topics...))
	}
	expressions := slices.Clone(g.cfg.patterns)
	for _, t := range g.cfg.topics {
		expressions = append(expressions, "^"+regexp.QuoteMeta(t)+"$")
	}
	opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(expressions...))
	var not []string
	for _, t := range g.cfg.exclude {
		not = append(not, "^"+regexp.QuoteMeta(t)+"$")
	}
	return append(opts, kgo.ConsumeExcludeTopics(not...))
}

// poll returns at most max fetched records. Its error is final, or errReopen. Rebalances wait
// until allowRebalance is called.
func (g *groupConsumer) poll(ctx context.Context, timeout time.Duration, max int) ([]batch, error) {
	pollCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if g.lastPollFailed {
		// A refusing broker answers at once, and the client retries at once.
		wait.Sleep(ctx, errorBackoff)
	}
	g.assignment.mu.Lock()
	g.cancelPoll = cancel
	if g.assignment.changed || g.woken {
		cancel()
	}
	g.woken = false
	g.assignment.mu.Unlock()
	fetches := g.client.PollRecords(pollCtx, max)
	g.lastPollFailed = fetches.NumRecords() == 0 && hasErrors(fetches)
	return g.batches(fetches)
}

// errorBackoff follows a poll that returned only errors.
const errorBackoff = 250 * time.Millisecond

// hasErrors reports errors other than the end of the poll.
func hasErrors(fetches kgo.Fetches) (found bool) {
	fetches.EachError(func(_ string, _ int32, err error) {
		found = found ||
			!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
	})
	return found
}

// allowRebalance lets rebalances proceed.
func (g *groupConsumer) allowRebalance() { g.client.AllowRebalance() }

// wake ends a waiting poll, or has the next one not wait.
func (g *groupConsumer) wake() {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	g.woken = true
	if g.cancelPoll != nil {
		g.cancelPoll()
	}
}

// batch is what a poll returned of one partition, in offset order.
type batch struct {
	part    *partition
	records []*kgo.Record
	next    int64 // the offset after it, including control records
	err     error // of the partition; handled after its records
}

// batches turns fetches into batches.
func (g *groupConsumer) batches(fetches kgo.Fetches) ([]batch, error) {
	var batches []batch
	var fatal error
	var live time.Time
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	fresh := time.Since(g.lastProbe) <= probeFresh
	losses := dataLosses(fetches)
	fetches.EachPartition(func(t kgo.FetchTopicPartition) {
		if t.Topic == "" { // an error of the client
			if err := g.clientError(t.Err); err != nil {
				fatal = err
			}
			return
		}
		p := g.assignment.parts[models.Partition{Topic: t.Topic, Partition: t.Partition}]
		if p == nil {
			if t.Err != nil && fatal == nil {
				fatal = g.foreignError(t.Topic, t.Partition, t.Err)
			}
			return
		}
		if t.Err == nil {
			p.stuck = nil
			g.noteOffsets(p, &t.FetchPartition)
		}
		if n := len(t.Records); n > 0 && fresh && p.probedEnd >= 0 &&
			t.Records[n-1].Offset >= p.probedEnd &&
			t.Records[n-1].Timestamp.After(live) {
			live = t.Records[n-1].Timestamp // it was written since the last probe
		}
		if loss := losses[p.Partition]; loss != nil {
			if len(t.Records) > 0 && t.Records[0].Offset < p.fetched {
				g.dataLoss(p, loss) // its records come before its error
				losses[p.Partition] = nil
			}
		} else if errors.As(t.Err, &loss) {
			return // handled with the records
		}
		if len(t.Records) > 0 || t.Err != nil {
			batches = append(batches, g.newBatch(p, t.Records, t.Err))
		}
	})
	if !live.IsZero() {
		g.clock.observe(live)
	}
	return batches, fatal
}

// dataLosses are the partitions of a poll that the client has taken back. It lists its own errors
// last, so the records that it has read since come before the error that explains them.
func dataLosses(fetches kgo.Fetches) map[models.Partition]*kgo.ErrDataLoss {
	var losses map[models.Partition]*kgo.ErrDataLoss
	fetches.EachError(func(topic string, n int32, err error) {
		var loss *kgo.ErrDataLoss
		if errors.As(err, &loss) {
			if losses == nil {
				losses = map[models.Partition]*kgo.ErrDataLoss{}
			}
			losses[models.Partition{Topic: topic, Partition: n}] = loss
		}
	})
	return losses
}

// noteOffsets takes the log's bounds from a fetch, and detects records that were deleted before
// we read them.
func (g *groupConsumer) noteOffsets(p *partition, t *kgo.FetchPartition) {
	p.end, p.endProbedAt = t.HighWatermark, time.Time{}
	p.start = t.LogStartOffset
	if len(t.Records) > 0 && t.LogStartOffset > p.fetched && t.Records[0].Offset > p.fetched {
		g.recordsDeleted(p, min(t.LogStartOffset, t.Records[0].Offset))
	}
}

// recordsDeleted counts records that were deleted before we read them.
func (g *groupConsumer) recordsDeleted(p *partition, start int64) {
	g.counters.lost.Add(start - p.fetched)
	g.counters.errors.add("expired", 1)
	g.limited.error("expired "+p.Topic, "records were deleted before they were read; the topic's "+
		"retention is shorter than the lag", "topic", p.Topic, "partition", p.Partition.Partition,
		"records", start-p.fetched, "resumed_at", start)
	if p.next == p.fetched { // otherwise fetched records are processed first
		p.next, p.epoch = start, -1
	}
	p.fetched = start
}

// newBatch removes control records, and records that come again after the client went back.
func (g *groupConsumer) newBatch(p *partition, records []*kgo.Record, err error) batch {
	b := batch{part: p, records: records, next: p.fetched, err: err}
	if len(records) == 0 {
		return b
	}
	if first := records[0].Offset; p.damaged && first > p.fetched {
		g.skipLocked(p, "corrupt", first, errors.New("skipped by the client"))
	}
	p.damaged = false
	b.next = max(p.fetched, records[len(records)-1].Offset+1)
	for _, r := range records {
		if p.fetched < p.next && r.Offset < p.next && r.LeaderEpoch > p.readEpoch {
			g.rewindTo(p, r.Offset) // written by a later leader than what was read
		}
	}
	from := max(p.fetched, p.next)
	plain := records[0].Offset >= from
	for _, r := range records {
		plain = plain && !r.Attrs.IsControl()
	}
	if !plain {
		b.records = make([]*kgo.Record, 0, len(records))
		for _, r := range records {
			switch {
			case r.Offset < from:
				g.counters.repeated.Add(1)
			case !r.Attrs.IsControl():
				b.records = append(b.records, r)
			}
		}
	}
	for _, r := range b.records {
		g.noteRead(p, r.Timestamp)
	}
	p.fetched = b.next
	return b
}

// advance moves a partition to next after its records were processed.
func (g *groupConsumer) advance(p *partition, next int64, last *kgo.Record, n int) {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	if next > p.next {
		p.next, p.lastMoved, p.laggingSince = next, time.Now(), time.Time{}
	}
	if last != nil {
		p.epoch, p.lastTime = last.LeaderEpoch, last.Timestamp
	}
	p.processed += int64(n)
	g.counters.messages.Add(int64(n))
}

// joinedGroup notes that we are a member, possibly without partitions.
func (g *groupConsumer) joinedGroup() {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	g.joined = true
	g.problems.clear("group")
}

// revoke gives partitions up after their owner has finished and committed them.
func (g *groupConsumer) revoke(ctx context.Context, lost map[string][]int32, fenced bool) {
	g.counters.rebalances.Add(1)
	g.assignment.mu.Lock()
	var parts []*partition
	for topic, numbers := range lost {
		for _, n := range numbers {
			if p := g.assignment.parts[models.Partition{Topic: topic, Partition: n}]; p != nil {
				parts = append(parts, p)
			}
		}
	}
	g.assignment.mu.Unlock()
	if len(parts) == 0 {
		return
	}
	slices.SortFunc(parts, byPartition)
	g.log.Info("partitions revoked", "group", g.cfg.group, "partitions", partitionNames(parts),
		"lost", fenced)
	g.onRevoke(ctx, parts, fenced)
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	for _, p := range parts {
		g.releaseLocked(p)
	}
	g.assignment.changed = true
}

// releaseLocked drops a partition but keeps its position, since its records stay part of the
// state. The next owner continues there. The caller holds mu.
func (g *groupConsumer) releaseLocked(p *partition) {
	g.unhold(p)
	at := g.assignment.position(p)
	at.Left = true
	g.assignment.released[p.Partition] = at
	delete(g.assignment.parts, p.Partition)
}

// progress appends the progress of all partitions to list. Where CaughtUp is set, everything
// written before the returned time has been read.
func (g *groupConsumer) progress(list []models.Progress) (time.Time, []models.Progress) {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	now := time.Now()
	fresh := now.Sub(g.lastProbe) <= probeFresh
	if fresh {
		now = g.lastProbe
	}
	list = list[:0]
	for _, p := range g.assignment.sorted() {
		list = append(list, models.Progress{
			Topic:     p.Topic,
			Partition: p.Partition.Partition,
			Next:      p.next,
			End:       max(p.end, p.next),
			Settling:  g.settling(p),
			CaughtUp: fresh && !g.settling(p) && p.next == p.end &&
				p.endProbedAt.Equal(g.lastProbe) &&
				!p.lastMoved.After(p.endProbedAt),
			TopicID:    p.id,
			Partitions: g.partitionCounts[p.Topic],
			Replay:     p.next < p.replayUntil,
		})
	}
	return g.clock.report(now), list
}

// releaseAll drops all partitions, which were finished before.
func (g *groupConsumer) releaseAll() {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	for _, p := range g.assignment.parts {
		g.releaseLocked(p)
	}
	g.assignment.changed = true
}

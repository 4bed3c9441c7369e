package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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
}

// groupConsumer is a member of a consumer group. It joins, tracks the positions of each
// partition, and handles the errors of partitions. Source and Consumer differ only in what they
// do with records.
//
// Its owner polls, processes the batches, and then allows a rebalance. onRevoke is called only in
// between, so it never runs beside the loop. When a topic was created again the client must be
// replaced, and the owner opens the consumer again.
type groupConsumer struct {
	cfg      groupConfig
	log      *slog.Logger
	limited  *rateLimitedLogger
	counters *counters
	clock    *clockGuard

	// the position of the last checkpoint, preferably of this topic ID
	restoredPosition func(models.Partition, [16]byte) (models.SourcePosition, bool)
	// how far back a partition without a saved position replays
	rewind time.Duration
	// whether no other member may read our topics
	exclusive func() bool
	// the owner keeps state together with positions
	stateful bool
	onRevoke func(ctx context.Context, parts []*partition, lost bool)
	// where partitions are continued, and how far they are applied; nil but for a Resumer
	resume func(ctx context.Context, at []models.SourcePosition) (
		map[models.Partition]models.SourcePosition, error)
	applied func(models.Partition) int64

	client *kgo.Client
	admin  *kadm.Client

	lastPollFailed bool      // it returned only errors; used by the loop alone
	lastDiagnosis  time.Time // used by the loop alone

	mu    sync.Mutex // guards the fields below, and those of partitions
	parts map[models.Partition]*partition
	// partitions that were revoked, with their last position
	released   map[models.Partition]models.SourcePosition
	forget     []models.SourcePosition     // positions of topics that no longer exist
	beforeJoin func(context.Context) error // called before the first join
	// partitions of our topics in the cluster, from the last probe
	topicPartitions int
	partitionCounts map[string]int32 // the same, by topic
	// of the group; 0 when unknown
	memberCount int
	everOpened  bool // the checks have succeeded once
	// topics that existed at the start; nil before that is known
	initialTopics     map[string]bool
	cluster           string
	joined            bool // we have been a member, with or without partitions
	assignmentChanged bool // since takeAssignmentChange
	availability      map[models.Partition]*availability
	// topics with partitions that no member reads, and since when
	unassigned   map[string]time.Time
	unreachable  bool // no broker was reachable at first
	committing   bool // a commit is in flight
	cancelPoll   context.CancelFunc
	networkErr   error // of the last connection attempt; nil for success
	networkSince time.Time
	problems     map[string]healthProblem // by subject
	// start of the last successful probe
	lastProbe        time.Time
	unansweredProbes int // failed probes since then
}

// partition is an assigned partition. Its positions, which only move forward but for rewindTo:
//
//	log start      committed         next            fetched          end
//	  |  deleted…      |               |                |               |
//	--+----------------+---------------+----------------+---------------+-->
//	                   | evaluated,    | in the batch   | lag of the    |
//	                   | in the next   | that is being  | client        | not written yet
//	                   | commit        | evaluated      |               |
//
// Records before replayUntil were evaluated by an earlier run and only rebuild state; nothing
// below it is committed.
type partition struct {
	models.Partition
	id      [16]byte
	next    int64 // offset of the first record that is not processed
	fetched int64 // offset of the first record that is not fetched
	epoch   int32 // leader epoch of the record before next
	// records before next with at most this epoch are those that were read, when the client went
	// back
	readEpoch int32
	// the group's offset; -1 for none, or committedUnknown
	committedOffset int64
	replayUntil     int64 // records before it were processed by an earlier run
	end, start      int64 // of the log; end is the high watermark
	probedEnd       int64 // end of the last probe; -1 before the first
	// start of the probe that brought end; zero when a fetch brought it
	endProbedAt time.Time
	lastTime    time.Time // timestamp of the last record
	lastMoved   time.Time // last change of next
	// since when there is lag without progress; zero for none
	laggingSince time.Time
	stuck        error // why nothing can be read; nil when all is well
	// until when it is not fetched, since its next record cannot be read yet; zero for not
	heldUntil time.Time
	// fetched records that may be joined with later ones, and since when nothing has come
	waiting      []*kgo.Record
	waitingSince time.Time
	// the log is unreadable at fetched; the client may skip the damage
	damaged      bool
	pin          bool  // commit it although nothing was read
	processed    int64 // records since the assignment
	worker       int   // index + 1 of its worker; 0 for none
	revoking     bool  // queued messages are dropped
	queued       int   // messages
	future       futureRecords
	availability *availability // at its assignment; the consumer's map has the present one
}

// committedUnknown means that a commit is in flight.
const committedUnknown = -2

// healthProblem is a reason why nothing can be read.
type healthProblem struct {
	err   error
	since time.Time
}

var errReopen = errors.New("the topic was deleted or created again")

func newGroupConsumer(cfg groupConfig, log *slog.Logger, count *counters) *groupConsumer {
	return &groupConsumer{
		cfg:      cfg,
		log:      log,
		limited:  newRateLimitedLogger(log),
		counters: count,
		clock:    newClockGuard(nil, log),
		restoredPosition: func(models.Partition, [16]byte) (models.SourcePosition, bool) {
			return models.SourcePosition{}, false
		},
		onRevoke:     func(context.Context, []*partition, bool) {},
		beforeJoin:   func(context.Context) error { return nil },
		exclusive:    func() bool { return false },
		parts:        map[models.Partition]*partition{},
		availability: map[models.Partition]*availability{},
		released:     map[models.Partition]models.SourcePosition{},
		problems:     map[string]healthProblem{},
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
	side, err := kgo.NewClient(
		append(slices.Clip(opts), kgo.WithHooks(g), kgo.MetadataMinAge(500*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	g.admin = kadm.NewClient(side)
	err = g.check(ctx)
	if err == nil && !g.everOpened {
		err = g.beforeJoin(ctx)
	}
	if err != nil {
		side.Close()
		return err
	}
	g.mu.Lock() // callbacks wait until the client is set
	defer g.mu.Unlock()
	if g.client, err = kgo.NewClient(g.options(opts)...); err != nil {
		side.Close()
		return fmt.Errorf("kafka client: %w", err)
	}
	g.everOpened = true
	return nil
}

// close leaves the group. The client leaves by itself only as a dynamic member. A static member
// would keep its partitions until the session times out, so it leaves explicitly. After a kill it
// finds its partitions again by its name.
func (g *groupConsumer) close() {
	g.client.CloseAllowingRebalance()
	if g.cfg.instance != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := g.admin.LeaveGroup(ctx,
			kadm.LeaveGroup(g.cfg.group).InstanceIDs(g.cfg.instance).Reason(
				"stopped")); err != nil {
			g.log.Warn("the group was not left; partitions stay assigned until the session timeout",
				"group", g.cfg.group, "error", err)
		}
	}
	g.admin.Close()
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
		kgo.WithHooks(g),
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
	if g.resume != nil && g.cfg.session > 0 {
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

// OnBrokerConnect records whether brokers are reachable.
func (g *groupConsumer) OnBrokerConnect(
	meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error,
) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.networkErr = nil
		return
	}
	if g.networkErr == nil {
		g.networkSince = time.Now()
	}
	g.networkErr = fmt.Errorf("connect to %s:%d: %w", meta.Host, meta.Port, err)
	addr := net.JoinHostPort(meta.Host, fmt.Sprint(meta.Port))
	if meta.NodeID < 0 || slices.Contains(g.cfg.Brokers, addr) || !isUnreachable(err) {
		return
	}
	g.networkErr = fmt.Errorf(
		"%w: the brokers advertise this address, but it is not reachable from here (check "+
			"advertised.listeners, or use the listener for this network)",
		g.networkErr,
	)
	g.limited.warn("advertised "+addr, "a broker is not reachable", "error", g.networkErr)
}

// isUnreachable reports whether nothing answers at an address.
func isUnreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial" ||
		errors.Is(err, context.DeadlineExceeded)
}

// OnGroupManageError logs why we left the group.
func (g *groupConsumer) OnGroupManageError(err error) {
	g.counters.errors.add("group", 1)
	stays := needsOperator(err) || errors.Is(err, kerr.FencedInstanceID) ||
		errors.Is(err, kerr.InconsistentGroupProtocol)
	err = withHint(err)
	g.limited.warn(
		"group "+err.Error(), // a new reason is logged at once
		"left the consumer group; rejoining",
		"group",
		g.cfg.group,
		"error",
		err,
	)
	if stays {
		g.setProblem("group", err)
	}
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
	g.mu.Lock()
	g.cancelPoll = cancel
	if g.assignmentChanged {
		cancel()
	}
	g.mu.Unlock()
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

// wake ends a waiting poll.
func (g *groupConsumer) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
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
	g.mu.Lock()
	defer g.mu.Unlock()
	fresh := time.Since(g.lastProbe) <= probeFresh
	losses := dataLosses(fetches)
	fetches.EachPartition(func(t kgo.FetchTopicPartition) {
		if t.Topic == "" { // an error of the client
			if err := g.clientError(t.Err); err != nil {
				fatal = err
			}
			return
		}
		p := g.parts[models.Partition{Topic: t.Topic, Partition: t.Partition}]
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
	g.mu.Lock()
	defer g.mu.Unlock()
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
	g.mu.Lock()
	defer g.mu.Unlock()
	g.joined = true
	delete(g.problems, "group")
}

// revoke gives partitions up after their owner has finished and committed them.
func (g *groupConsumer) revoke(ctx context.Context, lost map[string][]int32, fenced bool) {
	g.counters.rebalances.Add(1)
	g.mu.Lock()
	var parts []*partition
	for topic, numbers := range lost {
		for _, n := range numbers {
			if p := g.parts[models.Partition{Topic: topic, Partition: n}]; p != nil {
				parts = append(parts, p)
			}
		}
	}
	g.mu.Unlock()
	if len(parts) == 0 {
		return
	}
	slices.SortFunc(parts, byPartition)
	g.log.Info("partitions revoked", "group", g.cfg.group, "partitions", partitionNames(parts),
		"lost", fenced)
	g.onRevoke(ctx, parts, fenced)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range parts {
		g.releaseLocked(p)
	}
	g.assignmentChanged = true
}

// releaseLocked drops a partition but keeps its position, since its records stay part of the
// state. The next owner continues there. The caller holds mu.
func (g *groupConsumer) releaseLocked(p *partition) {
	g.unhold(p)
	at := g.position(p)
	at.Left = true
	g.released[p.Partition] = at
	delete(g.parts, p.Partition)
}

// releasedPositions are the positions of revoked partitions.
func (g *groupConsumer) releasedPositions() []models.SourcePosition {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.released))
}

// position is a partition's position for a checkpoint. The caller holds mu.
func (g *groupConsumer) position(p *partition) models.SourcePosition {
	at := models.SourcePosition{
		Cluster:   g.cluster,
		TopicID:   p.id,
		Topic:     p.Topic,
		Partition: p.Partition.Partition,
		Next:      p.next,
		Committed: max(p.committedOffset, -1),
		Epoch:     p.epoch,
	}
	g.availability[p.Partition].save(&at)
	return at
}

// positions are those of the given partitions; nil for all.
func (g *groupConsumer) positions(of []*partition) []models.SourcePosition {
	g.mu.Lock()
	defer g.mu.Unlock()
	if of == nil {
		of = g.sorted()
	}
	list := make([]models.SourcePosition, len(of))
	for i, p := range of {
		list[i] = g.position(p)
	}
	return list
}

// sorted are all partitions in order. The caller holds mu.
func (g *groupConsumer) sorted() []*partition {
	return slices.SortedFunc(maps.Values(g.parts), byPartition)
}

// assigned are all partitions in order.
func (g *groupConsumer) assigned() []*partition {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sorted()
}

func byPartition(a, b *partition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition.Partition) - int(b.Partition.Partition)
}

// partitionNames lists partitions as topic/number, shortened to one line.
func partitionNames(parts []*partition) string {
	const most = 12
	var list []string
	for i, p := range parts {
		if i == most {
			list = append(list, fmt.Sprintf("and %d more", len(parts)-most))
			break
		}
		list = append(list, fmt.Sprintf("%s/%d", p.Topic, p.Partition.Partition))
	}
	return strings.Join(list, " ")
}

// commitTimeout bounds a commit: a slow rebalance of other members delays it.
const commitTimeout = 10 * time.Second

// commit commits the positions and waits. Replaying partitions are not committed.
func (g *groupConsumer) commit(ctx context.Context, parts []*partition) error {
	g.mu.Lock()
	if parts == nil {
		parts = g.sorted()
	}
	offsets := g.offsetsToCommit(parts)
	g.mu.Unlock()
	return g.commitOffsets(ctx, offsets)
}

// offsetsToCommit are the current positions. The caller holds mu, and sends them.
func (g *groupConsumer) offsetsToCommit(
	parts []*partition,
) map[string]map[int32]kgo.EpochOffset {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range parts {
		next := p.next
		if g.applied != nil {
			next = min(next, g.applied(p.Partition))
		}
		if (next == p.committedOffset && !p.pin) || next < p.replayUntil {
			continue
		}
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.Topic][p.Partition.Partition] = kgo.EpochOffset{Epoch: p.epoch, Offset: next}
		p.committedOffset = committedUnknown
	}
	return offsets
}

// commitOffsets sends offsets to the group.
func (g *groupConsumer) commitOffsets(
	ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset,
) error {
	if len(offsets) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	var failed error
	noted := func(
		_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error,
	) {
		failed = err
		if err == nil {
			failed = g.noteCommitted(offsets, answer)
		}
	}
	if g.resume != nil {
		req := g.offsetCommit(offsets)
		if len(req.Topics) == 0 {
			return nil // none of them is ours any more
		}
		answer, err := req.RequestWith(ctx, g.client)
		if err == nil {
			nameTopics(req, answer)
		}
		noted(nil, nil, answer, err)
	} else {
		g.client.CommitOffsetsSync(ctx, offsets, noted)
	}
	g.counters.commits.Add(1)
	if g.resume != nil && errors.Is(failed, kerr.RebalanceInProgress) {
		return failed // the next commit follows soon
	}
	if failed != nil {
		g.counters.errors.add("commit", 1)
		failed = withHint(failed)
		g.limited.warn("commit "+failed.Error(),
			"offsets could not be committed; retried with the next commit", "group", g.cfg.group,
			"error", failed)
	}
	return failed
}

// offsetCommit is a commit that does not wait for a rebalance, as the client's own does. A broker
// refuses it meanwhile, which is no harm to a Resumer: its offsets are for others to see.
func (g *groupConsumer) offsetCommit(
	offsets map[string]map[int32]kgo.EpochOffset,
) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = g.cfg.group
	req.MemberID, req.Generation = g.client.GroupMetadata()
	if g.cfg.instance != "" {
		req.InstanceID = &g.cfg.instance
	}
	for topic, parts := range offsets {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = topic
		for number, at := range parts {
			of := g.partition(topic, number)
			if of == nil {
				continue
			}
			t.TopicID = of.id
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch = number, at.Offset, at.Epoch
			t.Partitions = append(t.Partitions, p)
		}
		if len(t.Partitions) > 0 {
			req.Topics = append(req.Topics, t)
		}
	}
	return req
}

// nameTopics sets the names of an answer's topics, which newer brokers name by their IDs alone.
func nameTopics(req *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse) {
	for i := range answer.Topics {
		for j := range req.Topics {
			if t := &answer.Topics[i]; t.Topic == "" && t.TopicID == req.Topics[j].TopicID {
				t.Topic = req.Topics[j].Topic
			}
		}
	}
}

// partition returns an assigned partition, or nil.
func (g *groupConsumer) partition(topic string, number int32) *partition {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.parts[models.Partition{Topic: topic, Partition: number}]
}

// noteCommitted records the group's new offsets.
func (g *groupConsumer) noteCommitted(
	offsets map[string]map[int32]kgo.EpochOffset,
	answer *kmsg.OffsetCommitResponse,
) error {
	var errs []error
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range answer.Topics {
		for _, a := range t.Partitions {
			if err := kerr.ErrorForCode(a.ErrorCode); err != nil {
				errs = append(errs, fmt.Errorf("%s/%d: %w", t.Topic, a.Partition, err))
				continue
			}
			if p := g.parts[models.Partition{Topic: t.Topic, Partition: a.Partition}]; p != nil {
				p.committedOffset, p.pin = offsets[t.Topic][a.Partition].Offset, false
			}
		}
	}
	return errors.Join(errs...)
}

// commitSoon commits in the background unless a commit is in flight. It takes the positions now:
// when the request is sent more records were read, which no checkpoint covers, and a crash would
// lose them.
func (g *groupConsumer) commitSoon(ctx context.Context, wg *sync.WaitGroup) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.committing {
		return
	}
	g.committing = true
	offsets := g.offsetsToCommit(g.sorted())
	wg.Go(func() {
		g.commitOffsets(ctx, offsets)
		g.mu.Lock()
		g.committing = false
		g.mu.Unlock()
	})
}

// progress appends the progress of all partitions to list. Where CaughtUp is set, everything
// written before the returned time has been read.
func (g *groupConsumer) progress(list []models.Progress) (time.Time, []models.Progress) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	fresh := now.Sub(g.lastProbe) <= probeFresh
	if fresh {
		now = g.lastProbe
	}
	list = list[:0]
	for _, p := range g.sorted() {
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

// takeAssignmentChange reports whether the assignment changed since the last call.
func (g *groupConsumer) takeAssignmentChange() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	changed := g.assignmentChanged
	g.assignmentChanged = false
	return changed
}

// releaseAll drops all partitions, which were finished before.
func (g *groupConsumer) releaseAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.parts {
		g.releaseLocked(p)
	}
	g.assignmentChanged = true
}

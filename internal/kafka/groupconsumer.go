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

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// feedConfig says what to read.
type groupConfig struct {
	ClientConfig
	topics, patterns  []string
	exclude           []string // topics that patterns do not mean; "" for none
	group, instance   string
	session           time.Duration // 0 for the client's own default
	start             int64
	minBytes, maxByte int
	maxWait           time.Duration
}

// feed is a member of a consumer group: it joins, knows for each partition how far it was read,
// fetched and committed, and decides what each trouble of a partition means. Source and the
// mission's consumers differ only in what they do with the records.
//
// The loop of its owner polls, works off what the poll returned, and then allows a rebalance;
// revoked is called only between those, so whatever it does excludes the loop. When a topic was
// created again, the client has to begin afresh, and the owner opens the feed again.
type groupConsumer struct {
	cfg      groupConfig
	log      *slog.Logger
	limited  *rateLimitedLogger
	counters *counters
	clock    *clockGuard

	// of the last checkpoint, best of this topic ID
	restoredPosition func(models.Partition, [16]byte) (models.SourcePosition, bool)
	// how much of the past a partition without a position reads again
	rewind   time.Duration
	onRevoke func(ctx context.Context, parts []*partition, lost bool)
	// nil when nobody hands over anything
	acquire func(ctx context.Context, at []models.SourcePosition) (map[models.Partition]models.AcquiredPosition, error)

	client *kgo.Client
	admin  *kadm.Client

	lastPollFailed bool      // the last poll brought nothing else; the loop's own
	lastDiagnosis  time.Time // when it was last looked why nothing comes; the loop's own

	mu    sync.Mutex // guards all below, and the partitions' fields
	parts map[models.Partition]*partition
	// partitions that were ours, as we left them
	released   map[models.Partition]models.SourcePosition
	forget     []models.SourcePosition     // positions of topics that no longer exist
	beforeJoin func(context.Context) error // is asked before the first join
	// partitions of our topics, ours or others', as of the last answer
	topicPartitions int
	// of the group, as of the last answer; 0 when there was none
	memberCount int
	everOpened  bool // all was well once
	// topics that were there when we began; nil before that is known
	initialTopics     map[string]bool
	cluster           string
	joined            bool // partitions were assigned since the start, or none to us
	assignmentChanged bool // partitions came or went since the loop last looked
	committing        bool // a commit is under way
	cancelPoll        context.CancelFunc
	networkErr        error // why the last attempt to connect failed; nil when it did not
	networkSince      time.Time
	problems          map[string]problem // by what it concerns
	// when the last answered question for the ends of the partitions was asked
	lastProbe        time.Time
	unansweredProbes int // questions without an answer since
}

// partition is what is known of a partition that is ours.
type partition struct {
	models.Partition
	id      [16]byte
	next    int64 // offset of the first record that was not worked off yet
	fetched int64 // offset of the first record that was not fetched yet
	epoch   int32 // leader epoch of the record before next
	// the epoch up to which records before next are those that were read, when they come once more
	// because the client went back
	readEpoch int32
	// what the group holds; -1 when it holds nothing, unknown when we cannot tell
	committedOffset int64
	replayUntil     int64 // records before it were worked off by an earlier run
	// what the group held when the partition was handed over to us: it is told of nothing less
	floor      int64
	end, start int64 // of the log; end is the high watermark
	probedEnd  int64 // end, as of the last answered question for it; -1 before the first
	// when the question was asked whose answer is end; zero when a fetch brought it
	endProbedAt time.Time
	lastTime    time.Time // timestamp of the last record
	lastMoved   time.Time // when next last moved
	// since when there is something to read, and next has not moved; zero for not
	laggingSince time.Time
	stuck        error // why nothing comes; nil when all is well
	// the log cannot be read at fetched: what comes next may be from behind the damage
	damaged   bool
	pin       bool  // to be committed although nothing was read yet
	processed int64 // records since it is ours
	worker    int   // who evaluates it, when there are several
	revoking  bool  // it is being given up: what was not evaluated yet is not to be
	queued    int   // messages that somebody still has to evaluate
}

// unknown is a committed offset of which we cannot tell what it is.
const committedUnknown = -2

// problem is something that keeps us from reading.
type problem struct {
	err   error
	since time.Time
}

var errReopen = errors.New("the topic was deleted or created again")

func newGroupConsumer(cfg groupConfig, log *slog.Logger, count *counters) *groupConsumer {
	return &groupConsumer{
		cfg: cfg, log: log, limited: newRateLimitedLogger(log), counters: count, clock: newClockGuard(nil, log),
		restoredPosition: func(models.Partition, [16]byte) (models.SourcePosition, bool) { return models.SourcePosition{}, false },
		onRevoke:         func(context.Context, []*partition, bool) {}, beforeJoin: func(context.Context) error { return nil },
		parts: map[models.Partition]*partition{}, released: map[models.Partition]models.SourcePosition{}, problems: map[string]problem{},
	}
}

// open returns once a broker has answered and all topics are there, with a client that joins the
// group. It retries while no broker can be reached.
func (g *groupConsumer) open(ctx context.Context) error {
	opts, err := g.cfg.options(g.log)
	if err != nil {
		return err
	}
	// Questions are asked by a client of their own: joining begins with the client, and must not
	// before all is known to be well. It does not keep answers for long: a topic that was created
	// just now would else stay unknown for some seconds.
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
	g.mu.Lock() // callbacks wait until the client is known
	defer g.mu.Unlock()
	if g.client, err = kgo.NewClient(g.options(opts)...); err != nil {
		side.Close()
		return fmt.Errorf("kafka client: %w", err)
	}
	g.everOpened = true
	return nil
}

// close leaves the group. The client leaves by itself only as a dynamic member; a static one would
// keep its partitions until its session is over, and nobody would read them until then. Whoever is
// stopped cleanly gives them up; who was killed finds them again under its name.
func (g *groupConsumer) close() {
	g.client.CloseAllowingRebalance()
	if g.cfg.instance != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := g.admin.LeaveGroup(ctx, kadm.LeaveGroup(g.cfg.group).InstanceIDs(g.cfg.instance).Reason("stopped")); err != nil {
			g.log.Warn(
				"the group was not left; our partitions wait until the session is over",
				"group",
				g.cfg.group,
				"error",
				err,
			)
		}
	}
	g.admin.Close()
}

// options are those of a member of the group.
func (g *groupConsumer) options(opts []kgo.Opt) []kgo.Opt {
	opts = append(
		slices.Clip(opts),
		kgo.ConsumerGroup(
			g.cfg.group,
		),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsRevoked(
			func(ctx context.Context, _ *kgo.Client, lost map[string][]int32) { g.revoke(ctx, lost, false) },
		),
		kgo.OnPartitionsLost(
			func(ctx context.Context, _ *kgo.Client, lost map[string][]int32) { g.revoke(ctx, lost, true) },
		),
		kgo.OnPartitionsAssigned(
			func(context.Context, *kgo.Client, map[string][]int32) { g.joinedGroup() },
		),
		kgo.AdjustFetchOffsetsFn(g.assign),
		kgo.WithHooks(g),
		kgo.FetchMinBytes(
			int32(g.cfg.minBytes),
		),
		kgo.FetchMaxBytes(int32(g.cfg.maxByte)),
		kgo.FetchMaxWait(g.cfg.maxWait),
		// A partition's share of a fetch stays small, so that one fetch of many partitions does not
		// hold them all at full size in memory.
		kgo.FetchMaxPartitionBytes(
			int32(min(g.cfg.maxByte, 1<<20)),
		),
		kgo.BrokerMaxReadBytes(int32(max(100<<20, min(2*g.cfg.maxByte, 1<<30)))),
		// The commit markers of transactions are records too: without them the end of a partition
		// would never be reached.
		kgo.KeepControlRecords(),
		kgo.MetadataMaxAge(time.Minute),
		kgo.ConsumeResetOffset(kgo.RewindOffset(time.Minute)),
	)
	if g.cfg.instance != "" {
		opts = append(opts, kgo.InstanceID(g.cfg.instance))
	}
	if g.cfg.session > 0 {
		opts = append(
			opts,
			kgo.SessionTimeout(g.cfg.session),
			kgo.HeartbeatInterval(min(3*time.Second, g.cfg.session/3)),
		)
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

// OnBrokerConnect notes whether brokers can be reached.
func (g *groupConsumer) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
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
}

// OnGroupManageError notes why the group let us go.
func (g *groupConsumer) OnGroupManageError(err error) {
	g.counters.errors.add("group", 1)
	g.limited.warn(
		"group",
		"left the consumer group, joining again",
		"group",
		g.cfg.group,
		"error",
		withHint(err),
	)
}

// poll returns what was fetched, at most max records. An error is fatal, or errReopen. Rebalances
// wait from here on until allow is called.
func (g *groupConsumer) poll(ctx context.Context, wait time.Duration, max int) ([]batch, error) {
	pollCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if g.lastPollFailed {
		// A broker that refuses answers at once, and the client asks again at once: nobody would
		// ever rest.
		sleep(ctx, errorBackoff)
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

// errorPause is between two polls of which the first brought nothing but errors.
const errorBackoff = 250 * time.Millisecond

// hasErrors says whether fetches hold errors other than the end of the poll.
func hasErrors(fetches kgo.Fetches) (found bool) {
	fetches.EachError(func(_ string, _ int32, err error) {
		found = found ||
			!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
	})
	return found
}

// allow lets rebalances happen.
func (g *groupConsumer) allowRebalance() { g.client.AllowRebalance() }

// wake ends a poll that waits.
func (g *groupConsumer) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cancelPoll != nil {
		g.cancelPoll()
	}
}

// batch is what a poll brought of one partition, in the order of offsets.
type batch struct {
	part    *partition
	records []*kgo.Record
	next    int64 // the offset after it, which counts control records as well
	err     error // of the partition, to be decided once the records are worked off
}

// sort makes batches of fetches.
func (g *groupConsumer) batches(fetches kgo.Fetches) ([]batch, error) {
	var batches []batch
	var fatal error
	var live time.Time
	g.mu.Lock()
	defer g.mu.Unlock()
	fresh := time.Since(g.lastProbe) <= probeFresh
	fetches.EachPartition(func(t kgo.FetchTopicPartition) {
		if t.Topic == "" { // of the client itself
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
			live = t.Records[n-1].Timestamp // it was not there a moment ago
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

// watermarks notes what a fetch says about the log, and that records may have been deleted before
// we came to read them.
func (g *groupConsumer) noteOffsets(p *partition, t *kgo.FetchPartition) {
	p.end, p.endProbedAt = t.HighWatermark, time.Time{}
	p.start = t.LogStartOffset
	if len(t.Records) > 0 && t.LogStartOffset > p.fetched && t.Records[0].Offset > p.fetched {
		g.recordsDeleted(p, min(t.LogStartOffset, t.Records[0].Offset))
	}
}

// expired notes that records were deleted before they could be read.
func (g *groupConsumer) recordsDeleted(p *partition, start int64) {
	g.counters.lost.Add(start - p.fetched)
	g.counters.errors.add("expired", 1)
	g.limited.error(
		"expired "+p.Topic,
		"records were deleted before they were read; the topic's retention is shorter than the lag",
		"topic",
		p.Topic,
		"partition",
		p.Partition.Partition,
		"records",
		start-p.fetched,
		"resumed_at",
		start,
	)
	if p.next == p.fetched { // else what was fetched before is worked off first
		p.next, p.epoch = start, -1
	}
	p.fetched = start
}

// batch drops what is no log: records that were worked off already, which come again when the
// client had to go back, and control records.
func (g *groupConsumer) newBatch(p *partition, records []*kgo.Record, err error) batch {
	b := batch{part: p, records: records, next: p.fetched, err: err}
	if len(records) == 0 {
		return b
	}
	if first := records[0].Offset; p.damaged && first > p.fetched {
		g.skipLocked(p, "corrupt", first, errors.New("the client has passed over it"))
	}
	p.damaged = false
	b.next = max(p.fetched, records[len(records)-1].Offset+1)
	for _, r := range records {
		if p.fetched < p.next && r.Offset < p.next && r.LeaderEpoch > p.readEpoch {
			g.rewindTo(p, r.Offset) // by a leader that came after those of what was read
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
	p.fetched = b.next
	return b
}

// done moves a partition forward after its records were worked off up to next.
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

// join notes that the group has us, though it may have no partition for us.
func (g *groupConsumer) joinedGroup() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.joined = true
	delete(g.problems, "group")
}

// release gives partitions up: their owner finishes with them, and commits.
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
	g.log.Info(
		"partitions were taken from us",
		"group",
		g.cfg.group,
		"partitions",
		partitionNames(parts),
		"lost",
		fenced,
	)
	g.onRevoke(ctx, parts, fenced)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range parts {
		g.releaseLocked(p)
	}
	g.assignmentChanged = true
}

// part gives a partition up. What was read of it stays part of the state, so its position is kept:
// whoever gets the partition back goes on there, or where another member has read on to. The caller
// holds mu.
func (g *groupConsumer) releaseLocked(p *partition) {
	at := g.position(p)
	at.Left = true
	g.released[p.Partition] = at
	delete(g.parts, p.Partition)
}

// left are the positions of what was given up.
func (g *groupConsumer) releasedPositions() []models.SourcePosition {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.released))
}

// position is how far a partition was read, for a checkpoint. The caller holds mu.
func (g *groupConsumer) position(p *partition) models.SourcePosition {
	return models.SourcePosition{
		Cluster: g.cluster, TopicID: p.id, Topic: p.Topic, Partition: p.Partition.Partition, Next: p.next, Committed: max(p.committedOffset, -1), Epoch: p.epoch,
	}
}

// positions are those of all partitions, or of some.
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

// sorted are all partitions, in order. The caller holds mu.
func (g *groupConsumer) sorted() []*partition {
	return slices.SortedFunc(maps.Values(g.parts), byPartition)
}

// ours are all partitions, in order.
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

// names are partitions as people write them, topic/number, so many that a line bears them.
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

// commitTimeout bounds a commit: other members that take their time over a rebalance hold it up.
const commitTimeout = 10 * time.Second

// commit tells the group how far the partitions were read, and returns when it knows. Partitions
// that replay what the group has counted as read stay where they are.
func (g *groupConsumer) commit(ctx context.Context, parts []*partition) error {
	g.mu.Lock()
	if parts == nil {
		parts = g.sorted()
	}
	offsets := offsetsToCommit(parts)
	g.mu.Unlock()
	return g.commitOffsets(ctx, offsets)
}

// uncommitted are the offsets that the group is to be told of partitions, as they stand now. They
// are taken under the feed's lock, and are on their way then.
func offsetsToCommit(parts []*partition) map[string]map[int32]kgo.EpochOffset {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range parts {
		if (p.next == p.committedOffset && !p.pin) || p.next < max(p.replayUntil, p.floor) {
			continue
		}
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.Topic][p.Partition.Partition] = kgo.EpochOffset{Epoch: p.epoch, Offset: p.next}
		p.committedOffset = committedUnknown
	}
	return offsets
}

// send tells the group offsets.
func (g *groupConsumer) commitOffsets(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset) error {
	if len(offsets) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	var failed error
	g.client.CommitOffsetsSync(
		ctx,
		offsets,
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			failed = err
			if err == nil {
				failed = g.noteCommitted(offsets, answer)
			}
		},
	)
	g.counters.commits.Add(1)
	if failed != nil {
		g.counters.errors.add("commit", 1)
		g.limited.warn(
			"commit",
			"offsets could not be committed; they will be with the next commit",
			"group",
			g.cfg.group,
			"error",
			failed,
		)
	}
	return failed
}

// committed notes what the group now holds.
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

// commitSoon commits without waiting, unless a commit is under way. What is committed is what was
// read when it is called: by the time the group is told, more was read, which no checkpoint covers
// yet, and whoever crashed then would never read it again.
func (g *groupConsumer) commitSoon(ctx context.Context, wg *sync.WaitGroup) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.committing {
		return
	}
	g.committing = true
	offsets := offsetsToCommit(g.sorted())
	wg.Go(func() {
		g.commitOffsets(ctx, offsets)
		g.mu.Lock()
		g.committing = false
		g.mu.Unlock()
	})
}

// expelled says whether the group has given us up. After a pause that was longer than the session,
// as of a process that was stopped or a machine that was suspended, we would learn that some
// moments too late, and meanwhile speak for partitions that somebody else reads.
func (g *groupConsumer) removedFromGroup(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group = g.cfg.group
	req.MemberID, req.Generation = g.client.GroupMetadata()
	if g.cfg.instance != "" {
		req.InstanceID = &g.cfg.instance
	}
	answer, err := req.RequestWith(ctx, g.client)
	if err != nil {
		return false // nobody answers: then others are not told of us either
	}
	switch kerr.ErrorForCode(answer.ErrorCode) {
	case kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.FencedInstanceID:
		g.log.Warn(
			"we were away for longer than a session, and the group has given us up",
			"group",
			g.cfg.group,
		)
		return true
	}
	return false
}

// progress is how far all partitions were read, appended to list. Time is that of which we know
// that everything older has been read where CaughtUp says so.
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
			Topic: p.Topic, Partition: p.Partition.Partition, Next: p.next, End: max(p.end, p.next),
			CaughtUp: fresh && p.next == p.end && p.endProbedAt.Equal(g.lastProbe) &&
				!p.lastMoved.After(p.endProbedAt),
			Replay: p.next < p.replayUntil,
		})
	}
	return g.clock.report(now), list
}

// took says whether partitions came or went since the last call.
func (g *groupConsumer) takeAssignmentChange() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	changed := g.assignmentChanged
	g.assignmentChanged = false
	return changed
}

// leave lets go of all partitions, which were finished with.
func (g *groupConsumer) releaseAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.parts {
		g.releaseLocked(p)
	}
	g.assignmentChanged = true
}

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
type feedConfig struct {
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
type feed struct {
	cfg     feedConfig
	log     *slog.Logger
	sparing *sparingLog
	count   *counters
	clock   *clock

	// of the last checkpoint, best of this topic ID
	known func(models.Partition, [16]byte) (models.SourcePosition, bool)
	// how much of the past a partition without a position reads again
	rewind  time.Duration
	revoked func(ctx context.Context, parts []*partition, lost bool)
	// nil when nobody hands over anything
	claim func(ctx context.Context, at []models.SourcePosition) (map[models.Partition]models.Handover, error)

	client *kgo.Client
	admin  *kadm.Client

	onlyErrors bool      // the last poll brought nothing else; the loop's own
	examined   time.Time // when it was last looked why nothing comes; the loop's own

	mu    sync.Mutex // guards all below, and the partitions' fields
	parts map[models.Partition]*partition
	// partitions that were ours, as we left them
	gone   map[models.Partition]models.SourcePosition
	forget []models.SourcePosition     // positions of topics that no longer exist
	admit  func(context.Context) error // is asked before the first join
	// partitions of our topics, ours or others', as of the last answer
	all int
	// of the group, as of the last answer; 0 when there was none
	members int
	opened  bool // all was well once
	// topics that were there when we began; nil before that is known
	existed  map[string]bool
	cluster  string
	joined   bool // partitions were assigned since the start, or none to us
	changed  bool // partitions came or went since the loop last looked
	busy     bool // a commit is under way
	wakeUp   context.CancelFunc
	network  error // why the last attempt to connect failed; nil when it did not
	netSince time.Time
	trouble  map[string]problem // by what it concerns
	// when the last answered question for the ends of the partitions was asked
	probed time.Time
	asked  int // questions without an answer since
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
	committed   int64
	replayUntil int64 // records before it were worked off by an earlier run
	// what the group held when the partition was handed over to us: it is told of nothing less
	floor      int64
	end, start int64 // of the log; end is the high watermark
	asked      int64 // end, as of the last answered question for it; -1 before the first
	// when the question was asked whose answer is end; zero when a fetch brought it
	endAsked time.Time
	last     time.Time // timestamp of the last record
	moved    time.Time // when next last moved
	// since when there is something to read, and next has not moved; zero for not
	behind time.Time
	stuck  error // why nothing comes; nil when all is well
	// the log cannot be read at fetched: what comes next may be from behind the damage
	torn    bool
	pin     bool  // to be committed although nothing was read yet
	handled int64 // records since it is ours
	worker  int   // who evaluates it, when there are several
	given   bool  // it is being given up: what was not evaluated yet is not to be
	queued  int   // messages that somebody still has to evaluate
}

// unknown is a committed offset of which we cannot tell what it is.
const unknown = -2

// problem is something that keeps us from reading.
type problem struct {
	err   error
	since time.Time
}

var errReopen = errors.New("the topic was deleted or created again")

func newFeed(cfg feedConfig, log *slog.Logger, count *counters) *feed {
	return &feed{
		cfg: cfg, log: log, sparing: newSparingLog(log), count: count, clock: newClock(nil, log),
		known:   func(models.Partition, [16]byte) (models.SourcePosition, bool) { return models.SourcePosition{}, false },
		revoked: func(context.Context, []*partition, bool) {}, admit: func(context.Context) error { return nil },
		parts: map[models.Partition]*partition{}, gone: map[models.Partition]models.SourcePosition{}, trouble: map[string]problem{},
	}
}

// open returns once a broker has answered and all topics are there, with a client that joins the
// group. It retries while no broker can be reached.
func (f *feed) open(ctx context.Context) error {
	opts, err := f.cfg.options(f.log)
	if err != nil {
		return err
	}
	// Questions are asked by a client of their own: joining begins with the client, and must not
	// before all is known to be well. It does not keep answers for long: a topic that was created
	// just now would else stay unknown for some seconds.
	side, err := kgo.NewClient(
		append(slices.Clip(opts), kgo.WithHooks(f), kgo.MetadataMinAge(500*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	f.admin = kadm.NewClient(side)
	err = f.check(ctx)
	if err == nil && !f.opened {
		err = f.admit(ctx)
	}
	if err != nil {
		side.Close()
		return err
	}
	f.mu.Lock() // callbacks wait until the client is known
	defer f.mu.Unlock()
	if f.client, err = kgo.NewClient(f.options(opts)...); err != nil {
		side.Close()
		return fmt.Errorf("kafka client: %w", err)
	}
	f.opened = true
	return nil
}

// close leaves the group. The client leaves by itself only as a dynamic member; a static one would
// keep its partitions until its session is over, and nobody would read them until then. Whoever is
// stopped cleanly gives them up; who was killed finds them again under its name.
func (f *feed) close() {
	f.client.CloseAllowingRebalance()
	if f.cfg.instance != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := f.admin.LeaveGroup(ctx, kadm.LeaveGroup(f.cfg.group).InstanceIDs(f.cfg.instance).Reason("stopped")); err != nil {
			f.log.Warn(
				"the group was not left; our partitions wait until the session is over",
				"group",
				f.cfg.group,
				"error",
				err,
			)
		}
	}
	f.admin.Close()
}

// options are those of a member of the group.
func (f *feed) options(opts []kgo.Opt) []kgo.Opt {
	opts = append(
		slices.Clip(opts),
		kgo.ConsumerGroup(
			f.cfg.group,
		),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsRevoked(
			func(ctx context.Context, _ *kgo.Client, lost map[string][]int32) { f.release(ctx, lost, false) },
		),
		kgo.OnPartitionsLost(
			func(ctx context.Context, _ *kgo.Client, lost map[string][]int32) { f.release(ctx, lost, true) },
		),
		kgo.OnPartitionsAssigned(
			func(context.Context, *kgo.Client, map[string][]int32) { f.join() },
		),
		kgo.AdjustFetchOffsetsFn(f.assign),
		kgo.WithHooks(f),
		kgo.FetchMinBytes(
			int32(f.cfg.minBytes),
		),
		kgo.FetchMaxBytes(int32(f.cfg.maxByte)),
		kgo.FetchMaxWait(f.cfg.maxWait),
		// A partition's share of a fetch stays small, so that one fetch of many partitions does not
		// hold them all at full size in memory.
		kgo.FetchMaxPartitionBytes(
			int32(min(f.cfg.maxByte, 1<<20)),
		),
		kgo.BrokerMaxReadBytes(int32(max(100<<20, min(2*f.cfg.maxByte, 1<<30)))),
		// The commit markers of transactions are records too: without them the end of a partition
		// would never be reached.
		kgo.KeepControlRecords(),
		kgo.MetadataMaxAge(time.Minute),
		kgo.ConsumeResetOffset(kgo.RewindOffset(time.Minute)),
	)
	if f.cfg.instance != "" {
		opts = append(opts, kgo.InstanceID(f.cfg.instance))
	}
	if f.cfg.session > 0 {
		opts = append(
			opts,
			kgo.SessionTimeout(f.cfg.session),
			kgo.HeartbeatInterval(min(3*time.Second, f.cfg.session/3)),
		)
	}
	if len(f.cfg.patterns) == 0 {
		return append(opts, kgo.ConsumeTopics(f.cfg.topics...))
	}
	expressions := slices.Clone(f.cfg.patterns)
	for _, t := range f.cfg.topics {
		expressions = append(expressions, "^"+regexp.QuoteMeta(t)+"$")
	}
	opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(expressions...))
	var not []string
	for _, t := range f.cfg.exclude {
		not = append(not, "^"+regexp.QuoteMeta(t)+"$")
	}
	return append(opts, kgo.ConsumeExcludeTopics(not...))
}

// OnBrokerConnect notes whether brokers can be reached.
func (f *feed) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.network = nil
		return
	}
	if f.network == nil {
		f.netSince = time.Now()
	}
	f.network = fmt.Errorf("connect to %s:%d: %w", meta.Host, meta.Port, err)
}

// OnGroupManageError notes why the group let us go.
func (f *feed) OnGroupManageError(err error) {
	f.count.errors.add("group", 1)
	f.sparing.warn(
		"group",
		"left the consumer group, joining again",
		"group",
		f.cfg.group,
		"error",
		hinted(err),
	)
}

// poll returns what was fetched, at most max records. An error is fatal, or errReopen. Rebalances
// wait from here on until allow is called.
func (f *feed) poll(ctx context.Context, wait time.Duration, max int) ([]batch, error) {
	pollCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if f.onlyErrors {
		// A broker that refuses answers at once, and the client asks again at once: nobody would
		// ever rest.
		pause(ctx, errorPause)
	}
	f.mu.Lock()
	f.wakeUp = cancel
	if f.changed {
		cancel()
	}
	f.mu.Unlock()
	fetches := f.client.PollRecords(pollCtx, max)
	f.onlyErrors = fetches.NumRecords() == 0 && hasErrors(fetches)
	return f.sort(fetches)
}

// errorPause is between two polls of which the first brought nothing but errors.
const errorPause = 250 * time.Millisecond

// hasErrors says whether fetches hold errors other than the end of the poll.
func hasErrors(fetches kgo.Fetches) (found bool) {
	fetches.EachError(func(_ string, _ int32, err error) {
		found = found ||
			!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
	})
	return found
}

// allow lets rebalances happen.
func (f *feed) allow() { f.client.AllowRebalance() }

// wake ends a poll that waits.
func (f *feed) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wakeUp != nil {
		f.wakeUp()
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
func (f *feed) sort(fetches kgo.Fetches) ([]batch, error) {
	var batches []batch
	var fatal error
	var live time.Time
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh := time.Since(f.probed) <= probeFresh
	fetches.EachPartition(func(t kgo.FetchTopicPartition) {
		if t.Topic == "" { // of the client itself
			if err := f.clientError(t.Err); err != nil {
				fatal = err
			}
			return
		}
		p := f.parts[models.Partition{Topic: t.Topic, Partition: t.Partition}]
		if p == nil {
			if t.Err != nil && fatal == nil {
				fatal = f.foreignError(t.Topic, t.Partition, t.Err)
			}
			return
		}
		if t.Err == nil {
			p.stuck = nil
			f.watermarks(p, &t.FetchPartition)
		}
		if n := len(t.Records); n > 0 && fresh && p.asked >= 0 &&
			t.Records[n-1].Offset >= p.asked &&
			t.Records[n-1].Timestamp.After(live) {
			live = t.Records[n-1].Timestamp // it was not there a moment ago
		}
		if len(t.Records) > 0 || t.Err != nil {
			batches = append(batches, f.batch(p, t.Records, t.Err))
		}
	})
	if !live.IsZero() {
		f.clock.witness(live)
	}
	return batches, fatal
}

// watermarks notes what a fetch says about the log, and that records may have been deleted before
// we came to read them.
func (f *feed) watermarks(p *partition, t *kgo.FetchPartition) {
	p.end, p.endAsked = t.HighWatermark, time.Time{}
	p.start = t.LogStartOffset
	if len(t.Records) > 0 && t.LogStartOffset > p.fetched && t.Records[0].Offset > p.fetched {
		f.expired(p, min(t.LogStartOffset, t.Records[0].Offset))
	}
}

// expired notes that records were deleted before they could be read.
func (f *feed) expired(p *partition, start int64) {
	f.count.lost.Add(start - p.fetched)
	f.count.errors.add("expired", 1)
	f.sparing.error(
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
func (f *feed) batch(p *partition, records []*kgo.Record, err error) batch {
	b := batch{part: p, records: records, next: p.fetched, err: err}
	if len(records) == 0 {
		return b
	}
	if first := records[0].Offset; p.torn && first > p.fetched {
		f.leftOut(p, "corrupt", first, errors.New("the client has passed over it"))
	}
	p.torn = false
	b.next = max(p.fetched, records[len(records)-1].Offset+1)
	for _, r := range records {
		if p.fetched < p.next && r.Offset < p.next && r.LeaderEpoch > p.readEpoch {
			f.backTo(p, r.Offset) // by a leader that came after those of what was read
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
				f.count.repeated.Add(1)
			case !r.Attrs.IsControl():
				b.records = append(b.records, r)
			}
		}
	}
	p.fetched = b.next
	return b
}

// done moves a partition forward after its records were worked off up to next.
func (f *feed) done(p *partition, next int64, last *kgo.Record, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if next > p.next {
		p.next, p.moved, p.behind = next, time.Now(), time.Time{}
	}
	if last != nil {
		p.epoch, p.last = last.LeaderEpoch, last.Timestamp
	}
	p.handled += int64(n)
	f.count.messages.Add(int64(n))
}

// join notes that the group has us, though it may have no partition for us.
func (f *feed) join() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.joined = true
	delete(f.trouble, "group")
}

// release gives partitions up: their owner finishes with them, and commits.
func (f *feed) release(ctx context.Context, lost map[string][]int32, fenced bool) {
	f.count.rebalances.Add(1)
	f.mu.Lock()
	var parts []*partition
	for topic, numbers := range lost {
		for _, n := range numbers {
			if p := f.parts[models.Partition{Topic: topic, Partition: n}]; p != nil {
				parts = append(parts, p)
			}
		}
	}
	f.mu.Unlock()
	if len(parts) == 0 {
		return
	}
	slices.SortFunc(parts, byPartition)
	f.log.Info(
		"partitions were taken from us",
		"group",
		f.cfg.group,
		"partitions",
		names(parts),
		"lost",
		fenced,
	)
	f.revoked(ctx, parts, fenced)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range parts {
		f.part(p)
	}
	f.changed = true
}

// part gives a partition up. What was read of it stays part of the state, so its position is kept:
// whoever gets the partition back goes on there, or where another member has read on to. The caller
// holds mu.
func (f *feed) part(p *partition) {
	at := f.position(p)
	at.Left = true
	f.gone[p.Partition] = at
	delete(f.parts, p.Partition)
}

// left are the positions of what was given up.
func (f *feed) left() []models.SourcePosition {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.gone))
}

// position is how far a partition was read, for a checkpoint. The caller holds mu.
func (f *feed) position(p *partition) models.SourcePosition {
	return models.SourcePosition{
		Cluster: f.cluster, TopicID: p.id, Topic: p.Topic, Partition: p.Partition.Partition, Next: p.next, Committed: max(p.committed, -1), Epoch: p.epoch,
	}
}

// positions are those of all partitions, or of some.
func (f *feed) positions(of []*partition) []models.SourcePosition {
	f.mu.Lock()
	defer f.mu.Unlock()
	if of == nil {
		of = f.sorted()
	}
	list := make([]models.SourcePosition, len(of))
	for i, p := range of {
		list[i] = f.position(p)
	}
	return list
}

// sorted are all partitions, in order. The caller holds mu.
func (f *feed) sorted() []*partition {
	return slices.SortedFunc(maps.Values(f.parts), byPartition)
}

// ours are all partitions, in order.
func (f *feed) ours() []*partition {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sorted()
}

func byPartition(a, b *partition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition.Partition) - int(b.Partition.Partition)
}

// names are partitions as people write them, topic/number, so many that a line bears them.
func names(parts []*partition) string {
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
func (f *feed) commit(ctx context.Context, parts []*partition) error {
	f.mu.Lock()
	if parts == nil {
		parts = f.sorted()
	}
	offsets := uncommitted(parts)
	f.mu.Unlock()
	return f.send(ctx, offsets)
}

// uncommitted are the offsets that the group is to be told of partitions, as they stand now. They
// are taken under the feed's lock, and are on their way then.
func uncommitted(parts []*partition) map[string]map[int32]kgo.EpochOffset {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range parts {
		if (p.next == p.committed && !p.pin) || p.next < max(p.replayUntil, p.floor) {
			continue
		}
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.Topic][p.Partition.Partition] = kgo.EpochOffset{Epoch: p.epoch, Offset: p.next}
		p.committed = unknown
	}
	return offsets
}

// send tells the group offsets.
func (f *feed) send(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset) error {
	if len(offsets) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	var failed error
	f.client.CommitOffsetsSync(
		ctx,
		offsets,
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			failed = err
			if err == nil {
				failed = f.committed(offsets, answer)
			}
		},
	)
	f.count.commits.Add(1)
	if failed != nil {
		f.count.errors.add("commit", 1)
		f.sparing.warn(
			"commit",
			"offsets could not be committed; they will be with the next commit",
			"group",
			f.cfg.group,
			"error",
			failed,
		)
	}
	return failed
}

// committed notes what the group now holds.
func (f *feed) committed(
	offsets map[string]map[int32]kgo.EpochOffset,
	answer *kmsg.OffsetCommitResponse,
) error {
	var errs []error
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range answer.Topics {
		for _, a := range t.Partitions {
			if err := kerr.ErrorForCode(a.ErrorCode); err != nil {
				errs = append(errs, fmt.Errorf("%s/%d: %w", t.Topic, a.Partition, err))
				continue
			}
			if p := f.parts[models.Partition{Topic: t.Topic, Partition: a.Partition}]; p != nil {
				p.committed, p.pin = offsets[t.Topic][a.Partition].Offset, false
			}
		}
	}
	return errors.Join(errs...)
}

// commitSoon commits without waiting, unless a commit is under way. What is committed is what was
// read when it is called: by the time the group is told, more was read, which no checkpoint covers
// yet, and whoever crashed then would never read it again.
func (f *feed) commitSoon(ctx context.Context, wg *sync.WaitGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy {
		return
	}
	f.busy = true
	offsets := uncommitted(f.sorted())
	wg.Go(func() {
		f.send(ctx, offsets)
		f.mu.Lock()
		f.busy = false
		f.mu.Unlock()
	})
}

// expelled says whether the group has given us up. After a pause that was longer than the session,
// as of a process that was stopped or a machine that was suspended, we would learn that some
// moments too late, and meanwhile speak for partitions that somebody else reads.
func (f *feed) expelled(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group = f.cfg.group
	req.MemberID, req.Generation = f.client.GroupMetadata()
	if f.cfg.instance != "" {
		req.InstanceID = &f.cfg.instance
	}
	answer, err := req.RequestWith(ctx, f.client)
	if err != nil {
		return false // nobody answers: then others are not told of us either
	}
	switch kerr.ErrorForCode(answer.ErrorCode) {
	case kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.FencedInstanceID:
		f.log.Warn(
			"we were away for longer than a session, and the group has given us up",
			"group",
			f.cfg.group,
		)
		return true
	}
	return false
}

// progress is how far all partitions were read, appended to list. Time is that of which we know
// that everything older has been read where CaughtUp says so.
func (f *feed) progress(list []models.Progress) (time.Time, []models.Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	fresh := now.Sub(f.probed) <= probeFresh
	if fresh {
		now = f.probed
	}
	list = list[:0]
	for _, p := range f.sorted() {
		list = append(list, models.Progress{
			Topic: p.Topic, Partition: p.Partition.Partition, Next: p.next, End: max(p.end, p.next),
			CaughtUp: fresh && p.next == p.end && p.endAsked.Equal(f.probed) &&
				!p.moved.After(p.endAsked),
			Replay: p.next < p.replayUntil,
		})
	}
	return f.clock.tell(now), list
}

// took says whether partitions came or went since the last call.
func (f *feed) took() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := f.changed
	f.changed = false
	return changed
}

// leave lets go of all partitions, which were finished with.
func (f *feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.parts {
		f.part(p)
	}
	f.changed = true
}

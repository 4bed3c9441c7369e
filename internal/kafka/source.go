package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// SourceConfig says what a Source reads, and how.
type SourceConfig struct {
	Client   ClientConfig
	Topics   []string
	Patterns []string // regular expressions; topics that appear later are found within a minute
	Exclude  string   // a topic that patterns do not mean, besides that of dead letters
	Group    string
	// makes us a static member of the group, which keeps its partitions over a restart
	InstanceID string
	// how long the group waits for a member that says nothing; 45 s by default
	SessionTimeout time.Duration
	// nil, or an error that says why the engine cannot share its topics with other members of the
	// group; nil for an engine that always can
	Exclusive func() error
	// where a group that has committed nothing begins: StartBeginning (also 0), StartEnd, or an
	// offset
	Start int64

	MinBytes int           // that a fetch waits for; 1 by default
	MaxBytes int           // of a fetch; 10 MiB by default
	MaxWait  time.Duration // of a fetch; a second by default

	PollRecords int // records taken from the client at once; 20,000 by default
	Workers     int // goroutines that scan; one per CPU by default

	DeadLetterTopic string // where records go that cannot be read; created if need be
	DeadLetterFile  string // or a file of this machine
	Version         string // of the engine, for the headers of dead letters

	Clock func() time.Time // this machine's clock; time.Now by default

	Logger     *slog.Logger          // slog.Default() by default
	Registerer prometheus.Registerer // nil for no metrics
}

// Engine evaluates records. Scanners are used by many goroutines, each by one at a time; the other
// methods by one goroutine at a time.
type Engine interface {
	NewScanner() models.Scanner
	// Apply takes the scans of each partition in the order of their offsets.
	Apply(models.Scan)
	// Advance tells the time, and how far all partitions were read. It is called after each poll
	// and at least once a second. Before records are applied that rebuild state, and before the
	// first that does not, it says so.
	Advance(now time.Time, progress []models.Progress)
}

// Checkpointer is an Engine that keeps its state together with the positions that it covers. It is
// found by a type assertion. Its methods are called by one goroutine at a time, and not while Apply
// or Advance are.
type Checkpointer interface {
	// Positions are those of the last checkpoint. It is called once, before anything else.
	Positions() []models.SourcePosition
	// Checkpoint makes state and positions durable before it returns; then offsets are committed.
	// Positions to forget are of topics that no longer exist; those of partitions that others read
	// now are kept, and marked as left.
	Checkpoint(positions, forget []models.SourcePosition) error
	// Urgent says that something waits that should not wait for the next second.
	Urgent() bool
	// Rewind is how much of the past a start without a checkpoint reads again.
	Rewind() time.Duration
}

// Sharer is an Engine that hands over what it knows of a partition to whoever gets it next. It is
// found by a type assertion.
type StateSharer interface {
	// Claim is called when partitions were assigned to us, before anything is read of them. at are
	// they, with the position up to which our own state goes, or Next -1. It returns how far others
	// have come with those that they had since. What lies before that rebuilds state; whoever had
	// them has told what was to be told.
	Acquire(
		ctx context.Context,
		at []models.SourcePosition,
	) (map[models.Partition]models.AcquiredPosition, error)
	// Yield is called when partitions are taken from us: after the checkpoint that covers them, or,
	// when they are lost, without one, for others may have come further. Unless they are lost,
	// others get them when it has returned. It is not called while Apply, Advance or Checkpoint
	// are.
	Release(ctx context.Context, parts []models.Partition, lost bool) error
}

// Source reads the topics of a consumer group into an engine: scanned by many goroutines, applied
// by one.
type Source struct {
	cfg          SourceConfig
	engine       Engine
	checkpointer Checkpointer // the engine, or nil
	sharer       StateSharer  // the engine, or nil
	log          *slog.Logger
	counters     counters
	group        *groupConsumer

	scanPool    *scanPool
	deadLetters *deadLetterWriter

	mu             chanMutex // guards the engine against a revocation, which comes from another goroutine
	progress       []models.Progress
	forget         []models.SourcePosition
	restored       []models.SourcePosition // of the last run, and not assigned to us yet
	leaving        bool                    // the next checkpoint is the last, and other members read on
	lastCheckpoint time.Time               // when the last checkpoint was taken
	commits        sync.WaitGroup
	lastRound      time.Time // when a round last ended
	// others may have our partitions; nothing of them is saved or left until that is known
	fenced bool
	// a panic has left the engine in the middle of something; nothing more is asked of it
	broken bool

	lastLoop atomic.Pointer[time.Time] // when the loop last came round; nil before Run
	ended    atomic.Pointer[error]
}

// slowMutex is a mutex that is held while others are waited for. It is a channel, since whoever
// waits for a sync.Mutex keeps fake time from passing.
type chanMutex chan struct{}

func (m chanMutex) Lock()   { m <- struct{}{} }
func (m chanMutex) Unlock() { <-m }

const (
	checkpointInterval = time.Second
	chunkRecords       = 512
)

// NewSource makes a source. It neither dials nor starts anything.
func NewSource(cfg SourceConfig, engine Engine) *Source {
	cfg.fill()
	s := &Source{cfg: cfg, engine: engine, log: cfg.Logger, mu: make(chanMutex, 1)}
	s.checkpointer, _ = engine.(Checkpointer)
	s.sharer, _ = engine.(StateSharer)
	s.group = newGroupConsumer(groupConfig{
		ClientConfig: cfg.Client, topics: cfg.Topics, patterns: cfg.Patterns, exclude: []string{cfg.DeadLetterTopic, cfg.Exclude},
		group: cfg.Group, instance: cfg.InstanceID, session: cfg.SessionTimeout, start: cfg.Start,
		minBytes: cfg.MinBytes, maxByte: cfg.MaxBytes, maxWait: cfg.MaxWait,
	}, s.log, &s.counters)
	s.group.onRevoke, s.group.beforeJoin, s.group.clock = s.onRevoke, s.beforeJoin, newClockGuard(cfg.Clock, s.log)
	if s.sharer != nil {
		s.group.acquire = s.sharer.Acquire
	}
	return s
}

func (c *SourceConfig) fill() {
	if c.MinBytes == 0 {
		c.MinBytes = 1
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 10 << 20
	}
	if c.MaxWait == 0 {
		c.MaxWait = time.Second
	}
	if c.SessionTimeout == 0 {
		c.SessionTimeout = 45 * time.Second
	}
	if c.PollRecords == 0 {
		c.PollRecords = 20_000
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// Validate returns all that is wrong with the configuration.
func (c SourceConfig) Validate() error {
	c.fill()
	errs := []error{c.Client.validate()}
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(
		len(c.Topics)+len(c.Patterns) == 0,
		"topics and patterns are empty; name at least one topic",
	)
	wrong(slices.Contains(c.Topics, ""), "topics has an empty name")
	for _, p := range c.Patterns {
		_, err := regexp.Compile(p)
		wrong(err != nil, "pattern %q: %v", p, err)
	}
	wrong(c.Group == "", "group is empty")
	wrong(
		c.Start < StartBeginning,
		"start is %d; it must be -2 (start), -1 (end), or an offset",
		c.Start,
	)
	wrong(c.MinBytes < 1, "min bytes is %d; it must be at least 1", c.MinBytes)
	wrong(
		c.MinBytes > c.MaxBytes,
		"min bytes is %d, more than max bytes, %d",
		c.MinBytes,
		c.MaxBytes,
	)
	wrong(c.MaxBytes > 1<<30, "max bytes is %d; it must be at most %d", c.MaxBytes, 1<<30)
	wrong(c.MaxWait < 0, "max wait is negative")
	wrong(
		c.SessionTimeout < time.Second,
		"session timeout is %v; it must be at least 1s, and brokers demand 6s by default",
		c.SessionTimeout,
	)
	wrong(
		c.PollRecords < 1 || c.Workers < 1,
		"poll records is %d and workers is %d; both must be at least 1",
		c.PollRecords,
		c.Workers,
	)
	wrong(
		c.DeadLetterTopic != "" && slices.Contains(c.Topics, c.DeadLetterTopic),
		"dead letter topic %q is also read; what cannot be read would go round for ever",
		c.DeadLetterTopic,
	)
	wrong(
		c.DeadLetterTopic != "" && c.DeadLetterFile != "",
		"dead letters go to a topic or to a file, not to both",
	)
	return errors.Join(errs...)
}

// Run reads until ctx is done, and then takes a last checkpoint and returns nil. Any other end is
// an error: a wrong configuration, a topic that does not exist, credentials that are refused. A
// broker that cannot be reached is waited for.
func (s *Source) Run(ctx context.Context) (err error) {
	defer func() { s.ended.Store(&err) }()
	if err := s.cfg.Validate(); err != nil {
		return fmt.Errorf("kafka source: %w", err)
	}
	if s.cfg.Registerer != nil {
		if err := s.cfg.Registerer.Register(sourceMetrics{s}); err != nil {
			return fmt.Errorf("kafka metrics: %w", err)
		}
		defer s.cfg.Registerer.Unregister(sourceMetrics{s})
	}
	s.loadPositions()
	s.scanPool = newScanPool(s.engine, s.cfg.Workers)
	defer s.scanPool.close()
	for {
		s.markLoop()
		err := s.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, errReopen):
			return err
		}
		s.log.Warn(
			"a topic was deleted or created again; joining the group afresh",
			"group",
			s.cfg.Group,
		)
		sleep(ctx, time.Second)
	}
}

// stepped notes that the loop has come round.
func (s *Source) markLoop() {
	now := time.Now()
	s.lastLoop.Store(&now)
}

// recall asks the engine how far its state goes.
func (s *Source) loadPositions() {
	if s.checkpointer == nil {
		return
	}
	positions := map[models.Partition][]models.SourcePosition{}
	s.restored = s.checkpointer.Positions()
	for _, p := range s.restored {
		name := models.Partition{Topic: p.Topic, Partition: p.Partition}
		positions[name] = append(positions[name], p)
	}
	s.group.rewind = s.checkpointer.Rewind()
	s.group.restoredPosition = func(name models.Partition, id [16]byte) (models.SourcePosition, bool) {
		list := positions[name]
		for _, p := range list {
			if p.TopicID == id {
				return p, true
			}
		}
		if len(list) == 0 {
			return models.SourcePosition{}, false
		}
		return list[0], true
	}
}

// session is one life of the client.
func (s *Source) session(ctx context.Context) error {
	if err := s.group.open(ctx); err != nil {
		return err
	}
	defer s.unlessBroken(s.group.close)
	letters, err := openDeadLetters(
		ctx,
		s.group.client,
		s.cfg.DeadLetterTopic,
		s.cfg.DeadLetterFile,
		s.cfg.Version,
		&s.counters,
		s.group.limited,
	)
	if err != nil {
		return err
	}
	s.deadLetters = letters
	defer s.unlessBroken(letters.close)
	probing, stop := context.WithCancel(ctx)
	var probe sync.WaitGroup
	probe.Go(func() { s.group.probe(probing) })
	defer s.unlessBroken(probe.Wait)
	defer stop()
	s.lastRound = time.Now()
	err = s.loop(ctx)
	s.finish()
	return err
}

// unlessBroken does what a session ends with, unless that is a panic. Leaving the group, for
// example, saves the engine's state, which would be half of something, and might wait for ever for
// a lock that the panic has left behind. The process is to end at once, as after a kill, and the
// next one goes on from the last checkpoint.
func (s *Source) unlessBroken(end func()) {
	if !s.broken {
		end()
	}
}

// loop is the heart: poll, evaluate, tell the time, save.
func (s *Source) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		batches, err := s.group.poll(ctx, checkpointInterval, s.cfg.PollRecords)
		s.markLoop()
		if e := s.round(ctx, batches); err == nil {
			err = e
		}
		if err != nil {
			return err // rebalances go on waiting: the caller still has to finish
		}
		s.group.allowRebalance()
	}
	return nil
}

// round works off what one poll brought.
func (s *Source) round(ctx context.Context, batches []batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	changed := s.group.takeAssignmentChange()
	if changed {
		s.fenced = false
		s.advance()
	}
	s.evaluate(batches)
	var reopen error
	for _, b := range batches {
		if b.err == nil {
			continue
		}
		if err := s.group.handlePartitionError(ctx, b.part, b.err); err != nil {
			reopen = err
		}
	}
	s.group.skipDeleted()
	s.group.diagnoseStalled(ctx)
	s.advance()
	if s.sharer != nil && time.Since(s.lastRound) >= s.cfg.SessionTimeout {
		s.fenced = s.group.removedFromGroup(ctx)
	}
	s.lastRound = time.Now()
	if !s.fenced &&
		(changed || time.Since(s.lastCheckpoint) >= checkpointInterval || s.checkpointer != nil && s.checkpointer.Urgent()) {
		if s.checkpoint() {
			s.group.commitSoon(context.WithoutCancel(ctx), &s.commits)
		}
	}
	s.broken = false
	return reopen
}

// advance tells the engine the time.
func (s *Source) advance() {
	var now time.Time
	now, s.progress = s.group.progress(s.progress)
	s.engine.Advance(now, s.progress)
}

// checkpoint returns whether offsets may be committed.
func (s *Source) checkpoint() bool {
	s.lastCheckpoint = time.Now()
	s.deadLetters.flush()
	if s.checkpointer == nil {
		return true
	}
	positions := append(s.group.positions(nil), s.group.releasedPositions()...)
	forget := s.forgotten(positions)
	positions = append(positions, s.unclaimed(positions, forget)...)
	for i := range positions {
		positions[i].Left = positions[i].Left || s.leaving
	}
	if err := s.checkpointer.Checkpoint(positions, forget); err != nil {
		s.counters.errors.add("checkpoint", 1)
		s.group.setProblem("checkpoint", err)
		s.group.limited.error(
			"checkpoint",
			"no checkpoint could be taken; offsets stay where they are",
			"error",
			err,
		)
		return false
	}
	s.forget = nil
	s.group.clearProblem("checkpoint")
	return true
}

// unclaimed are the positions of the last run that were not assigned to us yet. State covers them
// too.
func (s *Source) unclaimed(positions, forget []models.SourcePosition) []models.SourcePosition {
	s.restored = slices.DeleteFunc(s.restored, func(old models.SourcePosition) bool {
		same := func(p models.SourcePosition) bool { return p.Topic == old.Topic && p.Partition == old.Partition }
		return slices.ContainsFunc(positions, same) || slices.ContainsFunc(forget, same)
	})
	return s.restored
}

// forgotten are the positions that the next checkpoint is to drop: those of topics that no longer
// exist.
func (s *Source) forgotten(positions []models.SourcePosition) []models.SourcePosition {
	s.group.mu.Lock()
	s.forget = append(s.forget, s.group.forget...)
	s.group.forget = nil
	s.group.mu.Unlock()
	s.forget = slices.DeleteFunc(s.forget, func(old models.SourcePosition) bool {
		return slices.ContainsFunc(positions, func(p models.SourcePosition) bool {
			return p.Topic == old.Topic && p.Partition == old.Partition &&
				p.TopicID == old.TopicID &&
				p.Cluster == old.Cluster
		})
	})
	return s.forget
}

// revoked finishes with partitions that are taken from us. Those that are lost cannot be committed:
// somebody else may have them already.
func (s *Source) onRevoke(ctx context.Context, parts []*partition, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return
	}
	if lost { // nothing of them is to be left for others any more, who may be further
		s.releaseState(ctx, parts, true)
		s.checkpoint()
		return
	}
	if saved := s.checkpoint(); s.releaseState(ctx, parts, false) && saved {
		s.group.commit(ctx, parts)
	}
}

// yield hands partitions over, and returns whether that succeeded. Whoever gets them without goes
// on where we last left something, and decides once more what came since.
func (s *Source) releaseState(ctx context.Context, parts []*partition, lost bool) bool {
	if s.sharer == nil || len(parts) == 0 {
		return true
	}
	var names []models.Partition
	for _, p := range parts {
		names = append(names, p.Partition)
	}
	if err := s.sharer.Release(ctx, names, lost); err != nil {
		s.counters.errors.add("handover", 1)
		s.log.Error(
			"partitions could not be handed over; what was told of them may be told once more",
			"group",
			s.cfg.Group,
			"error",
			err,
		)
		return false
	}
	return true
}

// finish takes the last checkpoint of a session, and commits. The client still is a member of the
// group, and rebalances wait.
func (s *Source) finish() {
	s.commits.Wait() // a commit under way would leave what the group holds unknown
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	s.leaving = s.cfg.Exclusive != nil && s.cfg.Exclusive() == nil
	if saved := s.checkpoint(); s.releaseState(context.Background(), s.group.assigned(), false) && saved {
		s.group.commit(context.Background(), nil)
	}
	s.leaving = false
	s.group.releaseAll()
}

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

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Protocols of consumer groups.
const (
	ProtocolClassic  = "classic"  // a member assigns the partitions
	ProtocolConsumer = "consumer" // brokers do (KIP-848)
)

// SourceConfig configures a Source.
type SourceConfig struct {
	Client   ClientConfig
	Topics   []string
	Patterns []string // regular expressions; new topics are found within a minute
	Exclude  []string // topics that patterns do not match, besides that of dead letters
	Group    string
	// the group.instance.id of a static member, which keeps its partitions over a restart
	InstanceID string
	// 45 s by default; with GroupProtocol consumer the brokers' setting counts
	SessionTimeout time.Duration
	// ProtocolClassic, the default, or ProtocolConsumer
	GroupProtocol string
	// where we are: logs are read from the nearest replica, if brokers have a replica selector
	Rack string
	// why the engine must be the only member of the group; nil, or a nil error, when it need not
	Exclusive func() error
	// where a group without committed offsets starts: StartBeginning (also 0), StartEnd, or an
	// offset
	Start int64

	MinBytes int // per fetch; 1 by default
	MaxBytes int // per fetch; 10 MiB by default
	// after an outage of a broker, how long at most final decisions wait for what producers have
	// buffered; OutageGrace by default
	OutageGrace time.Duration

	MaxWait time.Duration // per fetch; a second by default

	PollRecords int // records per poll; 20,000 by default
	Workers     int // scanning goroutines; one per CPU by default

	DeadLetterTopic string // topic for rejected records; created if needed
	DeadLetterFile  string // or a local file
	SlowFile        string // where records that are slow to read are noted; "" for nowhere
	Version         string // of the engine, for the headers of dead letters

	Readable Readable // what records must wait for; nil for nothing
	// how records of a topic are read, and which of them are joined; nil for none
	Joiner func(topic string) decode.Config

	Clock func() time.Time // the system clock; time.Now by default

	Logger     *slog.Logger          // slog.Default() by default
	Registerer prometheus.Registerer // nil for no metrics
}

// Engine evaluates records. Many goroutines use Scanners, each by one at a time; the other
// methods are called by one goroutine at a time.
type Engine interface {
	NewScanner() models.Scanner
	// Apply takes the scans of each partition in offset order.
	Apply(models.Scan)
	// Advance reports the time and the progress of all partitions. It is called after each poll,
	// at least once a second, and where a partition's replay starts and ends.
	Advance(now time.Time, progress []models.Progress)
}

// Checkpointer is an Engine that saves its state together with the positions that it covers. It
// is found by a type assertion. Its methods, Apply and Advance are called by one goroutine at a
// time.
type Checkpointer interface {
	// Positions are those of the last checkpoint. It is called once, first.
	Positions() []models.SourcePosition
	// Checkpoint takes state and positions as they are now, and returns what makes them durable:
	// it is called once, before the next Checkpoint, and maybe beside all other methods. Offsets
	// are committed after it returns nil. Dropped positions belong to topics that no longer exist.
	// Positions of released partitions have Left set.
	Checkpoint(positions, dropped []models.SourcePosition) (write func() error)
	// Urgent reports whether a checkpoint should not wait for the next second.
	Urgent() bool
	// Rewind is how far back a start without a checkpoint replays.
	Rewind() time.Duration
}

// Resumer is an Engine that passes on what it is given, to be applied elsewhere and later. It is
// found by a type assertion, and is not a Checkpointer.
type Resumer interface {
	// Resume is called for newly assigned partitions before they are read. It returns how far they
	// are applied; what it does not name was never read.
	Resume(
		ctx context.Context,
		at []models.SourcePosition,
	) (map[models.Partition]models.SourcePosition, error)
	// Restarted returns, once, where partitions are to be read from again because what was passed
	// on is not applied; nil for nothing.
	Restarted() map[models.Partition]int64
	// Busy reports whether nothing more can be passed on at the moment.
	Busy() bool
	// Applied is the offset before which all records of a partition are applied.
	Applied(models.Partition) int64
}

// Source reads the topics of a consumer group into an engine: scanned by many goroutines, applied
// by one.
type Source struct {
	cfg          SourceConfig
	engine       Engine
	checkpointer Checkpointer // the engine, or nil
	resumer      Resumer      // the engine, or nil
	log          *slog.Logger
	counters     counters
	group        *groupConsumer

	joiners     map[string]*decode.Joiner // by topic
	scanPool    *scanPool
	slow        *slowRecords
	deadLetters *deadLetterWriter

	// guards the engine against revocation, which comes from another goroutine
	mu       chanMutex
	progress []models.Progress
	dropped  []models.SourcePosition
	restored []models.SourcePosition // positions of the last run that are not assigned yet
	// the last checkpoint is being taken, and other members read on
	leaving        bool
	lastCheckpoint time.Time
	saving         saving
	pollLimit      int // records of the next poll at most
	commits        sync.WaitGroup
	// the engine has panicked; it is not called any more
	broken bool

	sharedSince atomic.Pointer[time.Time] // partitions of our topics are not ours; nil for not
	lastLoop    atomic.Pointer[time.Time] // nil before Run
	ended       atomic.Pointer[error]
}

// chanMutex is a mutex that is held while waiting for others. It is a channel because waiting for
// a sync.Mutex stops fake time.
type chanMutex chan struct{}

func (m chanMutex) Lock()   { m <- struct{}{} }
func (m chanMutex) Unlock() { <-m }

const (
	checkpointInterval = time.Second
	chunkRecords       = 512
)

// NewSource makes a source. It connects in Run.
func NewSource(cfg SourceConfig, engine Engine) *Source {
	cfg.fill()
	s := &Source{
		cfg:       cfg,
		engine:    engine,
		log:       cfg.Logger,
		mu:        make(chanMutex, 1),
		pollLimit: cfg.PollRecords,
	}
	s.checkpointer, _ = engine.(Checkpointer)
	s.resumer, _ = engine.(Resumer)
	s.group = newGroupConsumer(groupConfig{
		ClientConfig: cfg.Client,
		topics:       cfg.Topics,
		patterns:     cfg.Patterns,
		exclude:      append(slices.Clone(cfg.Exclude), cfg.DeadLetterTopic),
		group:        cfg.Group,
		instance:     cfg.InstanceID,
		session:      cfg.SessionTimeout,
		serverSide:   cfg.GroupProtocol == ProtocolConsumer,
		rack:         cfg.Rack,
		start:        cfg.Start,
		minBytes:     cfg.MinBytes,
		maxByte:      cfg.MaxBytes,
		maxWait:      cfg.MaxWait,
		outageGrace:  cfg.OutageGrace,
		pool:         &recordPool{},
	}, cfg.Clock, s.log, &s.counters)
	s.group.starts.stateful = s.checkpointer != nil
	s.group.exclusive = func() bool { return cfg.Exclusive != nil && cfg.Exclusive() != nil }
	s.group.onRevoke, s.group.beforeJoin = s.onRevoke, s.beforeJoin
	if s.resumer != nil {
		s.group.starts.resume = s.resumer.Resume
		s.group.commits.resumes, s.group.commits.applied = true, s.resumer.Applied
		s.group.starts.stateful = true
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
	if c.OutageGrace == 0 {
		c.OutageGrace = OutageGrace
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

// Validate returns all problems of the configuration.
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
	wrong(c.Start < StartBeginning, "start is %d; it must be -2 (start), -1 (end), or an offset",
		c.Start)
	wrong(c.MinBytes < 1, "min bytes is %d; it must be at least 1", c.MinBytes)
	wrong(c.MinBytes > c.MaxBytes, "min bytes is %d, more than max bytes, %d", c.MinBytes,
		c.MaxBytes)
	wrong(c.MaxBytes > 1<<30, "max bytes is %d; it must be at most %d", c.MaxBytes, 1<<30)
	wrong(c.MaxWait < 0, "max wait is negative")
	wrong(c.OutageGrace < 0, "outage grace is negative")
	wrong(
		c.SessionTimeout < time.Second,
		"session timeout is %v; it must be at least 1s, and brokers demand 6s by default",
		c.SessionTimeout,
	)
	wrong(!slices.Contains([]string{"", ProtocolClassic, ProtocolConsumer}, c.GroupProtocol),
		"group protocol is %q; it must be %s or %s", c.GroupProtocol, ProtocolClassic,
		ProtocolConsumer)
	wrong(c.PollRecords < 1 || c.Workers < 1,
		"poll records is %d and workers is %d; both must be at least 1", c.PollRecords, c.Workers)
	wrong(
		c.DeadLetterTopic != "" && slices.Contains(c.Topics, c.DeadLetterTopic),
		"dead letter topic %q is also read; rejected records would loop",
		c.DeadLetterTopic,
	)
	wrong(
		c.DeadLetterTopic != "" && c.DeadLetterFile != "",
		"dead letters go to a topic or to a file, not to both",
	)
	return errors.Join(errs...)
}

// Run reads until ctx is done, takes a last checkpoint and returns nil. Other ends are errors: a
// wrong configuration, a missing topic, refused credentials. An unreachable broker is retried.
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
	if s.slow, err = readSlowRecords(s.cfg.SlowFile); err != nil {
		return err
	}
	s.scanPool.slow = s.slow
	var watch sync.WaitGroup
	stop := make(chan struct{})
	watch.Go(func() { s.watchSlow(stop) })
	defer watch.Wait()
	defer close(stop)
	for {
		s.markLoop()
		err := s.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, errReopen):
			return err
		}
		s.log.Warn("a topic was deleted or created again; rejoining the group",
			"group", s.cfg.Group)
		wait.Sleep(ctx, time.Second)
	}
}

// markLoop notes that the loop makes progress.
func (s *Source) markLoop() {
	now := time.Now()
	s.lastLoop.Store(&now)
}

// loadPositions asks the engine for the positions of its state.
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
	s.group.starts.rewind = s.checkpointer.Rewind()
	s.group.starts.restoredPosition = func(
		name models.Partition, id [16]byte,
	) (models.SourcePosition, bool) {
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

// session is the lifetime of one client.
func (s *Source) session(ctx context.Context) error {
	if err := s.group.open(ctx); err != nil {
		return err
	}
	defer s.unlessBroken(s.group.close)
	letters, err := openDeadLetters(ctx, s.group, s.cfg.DeadLetterTopic, s.cfg.DeadLetterFile,
		s.cfg.Version)
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
	err = s.loop(ctx)
	s.finish()
	return err
}

// unlessBroken runs a session's cleanup, except after a panic. Leaving the group would save a
// half-changed state, and may block on a lock that the panic has left. The process ends at once,
// as after a kill, and the next start continues from the last checkpoint.
func (s *Source) unlessBroken(end func()) {
	if !s.broken {
		end()
	}
}

// loop polls, evaluates, reports progress and saves.
func (s *Source) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		s.group.resumeHeld()
		batches, err := s.poll(ctx)
		s.markLoop()
		if e := s.round(ctx, batches); err == nil {
			err = e
		}
		if err != nil {
			return err // rebalances wait until the caller has finished
		}
		s.group.allowRebalance()
	}
	return nil
}

// busyPause is how long a Resumer that is busy is left alone.
const busyPause = 20 * time.Millisecond

// poll polls, unless the engine can take nothing.
func (s *Source) poll(ctx context.Context) ([]batch, error) {
	if s.resumer != nil {
		if s.group.rewindAll(s.resumer.Restarted()); s.resumer.Busy() {
			wait.Sleep(ctx, busyPause)
			return nil, nil
		}
	}
	return s.group.poll(ctx, checkpointInterval, s.pollLimit)
}

// round processes the batches of one poll.
func (s *Source) round(ctx context.Context, batches []batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	changed := s.group.assignment.takeChange()
	if changed {
		s.advance()
	}
	s.holdBack(batches)
	batches = s.join(batches)
	began, records := time.Now(), 0
	s.evaluate(batches)
	var reopen error
	for _, b := range batches {
		records += len(b.records)
		if b.err == nil {
			continue
		}
		if err := s.group.handlePartitionError(ctx, b.part, b.err); err != nil {
			reopen = err
		}
	}
	s.recycle(batches)
	s.group.skipDeleted()
	s.group.diagnoseStalled(ctx)
	if s.resumer != nil {
		s.deadLetters.flush() // before the records are passed on as read
	}
	s.advance()
	s.pollLimit = nextPoll(s.pollLimit, s.cfg.PollRecords, records, time.Since(began))
	if changed || s.saving.wanted() || time.Since(s.lastCheckpoint) >= checkpointInterval ||
		s.checkpointer != nil && s.checkpointer.Urgent() {
		s.reportShared()
		s.save(context.WithoutCancel(ctx))
	}
	s.broken = false
	return reopen
}

// advance reports time and progress to the engine.
func (s *Source) advance() {
	var now time.Time
	now, s.progress = s.group.progress(s.progress)
	s.engine.Advance(now, s.progress)
}

// unclaimed are saved positions of partitions that are not assigned to us yet; the state covers
// them too.
func (s *Source) unclaimed(positions, dropped []models.SourcePosition) []models.SourcePosition {
	s.restored = slices.DeleteFunc(s.restored, func(old models.SourcePosition) bool {
		same := func(p models.SourcePosition) bool {
			return p.Topic == old.Topic && p.Partition == old.Partition
		}
		return slices.ContainsFunc(positions, same) || slices.ContainsFunc(dropped, same)
	})
	return s.restored
}

// droppedPositions are the positions that the next checkpoint drops, since their topics no longer
// exist.
func (s *Source) droppedPositions(positions []models.SourcePosition) []models.SourcePosition {
	s.group.assignment.mu.Lock()
	s.dropped = append(s.dropped, s.group.starts.dropped...)
	s.group.starts.dropped = nil
	s.group.assignment.mu.Unlock()
	s.dropped = slices.DeleteFunc(s.dropped, func(old models.SourcePosition) bool {
		return slices.ContainsFunc(positions, func(p models.SourcePosition) bool {
			return p.Topic == old.Topic && p.Partition == old.Partition &&
				p.TopicID == old.TopicID &&
				p.Cluster == old.Cluster
		})
	})
	return s.dropped
}

// onRevoke finishes with revoked partitions. Lost ones are not committed: another member may have
// them.
func (s *Source) onRevoke(ctx context.Context, parts []*partition, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return
	}
	if saved := s.checkpoint(); saved && !lost {
		s.commits.Wait() // one in flight is of earlier positions
		s.group.commits.commit(ctx, parts)
	}
}

// finish takes the last checkpoint of a session and commits. We still are a member of the group,
// and rebalances wait.
func (s *Source) finish() {
	s.commits.Wait() // a commit in flight would leave the group's offsets unknown
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	s.leaving = s.cfg.Exclusive != nil && s.cfg.Exclusive() == nil
	if s.checkpoint() {
		s.group.commits.commit(context.Background(), nil)
	}
	s.leaving = false
	s.group.releaseAll()
}

package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// KeyTableConfig configures a KeyTable.
type KeyTableConfig struct {
	Client  ClientConfig
	Topic   string
	MaxKeys int // further keys are rejected
	// keep the values, too, of at most so many bytes together; further values are rejected with
	// their keys; 0 for the keys alone
	MaxValues int
	// the topic must be read to its end within this time after a broker has answered
	LoadTimeout time.Duration
	Logger      *slog.Logger // slog.Default() by default
	OnChange    func()       // called by Run when the keys were loaded or have changed
}

// KeyTable is the current set of keys of a compacted topic: a record adds its key, a tombstone
// removes it. The topic is read without a consumer group, from its start. Keys may be called by
// any goroutine while Run updates them.
type KeyTable struct {
	cfg KeyTableConfig
	log *slog.Logger

	mu       sync.Mutex // guards the fields below
	keys     []string   // sorted
	values   map[string]string
	loaded   bool  // the topic was read to its end
	rejected int64 // records with too long keys or values, or over MaxKeys or MaxValues
	err      error // why the keys may be stale
}

const (
	maxKeyBytes   = 1024
	maxValueBytes = 16 << 10
	// until the end of the topic is reached so many times MaxKeys and MaxValues are held, since
	// tombstones may follow
	loadSlack     = 4
	tablePollWait = time.Second
	// check whether the topic was recreated or resized
	tableCheckInterval = 5 * time.Minute
	maxMissingTries    = 5 // a new topic may be unknown at first
)

var (
	errTableChanged = errors.New("the topic has changed; reading it again")
	errTableTimeout = errors.New("its end was not reached in time")
)

// NewKeyTable makes an empty table. Run loads it.
func NewKeyTable(cfg KeyTableConfig) *KeyTable {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.OnChange == nil {
		cfg.OnChange = func() {}
	}
	return &KeyTable{cfg: cfg, log: cfg.Logger.With("topic", cfg.Topic)}
}

// Keys returns the keys, which must not be changed, and whether the topic was read to its end.
func (k *KeyTable) Keys() (keys []string, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys, k.loaded
}

// Values returns the value of each key, and whether the topic was read to its end. The map must not
// be changed. It is nil without MaxValues.
func (k *KeyTable) Values() (values map[string]string, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.values, k.loaded
}

// Rejected is the number of records over MaxKeys or MaxValues, or whose key or value is too long.
func (k *KeyTable) Rejected() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rejected
}

// Err is why the keys are not loaded or may be stale; nil for none.
func (k *KeyTable) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// Run updates the table until ctx is done. Before the table is loaded it fails for problems that
// need an operator: a missing topic, no permission, or a topic that is too large for LoadTimeout.
// An unreachable broker is retried. A loaded table survives all errors.
func (k *KeyTable) Run(ctx context.Context) error {
	for missing, pauseFor := 0, 250*time.Millisecond; ; pauseFor = min(2*pauseFor, 10*time.Second) {
		err := k.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		_, known := k.Keys()
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			missing++
		}
		if !known && (needsOperator(err) || errors.Is(err, errTableTimeout) ||
			missing == maxMissingTries) {
			return fmt.Errorf("read the keys of %s: %w", k.cfg.Topic,
				withHint(k.withSuggestion(ctx, err)))
		}
		if !errors.Is(err, errTableChanged) {
			k.setErr(withHint(err))
			k.log.Warn("the keys of a topic cannot be read; retrying", "error", withHint(err))
		}
		if !wait.Sleep(ctx, pauseFor) {
			return nil
		}
	}
}

// ReadKeyTable reads the current table of a topic once; it does not follow the topic.
func ReadKeyTable(ctx context.Context, cfg KeyTableConfig) (*KeyTable, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cfg.OnChange = stop
	k := NewKeyTable(cfg)
	if err := k.Run(ctx); err != nil {
		return nil, err
	}
	if _, known := k.Keys(); !known {
		return nil, fmt.Errorf("read the keys of %s: %w", cfg.Topic,
			cmp.Or(k.Err(), context.Cause(ctx)))
	}
	return k, nil
}

// withSuggestion adds a similar topic's name to the error of a missing topic.
func (k *KeyTable) withSuggestion(ctx context.Context, err error) error {
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return err
	}
	client, dialled := k.dial()
	if dialled != nil {
		return err
	}
	defer client.Close()
	return cmp.Or(unknownTopics(ctx, kadm.NewClient(client), []string{k.cfg.Topic}), err)
}

func (k *KeyTable) dial() (*kgo.Client, error) {
	opts, err := k.cfg.Client.options(k.log)
	if err != nil {
		return nil, err
	}
	return kgo.NewClient(
		append(opts, kgo.KeepControlRecords(), kgo.FetchMaxWait(time.Second))...)
}

func (k *KeyTable) setErr(problem error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = problem
}

// session reads the topic from its start until an error.
func (k *KeyTable) session(ctx context.Context) error {
	client, err := k.dial()
	if err != nil {
		return err
	}
	defer client.Close()
	s := &tableSession{
		table:    k,
		client:   client,
		keys:     map[string]int{},
		values:   map[string]string{},
		deadline: time.Now().Add(k.cfg.LoadTimeout),
	}
	if s.spans, err = s.listSpans(ctx); err != nil {
		return err
	}
	s.lastCheck = time.Now()
	from := map[string]map[int32]kgo.Offset{k.cfg.Topic: {}}
	for p, at := range s.spans {
		from[k.cfg.Topic][p.Partition] = kgo.NewOffset().At(at.next)
	}
	client.AddConsumePartitions(from)
	for {
		if err := s.step(ctx); err != nil {
			return err
		}
	}
}

// tableSession is one reading of the topic. Its keys are published when the end was reached.
type tableSession struct {
	table  *KeyTable
	client *kgo.Client
	// next offsets, and the ends at the start of the session
	spans     map[models.Partition]span
	keys      map[string]int // with the order of addition
	values    map[string]string
	bytes     int // of values
	added     int
	rejected  int64
	overLimit int64 // of rejected: those over MaxKeys or MaxValues
	least     int   // bytes of the smallest value of overLimit
	freed     bool  // a key was removed, or a value has become shorter, since the end was reached
	keyless   int64 // records without a key
	loaded    bool  // the end was reached
	changed   bool
	deadline  time.Time // for reaching it
	lastCheck time.Time // of the partitions
}

// listSpans lists the start and end offsets.
func (s *tableSession) listSpans(ctx context.Context) (map[models.Partition]span, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	admin := kadm.NewClient(s.client)
	starts, err := admin.ListStartOffsets(ctx, s.table.cfg.Topic)
	if err == nil {
		err = starts.Error()
	}
	var ends kadm.ListedOffsets
	if err == nil {
		ends, err = s.table.cfg.Client.readableEnds(ctx, admin, s.table.cfg.Topic)
	}
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, err
	}
	spans := map[models.Partition]span{}
	starts.Each(func(o kadm.ListedOffset) {
		end, _ := ends.Lookup(o.Topic, o.Partition)
		spans[models.Partition{Topic: o.Topic, Partition: o.Partition}] = span{o.Offset, end.Offset}
	})
	return spans, nil
}

// step polls once and publishes changed keys.
func (s *tableSession) step(ctx context.Context) error {
	if err := s.poll(ctx); err != nil {
		return err
	}
	if !s.loaded {
		s.loaded = !slices.ContainsFunc(
			slices.Collect(maps.Values(s.spans)),
			func(at span) bool { return at.next < at.end },
		)
		if s.changed = s.loaded; s.loaded {
			s.trim()
			s.freed = false
		}
	}
	if s.changed && s.loaded {
		s.publish()
	}
	now := time.Now()
	if _, known := s.table.Keys(); !known && now.After(s.deadline) {
		return errTableTimeout
	}
	if s.loaded && now.Sub(s.lastCheck) >= tableCheckInterval {
		s.lastCheck = now
		return s.checkTopic(ctx)
	}
	return nil
}

func (s *tableSession) poll(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, tablePollWait)
	defer cancel()
	fetches := s.client.PollRecords(ctx, 10_000)
	fetches.EachError(func(topic string, partition int32, e error) {
		if err == nil && !errors.Is(e, context.DeadlineExceeded) {
			err = e
		}
	})
	if err == nil {
		fetches.EachRecord(s.take)
	}
	return err
}

func (s *tableSession) take(r *kgo.Record) {
	p := models.Partition{Topic: r.Topic, Partition: r.Partition}
	at := s.spans[p]
	at.next = r.Offset + 1
	s.spans[p] = at
	key := string(r.Key)
	_, there := s.keys[key]
	most := s.table.cfg.MaxKeys
	if !s.loaded {
		most *= loadSlack
	}
	switch {
	case r.Attrs.IsControl():
	case key == "":
		s.keyless++
	case r.Value == nil:
		s.changed = s.changed || there
		s.remove(key)
	case there && s.table.cfg.MaxValues == 0:
	case len(key) > maxKeyBytes || s.table.cfg.MaxValues > 0 && len(r.Value) > maxValueBytes:
		s.remove(key) // what it was before does not hold any more
		s.rejected++
		s.changed = true
	case !there && len(s.keys) >= most || !s.fits(key, r.Value):
		s.remove(key)
		s.refuse(len(r.Value))
		s.changed = true
	case there:
		s.changed = s.setValue(key, r.Value) || s.changed
	default:
		s.added++
		s.keys[key], s.changed = s.added, true
		s.setValue(key, r.Value)
	}
}

// fits reports whether there is room for a value.
func (s *tableSession) fits(key string, value []byte) bool {
	most := s.table.cfg.MaxValues
	if !s.loaded {
		most *= loadSlack
	}
	return most == 0 || s.bytes-len(s.values[key])+len(value) <= most
}

// refuse counts a record for which there is no room.
func (s *tableSession) refuse(bytes int) {
	if s.overLimit == 0 || bytes < s.least {
		s.least = bytes
	}
	s.rejected++
	s.overLimit++
}

// setValue keeps the value of a key, and reports whether it is another one than before.
func (s *tableSession) setValue(key string, value []byte) bool {
	before, there := s.values[key]
	if s.table.cfg.MaxValues == 0 || there && before == string(value) {
		return false
	}
	s.bytes += len(value) - len(before)
	s.freed = s.freed || len(value) < len(before)
	s.values[key] = string(value)
	return true
}

func (s *tableSession) remove(key string) {
	if _, there := s.keys[key]; there {
		s.freed = true
	}
	s.bytes -= len(s.values[key])
	delete(s.values, key)
	delete(s.keys, key)
}

// hasRoom reports whether the table is within MaxKeys and MaxValues with some more.
func (s *tableSession) hasRoom(keys, bytes int) bool {
	return len(s.keys)+keys <= s.table.cfg.MaxKeys &&
		(s.table.cfg.MaxValues == 0 || s.bytes+bytes <= s.table.cfg.MaxValues)
}

// trim keeps the oldest keys that fit when there are more than MaxKeys, or more bytes than
// MaxValues, at the end of the topic. The others are rejected.
func (s *tableSession) trim() {
	if s.hasRoom(0, 0) {
		return
	}
	kept, bytes := 0, 0
	for _, key := range slices.SortedFunc(
		maps.Keys(s.keys),
		func(a, b string) int { return cmp.Compare(s.keys[a], s.keys[b]) },
	) {
		size := len(s.values[key])
		if kept < s.table.cfg.MaxKeys &&
			(s.table.cfg.MaxValues == 0 || bytes+size <= s.table.cfg.MaxValues) {
			kept, bytes = kept+1, bytes+size
			continue
		}
		s.remove(key)
		s.refuse(size)
	}
}

// publish makes the session's keys current.
func (s *tableSession) publish() {
	s.changed = false
	k := s.table
	keys := slices.Sorted(maps.Keys(s.keys))
	var values map[string]string
	if k.cfg.MaxValues > 0 {
		values = maps.Clone(s.values)
	}
	k.mu.Lock()
	first, refusedBefore := !k.loaded, k.rejected
	k.keys, k.loaded, k.rejected, k.err = keys, true, s.rejected, nil
	k.values = values
	k.mu.Unlock()
	if first && s.keyless > 0 {
		k.log.Warn("records without a key were ignored", "records", s.keyless)
	}
	if s.rejected > 0 && refusedBefore == 0 {
		k.log.Error("keys or values were rejected: too many or too long", "kept", len(keys),
			"most", k.cfg.MaxKeys, "longest", maxKeyBytes, "value_bytes", s.bytes,
			"most_value_bytes", k.cfg.MaxValues, "refused", s.rejected)
	}
	k.cfg.OnChange()
}

// checkTopic requests a new session when the topic was recreated or resized, or when a rejected
// record may have room now.
func (s *tableSession) checkTopic(ctx context.Context) error {
	if s.freed && s.overLimit > 0 && s.hasRoom(1, s.least) {
		return errTableChanged
	}
	spans, err := s.listSpans(ctx)
	if err != nil {
		return err
	}
	for p, at := range spans {
		if before, ok := s.spans[p]; !ok || at.end < before.next {
			return errTableChanged
		}
	}
	if len(spans) != len(s.spans) {
		return errTableChanged
	}
	return nil
}

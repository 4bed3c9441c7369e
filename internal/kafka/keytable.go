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

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// KeysConfig says whose keys are kept.
type KeyTableConfig struct {
	Client  ClientConfig
	Topic   string
	MaxKeys int // keys; further ones are refused
	// the topic is read to its end so soon after a broker has answered, or Run fails
	LoadTimeout time.Duration
	Logger      *slog.Logger // slog.Default() by default
	OnChange    func()       // is called by Run when the keys are known, and when they are others
}

// Keys are the keys of a compacted topic, as they are now: a record adds its key, and one without a
// value, a tombstone, takes it away. The topic is read beside all consumer groups, from its
// beginning. Any goroutine may ask for the keys while Run keeps them.
type KeyTable struct {
	cfg KeyTableConfig
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	keys     []string   // sorted
	loaded   bool       // the topic was read to its end
	rejected int64      // records whose keys are too many or too long
	err      error      // why the keys may not be those of now
}

const (
	maxKeyBytes = 1024 // bytes
	// so many times as many keys are held while the topic is read to its end, where some of them
	// may be taken away
	loadSlack     = 4
	tablePollWait = time.Second
	// after which it is looked whether the topic is still the one that is read
	tableCheckInterval = 5 * time.Minute
	maxMissingTries    = 5 // of finding a topic that may have been created just now
)

var (
	errTableChanged = errors.New("the topic is no longer as it was; reading it anew")
	errTableTimeout = errors.New("it was not read to its end in time")
)

// NewKeys makes Keys that know nothing until they Run. Neither dials nor starts anything.
func NewKeyTable(cfg KeyTableConfig) *KeyTable {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.OnChange == nil {
		cfg.OnChange = func() {}
	}
	return &KeyTable{cfg: cfg, log: cfg.Logger.With("topic", cfg.Topic)}
}

// Now returns the keys, which nobody may change, and whether they are known: the topic was read to
// its end.
func (k *KeyTable) Keys() (keys []string, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys, k.loaded
}

// Refused is how many records were refused, because their keys were too many or too long.
func (k *KeyTable) Rejected() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rejected
}

// Problem is why the keys are not known, or may not be those of now; nil for none.
func (k *KeyTable) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// Run keeps the keys until ctx is done. Before they are known it fails with what nobody but an
// operator can mend: a topic that is not there or that we may not read, or one that is too large to
// be read in time. A broker that cannot be reached is waited for. Once the keys are known it keeps
// those it has whatever happens.
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
		if !known && (needsOperator(err) || errors.Is(err, errTableTimeout) || missing == maxMissingTries) {
			return fmt.Errorf("read the keys of %s: %w", k.cfg.Topic, withHint(k.withSuggestion(ctx, err)))
		}
		if !errors.Is(err, errTableChanged) {
			k.setErr(withHint(err))
			k.log.Warn("the keys of a topic cannot be read; trying again", "error", withHint(err))
		}
		if !sleep(ctx, pauseFor) {
			return nil
		}
	}
}

// ReadKeys reads the keys of a topic as they are now. Refused is how many records were refused.
func ReadKeyTable(ctx context.Context, cfg KeyTableConfig) (keys []string, refused int64, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cfg.OnChange = stop
	k := NewKeyTable(cfg)
	if err := k.Run(ctx); err != nil {
		return nil, 0, err
	}
	keys, known := k.Keys()
	if !known {
		return nil, 0, fmt.Errorf(
			"read the keys of %s: %w",
			cfg.Topic,
			cmp.Or(k.Err(), context.Cause(ctx)),
		)
	}
	return keys, k.Rejected(), nil
}

// named says which other topic was meant, if this one is not there.
func (k *KeyTable) withSuggestion(ctx context.Context, err error) error {
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return err
	}
	client, admin, dialled := k.dial()
	if dialled != nil {
		return err
	}
	defer client.Close()
	return cmp.Or(unknownTopics(ctx, admin, []string{k.cfg.Topic}), err)
}

func (k *KeyTable) dial() (*kgo.Client, *kadm.Client, error) {
	opts, err := k.cfg.Client.options(k.log)
	if err != nil {
		return nil, nil, err
	}
	client, err := kgo.NewClient(
		append(opts, kgo.KeepControlRecords(), kgo.FetchMaxWait(time.Second))...)
	if err != nil {
		return nil, nil, err
	}
	return client, kadm.NewClient(client), nil
}

func (k *KeyTable) setErr(problem error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = problem
}

// session reads the topic from its beginning, and goes on until something is wrong.
func (k *KeyTable) session(ctx context.Context) error {
	client, admin, err := k.dial()
	if err != nil {
		return err
	}
	defer client.Close()
	s := &tableSession{
		table:    k,
		client:   client,
		admin:    admin,
		keys:     map[string]int{},
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

// keysSession is one reading of the topic. Its keys are its own until the topic was read to its
// end.
type tableSession struct {
	table  *KeyTable
	client *kgo.Client
	admin  *kadm.Client
	// where it stands, and where the partitions ended when it began
	spans     map[models.Partition]span
	keys      map[string]int // when each was added
	added     int
	rejected  int64
	overLimit int64 // of the refused, those that found no room; no room helps a key that is too long
	keyless   int64 // records without a key, which name no member
	loaded    bool  // it has been read to that end
	changed   bool
	deadline  time.Time // when it has to have been
	lastCheck time.Time // when the partitions were last listed
}

// list asks where the partitions begin and end.
func (s *tableSession) listSpans(ctx context.Context) (map[models.Partition]span, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	starts, err := s.admin.ListStartOffsets(ctx, s.table.cfg.Topic)
	if err == nil {
		err = starts.Error()
	}
	var ends kadm.ListedOffsets
	if err == nil {
		ends, err = s.admin.ListEndOffsets(ctx, s.table.cfg.Topic)
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

// step takes what has come, and says so if the keys are others.
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
		delete(s.keys, key)
	case there:
	case len(key) > maxKeyBytes:
		s.rejected++
		s.changed = true
	case len(s.keys) >= most:
		s.rejected++
		s.overLimit++
		s.changed = true
	default:
		s.added++
		s.keys[key], s.changed = s.added, true
	}
}

// trim refuses the keys that came last, if more are left at the end of the topic than there may be.
func (s *tableSession) trim() {
	over := len(s.keys) - s.table.cfg.MaxKeys
	if over <= 0 {
		return
	}
	byAge := slices.SortedFunc(
		maps.Keys(s.keys),
		func(a, b string) int { return cmp.Compare(s.keys[b], s.keys[a]) },
	)
	for _, key := range byAge[:over] {
		delete(s.keys, key)
	}
	s.rejected += int64(over)
	s.overLimit += int64(over)
}

// publish makes the keys of the session those that are known.
func (s *tableSession) publish() {
	s.changed = false
	k := s.table
	keys := slices.Sorted(maps.Keys(s.keys))
	k.mu.Lock()
	first, refusedBefore := !k.loaded, k.rejected
	k.keys, k.loaded, k.rejected, k.err = keys, true, s.rejected, nil
	k.mu.Unlock()
	if first && s.keyless > 0 {
		k.log.Warn("records without a key name nobody", "records", s.keyless)
	}
	if s.rejected > 0 && refusedBefore == 0 {
		k.log.Error(
			"keys are refused: they are too many, or too long",
			"kept",
			len(keys),
			"most",
			k.cfg.MaxKeys,
			"longest",
			maxKeyBytes,
			"refused",
			s.rejected,
		)
	}
	k.cfg.OnChange()
}

// look says whether the topic has to be read anew: it has other partitions or was created again, or
// there is room for what found none.
func (s *tableSession) checkTopic(ctx context.Context) error {
	if s.overLimit > 0 && len(s.keys) < s.table.cfg.MaxKeys {
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

package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/wait"
)

// followedTopics reads compacted topics, those of lists or of lookups, and follows them as long as
// the configuration names them. A reload reads new ones to their ends before they are used.
type followedTopics struct {
	p       *process
	options func(topic string) kafka.KeyTableConfig
	bell    chan struct{} // names or tables have changed

	mu       sync.Mutex // guards what follows
	followed map[string]*followedTopic
	// tables that a reload has read, until the topic is followed and read to its end
	prepared map[string]*kafka.KeyTable
}

// followedTopic is a topic that is followed.
type followedTopic struct {
	table   *kafka.KeyTable
	changed atomic.Bool // since the last call of changes
	stop    context.CancelFunc
	done    chan struct{}
}

const (
	followPause   = time.Second      // at least, between two uses of changes
	followRetry   = time.Minute      // after a topic cannot be read
	followPrepare = 30 * time.Second // for the topics that a reload brings
)

// errNotRead is why a topic is not prepared that may be read later.
var errNotRead = errors.New("the topic was not read to its end in time")

func newFollowedTopics(
	p *process, options func(topic string) kafka.KeyTableConfig,
) *followedTopics {
	return &followedTopics{
		p:        p,
		options:  options,
		bell:     make(chan struct{}, 1),
		followed: map[string]*followedTopic{},
		prepared: map[string]*kafka.KeyTable{},
	}
}

// follow begins to read topics that are named, and ends to read those that no longer are. failed is
// called when one cannot be read before it is known, and reports whether to try again.
func (f *followedTopics) follow(
	ctx context.Context, named []string,
	failed func(ctx context.Context, topic string, err error) (again bool),
) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, topic := range named {
		if f.followed[topic] == nil {
			f.followed[topic] = f.begin(ctx, topic, failed)
		}
	}
	for topic, one := range f.followed {
		if !slices.Contains(named, topic) {
			one.stop()
			<-one.done
			delete(f.followed, topic)
		}
	}
}

func (f *followedTopics) begin(
	ctx context.Context, topic string,
	failed func(ctx context.Context, topic string, err error) (again bool),
) *followedTopic {
	one := &followedTopic{done: make(chan struct{})}
	o := f.options(topic)
	o.Client.Dial = f.p.network.dial
	o.OnChange = func() {
		one.changed.Store(true)
		ring(f.bell)
	}
	one.table = kafka.NewKeyTable(o)
	ctx, one.stop = context.WithCancel(ctx)
	go func() {
		defer close(one.done)
		for {
			err := one.table.Run(ctx)
			if ctx.Err() != nil || !failed(ctx, topic, err) || !wait.Sleep(ctx, followRetry) {
				return
			}
		}
	}()
	return one
}

// stop ends to read all topics.
func (f *followedTopics) stop() { f.follow(context.Background(), nil, nil) }

// prepareAll prepares topics at once, and returns the result of each.
func (f *followedTopics) prepareAll(
	ctx context.Context, topics []string, within time.Duration,
) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	errs := map[string]error{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, topic := range slices.Compact(slices.Sorted(slices.Values(topics))) {
		all.Go(func() {
			err := f.prepare(ctx, topic)
			mu.Lock()
			defer mu.Unlock()
			errs[topic] = err
		})
	}
	all.Wait()
	return errs
}

// prepare reads a topic to its end, unless it is followed and known. The error is errNotRead when
// waiting may help.
func (f *followedTopics) prepare(ctx context.Context, topic string) error {
	f.mu.Lock()
	delete(f.prepared, topic)
	f.mu.Unlock()
	if _, known := f.table(topic); known {
		return nil
	}
	o := f.options(topic)
	o.Client.Dial = f.p.network.dial
	table, err := kafka.ReadKeyTable(ctx, o)
	if ctx.Err() != nil && err != nil {
		return fmt.Errorf("%w: %w", errNotRead, err)
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prepared[topic] = table
	return nil
}

// keep forgets prepared tables of topics that are not named, as those of a reload that was refused.
func (f *followedTopics) keep(named []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.prepared, func(topic string, _ *kafka.KeyTable) bool {
		return !slices.Contains(named, topic)
	})
}

// table returns the table of a topic, and whether it is known: read to the end of the topic.
func (f *followedTopics) table(topic string) (table *kafka.KeyTable, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one := f.followed[topic]; one != nil {
		if _, known := one.table.Keys(); known {
			delete(f.prepared, topic)
			return one.table, true
		}
	}
	table, known = f.prepared[topic]
	return table, known
}

// changes returns the tables that have changed since the last call, by topic.
func (f *followedTopics) changes() map[string]*kafka.KeyTable {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := map[string]*kafka.KeyTable{}
	for topic, one := range f.followed {
		if one.changed.Swap(false) {
			changed[topic] = one.table
			delete(f.prepared, topic)
		}
	}
	return changed
}

// err says why the table of a topic cannot be read, or may be stale; nil when nothing is known of
// that.
func (f *followedTopics) err(topic string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one := f.followed[topic]; one != nil {
		return one.table.Err()
	}
	return nil
}

// rejected is how many records of a topic were refused.
func (f *followedTopics) rejected(topic string) int64 {
	if table, known := f.table(topic); known {
		return table.Rejected()
	}
	return 0
}

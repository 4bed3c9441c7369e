package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/wait"
)

// lists keeps lists whose members are the keys of topics up to date. It reads their topics to the
// end before the source reads the first log, and follows them as long as rules use them. When
// members change, the rules are replaced by the same rules with the new members, as in a reload; so
// windows and alerts stay.
type lists struct {
	p    *process
	bell chan struct{} // rules or members have changed
	read chan struct{} // is closed when all lists of the start are known and given to the rules

	mu       sync.Mutex // guards what follows
	followed map[string]*followedList
	// members that a reload has read, by topic, until the list that it brings is known
	prepared map[string][]string
}

// followedList is a topic that is read.
type followedList struct {
	topic string
	keys  *kafka.KeyTable
	stop  context.CancelFunc
	done  chan struct{}
}

const (
	listsPause   = time.Second // between two swaps; and ten times what the last one took
	listsPrepare = 30 * time.Second
)

func newLists(p *process) *lists {
	l := &lists{
		p:        p,
		bell:     make(chan struct{}, 1),
		read:     make(chan struct{}),
		followed: map[string]*followedList{},
		prepared: map[string][]string{},
	}
	ring(l.bell)
	return l
}

// run keeps the lists until ctx is done. It fails when one of them cannot be read at the start and
// an operator has to act.
func (l *lists) run(ctx context.Context) error {
	defer l.stopAll()
	failed := make(chan error)
	for known := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-l.bell:
		}
		l.follow(ctx, failed)
		began := time.Now()
		l.apply()
		if !known && l.unread() == nil {
			known = true
			close(l.read)
		}
		if known {
			wait.Sleep(ctx, max(listsPause, 10*time.Since(began)))
		}
	}
}

// before has a part begin when the lists of the start are known.
func (l *lists) before(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-l.read:
			return run(ctx)
		}
	}
}

// rules are those of our files; in a cluster others may be in force.
func (l *lists) rules() *rule.Set {
	if m := l.p.state.cluster; m != nil {
		return m.ownSet()
	}
	return l.p.set.Load()
}

// follow begins to read the topics that the rules name, and ends to read those that they no longer
// do.
func (l *lists) follow(ctx context.Context, failed chan error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := map[string]bool{}
	for _, list := range l.rules().TopicLists() {
		wanted[list.Topic] = true
		if l.followed[list.Topic] == nil {
			l.followed[list.Topic] = l.begin(ctx, list.Topic, failed)
		}
	}
	for topic, f := range l.followed {
		if !wanted[topic] {
			f.stop()
			<-f.done
			delete(l.followed, topic)
		}
	}
}

func (l *lists) begin(ctx context.Context, topic string, failed chan error) *followedList {
	o := keysOf(l.p.config, topic, l.p.logger)
	o.Client.Dial, o.OnChange = l.p.network.dial, func() { ring(l.bell) }
	f := &followedList{topic: topic, keys: kafka.NewKeyTable(o), done: make(chan struct{})}
	ctx, f.stop = context.WithCancel(ctx)
	go func() {
		defer close(f.done)
		for {
			err := f.keys.Run(ctx)
			select {
			case <-ctx.Done():
				return
			// a reload brought the list, and it was there a moment ago: the logs go on
			case <-l.read:
				l.p.logger.Error("reading a list failed; retrying", "topic", topic, "error", err)
				wait.Sleep(ctx, time.Minute)
			default:
				select {
				case failed <- err:
				case <-ctx.Done():
				}
				return
			}
		}
	}()
	return f
}

func (l *lists) stopAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.followed {
		f.stop()
		<-f.done
	}
}

func keysOf(c *Config, topic string, log *slog.Logger) kafka.KeyTableConfig {
	return kafka.KeyTableConfig{
		Client:      c.Kafka.Client(),
		Topic:       topic,
		MaxKeys:     rule.MostMembers,
		LoadTimeout: c.Limits.ListLoad,
		Logger:      log,
	}
}

// members are those of a topic, and whether they are known.
func (l *lists) members(topic string) ([]string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.followed[topic]; f != nil {
		if keys, known := f.keys.Keys(); known {
			delete(l.prepared, topic)
			return keys, true
		}
	}
	keys, known := l.prepared[topic]
	return keys, known
}

// fill gives the lists of rules the members that are known, and says whether any are others than
// they had.
func (l *lists) fill(set *rule.Set) (filled *rule.Set, changed bool) {
	given := map[string][]string{}
	for _, list := range set.TopicLists() {
		if keys, known := l.members(list.Topic); known &&
			(list.Values == nil || !slices.Equal(keys, list.Values)) {
			given[list.Name] = keys
		}
	}
	if len(given) == 0 {
		return set, false
	}
	filled, err := set.WithMembers(given)
	if err != nil {
		return set, false // they are the set's own lists
	}
	return filled, true
}

// apply swaps the rules for the same ones with the lists as they are now.
func (l *lists) apply() {
	l.p.reloading.Lock()
	defer l.p.reloading.Unlock()
	set, changed := l.fill(l.rules())
	if !changed {
		return
	}
	var err error
	if m := l.p.state.cluster; m != nil {
		// they are in force when the other members have them, too
		err = m.propose(set, m.proposed())
	} else if err = l.p.state.SetRules(set); err == nil {
		l.p.set.Store(set)
	}
	if err != nil {
		l.p.logger.Error("compiling rules with the new list members failed", "error", err)
		return
	}
	for _, list := range set.TopicLists() {
		l.p.metrics.listMembers.WithLabelValues(list.Name).Set(float64(len(list.Values)))
		l.p.metrics.listRefused.WithLabelValues(list.Name).Set(float64(l.refused(list.Topic)))
	}
	l.p.logger.Debug("lists have changed", "lists", len(set.TopicLists()))
}

func (l *lists) refused(topic string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.followed[topic]; f != nil {
		return f.keys.Rejected()
	}
	return 0
}

// prepare reads the topics that new rules bring, so that they have their lists with the first log
// that they see. A list that cannot be read refuses the reload.
func (l *lists) prepare(ctx context.Context, set *rule.Set) (*rule.Set, error) {
	for _, list := range set.TopicLists() {
		if _, known := l.members(list.Topic); known {
			continue
		}
		if err := l.prepareOne(ctx, list.Topic); err != nil {
			return nil, fmt.Errorf("list %s: %w", list.Name, err)
		}
	}
	filled, _ := l.fill(set)
	return filled, nil
}

func (l *lists) prepareOne(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, listsPrepare,
		errors.New("its topic was not read to the end in time"))
	defer cancel()
	o := keysOf(l.p.config, topic, l.p.logger)
	o.Client.Dial = l.p.network.dial
	keys, _, err := kafka.ReadKeyTable(ctx, o)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepared[topic] = keys
	return nil
}

// unread says which list is not known yet; nil when all are.
func (l *lists) unread() error {
	unknown := l.rules().Unknown()
	if len(unknown) == 0 {
		return nil
	}
	list := unknown[0]
	l.mu.Lock()
	f := l.followed[list.Topic]
	l.mu.Unlock()
	if f != nil && f.keys.Err() != nil {
		return fmt.Errorf(
			"list %s: reading its topic %s fails; no log is evaluated until it is read: %w",
			list.Name, list.Topic, f.keys.Err())
	}
	return fmt.Errorf(
		"list %s: its topic %s is not read to the end yet; no log is evaluated until it is",
		list.Name, list.Topic)
}

// stale says which list may not be what its topic says.
func (l *lists) stale() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, topic := range slices.Sorted(maps.Keys(l.followed)) {
		f := l.followed[topic]
		if _, known := f.keys.Keys(); known && f.keys.Err() != nil {
			errs = append(errs, fmt.Errorf("topic %s: %w", topic, f.keys.Err()))
		}
		if n := f.keys.Rejected(); n > 0 {
			errs = append(
				errs,
				fmt.Errorf("topic %s: %d members were refused: a list has %d at most, each of 1 "+
					"KiB at most", topic, n, rule.MostMembers),
			)
		}
	}
	return errors.Join(errs...)
}

// ReadLists gives the lists of rules that are kept in topics the members that they have now, unless
// they have some.
func ReadLists(ctx context.Context, c *Config, set *rule.Set) (*rule.Set, error) {
	given := map[string][]string{}
	for _, list := range set.Unknown() {
		keys, refused, err := kafka.ReadKeyTable(ctx,
			keysOf(c, list.Topic, slog.New(slog.DiscardHandler)))
		switch {
		case err != nil:
			return nil, fmt.Errorf("list %s: %w", list.Name, err)
		case refused > 0:
			return nil, fmt.Errorf(
				"list %s: topic %s has more than %d keys, or some of more than 1 KiB", list.Name,
				list.Topic, rule.MostMembers)
		}
		given[list.Name] = keys
	}
	return set.WithMembers(given)
}

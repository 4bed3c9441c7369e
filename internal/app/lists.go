package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	*followedTopics
	p    *process
	read chan struct{} // is closed when all lists of the start are known and given to the rules
}

func newLists(p *process) *lists {
	l := &lists{p: p, read: make(chan struct{})}
	l.followedTopics = newFollowedTopics(p, func(topic string) kafka.KeyTableConfig {
		return keysOf(p.config, topic, p.logger)
	})
	ring(l.bell)
	return l
}

// run keeps the lists until ctx is done. It fails when one of them cannot be read at the start and
// an operator must act.
func (l *lists) run(ctx context.Context) error {
	defer l.stop()
	failures := make(chan error)
	failed := func(ctx context.Context, topic string, err error) bool {
		select {
		// a reload brought the list, and it was there a moment ago: the logs continue
		case <-l.read:
			l.p.logger.Error("reading a list failed; retrying", "topic", topic, "error", err)
			return true
		default:
		}
		select {
		case failures <- err:
		case <-ctx.Done():
		}
		return false
	}
	for known := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failures:
			return err
		case <-l.bell:
		}
		l.follow(ctx, topicsOf(l.rules()), failed)
		began := time.Now()
		l.apply()
		if !known && l.unread() == nil {
			known = true
			close(l.read)
		}
		if known {
			wait.Sleep(ctx, max(followPause, 10*time.Since(began)))
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

// topicsOf are the topics of the lists of rules.
func topicsOf(set *rule.Set) (topics []string) {
	for _, list := range set.TopicLists() {
		topics = append(topics, list.Topic)
	}
	return topics
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
	table, known := l.table(topic)
	if !known {
		return nil, false
	}
	return table.Keys()
}

// fill gives the lists of rules the members that are known, and reports whether any are others than
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
		l.p.metrics.listRefused.WithLabelValues(list.Name).Set(float64(l.rejected(list.Topic)))
	}
	l.p.logger.Debug("lists have changed", "lists", len(set.TopicLists()))
}

// prepareRules reads the topics that new rules bring, so that they have their lists with the first
// log that they see. A list that cannot be read refuses the reload.
func (l *lists) prepareRules(ctx context.Context, set *rule.Set) (*rule.Set, error) {
	errs := l.prepareAll(ctx, topicsOf(set), followPrepare)
	for _, list := range set.TopicLists() {
		if err := errs[list.Topic]; err != nil {
			return nil, fmt.Errorf("list %s: %w", list.Name, err)
		}
	}
	filled, _ := l.fill(set)
	return filled, nil
}

// unread says which list is not known yet; nil when all are.
func (l *lists) unread() error {
	unknown := l.rules().Unknown()
	if len(unknown) == 0 {
		return nil
	}
	list := unknown[0]
	if err := l.err(list.Topic); err != nil {
		return fmt.Errorf(
			"list %s: reading its topic %s fails; no log is evaluated until it is read: %w",
			list.Name, list.Topic, err)
	}
	return fmt.Errorf(
		"list %s: its topic %s is not read to the end yet; no log is evaluated until it is",
		list.Name, list.Topic)
}

// stale says which list may not be what its topic says.
func (l *lists) stale() error {
	var errs []error
	for _, topic := range slices.Compact(slices.Sorted(slices.Values(topicsOf(l.rules())))) {
		if _, known := l.table(topic); !known {
			continue
		}
		if err := l.err(topic); err != nil {
			errs = append(errs, fmt.Errorf("topic %s: %w", topic, err))
		}
		if n := l.rejected(topic); n > 0 {
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
		table, err := kafka.ReadKeyTable(ctx,
			keysOf(c, list.Topic, slog.New(slog.DiscardHandler)))
		switch {
		case err != nil:
			return nil, fmt.Errorf("list %s: %w", list.Name, err)
		case table.Rejected() > 0:
			return nil, fmt.Errorf(
				"list %s: topic %s has more than %d keys, or some of more than 1 KiB", list.Name,
				list.Topic, rule.MostMembers)
		}
		given[list.Name], _ = table.Keys()
	}
	return set.WithMembers(given)
}

package app

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The state of a member is a function of the frames topic up to a record. It is in data_dir, from
// where a restart continues; and a member writes a snapshot of it to a topic now and then, so that
// one with an empty directory, or one that is behind, need not read the frames before it. Frames
// that a snapshot covers are deleted, but for those after the snapshot before it.

// joinError is that neither data_dir nor a snapshot goes with the frames topic.
type joinError struct {
	what string
	why  []string
}

func (e *joinError) Error() string {
	const hint = "start a member that has its data_dir, and this one when it has written a " +
		"snapshot; or stop all members, delete the topics of the cluster, move their data_dir away, " +
		"and start them: active alerts then fire anew"
	text := e.what
	if len(e.why) > 0 {
		text += "; snapshots: " + strings.Join(e.why, "; ")
	}
	return text + " (" + hint + ")"
}

// join takes over the state that is in data_dir, if the frames topic continues it, or a snapshot.
// It returns why that cannot be, or why it is not known yet.
func (m *clusterMember) join(ctx context.Context) (final, err error) {
	name, id, err := m.topic.ID(ctx)
	if err != nil {
		return nil, err
	}
	start, end, err := m.topic.Ends(ctx)
	if err != nil {
		return nil, err
	}
	source := store.Source{Cluster: name, TopicID: id, Topic: m.home.Topic}
	own, next, single, err := m.owned()
	if err != nil {
		return err, nil
	}
	if single {
		if final, err = m.inherit(ctx, source, start, end); final != nil || err != nil {
			return final, err
		}
		return m.takeOver(source), nil
	}
	problem := ""
	switch {
	case own.Topic != "" && own.TopicID != id:
		problem = fmt.Sprintf("topic %q was deleted and created again since our state was saved",
			m.home.Topic)
	case next < start || next > end:
		problem = fmt.Sprintf("topic %q has the records from offset %d to %d, and we go on at %d",
			m.home.Topic, start, end, next)
	}
	if problem != "" || own.Topic == "" {
		found, why, err := m.snapshots.join(ctx, source, start, end)
		switch {
		case err != nil:
			return nil, err
		case found && problem != "" && own.Topic != "":
			m.log.Warn("the state of data_dir is not continued; that of a snapshot is taken",
				"reason", problem)
		case !found && problem != "":
			return &joinError{problem, why}, nil
		case !found:
			if err := m.waits(ctx, start, end); err != nil {
				return nil, err
			}
		}
	}
	return m.takeOver(source), nil
}

// owned is where the state in data_dir continues; without a topic there is none. single is whether
// it is that of an instance without a cluster.
func (m *clusterMember) owned() (of store.Source, next int64, single bool, err error) {
	others := false
	for source, at := range m.p.store.Positions() {
		if source.Topic != m.home.Topic {
			others = true
			continue
		}
		of, next = source, at.Next
	}
	switch {
	case !others && next == 0: // nothing was read
		return store.Source{}, 0, false, nil
	case !others:
		return of, next, false, nil
	}
	single = of.Topic == ""
	err = m.p.store.Load(func(key, _ []byte) error {
		single = single && !cluster.IsSaved(key)
		return nil
	})
	if err == nil && !single {
		err = fmt.Errorf("data_dir %s holds the state of another cluster (move it away)",
			m.p.config.DataDir)
	}
	return of, next, single, err
}

// inherit has the cluster begin with the state of an instance without one, which is in data_dir:
// the first record of the frames topic says so, and the others wait for a snapshot of it.
func (m *clusterMember) inherit(
	ctx context.Context, source store.Source, start, end int64,
) (final, err error) {
	if err := m.mayInherit(ctx); err != nil {
		return nil, err
	}
	var left cluster.Inheritance
	left.Positions = map[models.Partition]cluster.Position{}
	id := fnv.New64a()
	var old []store.Source
	for s, at := range m.p.store.Positions() {
		old = append(old, s)
		left.Positions[models.Partition{Topic: s.Topic, Partition: s.Partition}] = cluster.Position{
			Incarnation: binary.BigEndian.Uint64(s.TopicID[:]), Next: at.Next,
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(left.Positions), comparePartitions) {
		fmt.Fprintln(id, p, left.Positions[p])
	}
	began := uint64(0)
	if end == 0 {
		start, err = m.appended(ctx, cluster.Genesis(m.self, id.Sum64()))
		if err != nil {
			return nil, err
		}
		began = id.Sum64()
	} else if start == 0 {
		err = m.topic.Read(ctx, 0, 1, func(r kafka.OrderedRecord) error {
			began, _ = cluster.ReadGenesis(r.Value)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if start != 0 || began != id.Sum64() {
		return fmt.Errorf(
			"data_dir %s holds the state of an instance without a cluster, and topic "+
				"%q has records already: a cluster begins with such a state only if its member is the "+
				"first one (to go on with it, stop all members, delete the topics of the cluster, and "+
				"start this one first; to join the cluster without it, move data_dir away)",
			m.p.config.DataDir,
			m.home.Topic,
		), nil
	}
	notified, silences := m.p.notifier.InheritableState()
	left.Notified, left.Silences = notified, silences
	for _, e := range m.p.store.Pending() {
		e.Alert.Home = m.home
		left.Pending = append(left.Pending, e.Alert)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	left.Rules = m.proposal
	m.fold.Inherit(left)
	c := m.p.store.Begin()
	if c.Full() {
		return errors.New("the state of data_dir cannot be continued; see the errors before"), nil
	}
	m.fold.Save(true, c.Put, c.Delete)
	for _, s := range old {
		c.Release(s)
	}
	c.SetPosition(source, store.Position{Next: 1, Committed: -1, Epoch: -1})
	if err := m.p.store.Commit(c); err != nil {
		return err, nil
	}
	m.p.store.AckAll()
	m.log.Info("the cluster begins with the state of data_dir", "partitions", len(old),
		"alerts", len(notified))
	return nil, nil
}

// mayInherit returns why the cluster cannot begin with the state of data_dir yet: rules without the
// values of their lists decide otherwise, and without a snapshot no other member can join.
func (m *clusterMember) mayInherit(ctx context.Context) error {
	for _, list := range m.ownSet().Unknown() {
		return fmt.Errorf("the values of list %s are not read yet", list.Name)
	}
	if err := m.snapshots.topic.MayDelete(ctx); err != nil {
		return fmt.Errorf("the cluster cannot begin with the state of data_dir, since no snapshot of "+
			"it can be written: %w", err)
	}
	return nil
}

func comparePartitions(a, b models.Partition) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// waits returns an error while the member whose state the cluster begins with has not written a
// snapshot of it yet.
func (m *clusterMember) waits(ctx context.Context, start, end int64) (err error) {
	if start > 0 || end == 0 {
		return nil
	}
	read := m.topic.Read(ctx, 0, 1, func(r kafka.OrderedRecord) error {
		if _, ok := cluster.ReadGenesis(r.Value); ok {
			err = cluster.ErrGenesis
		}
		return nil
	})
	return errors.Join(read, err)
}

// takeOver takes over what the store has, and adds its transitions and notes to the history.
func (m *clusterMember) takeOver(source store.Source) error {
	if err := m.load(source); err != nil {
		return err
	}
	now := time.Now()
	for _, a := range m.p.store.History() {
		if !m.p.history.Has(a) {
			m.p.history.Add(history.OfAlert(a, now))
		}
	}
	m.mu.Lock()
	notes := m.fold.Notes()
	m.mu.Unlock()
	m.notes.restore(notes)
	if err := m.pages.sync(); err != nil {
		m.log.Error(pagesNotKept, "error", err)
		ring(m.pages.bell)
	}
	return nil
}

// load takes over what the store has.
func (m *clusterMember) load(source store.Source) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.p.store.Load(func(key, value []byte) error {
		if cluster.IsSaved(key) {
			return m.fold.Restore(key, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if rules := m.fold.Rules(); rules.Hash != 0 {
		if err := m.setRules(rules); err != nil {
			return err
		}
	}
	values := m.p.state.values
	err = m.p.state.Restore(values.restoring(func(each func(key, value []byte) error) error {
		return m.p.store.Load(func(key, value []byte) error {
			if cluster.IsSaved(key) {
				return nil
			}
			return each(key, value)
		})
	}))
	if err != nil {
		return fmt.Errorf("restore state from %s: %w", m.p.config.DataDir, err)
	}
	m.source = source
	m.fold.Restored()
	return nil
}

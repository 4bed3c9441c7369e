package app

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The state of a member is a function of the frames topic up to a record. It is in data_dir, from
// where a restart continues; and a member writes a snapshot of it to a topic now and then, so that
// one with an empty directory, or one that is behind, need not read the frames before it. Frames
// that a snapshot covers are deleted, but for those after the snapshot before it.

const (
	snapshotMost    = 1 << 30 // bytes of frames after which a snapshot is written
	snapshotWindow  = 4       // chunks of it that are under way
	snapshotAgain   = 30 * time.Second
	deleteEvery     = 15 * time.Second
	snapshotHistory = "history/" // keys of transitions in a snapshot, which no other key begins with
)

// snapshotsTopic is the topic of snapshots.
func (c *Config) snapshotsTopic() string { return c.clusterPrefix() + ".snapshots" }

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
		return m.load(source), nil
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
		found, why, err := m.joinSnapshot(ctx, source, start, end)
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
	return m.load(source), nil
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
	if err := m.snapshots.MayDelete(ctx); err != nil {
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

// joinSnapshot replaces the state in data_dir by the newest snapshot that can be used. why is what
// is wrong with others.
func (m *clusterMember) joinSnapshot(
	ctx context.Context, source store.Source, start, end int64,
) (found bool, why []string, err error) {
	first, last, err := m.snapshots.Ends(ctx)
	if err != nil || first == last {
		return false, nil, err
	}
	ends, err := m.snapshotEnds(ctx, last-1, last) // mostly it is the last record
	if err == nil && len(ends) == 0 {
		ends, err = m.snapshotEnds(ctx, first, last)
	}
	for all := false; err == nil; all = true {
		for i := len(ends) - 1; i >= 0; i-- {
			s := ends[i]
			problem := s.Check(source.TopicID, start, end)
			if problem == nil {
				problem = m.importSnapshot(ctx, s, source)
			}
			switch {
			case problem == nil:
				return true, why, nil
			case ctx.Err() != nil:
				return false, nil, ctx.Err()
			}
			why = append(why, fmt.Sprintf("the one at offset %d: %v", s.End, problem))
			m.log.Warn("a snapshot of the cluster is of no use", "offset", s.End, "reason", problem)
		}
		if all || len(ends) > 1 {
			return false, why, nil
		}
		ends, err = m.snapshotEnds(ctx, first, last-1)
	}
	return false, why, err
}

// snapshotEnds are the end records among some records of the topic of snapshots.
func (m *clusterMember) snapshotEnds(
	ctx context.Context, from, to int64,
) (list []cluster.Stored, err error) {
	err = m.snapshots.Read(ctx, from, to, func(r kafka.OrderedRecord) error {
		if s, ok := cluster.ReadSnapshotEnd(r.Value); ok {
			list = append(list, cluster.Stored{Snapshot: s, End: r.Offset})
		}
		return nil
	})
	return list, err
}

// importSnapshot replaces the state in data_dir by a snapshot.
func (m *clusterMember) importSnapshot(
	ctx context.Context, s cluster.Stored, source store.Source,
) error {
	began := time.Now()
	m.log.Info("reading a snapshot of the cluster", "bytes", s.Bytes, "written_by", s.By)
	history, err := m.snapshotHistory(ctx, s)
	if err != nil {
		return err
	}
	positions := map[store.Source]store.Position{source: {Next: s.Next, Committed: -1, Epoch: -1}}
	err = m.p.store.Import(positions, history, func(put func(key, value []byte) error) error {
		in := cluster.NewSnapshotReader(s.Snapshot)
		err := m.snapshots.Read(ctx, s.First, s.End, func(r kafka.OrderedRecord) error {
			return in.Read(r.Value, func(key, value []byte) error {
				if isHistory(key) {
					return nil
				}
				return put(key, value)
			})
		})
		if err != nil {
			return err
		}
		return in.Done()
	})
	if err == nil {
		m.log.Info("a snapshot of the cluster is the state of this member", "bytes", s.Bytes,
			"took", time.Since(began))
	}
	return err
}

func isHistory(key []byte) bool { return strings.HasPrefix(string(key), snapshotHistory) }

// snapshotHistory is the transitions of a snapshot, with which it begins.
func (m *clusterMember) snapshotHistory(
	ctx context.Context, s cluster.Stored,
) (list []models.Alert, err error) {
	in := cluster.NewSnapshotReader(s.Snapshot)
	err = m.snapshots.Read(ctx, s.First, s.End, func(r kafka.OrderedRecord) error {
		return in.Read(r.Value, func(key, value []byte) error {
			var a models.Alert
			if !isHistory(key) {
				return errNoHistory
			} else if err := json.Unmarshal(value, &a); err != nil {
				return err
			}
			list = append(list, a)
			return nil
		})
	})
	if errors.Is(err, errNoHistory) {
		err = nil
	}
	return list, err
}

// errNoHistory ends the reading of transitions.
var errNoHistory = errors.New("the state begins")

// writeSnapshots writes a snapshot whenever it is on us, and deletes what snapshots make needless,
// until ctx is done.
func (m *clusterMember) writeSnapshots(ctx context.Context) {
	var tried, deleted time.Time
	for wait.Sleep(ctx, time.Second) {
		m.mu.Lock()
		every := m.p.config.Cluster.SnapshotEvery
		due := m.isReady() && m.fold.SnapshotDue(every, snapshotMost) &&
			time.Since(tried) >= min(every, snapshotAgain)
		notifies := m.notifies
		m.mu.Unlock()
		if due {
			tried = time.Now()
			if err := m.writeSnapshot(ctx); ctx.Err() == nil {
				m.note("a snapshot cannot be written, so the frames topic grows", err)
			}
		}
		if notifies && time.Since(deleted) >= min(every, deleteEvery) {
			deleted = time.Now()
			if err := m.deleteOld(ctx); ctx.Err() == nil {
				m.note("old records of the cluster are not deleted", err)
			}
		}
	}
}

// writeSnapshot writes the last checkpoint to the topic of snapshots, and says so in the frames
// topic.
func (m *clusterMember) writeSnapshot(ctx context.Context) error {
	if err := m.snapshots.MayDelete(ctx); err != nil {
		return err // it would grow faster than the frames topic
	}
	_, topic, err := m.snapshots.ID(ctx)
	if err != nil {
		return err
	}
	x, err := m.p.store.Export()
	if errors.Is(err, store.ErrBusy) {
		return nil
	} else if err != nil {
		return err
	}
	defer x.Close()
	began := time.Now()
	m.mu.Lock()
	source, now := m.source, m.fold.Now()
	m.mu.Unlock()
	at, ok := x.Positions[source]
	if !ok {
		return nil // the first checkpoint is not taken yet
	}
	out := newSnapshotSender(ctx, m.snapshots)
	w := cluster.NewSnapshotWriter(cluster.Snapshot{
		ID: rand.Uint64(), Frames: source.TopicID, Next: at.Next, At: now, By: Version(),
	}, out.send)
	if err := putAll(w, x); err != nil {
		return err
	}
	first, _, err := out.wait()
	if err != nil {
		return err
	}
	record, s := w.End(first)
	if err := out.send(record); err != nil {
		return err
	}
	_, end, err := out.wait()
	if err != nil {
		return err
	}
	m.append(cluster.SnapshotRecord(m.self, cluster.Stored{Snapshot: s, Topic: topic, End: end}),
		m.noted)
	m.log.Info("a snapshot of the cluster is written", "bytes", s.Bytes, "next", s.Next,
		"took", time.Since(began))
	return nil
}

// putAll writes a checkpoint: transitions come first.
func putAll(w *cluster.SnapshotWriter, x *store.Export) error {
	for i, a := range x.History {
		value, err := json.Marshal(a)
		if err == nil {
			err = w.Put(fmt.Appendf(nil, "%s%06d", snapshotHistory, i), value)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(x.Each(w.Put), w.Flush())
}

// snapshotSender appends records to the topic of snapshots, a few at a time.
type snapshotSender struct {
	ctx    context.Context
	topic  *kafka.OrderedTopic
	window chan struct{}

	mu          sync.Mutex // guards what follows
	first, last int64      // offsets
	err         error
}

func newSnapshotSender(ctx context.Context, topic *kafka.OrderedTopic) *snapshotSender {
	return &snapshotSender{
		ctx: ctx, topic: topic, window: make(chan struct{}, snapshotWindow), first: -1,
	}
}

func (s *snapshotSender) send(record []byte) error {
	if err := s.take(); err != nil {
		return err
	}
	s.topic.Append(record, func(offset int64, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err == nil {
			s.err = err
		}
		if s.first < 0 {
			s.first = offset
		}
		s.last = offset
		<-s.window
	})
	return nil
}

func (s *snapshotSender) take() error {
	select {
	case s.window <- struct{}{}:
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		<-s.window
	}
	return s.err
}

// wait waits until the brokers have all records, and returns the offsets of the first and the last.
func (s *snapshotSender) wait() (first, last int64, err error) {
	for range snapshotWindow {
		if err := s.take(); err != nil {
			return 0, 0, err
		}
	}
	for range snapshotWindow {
		<-s.window
	}
	return s.first, s.last, nil
}

// deleteOld deletes the frames that the snapshot before the newest covers, and the snapshots before
// that. Both snapshots must be there.
func (m *clusterMember) deleteOld(ctx context.Context) error {
	m.mu.Lock()
	old, ok := m.fold.Deletable()
	m.mu.Unlock()
	if !ok {
		return nil
	}
	_, id, err := m.snapshots.ID(ctx)
	if err != nil {
		return err
	}
	first, last, err := m.snapshots.Ends(ctx)
	if err != nil {
		return err
	}
	if id != old.Topic || first > old.First || last <= old.End {
		return fmt.Errorf(
			"topic %q no longer has the snapshots that were written; frames are kept "+
				"until there are two new ones",
			m.p.config.snapshotsTopic(),
		)
	}
	start, _, err := m.topic.Ends(ctx)
	if err == nil && start < old.Next {
		err = m.topic.DeleteBefore(ctx, old.Next)
	}
	if err == nil && first < old.First {
		err = m.snapshots.DeleteBefore(ctx, old.First)
	}
	return err
}

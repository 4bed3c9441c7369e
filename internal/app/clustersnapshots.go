package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	snapshotMost    = 1 << 30 // bytes of frames after which a snapshot is written
	snapshotWindow  = 4       // chunks of it that are under way
	snapshotAgain   = 30 * time.Second
	deleteEvery     = 15 * time.Second
	snapshotHistory = "history/" // keys of transitions in a snapshot, which no other key begins with
)

// snapshotsTopic is the topic of snapshots.
func (c *Config) snapshotsTopic() string { return c.clusterPrefix() + ".snapshots" }

// clusterSnapshots are the snapshots of the state of a cluster, in a topic of their own.
type clusterSnapshots struct {
	m     *clusterMember
	topic *kafka.OrderedTopic
}

// join replaces the state in data_dir by the newest snapshot that can be used. why is what is wrong
// with the others.
func (c *clusterSnapshots) join(
	ctx context.Context, source store.Source, start, end int64,
) (found bool, why []string, err error) {
	first, last, err := c.topic.Ends(ctx)
	if err != nil || first == last {
		return false, nil, err
	}
	ends, err := c.ends(ctx, last-1, last) // mostly it is the last record
	if err == nil && len(ends) == 0 {
		ends, err = c.ends(ctx, first, last)
	}
	for all := false; err == nil; all = true {
		for i := len(ends) - 1; i >= 0; i-- {
			s := ends[i]
			problem := s.Check(source.TopicID, start, end)
			if problem == nil {
				problem = c.restore(ctx, s, source)
			}
			switch {
			case problem == nil:
				return true, why, nil
			case ctx.Err() != nil:
				return false, nil, ctx.Err()
			}
			why = append(why, fmt.Sprintf("the one at offset %d: %v", s.End, problem))
			c.m.log.Warn("a snapshot of the cluster is of no use", "offset", s.End, "reason", problem)
		}
		if all || len(ends) > 1 {
			return false, why, nil
		}
		ends, err = c.ends(ctx, first, last-1)
	}
	return false, why, err
}

// ends are the end records among some records of the topic of snapshots.
func (c *clusterSnapshots) ends(
	ctx context.Context, from, to int64,
) (list []cluster.Stored, err error) {
	err = c.topic.Read(ctx, from, to, func(r kafka.OrderedRecord) error {
		if s, ok := cluster.ReadSnapshotEnd(r.Value); ok {
			list = append(list, cluster.Stored{Snapshot: s, End: r.Offset})
		}
		return nil
	})
	return list, err
}

// restore replaces the state in data_dir by a snapshot.
func (c *clusterSnapshots) restore(
	ctx context.Context, s cluster.Stored, source store.Source,
) error {
	began := time.Now()
	c.m.log.Info("reading a snapshot of the cluster", "bytes", s.Bytes, "written_by", s.By)
	history, err := c.history(ctx, s)
	if err != nil {
		return err
	}
	positions := map[store.Source]store.Position{source: {Next: s.Next, Committed: -1, Epoch: -1}}
	err = c.m.p.store.Import(positions, history, func(put func(key, value []byte) error) error {
		in := cluster.NewSnapshotReader(s.Snapshot)
		err := c.topic.Read(ctx, s.First, s.End, func(r kafka.OrderedRecord) error {
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
		c.m.log.Info("a snapshot of the cluster is the state of this member", "bytes", s.Bytes,
			"took", time.Since(began))
	}
	return err
}

func isHistory(key []byte) bool { return strings.HasPrefix(string(key), snapshotHistory) }

// history is the transitions of a snapshot, with which it begins.
func (c *clusterSnapshots) history(
	ctx context.Context, s cluster.Stored,
) (list []models.Alert, err error) {
	in := cluster.NewSnapshotReader(s.Snapshot)
	err = c.topic.Read(ctx, s.First, s.End, func(r kafka.OrderedRecord) error {
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

// run writes a snapshot whenever one is due, and deletes what snapshots make needless, until ctx is
// done.
func (c *clusterSnapshots) run(ctx context.Context) {
	var tried, deleted time.Time
	for wait.Sleep(ctx, time.Second) {
		c.m.mu.Lock()
		every := c.m.p.config.Cluster.SnapshotEvery
		due := c.m.isReady() && c.m.fold.SnapshotDue(every, snapshotMost) &&
			time.Since(tried) >= min(every, snapshotAgain)
		notifies := c.m.notifies
		c.m.mu.Unlock()
		if due {
			tried = time.Now()
			if err := c.write(ctx); ctx.Err() == nil {
				c.m.note("a snapshot cannot be written, so the frames topic grows", err)
			}
		}
		if notifies && time.Since(deleted) >= min(every, deleteEvery) {
			deleted = time.Now()
			if err := c.deleteOld(ctx); ctx.Err() == nil {
				c.m.note("old records of the cluster are not deleted", err)
			}
		}
	}
}

// write writes the last checkpoint to the topic of snapshots, and notes that in the frames topic.
func (c *clusterSnapshots) write(ctx context.Context) error {
	if err := c.topic.MayDelete(ctx); err != nil {
		return err // it would grow faster than the frames topic
	}
	_, topic, err := c.topic.ID(ctx)
	if err != nil {
		return err
	}
	x, err := c.m.p.store.Export()
	if errors.Is(err, store.ErrBusy) {
		return nil
	} else if err != nil {
		return err
	}
	defer x.Close()
	began := time.Now()
	c.m.mu.Lock()
	source, now := c.m.source, c.m.fold.Now()
	c.m.mu.Unlock()
	at, ok := x.Positions[source]
	if !ok {
		return nil // the first checkpoint is not taken yet
	}
	out := newSnapshotSender(ctx, c.topic)
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
	stored := cluster.Stored{Snapshot: s, Topic: topic, End: end}
	c.m.append(cluster.SnapshotRecord(c.m.self, stored), c.m.noted)
	c.m.log.Info("a snapshot of the cluster is written", "bytes", s.Bytes, "next", s.Next,
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
func (c *clusterSnapshots) deleteOld(ctx context.Context) error {
	c.m.mu.Lock()
	old, ok := c.m.fold.Deletable()
	c.m.mu.Unlock()
	if !ok {
		return nil
	}
	_, id, err := c.topic.ID(ctx)
	if err != nil {
		return err
	}
	first, last, err := c.topic.Ends(ctx)
	if err != nil {
		return err
	}
	if id != old.Topic || first > old.First || last <= old.End {
		return fmt.Errorf(
			"topic %q no longer has the snapshots that were written; frames are kept "+
				"until there are two new ones",
			c.m.p.config.snapshotsTopic(),
		)
	}
	start, _, err := c.m.topic.Ends(ctx)
	if err == nil && start < old.Next {
		err = c.m.topic.DeleteBefore(ctx, old.Next)
	}
	if err == nil && first < old.First {
		err = c.topic.DeleteBefore(ctx, old.First)
	}
	return err
}

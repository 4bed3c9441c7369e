package app

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// state is the engine together with the disk; the source drives it. It collects the engine's
// decisions until the next checkpoint, which writes state, offsets and decisions to disk in one
// transaction. So a crash repeats work at most; it neither loses nor repeats an alert.
//
// If a checkpoint fails, as with a full disk, its decisions still go to the outbox: notifications
// are sent, offsets are not committed, and the next checkpoint covers both.
type state struct {
	*alerting.Engine
	store   *store.Store
	values  *recorded    // of record rules
	history *history.Log // nil for none
	// is called at each checkpoint, while the engine stands still exactly there; nil for nothing
	between func(read []models.Progress)
	read    []models.Progress // how far that is
	wanted  atomic.Bool       // between is requested
	// what makes us a member of a cluster; nil when we are none
	cluster *clusterMember

	mu      sync.Mutex // guards what follows; rules may be swapped while a scan is applied
	decided []models.Alert
	urgent  bool
	saved   time.Time // when the last checkpoint was taken
}

// Advance passes time and progress to the engine.
func (s *state) Advance(now time.Time, progress []models.Progress) {
	s.read = append(s.read[:0], progress...)
	s.Engine.Advance(now, progress)
}

// emit takes a transition from the engine.
func (s *state) emit(a models.Alert) {
	if s.cluster != nil {
		a.Home = s.cluster.home
		s.cluster.emit(a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decided = append(s.decided, a)
	s.urgent = s.urgent || notifies(a)
}

// notifies reports whether a transition is notified.
func notifies(a models.Alert) bool {
	return (a.State == models.AlertFiring || a.State == models.AlertResolved) && !a.Historical &&
		!a.Shadow && !a.Signal
}

// Urgent reports whether a checkpoint is wanted at once: a notification or a backfill waits for it.
func (s *state) Urgent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.urgent || s.wanted.Load()
}

// Rewind is how much of the past a start without a checkpoint reads to fill the windows.
func (s *state) Rewind() time.Duration { return s.LongestWindow() }

// Positions are those of the last checkpoint.
func (s *state) Positions() []models.SourcePosition {
	var list []models.SourcePosition
	for source, at := range s.store.Positions() {
		list = append(list, models.SourcePosition{
			Cluster:     source.Cluster,
			TopicID:     source.TopicID,
			Topic:       source.Topic,
			Partition:   source.Partition,
			Next:        at.Next,
			Committed:   at.Committed,
			Epoch:       at.Epoch,
			Left:        at.Left,
			Answered:    ofMillis(at.Answered),
			OutageEnded: ofMillis(at.OutageEnded),
			Outage:      time.Duration(at.Outage) * time.Millisecond,
			WaitBegan:   ofMillis(at.WaitBegan),
		})
	}
	return list
}

// Checkpoint takes what is to be written to disk. The source calls it between two scans, so the
// engine stands still but for a reload, which may decide something in the meantime. So what was
// decided is taken last: sent twice, under the same ID, is better than saved as sent and lost.
func (s *state) Checkpoint(positions, dropped []models.SourcePosition) (write func() error) {
	if s.wanted.Store(false); s.between != nil {
		s.between(s.read)
	}
	return s.checkpoint(positions, dropped)
}

// savedAtOnce is how many groups are encoded while the engine waits: a fraction of a millisecond.
const savedAtOnce = 128

// checkpoint takes a checkpoint, and returns a function that collects the groups of this instant
// and writes all, while the engine continues.
func (s *state) checkpoint(positions, dropped []models.SourcePosition) (write func() error) {
	c := s.store.Begin()
	saving := s.BeginSave(c.Full())
	if s.cluster != nil {
		s.cluster.fold.Save(c.Full(), c.Put, c.Delete)
	}
	s.values.save(c.Full(), c.Put, c.Delete)
	for _, p := range positions {
		c.SetPosition(storeSource(p), storePosition(p))
	}
	for _, p := range dropped {
		c.Release(storeSource(p))
	}
	decided := s.take()
	c.Append(decided...)
	return func() error {
		defer s.values.release()
		for saving.Next(savedAtOnce, c.Put, c.Delete) {
		}
		err := s.store.Commit(c)
		if s.cluster != nil {
			s.store.AckAll() // the topic has what is to be notified
		}
		s.keep(decided)
		if err == nil {
			s.mu.Lock()
			s.saved = time.Now()
			s.mu.Unlock()
		}
		return err
	}
}

// noteRecorded notes on disk which values are on their topic, once no checkpoint will do so any
// more.
func (s *state) noteRecorded() error {
	c := s.store.Begin()
	if c.Full() {
		return nil // the last checkpoint failed; what it did not save is written once more
	}
	s.values.save(false, c.Put, c.Delete)
	return s.store.Commit(c)
}

// checkpointed is when the last checkpoint was taken.
func (s *state) checkpointed() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saved
}

func storePosition(p models.SourcePosition) store.Position {
	return store.Position{
		Next:        p.Next,
		Committed:   p.Committed,
		Epoch:       p.Epoch,
		Left:        p.Left,
		Answered:    millisOf(p.Answered),
		OutageEnded: millisOf(p.OutageEnded),
		Outage:      p.Outage.Milliseconds(),
		WaitBegan:   millisOf(p.WaitBegan),
	}
}

// ofMillis and millisOf convert times and milliseconds since 1970; the zero time is 0.
func ofMillis(n int64) time.Time {
	if n <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(n)
}

func millisOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func storeSource(p models.SourcePosition) store.Source {
	return store.Source{
		Cluster:   p.Cluster,
		TopicID:   p.TopicID,
		Topic:     p.Topic,
		Partition: p.Partition,
	}
}

// keep adds transitions to the history.
func (s *state) keep(decided []models.Alert) {
	if s.history == nil {
		return
	}
	now := time.Now()
	for _, a := range decided {
		s.history.Add(history.OfAlert(a, now))
	}
}

func (s *state) take() []models.Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	decided := s.decided
	s.decided, s.urgent = nil, false
	return decided
}

// firing are the summaries of the alerts of a partition that fire now, or of those that belong to
// none, the newest first. Who was notified is not known here.
func (s *state) firing(home models.Partition) []models.Alert {
	var list []models.Alert
	for _, a := range s.Alerts() {
		if a.State == models.AlertFiring && !a.Shadow && !a.Signal && a.Home == home {
			list = append(list, a)
		}
	}
	return list
}

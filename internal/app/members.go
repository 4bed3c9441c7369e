package app

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// members is what there is between us and the other members of our group. Whoever has a partition
// leaves in the handover topic, for whoever gets it next, what the engine has to know to go on
// exactly there (alerting.Engine.InFlightState), and what the notifier has told to whom (notify.Publish).
// The first is written in one record, together with the position up to which it goes: when
// something was decided, before offsets are committed; else every few seconds; and when the
// partition is given up. So after a crash, too, whoever gets the partition goes on at a point up to
// which all that was decided is known, and decides again, with the same identities, what came after
// it; of that it knows who was told.
type members struct {
	state    *state
	notifier *notify.Notifier
	handover *kafka.ChangelogTopic
	self     string // the name of our state, by which we know what we have left ourselves

	mu    sync.Mutex                  // guards what follows
	taken map[models.Partition]*taken // partitions that were assigned to us
}

// taken is a partition that was assigned to us.
type taken struct {
	begun bool // we are as far as whoever had it before us, and it is ours to tell
	// what that one has left for the notifier; nil when nobody had it since we did
	shared notify.Changelog
	at     models.SourcePosition
	left   time.Time // when something was last left for others
	urgent bool      // something is to be left with the next checkpoint
}

// left is what a member leaves of a partition, for the engine of the next.
type left struct {
	By        string          `json:"by"`
	Cluster   string          `json:"cluster"`
	TopicID   []byte          `json:"topic_id"`
	Next      int64           `json:"next"`
	Committed int64           `json:"committed"`
	Final     bool            `json:"final,omitempty"` // the partition was given up there
	Engine    json.RawMessage `json:"engine"`
}

const (
	leftKey    = "engine" // in the handover topic
	leaveEvery = 10 * time.Second
	// for telling what is under way when partitions are taken from us, and again for what we leave
	leaveGrace = 5 * time.Second
)

// sharedState is the state of a program that shares its topics.
type sharedState struct {
	*state
	*members
}

func (p *program) openMembers() error {
	m := &members{state: p.state, taken: map[models.Partition]*taken{}}
	o := p.config.source()
	o.Client.Dial = p.network.dial
	var err error
	if m.self, err = self(p.config); err != nil {
		return err
	}
	if m.handover, err = kafka.NewChangelogTopic(o.Client, p.config.Kafka.handover(), p.logger); err != nil {
		return err
	}
	p.lives.onEnd(func() error { m.handover.Close(); return nil })
	p.state.members = m
	return nil
}

var _ kafka.StateSharer = (*members)(nil)

// Acquire implements kafka.StateSharer.
func (m *members) Acquire(
	ctx context.Context,
	at []models.SourcePosition,
) (map[models.Partition]models.AcquiredPosition, error) {
	var names []models.Partition
	for _, p := range at {
		names = append(names, models.Partition{Topic: p.Topic, Partition: p.Partition})
	}
	said, err := m.handover.Read(ctx, names)
	if err != nil {
		return nil, err
	}
	handed := map[models.Partition]models.AcquiredPosition{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, name := range names {
		t := &taken{at: at[i], urgent: true}
		m.taken[name] = t
		l := &left{}
		if text := said[name][leftKey]; text == nil || json.Unmarshal(text, l) != nil ||
			l.Cluster != at[i].Cluster ||
			string(l.TopicID) != string(at[i].TopicID[:]) {
			continue
		}
		if l.By == m.self && at[i].Next >= l.Next {
			continue // nobody else has had it
		}
		t.shared = said[name]
		if at[i].Next <= l.Next {
			if err := m.state.RestoreInFlight(name, l.Engine); err != nil {
				return nil, err
			}
		}
		handed[name] = models.AcquiredPosition{
			Next:      max(l.Next, at[i].Next),
			Committed: l.Committed,
			Final:     l.Final,
		}
	}
	return handed, nil
}

// begin has the notifier go on with partitions that are read as far as whoever had them before us
// has read them.
func (m *members) begin(progress []models.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range progress {
		name := models.Partition{Topic: p.Topic, Partition: p.Partition}
		if t := m.taken[name]; t != nil && !t.begun && !p.Replay {
			m.notifier.Acquire(name, m.state.firing(name), t.shared)
			t.begun, t.shared = true, nil
		}
	}
}

// share leaves for others what they have to know, after a checkpoint. It returns when that is
// written which must be before offsets are committed.
func (m *members) share(positions []models.SourcePosition) error {
	m.notifier.DrainOutbox() // and with it passes on what there is to tell
	if m.handover.Stalled() {
		return errors.New("the handover topic takes nothing; what was decided waits for it")
	}
	urgent := m.put(positions)
	if len(urgent) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveGrace)
	defer cancel()
	err := m.handover.Flush(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range urgent {
		t.urgent = err != nil
	}
	return err
}

// put leaves what is due, and returns what must be there before offsets are committed.
func (m *members) put(positions []models.SourcePosition) (urgent []*taken) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range positions {
		name := models.Partition{Topic: p.Topic, Partition: p.Partition}
		t := m.taken[name]
		if t == nil || !t.begun {
			continue
		}
		decided := m.state.PartitionChanged(name)
		if t.urgent = t.urgent || decided; t.urgent ||
			time.Since(t.left) >= leaveEvery && p.Next != t.at.Next {
			if t.urgent {
				urgent = append(urgent, t)
			}
			m.leave(name, t, p, false)
		}
		t.at = p
	}
	return urgent
}

func (m *members) leave(name models.Partition, t *taken, at models.SourcePosition, final bool) {
	engine := m.state.InFlightState(name)
	if engine == nil {
		return
	}
	text, err := json.Marshal(
		left{
			By:        m.self,
			Cluster:   at.Cluster,
			TopicID:   at.TopicID[:],
			Next:      at.Next,
			Committed: at.Committed,
			Final:     final,
			Engine:    engine,
		},
	)
	if err == nil {
		m.handover.Put(name, leftKey, text)
	}
	t.left = time.Now()
}

// Release implements kafka.StateSharer.
func (m *members) Release(ctx context.Context, parts []models.Partition, lost bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*leaveGrace)
	defer cancel()
	ours := m.begun(parts)
	telling, stop := context.WithTimeout(ctx, leaveGrace)
	defer stop()
	if lost {
		stop()
	}
	m.notifier.Release(telling, ours)
	m.giveUp(parts, lost)
	if lost {
		return nil
	}
	return m.handover.Flush(ctx)
}

// begun are those of some partitions that are ours to tell.
func (m *members) begun(parts []models.Partition) (ours []models.Partition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range parts {
		if t := m.taken[name]; t != nil && t.begun {
			ours = append(ours, name)
		}
	}
	return ours
}

// giveUp leaves for others what they have to know of partitions that are no longer ours, unless
// they may be theirs already.
func (m *members) giveUp(parts []models.Partition, lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range parts {
		if t := m.taken[name]; t != nil && t.begun && !lost {
			m.leave(name, t, t.at, true)
		}
		m.state.CancelRestore(name)
		delete(m.taken, name)
	}
}

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

// inFlight shares state with the other members of the consumer group. For each of its partitions a
// member publishes, in the changelog topic, what the next member needs: the engine's in-flight
// state (alerting.Engine.InFlightState), and which receivers were notified (notify.Publish).
//
// The in-flight state is one record, together with the offset up to which it goes. It is published
// after each decision, before offsets are committed; otherwise every few seconds; and when the
// partition is released. So after a crash the next member continues at an offset up to which all
// decisions are known. It decides again what came after it, with the same identities, and knows
// which of these were notified.
type inFlight struct {
	state     *state
	notifier  *notify.Notifier
	changelog *kafka.ChangelogTopic
	self      string // our member name, to recognize what we published

	mu       sync.Mutex                     // guards what follows
	acquired map[models.Partition]*acquired // partitions that were assigned to us
}

// acquired is a partition that is assigned to us.
type acquired struct {
	active bool // we have read as far as the previous member, and notify for it
	// what the previous member published for the notifier; nil if we had it last
	shared    notify.Changelog
	at        models.SourcePosition
	published time.Time // the last time
	urgent    bool      // publish with the next checkpoint
}

// published is the record of a partition in the changelog topic.
type published struct {
	By        string          `json:"by"`
	Cluster   string          `json:"cluster"`
	TopicID   []byte          `json:"topic_id"`
	Next      int64           `json:"next"`
	Committed int64           `json:"committed"`
	Final     bool            `json:"final,omitempty"` // the partition was released there
	Engine    json.RawMessage `json:"engine"`
}

const (
	engineKey    = "engine" // in the changelog topic
	publishEvery = 10 * time.Second
	// for notifications under way when partitions are released, and again for publishing
	publishGrace = 5 * time.Second
)

// sharedState is the state of a process that shares its topics with others.
type sharedState struct {
	*state
	*inFlight
}

func (p *process) openInFlight() error {
	m := &inFlight{state: p.state, acquired: map[models.Partition]*acquired{}}
	o := p.config.source()
	o.Client.Dial = p.network.dial
	var err error
	if m.self, err = self(p.config); err != nil {
		return err
	}
	if m.changelog, err = kafka.NewChangelogTopic(o.Client, p.config.Kafka.changelog(),
		p.logger); err != nil {
		return err
	}
	p.lives.onEnd(func() error { m.changelog.Close(); return nil })
	p.state.inFlight = m
	return nil
}

var _ kafka.StateSharer = (*inFlight)(nil)

// Acquire implements kafka.StateSharer.
func (m *inFlight) Acquire(
	ctx context.Context,
	at []models.SourcePosition,
) (map[models.Partition]models.AcquiredPosition, error) {
	var names []models.Partition
	for _, p := range at {
		names = append(names, models.Partition{Topic: p.Topic, Partition: p.Partition})
	}
	said, err := m.changelog.Read(ctx, names)
	if err != nil {
		return nil, err
	}
	handed := map[models.Partition]models.AcquiredPosition{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, name := range names {
		t := &acquired{at: at[i], urgent: true}
		m.acquired[name] = t
		l := &published{}
		if text := said[name][engineKey]; text == nil || json.Unmarshal(text, l) != nil ||
			l.Cluster != at[i].Cluster ||
			string(l.TopicID) != string(at[i].TopicID[:]) {
			continue
		}
		if l.By == m.self && at[i].Next >= l.Next {
			continue // no other member had it
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

// activate makes the notifier continue with partitions that are read as far as the previous member
// had read them.
func (m *inFlight) activate(progress []models.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range progress {
		name := models.Partition{Topic: p.Topic, Partition: p.Partition}
		if t := m.acquired[name]; t != nil && !t.active && !p.Replay {
			m.notifier.Acquire(name, m.state.firing(name), t.shared)
			t.active, t.shared = true, nil
		}
	}
}

// checkpointed publishes state after a checkpoint. It returns when everything is written that has
// to be before offsets are committed.
func (m *inFlight) checkpointed(positions []models.SourcePosition) error {
	m.notifier.DrainOutbox() // publishes the notification state, too
	if m.changelog.Stalled() {
		return errors.New(
			"writes to the changelog topic fail; offsets are not committed until they succeed")
	}
	urgent := m.put(positions)
	if len(urgent) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), publishGrace)
	defer cancel()
	err := m.changelog.Flush(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range urgent {
		t.urgent = err != nil
	}
	return err
}

// put publishes what is due, and returns what has to be written before offsets are committed.
func (m *inFlight) put(positions []models.SourcePosition) (urgent []*acquired) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range positions {
		name := models.Partition{Topic: p.Topic, Partition: p.Partition}
		t := m.acquired[name]
		if t == nil || !t.active {
			continue
		}
		decided := m.state.PartitionChanged(name)
		if t.urgent = t.urgent || decided; t.urgent ||
			time.Since(t.published) >= publishEvery && p.Next != t.at.Next {
			if t.urgent {
				urgent = append(urgent, t)
			}
			m.publish(name, t, p, false)
		}
		t.at = p
	}
	return urgent
}

func (m *inFlight) publish(
	name models.Partition, t *acquired, at models.SourcePosition, final bool,
) {
	engine := m.state.InFlightState(name)
	if engine == nil {
		return
	}
	text, err := json.Marshal(
		published{
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
		m.changelog.Put(name, engineKey, text)
	}
	t.published = time.Now()
}

// Release implements kafka.StateSharer.
func (m *inFlight) Release(ctx context.Context, parts []models.Partition, lost bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*publishGrace)
	defer cancel()
	ours := m.activeOf(parts)
	sending, stop := context.WithTimeout(ctx, publishGrace)
	defer stop()
	if lost {
		stop()
	}
	m.notifier.Release(sending, ours)
	m.publishFinal(parts, lost)
	if lost {
		return nil
	}
	return m.changelog.Flush(ctx)
}

// activeOf are those of some partitions that we notify for.
func (m *inFlight) activeOf(parts []models.Partition) (ours []models.Partition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range parts {
		if t := m.acquired[name]; t != nil && t.active {
			ours = append(ours, name)
		}
	}
	return ours
}

// publishFinal publishes partitions that are released, unless another member may have them already.
func (m *inFlight) publishFinal(parts []models.Partition, lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range parts {
		if t := m.acquired[name]; t != nil && t.active && !lost {
			m.publish(name, t, t.at, true)
		}
		m.state.CancelRestore(name)
		delete(m.acquired, name)
	}
}

package app

import (
	"context"
	"errors"
	"time"

	"github.com/log-monitoring/alert-engine/internal/cluster"
)

// cutPatience is how long the last logs and the state of new rules may take the leader, beyond
// which the other members no longer keep what is needed: see cluster.Cut.
const cutPatience = 30 * time.Second

var (
	errNotLeading = errors.New("another member leads")
	errCutEnded   = errors.New("the rules have not gone live at the record that was to bring that")
)

// finishBackfill reads the last logs, up to a cut in the frames topic, and has all members adopt
// the state at one record.
func (m *clusterMember) finishBackfill(r *backfill) error {
	ctx, cancel := context.WithTimeout(r.ctx, cutPatience)
	defer cancel()
	if !m.leads() {
		return errNotLeading
	}
	epoch := m.epoch.Load()
	cut, err := m.appendAndWait(ctx, cluster.Cut(m.self, epoch))
	if err != nil {
		return err
	}
	m.mu.Lock()
	open, at := m.fold.Cut()
	rules := m.fold.Rules().Hash
	m.mu.Unlock()
	switch {
	case open != cut:
		return errNotLeading
	case !m.p.state.BackfillCurrent(r.scratch):
		return errRestart
	}
	end := offsets(at)
	if r.next.before(end) > maxRemaining {
		return errBehind
	}
	if err := r.to(ctx, end, time.Time{}); err != nil {
		return err
	}
	parts, err := cluster.Past(m.self, epoch, cut, r.scratch)
	if err != nil {
		return err
	}
	out := newSnapshotSender(ctx, m.topic)
	for _, part := range parts {
		if err := out.send(part); err != nil {
			return err
		}
	}
	if _, _, err := out.wait(); err != nil {
		return err
	}
	live := cluster.Live(m.self, epoch, rules, cut, len(parts), r.why)
	if _, err := m.appendAndWait(ctx, live); err != nil {
		return err
	}
	if m.p.state.BackfillCurrent(r.scratch) {
		return errCutEnded
	}
	return nil
}

// skipBackfill has all members let the rules that wait begin without their past.
func (m *clusterMember) skipBackfill(ctx context.Context, why string) error {
	m.mu.Lock()
	rules := m.fold.Rules().Hash
	m.mu.Unlock()
	live := cluster.Live(m.self, m.epoch.Load(), rules, -1, 0, why)
	_, err := m.appendAndWait(ctx, live)
	return err
}

// stands are the offsets up to which the partitions are applied.
func (m *clusterMember) stands() offsets {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fold.Applied()
}

// movedOn is closed when the fold has moved; nil without a cluster.
func (m *clusterMember) movedOn() <-chan struct{} {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.moved
}

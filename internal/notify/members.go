package notify

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Several members of a consumer group may share topics. An alert is then told by the member that
// has the partition of its logs, its home, and by no other: alerts whose home we do not have stay
// in the book, but nothing of them is handed to Alertmanager. What the book says of an alert is
// shared as it changes, so whoever gets the partition next knows who was told what. Take begins
// with a partition, and Leave ends with it: its alerts go from Alertmanager in silence, for they
// are not over.

// Changelog is what the members of a group know of a partition's alerts: the entries of the book that
// whoever had it before has shared, by key.
type Changelog map[string][]byte

// Publish passes on, under a key, what whoever gets a partition next has to know; nil takes it back.
// It must not block.
type Publish func(home models.Partition, key string, value []byte)

const (
	sharedAlert = "alert/"
	sharedOver  = "over/"
	// for which an alert is remembered that somebody else may be telling
	dormancy = 7 * 24 * time.Hour
)

// Acquire has the alerts of a partition be ours to tell. firing are those that are up according to the
// engine, the historical ones among them are known to people. shared is what another member has
// left of them; nil when nobody has had the partition since we had it last.
func (n *Notifier) Acquire(home models.Partition, firing []models.Alert, shared Changelog) {
	n.book.take(home, firing, shared, time.Now())
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

// DrainOutbox takes in at once what the outbox has. Whoever is left a partition then finds it shared.
func (n *Notifier) DrainOutbox() { n.enter() }

// Release tells what is still to be told of some partitions, as far as ctx allows, and then no more:
// another member may go on with them.
func (n *Notifier) Release(ctx context.Context, homes []models.Partition) {
	if ctx.Err() == nil {
		n.enter()
	}
	l := n.pipeline.Load()
	for l != nil && ctx.Err() == nil && (n.book.untold(homes, time.Now()) || l.flushes.busy()) {
		n.handOver(time.Now())
		wait(ctx, 20*time.Millisecond)
	}
	n.book.leave(homes, time.Now())
	if l != nil {
		n.handOver(time.Now())
	}
}

// ours says whether an alert is ours to tell. The caller holds mu.
func (b *book) ours(r *record) bool {
	return r.Alert.Home == models.Partition{} || b.homes[r.Alert.Home]
}

// leave gives partitions up.
func (b *book) leave(homes []models.Partition, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, home := range homes {
		delete(b.homes, home)
	}
	for _, r := range b.records {
		if b.ours(r) || !slices.Contains(homes, r.Alert.Home) {
			continue
		}
		b.withhold(r, now)
		b.save(r) // it may be forgotten after a while
	}
}

// withhold has Alertmanager forget an alert. It hears that the alert is over, and the first of our
// stages keeps that from going any further.
func (b *book) withhold(r *record, now time.Time) {
	delete(b.changed, r)
	if r.updated.IsZero() {
		return
	}
	b.strays = append(b.strays, &alert.Alert{UpdatedAt: now, Alert: modelAlert(r, now)})
	b.within--
	r.updated, r.settled, r.rests = time.Time{}, nil, now.Add(spacing)
}

// untold says whether an alert of some partitions is about to be told. What waits for its group's
// turn is told by whoever has the partition then.
func (b *book) untold(homes []models.Partition, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if b.ours(r) && slices.Contains(homes, r.Alert.Home) &&
			(b.changed[r] || len(r.Told) == 0 && now.Before(r.updated.Add(2*spacing))) {
			return true
		}
	}
	return false
}

// take goes on with a partition.
func (b *book) take(home models.Partition, firing []models.Alert, shared Changelog, now time.Time) {
	b.mu.Lock()
	b.homes[home] = true
	if shared != nil {
		b.replace(home, shared)
	}
	known := map[string]bool{}
	for _, a := range firing {
		known[a.ID] = true
	}
	for _, r := range b.records {
		if r.Alert.Home != home {
			continue
		}
		if r.Firing && !known[r.Alert.ID] {
			r.doubted = now.Add(doubt)
		}
		b.change(r)
	}
	b.mu.Unlock()
	for _, a := range firing {
		if a.Historical {
			b.confirm(a)
		} else {
			b.fire(a, now)
		}
	}
}

// replace makes what the book says of a partition what another member has left of it.
func (b *book) replace(home models.Partition, shared Changelog) {
	for _, r := range slices.Collect(maps.Values(b.records)) {
		if r.Alert.Home == home {
			b.forget(r)
		}
	}
	for key, value := range shared {
		switch {
		case strings.HasPrefix(key, sharedOver):
			var end time.Time
			if end.UnmarshalBinary(value) != nil || time.Since(end) > memory {
				b.share(home, key, nil)
				continue
			}
			b.journal.put(key, value, end.Add(memory))
		case strings.HasPrefix(key, sharedAlert):
			r := &record{}
			if err := json.Unmarshal(value, r); err != nil {
				b.logger.Error(
					"what another member has left of an alert cannot be read; it is told again if it still fires",
					"error",
					err,
				)
				continue
			}
			for who, last := range r.Told {
				last.Elsewhere = true
				r.Told[who] = last
			}
			b.add(r)
		}
	}
}

// heardElsewhere says whether a receiver was told by another member what there is to tell it of all
// these alerts, and notes that we know.
func (b *book) heardElsewhere(who string, alerts []*alert.Alert) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range alerts {
		if r := b.records[a.Fingerprint()]; r == nil || r.Told[who].State != stateOf(a) {
			return false
		}
	}
	elsewhere := false
	for _, a := range alerts {
		r := b.records[a.Fingerprint()]
		if last := r.Told[who]; last.Elsewhere {
			elsewhere, last.Elsewhere = true, false
			r.Told[who] = last
			b.save(r)
		}
	}
	return elsewhere
}

// fires says whether some alert fires of which an integration was not told, and which is not muted
// on the way there.
func (b *book) fires(who string, alerts []*alert.Alert) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(alerts, func(a *alert.Alert) bool {
		r := b.records[a.Fingerprint()]
		return r != nil && r.Firing && !a.Resolved() && r.Told[who].State == ""
	})
}

// mine keeps those alerts that are ours to tell.
func (b *book) mine(alerts []*alert.Alert) []*alert.Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(alerts), func(a *alert.Alert) bool {
		r := b.records[a.Fingerprint()]
		return r != nil && !b.ours(r)
	})
}

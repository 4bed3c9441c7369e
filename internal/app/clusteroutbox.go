package app

import (
	"context"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// clusterOutbox is what a member that leads notifies, and what it passes on for the next leader and
// to other members.
type clusterOutbox struct{ m *clusterMember }

// publish passes on what the next leader must know.
func (o clusterOutbox) publish(_ models.Partition, entries []notify.Entry) {
	p := cluster.Put{Epoch: o.m.epoch.Load(), Entries: make([]cluster.Entry, len(entries))}
	for i, e := range entries {
		p.Entries[i] = cluster.Entry(e)
	}
	o.m.append(cluster.PutRecord(o.m.self, p), o.m.noted)
}

// wroteValues says that values of record rules up to one are on their topic.
func (o clusterOutbox) wroteValues(last uint64) {
	o.m.append(cluster.WroteValues(o.m.self, last), o.m.noted)
}

// share passes a silence on to all members.
func (o clusterOutbox) share(silence []byte) {
	o.m.append(cluster.Silence(o.m.self, silence), o.m.noted)
}

// shared waits until what we have passed on is in the topic.
func (o clusterOutbox) shared(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, clusterGrace)
	defer cancel()
	return o.m.topic.Flush(ctx)
}

// Pending implements notify.Outbox: what the leader must notify.
func (o clusterOutbox) Pending() []store.Entry {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if !o.m.notifies {
		return nil
	}
	pending := o.m.fold.Pending()
	list := make([]store.Entry, 0, len(pending))
	for _, d := range pending {
		list = append(list, store.Entry{Seq: uint64(d.Seq), Alert: d.Alert})
	}
	return list
}

// Waiting implements notify.Outbox.
func (o clusterOutbox) Waiting() int {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if !o.m.notifies {
		return 0
	}
	return len(o.m.fold.Pending())
}

// Changed implements notify.Outbox.
func (o clusterOutbox) Changed() <-chan struct{} {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	return o.m.changed
}

// Ack implements notify.Outbox. The records of the notification state stand before it in the topic.
func (o clusterOutbox) Ack(seq uint64) {
	o.m.append(cluster.Covers(o.m.self, o.m.epoch.Load(), cluster.Seq(seq)), o.m.noted)
}

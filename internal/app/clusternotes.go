package app

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/web"
)

// clusterNotes pass on what users did at this member, and what became of notifications when it led,
// so that the history of each member has them. Each member adds them when it applies their record.
// A member that was killed applies the records after its last checkpoint once more, and one that
// joins gets the newest notes with the snapshot: the history takes those that it does not have.
type clusterNotes struct {
	m *clusterMember

	mu      sync.Mutex // guards what follows
	waiting []json.RawMessage
	bytes   int
	// what the history had when the state was taken over, until we have caught up
	known map[noteKey]bool
}

// noteKey identifies an entry of the history.
type noteKey struct {
	at                                 int64
	kind, alert, receiver, integration string
	state, detail, by                  string
}

func keyOf(e history.Entry) noteKey {
	return noteKey{
		e.Time.UnixNano(), string(e.Kind), e.AlertID, e.Receiver, e.Integration, string(e.State),
		e.Detail, e.By,
	}
}

const (
	notePatience = 5 * time.Second
	noteRecord   = 256 << 10 // bytes of notes in a record
	notesMost    = 8 << 20   // bytes that wait; what is beyond is in our history alone
)

// add passes an entry on soon.
func (c *clusterNotes) add(e history.Entry) {
	text, err := json.Marshal(e)
	c.mu.Lock()
	fits := err == nil && c.bytes+len(text) <= notesMost
	if fits {
		c.waiting, c.bytes = append(c.waiting, text), c.bytes+len(text)
	}
	c.mu.Unlock()
	if !fits {
		c.m.p.history.Add(e)
	}
}

// send appends what waits to the topic.
func (c *clusterNotes) send() {
	c.mu.Lock()
	list := c.waiting
	c.waiting, c.bytes = nil, 0
	c.mu.Unlock()
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && (n == 0 || size+len(list[n]) <= noteRecord) {
			size += len(list[n])
			n++
		}
		part := list[:n]
		c.m.append(cluster.NotesRecord(c.m.self, part), func(_ int64, err error) {
			if err != nil {
				c.take(part) // it is in our history at least
			}
		})
		list = list[n:]
	}
}

// record passes an entry on, and returns when we have applied it.
func (c *clusterNotes) record(e history.Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), notePatience)
	defer cancel()
	_, err = c.m.appendAndWait(ctx,
		cluster.NotesRecord(c.m.self, []json.RawMessage{text}))
	return err
}

// restore notes what the history has, and adds the notes that the state has and it does not.
func (c *clusterNotes) restore(list []json.RawMessage) {
	known := map[noteKey]bool{}
	for _, e := range c.m.p.newest(mostKnown, history.Notified, history.Failed,
		history.NotNotified, history.Acknowledged, history.Comment, history.Change) {
		known[keyOf(e)] = true
	}
	c.mu.Lock()
	c.known = known
	c.mu.Unlock()
	c.take(list)
}

// mostKnown is more than a member has of notes, and applies once more after a kill.
const mostKnown = 10_000

// take adds notes to the history that it does not have.
func (c *clusterNotes) take(list []json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m.isReady() {
		c.known = nil // what is applied from here on is new
	}
	for _, text := range list {
		var e history.Entry
		if err := json.Unmarshal(text, &e); err != nil {
			c.m.log.Warn("a note of a member cannot be read; the history is without it",
				"error", err)
		} else if !c.known[keyOf(e)] {
			c.m.p.history.Add(e)
		}
	}
}

// mostDeliveries is how many deliveries the pages of receivers look at.
const mostDeliveries = 200

// deliveries are the last ones of all members, oldest first.
func (c *clusterNotes) deliveries() (list []notify.Delivery) {
	for _, e := range slices.Backward(c.m.p.newest(mostDeliveries, history.Notified,
		history.Failed, history.NotNotified)) {
		list = append(list, deliveryOf(e))
	}
	return list
}

// withOurs is the deliveries of an alert at all members, with how often ours were tried, and those
// of ours that are not passed on yet.
func (c *clusterNotes) withOurs(all, ours []notify.Delivery) []notify.Delivery {
	for _, d := range ours {
		at := slices.IndexFunc(all, func(o notify.Delivery) bool { return sameDelivery(o, d) })
		switch {
		case at < 0:
			all = append(all, d)
		case strings.HasPrefix(d.Detail, all[at].Detail):
			all[at] = d
		}
	}
	slices.SortStableFunc(all, func(a, b notify.Delivery) int { return a.At.Compare(b.At) })
	return all
}

// sameDelivery reports whether a delivery of ours is one that was passed on: what is tried again
// with the same answer has the time of the last attempt, and after a restart the answer is gone.
func sameDelivery(passed, ours notify.Delivery) bool {
	if passed.State != ours.State || passed.Receiver != ours.Receiver ||
		passed.Integration != ours.Integration || passed.Sent != ours.Sent {
		return false
	}
	apart := ours.At.Sub(passed.At).Abs()
	return apart < time.Second || strings.HasPrefix(ours.Detail, passed.Detail+" (")
}

// failure is since when an integration of a receiver fails, and why.
type failure struct {
	integration string
	since       time.Time
	detail      string
}

// failingReceivers are those that fail, as deliveries say, oldest first. Of several integrations it
// is the last one by its name.
func failingReceivers(deliveries []notify.Delivery) map[string]failure {
	type integration struct{ receiver, name string }
	last := map[integration]failure{}
	for _, d := range deliveries {
		of := integration{d.Receiver, d.Integration}
		switch before, failed := last[of]; {
		case d.Integration == "":
		case d.Sent:
			delete(last, of)
		case failed:
			last[of] = failure{d.Integration, before.since, d.Detail}
		default:
			last[of] = failure{d.Integration, d.At, d.Detail}
		}
	}
	failing := map[string]failure{}
	for of, f := range last {
		if of.name >= failing[of.receiver].integration {
			failing[of.receiver] = f
		}
	}
	return failing
}

// clusterAudit is the audit trail of a member of a cluster: all members have it.
type clusterAudit struct {
	historyView
	m *clusterMember
}

// Record implements web.Audit. What cannot be passed on is in our history alone.
func (a clusterAudit) Record(e web.AuditEntry) error {
	one := a.entry(e)
	if err := a.m.notes.record(one); err != nil {
		a.m.log.Warn("a change is not passed on to the other members; only the history of this one "+
			"has it", "change", e.What, "error", err)
		return a.log.Record(one)
	}
	return nil
}

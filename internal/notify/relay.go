package notify

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// relay takes transitions from the outbox into the notification states and the sinks' queue, and
// hands what has changed to the dispatcher, until ctx is done.
func (n *Notifier) relay(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	// What was taken is acknowledged beside: nothing that is to be notified waits for the disk.
	taken := make(chan struct{}, 1)
	var acknowledging sync.WaitGroup
	acknowledging.Go(func() {
		for range taken {
			n.acknowledge()
		}
	})
	defer acknowledging.Wait()
	defer close(taken)
	for {
		changed := n.opts.Outbox.Changed()
		more := n.takeBatch(relayBatch, relayTime)
		next := n.dispatch(time.Now())
		select {
		case taken <- struct{}{}:
		default: // it is to begin once more already
		}
		if more && ctx.Err() == nil {
			continue
		}
		timer.Reset(time.Until(next))
		select {
		case <-changed:
		case <-n.woken:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

const (
	// transitions that are taken before those that came meanwhile are looked at, and how long that
	// may take
	relayBatch = 2000
	relayTime  = 20 * time.Millisecond
	// A rule with no more transitions in the outbox overtakes the others; one that pages may have
	// ten times as many.
	fewWaiting = 100
)

// takeOutbox enters the transitions of the outbox in the notification states.
func (n *Notifier) takeOutbox() {
	for n.takeBatch(math.MaxInt, math.MaxInt64) {
	}
}

// takeBatch enters transitions of the outbox in the notification states, at most as many as given
// and about as long, the oldest first, and reports whether there are more. When there are more,
// rules with few overtake those with many, with all their transitions: a flood delays no other
// rule. The order of the transitions of a rule stays.
func (n *Notifier) takeBatch(most int, within time.Duration) (more bool) {
	n.entering.Lock()
	defer n.entering.Unlock()
	now := time.Now()
	n.readOutbox(most, now)
	began := time.Now()
	for i := 0; i < most && len(n.unread) > 0; i++ {
		n.takeOne(n.unread[0].Alert, now)
		n.taken, n.unread[0].Alert = n.unread[0].Seq, models.Alert{} // which holds texts
		n.unread = n.unread[1:]
		if i%16 == 15 && time.Since(began) > within {
			break
		}
	}
	if len(n.unread) > 0 {
		return true
	}
	n.unread = nil
	for seq := range n.overtook {
		n.taken = max(n.taken, seq)
	}
	clear(n.overtook)
	return false
}

// readOutbox has unread be what the outbox has, unless it is that already. Reading copies what
// waits, and holds up who adds to it; of an outbox that can tell what is new, only that is read.
func (n *Notifier) readOutbox(most int, now time.Time) {
	changed := n.opts.Outbox.Changed()
	if len(n.unread) > 0 && changed == n.outboxRead {
		return
	}
	n.outboxRead = changed
	if o, ok := n.opts.Outbox.(pendingAfter); ok {
		added := o.PendingAfter(n.outboxSeq)
		n.unread = append(n.unread, added...)
		if len(added) > 0 {
			n.outboxSeq = added[len(added)-1].Seq
		}
	} else {
		n.readAll()
	}
	if len(n.unread) > most {
		n.unread = n.overtake(n.unread, now)
	}
}

// pendingAfter is an outbox in which nothing appears before what was read.
type pendingAfter interface {
	PendingAfter(seq uint64) []store.Entry
}

func (n *Notifier) readAll() {
	// what was taken may still be there: it could not be acknowledged, since the disk is full
	n.unread = slices.DeleteFunc(n.opts.Outbox.Pending(), func(e store.Entry) bool {
		return e.Seq <= n.taken || n.overtook[e.Seq]
	})
}

// overtake takes the transitions of rules that have few, and returns the others.
func (n *Notifier) overtake(list []store.Entry, now time.Time) (rest []store.Entry) {
	waiting, limit := map[string]int{}, map[string]int{}
	for _, e := range list {
		rule := e.Alert.Rule
		waiting[rule]++
		limit[rule] = max(limit[rule], fewWaiting)
		if models.IsPage(e.Alert.Severity) {
			limit[rule] = 10 * fewWaiting
		}
	}
	return slices.DeleteFunc(list, func(e store.Entry) bool {
		if waiting[e.Alert.Rule] > limit[e.Alert.Rule] {
			return false
		}
		n.takeOne(e.Alert, now)
		n.overtook[e.Seq] = true
		return true
	})
}

// acknowledge reports to the outbox what the write-ahead log has on disk.
func (n *Notifier) acknowledge() {
	n.entering.Lock()
	taken := n.taken
	n.entering.Unlock()
	if n.wal.flush() == nil && taken > n.acked {
		n.opts.Outbox.Ack(taken)
		n.acked = taken
	}
}

// takeOne enters a transition in the notification states, if receivers are to be notified of it,
// and notes why not, if not.
func (n *Notifier) takeOne(a models.Alert, now time.Time) {
	a = n.config.Load().enrich(a)
	var reason, detail string
	n.states.publish.asOne(func() { reason, detail = n.decide(a, now) })
	if reason != "" {
		n.metrics.notNotified.WithLabelValues(reason).Inc()
	}
	if detail != "" && (detail != neverNotified || n.deliveries.knows(a.ID)) {
		n.note(a.ID, Delivery{
			At:     now,
			Rule:   a.Rule,
			State:  a.State,
			Detail: clean(detail, maxAnnotation),
		})
	}
}

func (n *Notifier) decide(a models.Alert, now time.Time) (reason, detail string) {
	switch {
	case a.State == models.AlertResolved:
		// Who was notified of the beginning is notified of the end, whatever else is so.
		if detail = n.states.resolve(a, now); detail != "" {
			return "not_firing", detail
		}
		return "", ""
	case a.State == models.AlertSuppressed:
		return "suppressed", "suppressed: " + a.Reason
	case a.State != models.AlertFiring:
		return string(a.State), ""
	case a.Shadow:
		return "shadow", "the rule is in shadow mode and is not notified"
	case a.Signal:
		return "signal", "the rule is in signal mode; other rules use its alerts"
	case a.Historical:
		n.states.confirm(a)
		return "historical", "too old when it was found; it is recorded and not notified"
	}
	if n.overLimit(a, now) {
		n.metrics.limited.WithLabelValues(a.Rule).Inc()
		return "limit", "the rule's limit of notifications is reached"
	}
	if detail = n.states.fire(a, now); detail != "" {
		return "known", detail
	}
	return "", ""
}

// dispatch hands the states that have changed to Alertmanager's parts and to the dispatcher, and
// returns when to call it next.
func (n *Notifier) dispatch(now time.Time) time.Time {
	list, next := n.states.take(now)
	n.reportHeld()
	if len(list) == 0 {
		return next
	}
	l := n.pipeline.Load()
	if err := n.alerts.Put(context.Background(), n.presents(list, now)...); err != nil {
		n.logger.Error("alerts cannot be handed to Alertmanager's API", "error", err)
	}
	if l != nil {
		l.dispatcher.add(list, now)
	}
	return next
}

// drain notifies of what is left when the program ends, as far as Options.Grace allows. The rest is
// notified after the next start.
func (n *Notifier) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), n.opts.Grace)
	defer cancel()
	n.takeOutbox()
	n.dispatch(time.Now())
	n.acknowledge()
	l := n.pipeline.Load()
	for ctx.Err() == nil && (l.dispatcher.isBusy() || n.busyQueues()) {
		wait.Sleep(ctx, 20*time.Millisecond)
	}
}

package notify

import (
	"context"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// feed takes from the outbox what is to be told, and hands it over, until ctx is done.
func (n *Notifier) feed(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed := n.opts.Outbox.Changed()
		n.enter()
		next := n.handOver(time.Now())
		n.acknowledge() // after it was handed over, which thus need not wait for the disk
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

// enter enters the transitions of the outbox in the book.
func (n *Notifier) enter() {
	n.entering.Lock()
	defer n.entering.Unlock()
	now := time.Now()
	for _, entry := range n.opts.Outbox.Pending() {
		if entry.Seq <= n.taken {
			continue // it could not be acknowledged, since the disk is full
		}
		n.enterOne(entry.Alert, now)
		n.taken = entry.Seq
	}
}

// acknowledge says that what was entered is ours to tell, once it is on disk.
func (n *Notifier) acknowledge() {
	n.entering.Lock()
	taken := n.taken
	n.entering.Unlock()
	if n.journal.flush() == nil && taken > n.acked {
		n.opts.Outbox.Ack(taken)
		n.acked = taken
	}
}

// enterOne enters a transition in the book, if it is one that people are to hear of, and notes why
// not, if not.
func (n *Notifier) enterOne(a models.Alert, now time.Time) {
	reason, detail := n.decide(a, now)
	if reason != "" {
		n.metrics.untold.WithLabelValues(reason).Inc()
	}
	if detail != "" && (detail != unheard || n.deliveries.knows(a.ID)) {
		n.deliveries.add(
			a.ID,
			Delivery{At: now, State: a.State, Detail: clean(detail, maxAnnotation)},
		)
	}
}

func (n *Notifier) decide(a models.Alert, now time.Time) (reason, detail string) {
	switch {
	case a.State == models.AlertResolved:
		// Whatever else is to be said of it: whoever heard that it fires hears that it is over.
		if detail = n.book.resolve(a, now); detail != "" {
			return "not_firing", detail
		}
		return "", ""
	case a.State == models.AlertSuppressed:
		return "suppressed", "suppressed: " + a.Reason
	case a.State != models.AlertFiring:
		return string(a.State), ""
	case a.Shadow:
		return "shadow", "the rule runs in shadow; nobody is told"
	case a.Historical:
		n.book.confirm(a)
		return "historical", "it was over or too old when it was found; it is recorded, nobody is told"
	}
	if detail = n.book.fire(a, now); detail != "" {
		return "known", detail
	}
	return "", ""
}

// handOver gives Alertmanager what it has to know, and returns when to call it next.
func (n *Notifier) handOver(now time.Time) time.Time {
	list, next := n.book.due(now, n.plan.Load().external)
	if len(list) > 0 {
		if err := n.alerts.Put(context.Background(), list...); err != nil {
			n.logger.Error("alerts cannot be handed over", "error", err)
		}
	}
	return next
}

// drain tells what is left when the program ends, as far as Options.Grace allows. What it does not
// allow is told after the next start.
func (n *Notifier) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), n.opts.Grace)
	defer cancel()
	n.enter()
	n.acknowledge()
	settled := time.Now().Add(2 * spacing)
	for now := time.Now(); ctx.Err() == nil && now.Before(settled); now = time.Now() {
		wait(ctx, min(settled.Sub(now), n.handOver(now).Sub(now)))
	}
	l := n.pipeline.Load()
	for ctx.Err() == nil && l.flushes.busy() {
		wait(ctx, 20*time.Millisecond)
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

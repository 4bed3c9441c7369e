package app

import (
	"cmp"
	"context"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/web"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// openHistory opens the history, and adds what a crash has kept out of it: the transitions of the
// outbox that it does not have.
func (p *process) openHistory() (err error) {
	p.history, err = history.Open(history.Options{
		Dir:        filepath.Join(string(p.config.DataDir), "history"),
		MaxAge:     p.config.History.Retention,
		MaxBytes:   int64(p.config.History.MaxSize),
		Logger:     p.logger,
		Registerer: p.registry,
	})
	if err != nil {
		return err
	}
	p.lives.onEnd(p.history.Close)
	p.state.history = p.history
	now := time.Now()
	for _, a := range p.store.History() {
		if !p.history.Has(a) {
			p.history.Add(history.OfAlert(a, now))
		}
	}
	p.state.keep(p.inherited)
	return nil
}

// delivered adds a notification, or the reason why there was none, to the history.
func (p *process) delivered(alertID string, d notify.Delivery) {
	e := history.Entry{
		Time: d.At, Kind: history.NotNotified, AlertID: alertID, Rule: d.Rule, State: d.State,
		Receiver: d.Receiver, Integration: d.Integration, Detail: d.Detail,
	}
	switch {
	case d.Sent:
		e.Kind = history.Notified
	case d.Integration != "":
		e.Kind = history.Failed
	}
	if m := p.state.cluster; m != nil {
		m.notes.add(e)
		return
	}
	p.history.Add(e)
}

// notifyLimit is how many alerts of a rule are notified in a time.
func (p *process) notifyLimit(id string) (count int, per time.Duration) {
	for _, r := range p.set.Load().Rules {
		if r.ID() == id {
			return r.NotifyLimit.Count, r.NotifyLimit.Per
		}
	}
	return 0, 0
}

// historyView shows the history to the pages, and keeps in it what users did.
type historyView struct{ log *history.Log }

// mostTransitions is how many transitions a page gets at most.
const mostTransitions = 20_000

// Transitions implements web.History.
func (v historyView) Transitions(q web.HistoryQuery) (list []models.Alert) {
	v.log.Flush()
	if q.Alert != "" {
		for _, e := range v.log.Of(q.Alert) {
			if e.Kind == history.Transition && e.Alert != nil && inTime(e.At, q) &&
				(q.State == "" || e.Alert.State == q.State) {
				list = append(list, *e.Alert)
			}
		}
		return newest(list, q.Most)
	}
	most := min(cmp.Or(q.Most, mostTransitions), mostTransitions)
	query := history.Query{
		From:  q.From,
		To:    q.To,
		Rule:  q.Rule,
		Kinds: []history.Kind{history.Transition},
		Limit: most,
	}
	if q.State != "" {
		query.States = []models.AlertState{q.State}
	}
	for len(list) < most {
		page, err := v.log.Query(context.Background(), query)
		if err != nil {
			break
		}
		for _, e := range page.Entries {
			if e.Alert != nil && len(list) < most {
				list = append(list, *e.Alert)
			}
		}
		if query.Before = page.Next; page.Next == "" {
			break
		}
	}
	slices.Reverse(list)
	return list
}

func inTime(at time.Time, q web.HistoryQuery) bool {
	return !at.Before(q.From) && (q.To.IsZero() || at.Before(q.To))
}

func newest(list []models.Alert, most int) []models.Alert {
	if most > 0 {
		list = list[max(0, len(list)-most):]
	}
	return list
}

// Statistics implements web.History.
func (v historyView) Statistics(
	from, to time.Time, rules ...string,
) ([]history.RuleStatistics, error) {
	v.log.Flush()
	return v.log.Statistics(from, to, rules...)
}

// Episodes implements web.History.
func (v historyView) Episodes(
	from, to time.Time, rules ...string,
) (map[string][]history.Span, error) {
	v.log.Flush()
	return v.log.Episodes(from, to, rules...)
}

// RuleIDs implements web.History.
func (v historyView) RuleIDs(from, to time.Time) ([]string, error) {
	v.log.Flush()
	return v.log.RuleIDs(from, to)
}

// NotNotified implements web.History.
func (v historyView) NotNotified(q web.HistoryQuery) []history.Entry {
	return v.entries(history.Query{
		From: q.From, To: q.To, Rule: q.Rule, AlertID: q.Alert, Limit: q.Most,
		Kinds: []history.Kind{history.NotNotified, history.Failed},
	})
}

// Export implements web.History.
func (v historyView) Export(
	ctx context.Context, w io.Writer, q web.HistoryQuery, format string,
) error {
	v.log.Flush()
	return v.log.Export(ctx, w, history.Query{
		From: q.From, To: q.To, Rule: q.Rule, AlertID: q.Alert,
	}, format)
}

func (v historyView) entries(q history.Query) []history.Entry {
	v.log.Flush()
	page, err := v.log.Query(context.Background(), q)
	if err != nil {
		return nil // Health says so
	}
	return page.Entries
}

// Record implements web.Audit.
func (v historyView) Record(e web.AuditEntry) error { return v.log.Record(v.entry(e)) }

// entry is what a user did as an entry of the history.
func (v historyView) entry(e web.AuditEntry) history.Entry {
	one := history.Entry{
		Time:    e.At,
		Kind:    history.Change,
		AlertID: e.Facts["alert"],
		By:      cmp.Or(e.Facts["by"], e.Client),
		Detail:  e.What,
		Client:  e.Client,
		From:    e.From,
		Facts:   e.Facts,
	}
	switch e.What {
	case "alert acknowledged":
		one.Kind = history.Acknowledged
	case "comment":
		one.Kind = history.Comment
	}
	if one.AlertID != "" {
		if known := v.log.Of(one.AlertID); len(known) > 0 {
			one.Rule = known[0].Rule
		}
	}
	return one
}

// Entries implements web.Audit.
func (v historyView) Entries(most int) []web.AuditEntry {
	return v.changes(history.Query{Limit: most})
}

// Of implements web.Audit.
func (v historyView) Of(alertID string) []web.AuditEntry {
	return v.changes(history.Query{AlertID: alertID})
}

func (v historyView) changes(q history.Query) (list []web.AuditEntry) {
	q.Kinds = []history.Kind{history.Acknowledged, history.Comment, history.Change}
	for _, e := range v.entries(q) {
		list = append(list, web.AuditEntry{
			At: e.Time, What: e.Detail, Client: e.Client, From: e.From, Facts: e.Facts,
		})
	}
	return list
}

// newest are the newest entries of some kinds, newest first.
func (p *process) newest(most int, kinds ...history.Kind) (list []history.Entry) {
	p.history.Flush()
	q := history.Query{Kinds: kinds, Limit: most}
	for len(list) < most {
		page, err := p.history.Query(context.Background(), q)
		if err != nil {
			break // Health says so
		}
		list = append(list, page.Entries...)
		if q.Before = page.Next; page.Next == "" {
			break
		}
	}
	return list[:min(most, len(list))]
}

// pastDeliveries are the deliveries of an alert that the history has.
func (p *process) pastDeliveries(alertID string) (list []notify.Delivery) {
	p.history.Flush()
	for _, e := range p.history.Of(alertID) {
		switch e.Kind {
		case history.Notified, history.Failed, history.NotNotified:
			list = append(list, deliveryOf(e))
		}
	}
	return list
}

func deliveryOf(e history.Entry) notify.Delivery {
	return notify.Delivery{
		At: e.Time, State: e.State, Receiver: e.Receiver, Integration: e.Integration,
		Sent: e.Kind == history.Notified, Detail: e.Detail, Rule: e.Rule,
	}
}

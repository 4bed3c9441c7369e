package notify

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/silence"
)

// muting notes what a stage of Alertmanager's holds back, and lets those through that are over and
// of which the receiver heard the beginning.
type muting struct {
	l            *pipeline
	receiver     string
	integrations []notify.Integration
	stage        notify.Stage
	why          func(context.Context, *alert.Alert) string
}

// Exec implements notify.Stage.
func (m muting) Exec(
	ctx context.Context,
	logger *slog.Logger,
	alerts ...*alert.Alert,
) (context.Context, []*alert.Alert, error) {
	ctx, left, err := m.stage.Exec(ctx, logger, alerts...)
	if err != nil || len(left) == len(alerts) {
		return ctx, left, err
	}
	route, _ := notify.RouteID(ctx)
	passed := map[*alert.Alert]bool{}
	for _, a := range left {
		passed[a] = true
	}
	var through []*alert.Alert
	for _, a := range alerts {
		if passed[a] || a.Resolved() && m.heard(a) {
			through = append(through, a)
			continue
		}
		m.l.n.book.mute(route, a, true)
		m.l.n.deliveries.add(
			m.l.n.book.id(a.Fingerprint()),
			Delivery{
				At:       time.Now(),
				State:    stateOf(a),
				Receiver: m.receiver,
				Detail:   m.why(ctx, a),
			},
		)
	}
	return ctx, through, nil
}

func (m muting) heard(a *alert.Alert) bool {
	for _, in := range m.integrations {
		if m.l.n.book.heard(who(m.receiver, in), a) {
			return true
		}
	}
	return false
}

// silencedBy says who silenced an alert, until when and why.
func (n *Notifier) silencedBy(ctx context.Context, a *alert.Alert) string {
	why := "silenced"
	for _, id := range statusOf(ctx, a).SilencedBy {
		s, err := n.silences.QueryOne(ctx, silence.QIDs(id))
		if err != nil {
			continue // expired and gone since
		}
		why = fmt.Sprintf(
			"silenced by %s until %s: %s (%s)",
			clean(s.CreatedBy, maxLabel),
			stamp(s.EndsAt.AsTime()),
			clean(s.Comment, maxLabel),
			id,
		)
	}
	return why
}

// inhibitedBy says which alert inhibits another.
func (n *Notifier) inhibitedBy(ctx context.Context, a *alert.Alert) string {
	why := "inhibited"
	for _, text := range statusOf(ctx, a).InhibitedBy {
		fp, err := model.ParseFingerprint(text)
		if err != nil {
			continue
		}
		if by, err := n.alerts.Get(fp); err == nil {
			why = "inhibited by " + strings.TrimSpace(by.Name()+" "+others(by.Labels))
		}
	}
	return why
}

// mutedBy says which time intervals mute a group.
func (n *Notifier) mutedBy(why string) func(context.Context, *alert.Alert) string {
	return func(ctx context.Context, _ *alert.Alert) string {
		route, _ := notify.RouteID(ctx)
		group, _ := notify.GroupKey(ctx)
		names, _ := n.groups.Muted(route, group)
		return strings.TrimSuffix(why+": "+strings.Join(names, ", "), ": ")
	}
}

func statusOf(ctx context.Context, a *alert.Alert) alert.AlertStatus {
	m, ok := marker.FromContext(ctx)
	if !ok {
		return alert.AlertStatus{}
	}
	return m.Status(a.Fingerprint())
}

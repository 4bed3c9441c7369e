package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/silence"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// muting is a stage of Alertmanager's that leaves alerts out, and the reason that it has for one.
type muting struct {
	stage notify.Stage
	why   func(context.Context, *alert.Alert) string
}

// mute returns the alerts of a group that are muted at its turn, and notes why.
func (l *pipeline) mute(
	ctx context.Context,
	g *group,
	members []*state,
	now time.Time,
) map[model.Fingerprint]bool {
	b, route := l.n.states, g.route.ID()
	alerts := make([]*alert.Alert, len(members))
	present := make([]*state, len(members))
	b.portions(members, func(i int, s *state) { present[i] = s.present() })
	for i, s := range present {
		alerts[i] = standing(s, now)
	}
	why := map[model.Fingerprint]string{}
	for _, m := range l.muting[g.route.RouteOpts.Receiver] {
		_, left, err := m.stage.Exec(ctx, l.n.logger, alerts...)
		if err != nil {
			l.n.logger.Error("muting failed; the alerts are notified", "group", g.key, "error", err)
			continue
		}
		passed := map[*alert.Alert]bool{}
		for _, a := range left {
			passed[a] = true
		}
		for _, a := range alerts {
			if !passed[a] {
				why[a.Fingerprint()] = m.why(ctx, a)
			}
		}
		if alerts = left; len(alerts) == 0 {
			break
		}
	}
	muted := map[model.Fingerprint]bool{}
	b.portions(members, func(_ int, s *state) {
		reason, isMuted := why[s.fp]
		b.mute(route, s, isMuted)
		if muted[s.fp] = isMuted; !isMuted {
			return
		}
		l.n.note(s.last().Alert.ID, Delivery{
			At:       now,
			Rule:     s.rule(),
			State:    s.last().Alert.State,
			Receiver: g.route.RouteOpts.Receiver,
			Detail:   reason,
		})
	})
	return muted
}

// silencedBy says who silenced an alert, until when and why.
func (n *Notifier) silencedBy(ctx context.Context, a *alert.Alert) string {
	why := "silenced"
	for _, id := range statusOf(ctx, a).SilencedBy {
		s, err := n.silences.QueryOne(ctx, silence.QIDs(id))
		if err != nil {
			continue // expired and gone since
		}
		why = fmt.Sprintf("silenced by %s until %s: %s (%s)",
			safetext.ClipLine(s.CreatedBy, maxLabel), stamp(s.EndsAt.AsTime()),
			safetext.ClipLine(s.Comment, maxLabel), id)
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
func (l *pipeline) mutedBy(
	why string,
	names func(context.Context) ([]string, bool),
) func(context.Context, *alert.Alert) string {
	return func(ctx context.Context, _ *alert.Alert) string {
		list, _ := names(ctx)
		return strings.TrimSuffix(why+": "+strings.Join(list, ", "), ": ")
	}
}

func statusOf(ctx context.Context, a *alert.Alert) alert.AlertStatus {
	m, ok := marker.FromContext(ctx)
	if !ok {
		return alert.AlertStatus{}
	}
	return m.Status(a.Fingerprint())
}

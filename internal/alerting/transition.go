package alerting

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// tell makes a transition of the group's alert, and notes what people have heard of it.
func (l *life) tell(state models.AlertState, at int64, reason string) {
	a, u := l.g.alert, l.u
	if u.rule.Record {
		return
	}
	age := l.e.times.now - at
	replay := l.e.replaying(u, l.number, at)
	out := l.alertNow(state, at, reason)
	out.Historical = replay || age > int64(l.e.opts.maxAlertAge)
	switch state {
	case models.AlertFiring:
		u.fired++
		switch {
		case !out.Historical:
			a.told = said
		case replay:
			a.told = max(a.told, replayed)
		default:
			a.told, u.unheard = max(a.told, recorded), true
		}
	case models.AlertResolved:
		u.resolved++
		if a.told == said && !replay {
			// whoever heard that it fires is to hear that it is over, however late
			out.Historical = false
		}
	}
	a.shown = a.level
	u.touch(l.number, l.g)
	if l.e.mute(u.owner(l.number)) {
		return
	}
	l.e.handing[u.owner(l.number)] = true
	l.e.out = append(l.e.out, out)
	if !a.early || !a.passed && !u.behind {
		a.passed = a.early
		l.feed(out)
	}
}

// feed passes a transition on to the rules that read alerts. What fires early is passed on once: at
// once, or during a backlog when it is confirmed, since only then is its time known.
func (l *life) feed(out models.Alert) {
	if l.e.program.Load().feeds && !l.u.readsAlerts {
		l.e.fed = append(l.e.fed, out)
	}
}

// alertNow is the alert of a group as it stands.
func (l *life) alertNow(state models.AlertState, at int64, reason string) models.Alert {
	a, u := l.g.alert, l.u
	out := models.Alert{
		ID: u.alertID(l.g), Rule: u.id, Episode: int64(l.g.episodes), State: state, Reason: reason,
		Value: finite(
			a.edge.Value,
		), Threshold: a.edge.Threshold, At: instant(at), StartsAt: instant(a.start), Count: l.count(at),
		Source: place(
			u.rule.Pos,
		), Late: a.late, Shadow: u.rule.Mode == rule.Shadow, Home: l.e.home(u, l.number),
	}
	if state == models.AlertResolved {
		value, threshold := l.g.win.Deciding(u.plan, at)
		out.Value, out.Threshold = finite(value), cmp.Or(threshold, out.Threshold)
		out.EndsAt = instant(a.fell)
		if a.holds || a.fell < a.start {
			out.EndsAt = instant(at)
		}
	}
	if s := l.g.samples; s != nil {
		out.First, out.Last = slices.Clone(s.first), slices.Clone(s.last)
		out.Top = s.shownTop(u.rule.Top)
	}
	if a.labels == nil {
		a.labels = u.alertLabels(l.g.key)
	}
	out.Labels = a.labels
	if a.level > 0 {
		out.Labels = maps.Clone(a.labels)
		out.Labels["severity"] = u.rule.Levels[a.level-1].Severity
	}
	out.Severity = out.Labels["severity"]
	out.Annotations = u.annotate(&out)
	return out
}

// annotate executes the rule's annotations for an alert.
func (u *unit) annotate(a *models.Alert) map[string]string {
	if len(u.annotations) == 0 {
		return nil
	}
	data := &templateData{
		Rule: a.Rule, Group: u.rule.Group, Name: u.rule.Name, Labels: a.Labels, State: a.State, Severity: a.Severity, Reason: a.Reason, Value: number(a.Value),
		Threshold: a.Threshold, Count: a.Count, Window: u.rule.Window, Start: a.StartsAt, At: a.At, End: a.EndsAt, First: a.First, Last: a.Last, Top: a.Top, Late: a.Late,
	}
	out := make(map[string]string, len(u.annotations))
	for i := range u.annotations {
		t := &u.annotations[i]
		out[t.name] = t.expand(data)
	}
	return out
}

// alertLabels are the labels of a group's alert: the rule's own, the group's, and the alert's name.
// Logs cannot take a label from the rule's author but by the rule's own by.
func (u *unit) alertLabels(key string) map[string]string {
	group := u.groupLabels(key)
	labels := make(map[string]string, len(group)+len(u.labels)+1)
	data := &templateData{
		Rule:   u.id,
		Group:  u.rule.Group,
		Name:   u.rule.Name,
		Labels: group,
		Window: u.rule.Window,
	}
	for i := range u.labels {
		t := &u.labels[i]
		labels[t.name] = t.expand(data)
	}
	maps.Copy(labels, group)
	labels["alertname"] = u.rule.Name
	return labels
}

// alertID identifies an episode of a group of a rule: the same in every run over the same logs, and
// nothing else's.
func (u *unit) alertID(g *group) string {
	return alertID(u.id, g.key, uint64(g.episodes))
}

func alertID(rule, key string, episode uint64) string {
	b := binary.AppendUvarint(nil, uint64(len(rule)))
	b = append(b, rule...)
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	b = binary.AppendUvarint(b, episode)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

func place(p rule.Pos) string {
	if p.File == "" {
		return ""
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// shownTop are the most frequent values of each field.
func (s *samples) shownTop(fields []string) map[string][]models.TopValue {
	var top map[string][]models.TopValue
	for i, c := range s.top {
		if len(c) == 0 {
			continue
		}
		if top == nil {
			top = make(map[string][]models.TopValue)
		}
		list := slices.Clone(c)
		slices.SortFunc(list, func(a, b models.TopValue) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
		})
		top[fields[i]] = list[:min(len(list), shownTop)]
	}
	return top
}

// takeOut takes what was decided since the last time, in the order of event time.
func (e *Engine) takeOut() []models.Alert {
	e.feedAlerts()
	out := e.out
	e.out = nil
	sortTransitions(out)
	return out
}

// sortTransitions sorts by event time, but leaves those of one alert in the order in which they
// were decided: what fires early may be found to have begun, and ended, before.
func sortTransitions(out []models.Alert) {
	if len(out) < 2 {
		return
	}
	type placed struct {
		at    time.Time
		alert models.Alert
	}
	list, least := make([]placed, len(out)), make(map[string]time.Time)
	for i := len(out) - 1; i >= 0; i-- {
		at := out[i].At
		if later, ok := least[out[i].ID]; ok && later.Before(at) {
			at = later
		}
		least[out[i].ID] = at
		list[i] = placed{at, out[i]}
	}
	slices.SortStableFunc(list, func(a, b placed) int {
		return cmp.Or(
			a.at.Compare(b.at),
			cmp.Compare(a.alert.Rule, b.alert.Rule),
			cmp.Compare(a.alert.ID, b.alert.ID),
		)
	})
	for i := range list {
		out[i] = list[i].alert
	}
}

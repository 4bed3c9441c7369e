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

// transition makes a transition of the group's alert, and notes what people have heard of it.
func (m *machine) transition(state models.AlertState, at int64, reason string) {
	a, rs := m.g.alert, m.u
	if rs.rule.Record {
		return
	}
	age := m.e.watermarks.now - at
	replay := m.e.replaying(rs, m.number, at)
	out := m.alertNow(state, at, reason)
	out.Historical = replay || age > int64(m.e.opts.maxAlertAge)
	switch state {
	case models.AlertFiring:
		rs.fired++
		switch {
		case !out.Historical:
			a.notified = wasNotified
		case replay:
			a.notified = max(a.notified, notifiedEarlier)
		default:
			a.notified, rs.deferred = max(a.notified, tooOld), true
		}
	case models.AlertResolved:
		rs.resolved++
		if a.notified == wasNotified && !replay {
			// whoever heard that it fires is to hear that it is over, however late
			out.Historical = false
		}
	}
	a.notifiedLevel = a.level
	rs.touch(m.number, m.g)
	if m.e.discards(rs.owner(m.number)) {
		return
	}
	m.e.changedPartitions[rs.owner(m.number)] = true
	m.e.transitions = append(m.e.transitions, out)
	if !a.early || !a.passedOn && !rs.behind {
		a.passedOn = a.early
		m.passOn(out)
	}
}

// passOn passes a transition on to the rules that read alerts. What fires early is passed on once:
// at once, or during a backlog when it is confirmed, since only then is its time known.
func (m *machine) passOn(out models.Alert) {
	if m.e.ruleSet.Load().readsAlerts && !m.u.readsAlerts {
		m.e.alertLogs = append(m.e.alertLogs, out)
	}
}

// alertNow is the alert of a group as it stands.
func (m *machine) alertNow(state models.AlertState, at int64, reason string) models.Alert {
	a, rs := m.g.alert, m.u
	out := models.Alert{
		ID: rs.alertID(m.g), Rule: rs.id, Episode: int64(m.g.episodes), State: state, Reason: reason,
		Value: finite(
			a.edge.Value,
		), Threshold: a.edge.Threshold, At: instant(at), StartsAt: instant(a.startsAt), Count: m.count(at),
		Source: place(
			rs.rule.Pos,
		), Late: a.late, Shadow: rs.rule.Mode == rule.Shadow, Home: m.e.home(rs, m.number),
	}
	if state == models.AlertResolved {
		value, threshold := m.g.win.DecidingValue(rs.condition, at)
		out.Value, out.Threshold = finite(value), cmp.Or(threshold, out.Threshold)
		out.EndsAt = instant(a.fellAt)
		if a.holds || a.fellAt < a.startsAt {
			out.EndsAt = instant(at)
		}
	}
	if s := m.g.samples; s != nil {
		out.First, out.Last = slices.Clone(s.first), slices.Clone(s.last)
		out.Top = s.shownTop(rs.rule.Top)
	}
	if a.labels == nil {
		a.labels = rs.alertLabels(m.g.key)
	}
	out.Labels = a.labels
	if a.level > 0 {
		out.Labels = maps.Clone(a.labels)
		out.Labels["severity"] = rs.rule.Levels[a.level-1].Severity
	}
	out.Severity = out.Labels["severity"]
	out.Annotations = rs.annotate(&out)
	return out
}

// annotate executes the rule's annotations for an alert.
func (c *compiledRule) annotate(a *models.Alert) map[string]string {
	if len(c.annotations) == 0 {
		return nil
	}
	data := &templateData{
		Rule: a.Rule, Group: c.rule.Group, Name: c.rule.Name, Labels: a.Labels, State: a.State, Severity: a.Severity, Reason: a.Reason, Value: number(a.Value),
		Threshold: a.Threshold, Count: a.Count, Window: c.rule.Window, Start: a.StartsAt, At: a.At, End: a.EndsAt, First: a.First, Last: a.Last, Top: a.Top, Late: a.Late,
	}
	out := make(map[string]string, len(c.annotations))
	for i := range c.annotations {
		t := &c.annotations[i]
		out[t.name] = t.expand(data)
	}
	return out
}

// alertLabels are the labels of a group's alert: the rule's own, the group's, and the alert's name.
// Logs cannot take a label from the rule's author but by the rule's own by.
func (c *compiledRule) alertLabels(key string) map[string]string {
	group := c.groupLabels(key)
	labels := make(map[string]string, len(group)+len(c.labels)+1)
	data := &templateData{
		Rule:   c.id,
		Group:  c.rule.Group,
		Name:   c.rule.Name,
		Labels: group,
		Window: c.rule.Window,
	}
	for i := range c.labels {
		t := &c.labels[i]
		labels[t.name] = t.expand(data)
	}
	maps.Copy(labels, group)
	labels["alertname"] = c.rule.Name
	return labels
}

// alertID identifies an episode of a group of a rule: the same in every run over the same logs, and
// nothing else's.
func (c *compiledRule) alertID(g *group) string {
	return alertID(c.id, g.key, uint64(g.episodes))
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

// takeTransitions takes what was decided since the last time, in the order of event time.
func (e *Engine) takeTransitions() []models.Alert {
	e.evaluateAlerts()
	out := e.transitions
	e.transitions = nil
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

package alerting

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// transition makes a transition of an episode, and notes what users are notified of.
func (m *machine) transition(ep *episode, state models.AlertState, at int64, reason string) {
	u := m.u
	if u.rule.Record {
		return
	}
	early := ep == m.g.alert.early || ep.withdrawn
	ep.note(m, at, state)
	if state == models.AlertFiring && !ep.fired && u.labelsAtFiring {
		ep.labels = nil // until now they were those of an alert that did not fire
	}
	age := m.state.watermarks.now - at
	replay := m.state.replaying(u, at)
	out := m.alertOf(ep, state, at, reason)
	out.Historical = replay || age > int64(m.state.opts.maxAlertAge)
	switch state {
	case models.AlertFiring:
		if !ep.fired {
			ep.fired = true
			u.fired++
		}
		switch {
		case !out.Historical:
			ep.notified = wasNotified
		case replay:
			ep.notified = max(ep.notified, notifiedEarlier)
		default:
			ep.notified, u.deferred = max(ep.notified, tooOld), true
		}
	case models.AlertResolved:
		u.resolved++
		if ep.notified == wasNotified && !replay {
			// who was notified that it fires is notified that it is resolved, however late
			out.Historical = false
		}
	}
	ep.notifiedLevel = ep.level
	u.touch(m.number, m.g)
	m.state.transitions = append(m.state.transitions, out)
	if !early && (state != models.AlertResolved || m.g.alert.phase == firing) {
		m.passOn(out)
	}
}

// note keeps the value at which the episode fired, and the peak.
func (ep *episode) note(m *machine, at int64, state models.AlertState) {
	switch {
	case state == models.AlertFiring && !ep.fired:
		ep.firedValue, ep.peak = ep.edge.Value, ep.edge.Value
	case state != models.AlertResolved:
		ep.reach(ep.edge.Value)
	}
}

// reach moves the peak, away from the threshold.
func (ep *episode) reach(value float64) {
	below := strings.HasPrefix(ep.edge.Threshold, "<")
	if math.IsNaN(ep.peak) || !below && value > ep.peak || below && value < ep.peak {
		ep.peak = value
	}
}

// passOn passes a transition on to the rules that read alerts. What fires early is passed on when
// it is confirmed, so that what those rules see does not depend on the order of the logs.
func (m *machine) passOn(out models.Alert) {
	if m.state.ruleSet.readsAlerts && !m.u.readsAlerts {
		m.state.alertLogs = append(m.state.alertLogs, out)
	}
}

// alertOf is an episode of the group as it stands.
func (m *machine) alertOf(
	ep *episode,
	state models.AlertState,
	at int64,
	reason string,
) models.Alert {
	u := m.u
	out := m.summaryOf(ep, state, at, reason)
	if s := m.g.samples; s != nil {
		out.First, out.Last, out.Top = s.ofEpisode(u.compiledRule, ep.startsAt, at)
	}
	if ep.labels == nil {
		ep.labels = u.alertLabels(m.g.key, u.templateData(&out))
		m.label(&out, ep)
	}
	out.Labels = maps.Clone(out.Labels) // who gets it may change it
	out.Annotations = u.annotate(&out)
	return out
}

// summaryOf is an episode of the group without annotations, lines and the most frequent values. Its
// labels are shared.
func (m *machine) summaryOf(
	ep *episode,
	state models.AlertState,
	at int64,
	reason string,
) models.Alert {
	u := m.u
	out := models.Alert{
		ID:         u.alertID(m.g.key, ep.number),
		Rule:       u.id,
		Episode:    int64(ep.number),
		State:      state,
		Reason:     reason,
		Value:      finite(ep.edge.Value),
		Threshold:  ep.edge.Threshold,
		FiredValue: finite(ep.firedValue),
		Peak:       finite(ep.peak),
		At:         instant(at),
		StartsAt:   instant(ep.startsAt),
		Count:      m.count(ep, at),
		Source:     u.place,
		Late:       ep.late,
		Withdrawn:  ep.withdrawn,
		Shadow:     u.rule.Mode == rule.Shadow,
		Signal:     u.rule.Mode == rule.Signal,
	}
	if state == models.AlertResolved {
		value, threshold := m.g.win.DecidingValue(u.condition, at, m.env())
		out.Value, out.Threshold = finite(value), cmp.Or(threshold, out.Threshold)
		out.EndsAt = instant(ep.fellAt)
		if ep.fellAt < ep.startsAt || m.g.alert.holds && ep == &m.g.alert.episode {
			out.EndsAt = instant(at)
		}
	}
	m.label(&out, ep)
	return out
}

// label gives an alert the labels of its episode, once they are known.
func (m *machine) label(out *models.Alert, ep *episode) {
	out.Labels = ep.labels
	if ep.level > 0 && ep.labels != nil {
		out.Labels = maps.Clone(ep.labels)
		out.Labels["severity"] = m.u.rule.Levels[ep.level-1].Severity
	}
	out.Severity = out.Labels["severity"]
}

// annotate executes the rule's annotations for an alert.
func (c *compiledRule) annotate(a *models.Alert) map[string]string {
	if len(c.annotations) == 0 {
		return nil
	}
	data := c.templateData(a)
	out := make(map[string]string, len(c.annotations))
	for i := range c.annotations {
		t := &c.annotations[i]
		out[t.name] = t.expand(data)
	}
	return out
}

// templateData is what the templates of the rule see of an alert.
func (c *compiledRule) templateData(a *models.Alert) *templateData {
	data := &templateData{
		Rule:       c.id,
		Group:      c.rule.Group,
		Name:       c.rule.Name,
		Labels:     a.Labels,
		State:      a.State,
		Severity:   a.Severity,
		Reason:     a.Reason,
		Value:      number(a.Value),
		Current:    number(a.Value),
		FiredValue: number(a.FiredValue),
		Peak:       number(a.Peak),
		Duration:   a.Duration(),
		Threshold:  a.Threshold,
		Count:      a.Count,
		Window:     c.rule.Window,
		Start:      a.StartsAt,
		At:         a.At,
		End:        a.EndsAt,
		First:      a.First,
		Last:       a.Last,
		Top:        a.Top,
		Late:       a.Late,
	}
	if a.State == models.AlertResolved && a.Threshold != "" {
		data.Value = data.Peak
	}
	return data
}

// alertLabels are the labels of a group's alert: the rule's own, the group's, and the alert's name.
// Templates see data, with the labels of the group. Logs cannot take a label from the rule's author
// but by the rule's own by.
func (c *compiledRule) alertLabels(key string, data *templateData) map[string]string {
	group := c.groupLabels(key)
	labels := make(map[string]string, len(group)+len(c.labels)+1)
	data.Labels = group
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
func (c *compiledRule) alertID(key string, episode uint32) string {
	return alertID(c.id, key, uint64(episode))
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

// takeTransitions takes what was decided since the last time, in the order of event time.
func (st *state) takeTransitions() []models.Alert {
	st.evaluateAlerts()
	out := st.transitions
	st.transitions = nil
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
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.alert.Rule, b.alert.Rule),
			cmp.Compare(a.alert.ID, b.alert.ID))
	})
	for i := range list {
		out[i] = list[i].alert
	}
}

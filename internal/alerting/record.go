package alerting

import (
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/decode"
	numbers "github.com/log-monitoring/alert-engine/internal/number"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A record rule has a value for each of its groups. The function given by WithRecorded gets it at
// the instants of a grid: multiples of every, or whole seconds. A value is that of the logs up to
// its instant, all of which have been read when the watermark has reached it. So values and their
// instants are a function of the logs, like alerts.
//
// With every, a group has a value at each step as long as its window holds logs. Without it, a
// group has a value whenever it differs from that of a second before. When the window has become
// empty the last value is that of no logs, such as the 0 of a count, and then the group has no
// value any more.
//
// To be exact the window of such a group is swept from one instant of the grid to the next, and
// never in between: so where it stands, its value is that of the instant before, and only the
// window must be kept.

// recordStep is the grid of a record without every.
const recordStep = int64(time.Second)

// recordedDelay is how long after its instant a value may be read from the topic, at most, beyond
// the lateness of its rule: it waits for a checkpoint, and is written.
const recordedDelay = 5 * time.Second

// setRecordGrid prepares a rule whose values are recorded.
func (c *compiledRule) setRecordGrid(o *options) {
	c.excludedTopic = o.recordedTopic
	c.recorded = o.recorded != nil && c.rule.Record && c.rule.Mode != rule.Shadow &&
		(o.recordedTopic == "" || !c.topics[o.recordedTopic])
	if c.step = int64(c.rule.Every); c.step == 0 {
		c.step = recordStep
	}
}

// SetRecorded sets the function that gets the values of record rules, as WithRecorded does, of an
// engine that has not read anything yet.
func (e *Engine) SetRecorded(recorded func(models.Recorded)) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	e.mu.Lock()
	e.opts.recorded = recorded
	e.mu.Unlock()
	return e.setRules(e.scanners.ruleSet.Load().set)
}

// delayReaders has the rules that read recorded values wait for them.
func (p *ruleSet) delayReaders(topic string) {
	if topic == "" {
		return
	}
	most := time.Duration(0)
	for _, rs := range p.rules {
		if rs.recorded {
			most = max(most, rs.rule.MostLateness())
		}
	}
	for _, rs := range p.rules {
		if rs.topics[topic] {
			rs.extraLateness = most + recordedDelay
		}
	}
}

// record sweeps a group to the last instant of the grid up to an instant, and records its values.
func (m *machine) record(upTo int64) {
	upTo = window.Floor(upTo, m.u.step)
	for at := m.nextValue(); at <= upTo; at = m.nextValue() {
		before := m.recordedValue()
		m.sweepTo(at)
		holds, value := m.g.win.Events(m.u.condition) > 0, m.valueNow()
		if !holds && !defined(before) {
			continue
		}
		if defined(value) && (!holds || m.u.rule.Every > 0 ||
			!defined(before) || numbers.Compare(value, before) != 0) {
			m.recordValue(at, value)
			before = value
		}
		if defined(before) && !(holds && defined(value)) {
			m.recordValue(at, math.NaN())
		}
	}
	m.sweepTo(upTo)
}

// recordedValue is the value that was recorded last where the window stands; undefined if there was
// none.
func (m *machine) recordedValue() float64 {
	switch {
	case m.g.win.Late():
		return m.g.recorded
	case m.g.win.Events(m.u.condition) == 0:
		return math.NaN()
	}
	return m.valueNow()
}

// keepRecorded notes the value that was recorded last, before a late log changes it.
func (m *machine) keepRecorded(at int64) {
	if m.u.recorded && at <= m.g.win.SweptTo() && !m.g.win.Late() {
		m.g.extend().recorded = m.recordedValue()
	}
}

// valueNow is the value where the window stands.
func (m *machine) valueNow() float64 {
	return m.g.win.Value(m.u.condition, m.g.win.SweptTo(), m.env())
}

func defined(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// nextValue is the next instant of the grid that may have a value, as far as is known now; or
// never.
func (m *machine) nextValue() int64 {
	if m.u.rule.Every > 0 && m.g.win.Events(m.u.condition) > 0 {
		return window.Floor(m.g.win.SweptTo(), m.u.step) + m.u.step
	}
	return ceil(m.g.win.NextValueChange(m.u.condition), m.u.step)
}

// dueValue is when a group with recorded values must be checked next, given when its window must
// be.
func (m *machine) dueValue(at int64) int64 {
	return min(m.nextValue(), m.keyExpiresAt(), ceil(min(at, m.nextTimer()), m.u.step))
}

// recordValue records the value of a group from an instant on, or that it has none. Values of an
// earlier run are not recorded again: at the beginning of a replay windows lack what was before.
func (m *machine) recordValue(at int64, value float64) {
	if m.state.replaying(m.u, at) {
		return
	}
	labels := m.u.alertLabels(m.g.key, m.u.templateData(&models.Alert{}))
	delete(labels, "alertname")
	out := models.Recorded{
		Rule:   m.u.id,
		Record: m.u.rule.Name,
		Labels: labels,
		At:     instant(at),
		Value:  value,
	}
	if !defined(value) {
		out.Value, out.Gone = 0, true
	}
	m.state.opts.recorded(out)
}

// recordValues records the present values of all groups of a rule, or that they have none any more.
func (st *state) recordValues(rs *ruleState, gone bool) {
	if !rs.recorded {
		return
	}
	rs.groups.each(func(number uint32, g *group) {
		m := st.at(rs, number)
		if g.win.Events(rs.condition) == 0 {
			return
		}
		value := m.valueNow()
		if gone {
			value = math.NaN()
		}
		m.recordValue(g.win.SweptTo(), value)
	})
}

// ceil is the least multiple of step not before t; never is on every grid.
func ceil(t, step int64) int64 {
	if t == never {
		return never
	}
	return window.Floor(t+step-1, step)
}

// collectRecord exposes the values of so many groups of a record rule, at the watermark: those that
// it has had for longest.
func (st *state) collectRecord(
	rs *ruleState, most int, gauge func(*prometheus.Desc, float64, ...string),
) {
	if rs.watermark == always {
		return
	}
	names := make([]string, len(rs.by))
	for i, l := range rs.by {
		names[i] = metricName(l.name)
	}
	d := prometheus.NewDesc(
		recordMetric(rs.rule.Name),
		"Value of a recording rule.",
		unique(names),
		prometheus.Labels{"rule": rs.id},
	)
	rs.groups.each(func(number uint32, g *group) {
		if most == 0 {
			return
		}
		most--
		labels := rs.groupLabels(g.key)
		values := make([]string, len(rs.by))
		for i, l := range rs.by {
			value := labels[l.name]
			if l.all {
				value = decode.LabelsText(envelopeLabels(rs.by, labels))
			}
			values[i] = safetext.Visible(value)
		}
		gauge(d, g.win.Value(rs.condition, rs.watermark, environment{st, rs, g}), values...)
	})
}

// recordMetric is the name of the metric of a record. Names of the program's own metrics, and of
// the runtime's, are not for records: two metrics of one name would make /metrics fail.
func recordMetric(name string) string {
	name = metricName(name)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "record_" + name
	}
	for _, prefix := range []string{"alert_engine_", "go_", "process_", "promhttp_", "__"} {
		if strings.HasPrefix(name, prefix) {
			return "record_" + name
		}
	}
	return name
}

// unique makes the names of labels different from each other, and from those that are reserved.
func unique(names []string) []string {
	seen := map[string]bool{"rule": true}
	for i, name := range names {
		if strings.HasPrefix(name, "__") || name == "" || name[0] >= '0' && name[0] <= '9' {
			name = "label_" + strings.TrimLeft(name, "_")
		}
		for seen[name] {
			name += "_"
		}
		seen[name], names[i] = true, name
	}
	return names
}

// metricName makes a text fit to be the name of a metric or of its label.
func metricName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, s)
}

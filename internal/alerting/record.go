package alerting

import (
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A record rule has a value for each of its groups. Whoever was named by WithRecorded is told of it
// at the instants of a grid: multiples of every, or whole seconds. A value is that of the logs up
// to its instant, all of which are there when the watermark has reached it. So the values, and
// their instants, are a function of the logs, like alerts.
//
// With every, a group has a value at each step as long as its window holds logs; without, when it
// is another one than a second before. When the window has run empty the last value is that of
// nothing, such as the 0 of a count, and then it is told that the group has no value any more.
//
// To be exact the window of such a group is swept from one instant of the grid to the next, and
// never in between: so where it stands, its value is that of the instant before, and nothing but
// the window has to be kept.

// recordStep is the grid of a record without every.
const recordStep = int64(time.Second)

// recordedDelay is how long after its instant a value may be read from the topic, at most, beyond
// the lateness of its rule: it waits for a checkpoint, and is written.
const recordedDelay = 5 * time.Second

// grid prepares a unit whose values are told.
func (u *unit) grid(o *options) {
	u.except = o.recordedTopic
	u.recorded = o.recorded != nil && u.rule.Record && u.rule.Mode != rule.Shadow &&
		(o.recordedTopic == "" || !u.topics[o.recordedTopic])
	if u.step = int64(u.rule.Every); u.step == 0 {
		u.step = recordStep
	}
}

// TellRecorded has somebody told of the values of record rules, as WithRecorded does, of an engine
// that has read nothing yet.
func (e *Engine) TellRecorded(recorded func(models.Recorded)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opts.recorded = recorded
	for _, u := range e.program.Load().units {
		u.grid(&e.opts)
	}
}

// delay has the rules that read recorded values wait for them.
func (p *program) delay(topic string) {
	if topic == "" {
		return
	}
	most := time.Duration(0)
	for _, u := range p.units {
		if u.recorded {
			most = max(most, u.rule.Lateness)
		}
	}
	for _, u := range p.units {
		if u.topics[topic] {
			u.delay = most + recordedDelay
		}
	}
}

// record sweeps a group to the last instant of the grid up to an instant, and tells its values.
func (l *life) record(upTo int64) {
	upTo = floor(upTo, l.u.step)
	for at := l.nextValue(); at <= upTo; at = l.nextValue() {
		held, before, late := l.g.win.Holds(l.u.plan), l.valueNow(), l.g.win.Late()
		l.sweepTo(at)
		holds, value := l.g.win.Holds(l.u.plan), l.valueNow()
		switch {
		case holds == 0 && (held > 0 || late):
			if defined(value) {
				l.tellValue(at, value)
			}
			if defined(value) || defined(before) || late {
				l.tellValue(at, math.NaN())
			}
		case holds == 0:
		case defined(value) && (l.u.rule.Every > 0 || held == 0 || late || value != before),
			!defined(value) && held > 0 && defined(before):
			l.tellValue(at, value)
		}
	}
	l.sweepTo(upTo)
}

// valueNow is the value where the window stands.
func (l *life) valueNow() float64 { return l.g.win.Value(l.u.plan, l.g.win.Swept()) }

func defined(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// nextValue is the next instant of the grid at which there may be something to tell, as far as is
// known now; or never.
func (l *life) nextValue() int64 {
	if l.u.rule.Every > 0 && l.g.win.Holds(l.u.plan) > 0 {
		return floor(l.g.win.Swept(), l.u.step) + l.u.step
	}
	return ceil(l.g.win.Moves(l.u.plan), l.u.step)
}

// dueValue is when a group whose values are told next has to be looked at, given when its window
// has to be.
func (l *life) dueValue(at int64) int64 {
	return min(l.nextValue(), l.forgets(), ceil(min(at, l.next()), l.u.step))
}

// tellValue tells the value of a group from an instant on, or that it has none. What an earlier run
// has told is not told again: at the beginning of a replay windows lack what was before. So do
// those of a partition that came from another member, however far back it is read, for logs are
// found by the times of their records.
func (l *life) tellValue(at int64, value float64) {
	if l.e.replaying(l.u, l.number, at) {
		return
	}
	if o := l.u.owner(l.number); o != nobody && at-l.u.plan.Span() < l.e.times.owners[o].since {
		return
	}
	labels := l.u.alertLabels(l.g.key)
	delete(labels, "alertname")
	out := models.Recorded{
		Rule:   l.u.id,
		Record: l.u.rule.Name,
		Labels: labels,
		At:     instant(at),
		Value:  value,
	}
	if !defined(value) {
		out.Value, out.Gone = 0, true
	}
	l.e.opts.recorded(out)
}

// tellValues tells the values of all groups of a unit as they stand, or that they are gone.
func (e *Engine) tellValues(u *unit, gone bool) {
	if !u.recorded {
		return
	}
	u.groups.each(func(number uint32, g *group) {
		l := e.at(u, number)
		if g.win.Holds(u.plan) == 0 {
			return
		}
		value := l.valueNow()
		if gone {
			value = math.NaN()
		}
		l.tellValue(g.win.Swept(), value)
	})
}

// floor is the greatest multiple of step not after t, ceil the least not before; never is on every
// grid.
func floor(t, step int64) int64 {
	if r := t % step; r < 0 {
		return t - r - step
	} else {
		return t - r
	}
}

func ceil(t, step int64) int64 {
	if t == never {
		return never
	}
	return floor(t+step-1, step)
}

// collectRecord exposes the value of each group of a record rule, at the watermark.
func (e *Engine) collectRecord(u *unit, gauge func(*prometheus.Desc, float64, ...string)) {
	if u.watermark == always {
		return
	}
	names := make([]string, len(u.by))
	for i, l := range u.by {
		names[i] = metricName(l.name)
	}
	d := prometheus.NewDesc(metricName(u.rule.Name), "Recorded by rule "+u.id+".", names, nil)
	u.groups.each(func(number uint32, g *group) {
		if !e.ours(u, number) {
			return
		}
		labels := u.groupLabels(g.key)
		values := make([]string, len(u.by))
		for i, l := range u.by {
			values[i] = labels[l.name]
		}
		gauge(d, g.win.Value(u.plan, u.watermark), values...)
	})
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

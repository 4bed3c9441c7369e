package alerting

import (
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
)

// calendar is the hours in which a rule is active. Time intervals are given to the minute, so
// within a minute nothing changes.
type calendar struct {
	of []namedInterval
}

type namedInterval struct {
	interval rule.Interval
	not      bool
}

type hoursSpan struct {
	from, to int64
	active   bool
}

const minute = int64(time.Minute)

// maxHoursSpan is how far ahead the next change is looked for; beyond it, the question is asked
// again then.
const maxHoursSpan = 26 * 60 * minute

func newCalendar(set *rule.Set, list []rule.Activity) calendar {
	c := calendar{}
	for _, a := range list {
		if interval := set.Intervals[a.Interval]; interval != nil {
			c.of = append(c.of, namedInterval{interval, a.Not})
		}
	}
	return c
}

// active reports whether the rule is active at an instant.
func (rs *ruleState) active(at int64) bool {
	return len(rs.hours.of) == 0 || rs.hoursAt(at).active
}

// hoursChange is the first instant after at, at which the rule may begin or cease to be active;
// never for a rule that always is.
func (rs *ruleState) hoursChange(at int64) int64 {
	if len(rs.hours.of) == 0 {
		return never
	}
	return rs.hoursAt(at).to
}

// hoursAt is the span around an instant in which nothing changes. Most questions are about the span
// that was found last.
func (rs *ruleState) hoursAt(at int64) hoursSpan {
	if at < rs.hoursSpan.from || at >= rs.hoursSpan.to {
		rs.hoursSpan = rs.hours.span(at)
	}
	return rs.hoursSpan
}

// span is the span around an instant in which nothing changes, as far as it was looked for.
func (c *calendar) span(at int64) hoursSpan {
	from := window.Floor(at, minute)
	s := hoursSpan{from: from, to: from + minute, active: c.contains(from)}
	for s.to < from+maxHoursSpan && c.contains(s.to) == s.active {
		s.to += minute
	}
	return s
}

func (c *calendar) contains(at int64) bool {
	t := time.Unix(0, at).UTC()
	within, named := false, false
	for _, a := range c.of {
		holds := a.interval.Contains(t)
		if a.not {
			if holds {
				return false
			}
			continue
		}
		named, within = true, within || holds
	}
	return within || !named
}

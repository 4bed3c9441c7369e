package alerting

import (
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// calendar is the hours in which a rule is active. Time intervals are given to the minute, so
// within a minute nothing changes.
type calendar struct {
	of []namedInterval
	// The stretch that was found last, in which nothing changes; most questions are about the same
	// one. The engine's lock guards it.
	cache *hoursSpan
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
	c := calendar{cache: &hoursSpan{}}
	for _, a := range list {
		if interval := set.Intervals[a.Interval]; interval != nil {
			c.of = append(c.of, namedInterval{interval, a.Not})
		}
	}
	return c
}

// active says whether the rule is active at an instant: within one of the intervals that it names,
// if it names any, and in none of those it excludes.
func (c *calendar) active(at int64) bool {
	if len(c.of) == 0 {
		return true
	}
	return c.stretch(at).active
}

// change is the first instant after at, at which the rule may begin or cease to be active; never
// for a rule that always is.
func (c *calendar) change(at int64) int64 {
	if len(c.of) == 0 {
		return never
	}
	return c.stretch(at).to
}

func (c *calendar) stretch(at int64) hoursSpan {
	if at >= c.cache.from && at < c.cache.to {
		return *c.cache
	}
	from := at - at%minute
	s := hoursSpan{from: from, to: from + minute, active: c.contains(from)}
	for s.to < from+maxHoursSpan && c.contains(s.to) == s.active {
		s.to += minute
	}
	*c.cache = s
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

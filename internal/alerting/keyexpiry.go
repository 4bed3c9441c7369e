package alerting

import (
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

// A rule that waits for silence has to know whose: a key is known from its first event on, for as
// long after its last one as the rule remembers it. A host that was taken down for good is not
// discard for ever. Keys that are expected are always known.

// gap is a silence in the middle of a group's events that is longer than its key is remembered: the
// key was forgotten, and came back. It is decided when the watermark comes there, since an event
// that is out of order may still fill it.
type gap struct{ last, again int64 }

// noteSeen notes when the newest event of a group was, where its window may not know it for long
// enough.
func (rs *ruleState) noteSeen(number uint32, g *group, at int64) {
	if g.more != &none {
		g.seen = max(g.seen, at)
	}
	if !rs.condition.HoldsEmpty() {
		return
	}
	last, known := rs.lastSeen[number]
	switch {
	case !known:
		rs.lastSeen[number] = at
	case at > last:
		rs.lastSeen[number] = at
		if at-last > rs.keyLifetime() && !g.expected {
			rs.gaps[number] = append(rs.gaps[number], gap{last, at})
		}
	default:
		rs.fillGap(number, at)
	}
}

// fillGap takes an event into account that fell into a gap.
func (rs *ruleState) fillGap(number uint32, at int64) {
	list := rs.gaps[number]
	i := slices.IndexFunc(list, func(p gap) bool { return p.last < at && at < p.again })
	if i < 0 {
		return
	}
	parts := []gap{{list[i].last, at}, {at, list[i].again}}
	parts = slices.DeleteFunc(parts, func(p gap) bool { return p.again-p.last <= rs.keyLifetime() })
	rs.setGaps(number, slices.Replace(list, i, i+1, parts...))
}

func (rs *ruleState) setGaps(number uint32, list []gap) {
	if len(list) == 0 {
		delete(rs.gaps, number)
		return
	}
	rs.gaps[number] = list
}

// keyExpiresAt is when the key of a group is next forgotten, if no further event comes. Groups that
// are not about silence have nothing to forget.
func (m *machine) keyExpiresAt() int64 {
	if !m.u.condition.HoldsEmpty() || m.g.expected {
		return never
	}
	last := m.u.lastSeen[m.number]
	if list := m.u.gaps[m.number]; len(list) > 0 {
		last = list[0].last
	}
	if m.u.recorded { // not before its last value
		return ceil(last+m.u.keyLifetime(), m.u.step)
	}
	return last + m.u.keyLifetime()
}

// expireKey decides where the key was forgotten up to the watermark, and says whether it is now.
func (m *machine) expireKey(watermark int64) bool {
	for {
		at := m.keyExpiresAt()
		if at > watermark {
			return false
		}
		m.sweep(at)
		if a := m.g.alert; a != nil && a.phase != idle {
			m.resolve(at, "not seen for "+duration.Format(time.Duration(m.u.keyLifetime()))+", and forgotten")
		}
		list := m.u.gaps[m.number]
		if len(list) == 0 {
			return true
		}
		m.u.setGaps(m.number, list[1:])
	}
}

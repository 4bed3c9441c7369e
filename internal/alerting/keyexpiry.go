package alerting

import (
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

// Where it matters since when a key is known, its group is kept when its windows are empty: for as
// long after its last event as the rule remembers it. A host that was taken down for good is not
// silent forever. Keys that are expected are always known.

// gap is a silence in the middle of a group's events that is longer than its key is remembered: the
// key was forgotten, and came back. It is decided when the watermark comes there, since an event
// that is out of order may still fill it.
type gap struct{ last, again int64 }

// noteSeen notes when the newest event of a group was, where its window may not know it for long
// enough. The group was known since first.
func (rs *ruleState) noteSeen(number uint32, g *group, at, first int64) {
	if g.more != &none {
		g.seen = max(g.seen, at)
	}
	if !rs.condition.KeepsKeys() {
		return
	}
	last, known := rs.lastSeen[number]
	switch {
	case !known:
		rs.lastSeen[number] = at
	case at > last:
		rs.lastSeen[number] = at
		if at-last > rs.keyLifetime() && rs.forgets(g) {
			rs.gaps[number] = append(rs.gaps[number], gap{last, at})
		}
	case at < first && first-at > rs.keyLifetime() && first > g.win.SweptTo() && rs.forgets(g):
		rs.gaps[number] = append([]gap{{at, first}}, rs.gaps[number]...)
	default:
		rs.fillGap(number, at)
	}
}

// forgets reports whether it matters that the key of a group was forgotten between two of its
// events. Of a record that keeps only what its windows hold it does not.
func (rs *ruleState) forgets(g *group) bool {
	return !g.expected && (!rs.rule.Record || rs.condition.OutlivesWindow())
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

// keyExpiresAt is when the key of a group is next forgotten, if no further event comes.
func (m *machine) keyExpiresAt() int64 {
	if !m.u.condition.KeepsKeys() || m.g.expected {
		return never
	}
	last, known := m.u.lastSeen[m.number]
	if !known { // it was seen by logs alone that resolve
		return m.g.win.WaitsFor()
	}
	if list := m.u.gaps[m.number]; len(list) > 0 {
		last = list[0].last
	}
	lifetime := m.u.keyLifetime()
	if lifetime == never {
		return never
	}
	if m.u.recorded { // not before its last value
		return ceil(last+lifetime, m.u.step)
	}
	return last + lifetime
}

// expireKey decides where the key was forgotten up to the watermark, and reports whether it is now.
// One that came back since then is born anew with the log that it came back with.
func (m *machine) expireKey(watermark int64) bool {
	for {
		at := m.keyExpiresAt()
		if at > watermark {
			return false
		}
		if m.u.recorded {
			m.sweep(at)
		} else {
			m.sweep(at - 1) // at that instant the group is gone, and nothing fires
		}
		if a := m.g.alert; a != nil {
			if a.phase != idle {
				lifetime := duration.Format(time.Duration(m.u.keyLifetime()))
				m.resolve(at, "no log for "+lifetime+", the group expired")
			}
			if a = m.g.alert; a != nil {
				a.conditionHolds = false
				m.drop()
			}
		}
		list := m.u.gaps[m.number]
		if len(list) == 0 {
			return true
		}
		m.g.win.Renew(m.u.condition, list[0].again)
		m.u.setGaps(m.number, list[1:])
	}
}

package alerting

import "slices"

// A rule that waits for silence has to know whose: a key is known from its first event on, for as
// long after its last one as the rule remembers it. A host that was taken down for good is not
// silent for ever. Keys that are expected are always known.

// gap is a silence in the middle of a group's events that is longer than its key is remembered: the
// key was forgotten, and came back. It is decided when the watermark comes there, since an event
// that is out of order may still fill it.
type gap struct{ last, again int64 }

// sees notes when the newest event of a group was, where its window may not know it for long
// enough.
func (u *unit) sees(number uint32, g *group, at int64) {
	if g.more != &none {
		g.seen = max(g.seen, at)
	}
	if !u.plan.Known() {
		return
	}
	last, known := u.seen[number]
	switch {
	case !known:
		u.seen[number] = at
	case at > last:
		u.seen[number] = at
		if at-last > u.keeps() && !g.expected {
			u.gaps[number] = append(u.gaps[number], gap{last, at})
		}
	default:
		u.fill(number, at)
	}
}

// fill takes an event into account that fell into a gap.
func (u *unit) fill(number uint32, at int64) {
	list := u.gaps[number]
	i := slices.IndexFunc(list, func(p gap) bool { return p.last < at && at < p.again })
	if i < 0 {
		return
	}
	parts := []gap{{list[i].last, at}, {at, list[i].again}}
	parts = slices.DeleteFunc(parts, func(p gap) bool { return p.again-p.last <= u.keeps() })
	u.keepGaps(number, slices.Replace(list, i, i+1, parts...))
}

func (u *unit) keepGaps(number uint32, list []gap) {
	if len(list) == 0 {
		delete(u.gaps, number)
		return
	}
	u.gaps[number] = list
}

// forgets is when the key of a group is next forgotten, if no further event comes. Groups that are
// not about silence have nothing to forget.
func (l *life) forgets() int64 {
	if !l.u.plan.Known() || l.g.expected {
		return never
	}
	last := l.u.seen[l.number]
	if list := l.u.gaps[l.number]; len(list) > 0 {
		last = list[0].last
	}
	if l.u.recorded { // not before its last value
		return ceil(last+l.u.keeps(), l.u.step)
	}
	return last + l.u.keeps()
}

// forgetting decides where the key was forgotten up to the watermark, and says whether it is now.
func (l *life) forgetting(watermark int64) bool {
	for {
		at := l.forgets()
		if at > watermark {
			return false
		}
		l.sweep(at)
		if a := l.g.alert; a != nil && a.phase != idle {
			l.resolve(at, "not seen for "+shortNanos(l.u.keeps())+", and forgotten")
		}
		list := l.u.gaps[l.number]
		if len(list) == 0 {
			return true
		}
		l.u.keepGaps(l.number, list[1:])
	}
}

package decode

import (
	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// findTime finds the event time: the first readable and plausible time of the log, the start of its
// text, or the record's timestamp.
func (l *Log) findTime() {
	if l.timeSeen {
		return
	}
	l.timeSeen = true
	if l.layout != nil && l.layout.time >= 0 {
		if s := &l.root.Spans[l.layout.time]; s.Kind == String {
			if t, ok := l.d.today.read(l.root.Doc[s.Start:s.End]); ok && l.clock.plausible(t) {
				l.time, l.timeFrom = t, l.d.plan.path(l.layout.time)
				return
			}
		}
	}
	doubtful := false
	for _, x := range l.platformFirst() {
		t, from, bad := l.in(x).time()
		if from != "" {
			l.time, l.timeFrom = t, from
			return
		}
		doubtful = doubtful || bad
	}
	if !doubtful {
		if h := l.lineHead(); h.end > 0 {
			if l.clock.plausible(h.time) {
				l.time, l.timeFrom = h.time, "text"
				return
			}
			doubtful = true
		}
	}
	if v := l.header("ce_time"); len(v) > 0 { // a CloudEvent in binary mode
		if t, ok := l.clock.read(v); ok && l.clock.plausible(t) {
			l.time, l.timeFrom = t, "header ce_time"
			return
		}
	}
	// the time at which a collector saw the log is better than nothing
	for _, x := range l.platformFirst() {
		for _, s := range l.d.plan.hints.observed {
			if !x.Has.Has(s) {
				continue
			}
			if t, ok := l.in(x).readTime(s); ok {
				l.time, l.timeFrom = t, l.d.plan.path(s)
				return
			}
		}
	}
	if doubtful {
		l.d.notice(NoticeTime)
	}
	l.time, l.timeFrom = l.clock.record, "kafka"
}

// time finds the time in the layer; bad reports an unreadable or implausible one.
func (x layer) time() (t int64, from string, bad bool) {
	p := x.d.plan
	if n, only := p.time.Present(x.Has); n == 1 {
		if t, ok := x.readTime(only); ok {
			return t, p.path(only), false
		}
		bad = x.Spans[only].Kind > Null
	} else if n > 1 {
		for _, s := range p.time.Slots {
			if !x.Has.Has(s) {
				continue
			}
			if t, ok := x.readTime(s); ok {
				return t, p.path(s), false
			}
			bad = bad || x.Spans[s].Kind > Null
		}
	}
	if t, ok := x.dateAndTime(); ok {
		return t, "date", false
	}
	// Python's; elsewhere created means something else
	if h := &p.hints; x.Has.Has(h.created) && (x.Has.Has(h.levelName) ||
		x.Has.Has(h.levelNumber)) {
		if t, ok := x.readTime(h.created); ok {
			return t, "created", false
		}
	}
	if x.Has.Has(p.hints.shortTime) {
		if t, ok := x.readShortTime(); ok {
			return t, "t", false
		}
	}
	if h := &p.hints; x.Has.Has(h.zapTime) && x.Has.Has(h.zapLevel) && x.Has.Has(h.zapMessage) {
		if t, ok := x.readTime(h.zapTime); ok {
			return t, "T", false
		}
	}
	// of API Gateway; elsewhere a duration
	if h := &p.hints; x.Has.Has(h.requestText) && x.Spans[h.requestText].Kind == String &&
		x.Spans[h.requestText].End-x.Spans[h.requestText].Start >= 19 {
		if t, ok := x.readTime(h.requestText); ok {
			return t, "requestTime", false
		}
	}
	for _, parts := range p.hints.instants {
		if !x.Has.Has(parts[0]) {
			continue
		}
		if t, ok := x.readTime(parts[0]); ok {
			if n := x.Spans[parts[1]]; x.Has.Has(parts[1]) && n.Kind == Number {
				nano, _ := smallNumber(x.Doc[n.Start:n.End])
				t += int64(nano)
			}
			return t, p.path(parts[0]), false
		}
	}
	return 0, "", bad
}

// readShortTime reads the time of a log that has it under t, as log15 and zerolog's documentation
// have. Elsewhere t is anything, so there must be a message or level, and a number must be near.
func (x layer) readShortTime() (int64, bool) {
	h := &x.d.plan.hints
	levels, _ := x.d.plan.level.Present(x.Has)
	if levels == 0 && !x.Has.Has(h.msg) && !x.Has.Has(h.oneMessage) {
		return 0, false
	}
	t, ok := x.readTime(h.shortTime)
	return t, ok && (x.Spans[h.shortTime].Kind == String || x.d.log.clock.withinYear(t))
}

// dateAndTime reads the time of a log that has the date, the time of the day and perhaps the zone
// apart, as FortiGate's and IIS's have.
func (x layer) dateAndTime() (int64, bool) {
	h := &x.d.plan.hints
	if !x.Has.Has(h.date) || !x.Has.Has(h.time) {
		return 0, false
	}
	text := make([]byte, 0, 64)
	for i, at := range [...]jsonscan.Slot{h.date, h.time, h.tz} {
		if !x.Has.Has(at) {
			continue
		}
		s := x.Spans[at]
		if s.Kind != String || s.End-s.Start > 20 {
			return 0, false
		}
		if i == 1 {
			text = append(text, ' ')
		}
		text = append(text, x.Doc[s.Start:s.End]...)
	}
	t, ok := x.d.log.clock.read(text)
	return t, ok && x.d.log.clock.plausible(t)
}

func (x layer) readTime(at jsonscan.Slot) (int64, bool) {
	s := x.Spans[at]
	if s.Kind != String && s.Kind != Number && s.Kind != Array {
		return 0, false
	}
	v := x.scalar(s)
	if v.Kind == Absent {
		return 0, false
	}
	t, ok := x.d.today.read(v.Text)
	if !ok {
		if t, ok = x.d.stamp.read(v.Text, x.d.log.clock); ok {
			return t, x.d.log.clock.plausible(t)
		}
		if t, ok = x.d.log.clock.read(v.Text); ok {
			x.d.today.remember(v.Text, t)
			x.d.stamp.remember(v.Text, t, x.d.log.clock)
		} else {
			t, ok = x.d.customTime(v.Text)
		}
	}
	return t, ok && x.d.log.clock.plausible(t)
}

// lineHead finds the time of the text.
func (l *Log) lineHead() head {
	if l.headSeen {
		return l.head
	}
	l.headSeen = true
	t := l.Value(FieldMessage).Text
	l.head = l.clock.headOf(t)
	return l.head
}

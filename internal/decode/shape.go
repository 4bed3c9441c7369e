package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// shape is what was found out about the logs that have the same fields: which candidate each
// well-known field is read from. Programs write the same fields again and again, so that the search
// among the candidates is done once for a shape, and not for every log.
//
// A shape knows which fields are there, not what is in them. It names a candidate only where no
// better one is there at all; that the candidate is a plain text in this log too is looked at each
// time, and if it is not, the search is done as if there were no shape.
type shape struct {
	has   jsonscan.Bitset
	slots []jsonscan.Slot // by FieldID
	time  jsonscan.Slot
	level jsonscan.Slot

	partial bool // it has the marks of a line that was split
}

// What a shape says of a field besides a slot.
const (
	slotUnknown    jsonscan.Slot = -1 // search
	slotAbsent     jsonscan.Slot = -2
	slotHeaderOnly jsonscan.Slot = -3 // not in the log; perhaps in the headers of its record
)

// shapeCount is how many shapes are remembered; each takes about a kilobyte.
const shapeCount = 32

// shapeOf returns the shape of the object that the root has just read. A shape that was not met
// before, or was forgotten, knows nothing yet.
func (d *Decoder) shapeOf() *shape {
	if s := d.lastShape; s != nil && s.same(d.root.Has) {
		return s
	}
	hash := uint64(0)
	for _, w := range d.root.Has {
		hash = (hash ^ w) * 0x9E3779B97F4A7C15
	}
	s := &d.shapes[hash>>59]
	d.lastShape = s
	if s.has == nil {
		s.has = jsonscan.NewBitset(d.plan.Slots)
		s.slots = make([]jsonscan.Slot, d.fields.Len())
	} else if s.same(d.root.Has) {
		return s
	}
	copy(s.has, d.root.Has)
	for i := range s.slots {
		s.slots[i] = slotUnknown
	}
	s.time = firstPresent(&d.plan.time, s.has)
	s.level = slotUnknown
	h := &d.plan.hints
	s.partial = s.has.Has(h.partialMessage) || s.has.Has(h.partialID)
	if n, only := d.plan.level.Present(s.has); n == 1 && !s.has.Has(h.auditID) &&
		!s.has.Has(h.auditLevel) &&
		d.plan.scales[only] == scaleAny {
		s.level = only
	}
	return s
}

func (s *shape) same(has jsonscan.Bitset) bool {
	diff := uint64(0)
	for i, w := range s.has[:len(has)] {
		diff |= has[i] ^ w
	}
	return diff == 0
}

// firstPresent is the best candidate that is there, or slotUnknown.
func firstPresent(c *jsonscan.Choice, has jsonscan.Bitset) jsonscan.Slot {
	if n, only := c.Present(has); n < 2 {
		if n == 0 {
			return slotUnknown
		}
		return only
	}
	for _, s := range c.Slots {
		if has.Has(s) {
			return s
		}
	}
	return slotUnknown
}

// learn notes where a field was found, when every log of the shape has it there.
func (l *Log) learn(id FieldID, v Value) {
	p, h := l.d.plan, &l.d.plan.hints
	s := slotUnknown
	c := &p.fields[id]
	first := firstPresent(c, l.root.Has)
	switch id {
	case FieldRaw, FieldLevel:
		return
	case FieldMessage:
		if v.Kind == String && !l.root.Has.Has(h.syslogTag) && !l.root.Has.Has(h.template) &&
			first != h.journalMessage {
			s = first
		}
	case FieldService:
		switch {
		case first != slotUnknown:
			s = first
		case v.Kind != Absent && l.from[id] >= 0 && jsonscan.Slot(l.from[id]) == firstPresent(&p.serviceLabels, l.root.Has) && !l.root.Has.Has(h.name) && !l.root.Has.Has(h.eventSource):
			s = jsonscan.Slot(l.from[id])
		case v.Kind == Absent && l.nobody():
			s = slotHeaderOnly
		}
	case FieldTraceID, FieldSpanID:
		switch {
		case first == slotUnknown:
			s = slotHeaderOnly
		case p.paths[first] != "trace" && p.paths[first] != "logging.googleapis.com/trace":
			s = first
		}
	default:
		s = first
		if first == slotUnknown {
			s = slotAbsent
		}
	}
	// a better candidate is there but empty in this log
	if s >= 0 && v.Kind != Absent && s != jsonscan.Slot(l.from[id]) {
		s = slotUnknown
	}
	l.shape.slots[id] = s
}

// nobody says whether nothing that could name the service is there.
func (l *Log) nobody() bool {
	p, has := l.d.plan, l.root.Has
	return firstPresent(&p.serviceLabels, has) == slotUnknown &&
		firstPresent(&p.fields[FieldContainer], has) == slotUnknown &&
		!has.Has(p.hints.name) &&
		!has.Has(p.hints.eventSource)
}

// known answers what the shape knows of a field; ok is false where it must be searched.
func (l *Log) known(id FieldID) (v Value, ok bool) {
	at := l.shape.slots[id]
	if at < 0 {
		return Value{}, at == slotAbsent ||
			at == slotHeaderOnly && (l.rec == nil || len(l.rec.Headers) == 0)
	}
	s := &l.root.Spans[at]
	if s.Flags&(jsonscan.Escaped|jsonscan.Wide) != 0 ||
		s.Kind != String && (s.Kind != Number || id < FieldWellKnown) {
		return Value{}, false
	}
	t := l.root.Doc[s.Start:s.End:s.End]
	if len(t) == 0 || id == FieldMessage && t[len(t)-1] == '\n' ||
		id == FieldContainer && t[0] == '/' ||
		isTrace(id) && bytes.IndexByte(t, '/') >= 0 {
		return Value{}, false
	}
	return Value{s.Kind, t}, true
}

// quoted answers what the shape knows of a field whose text has escapes, as messages often have.
func (l *Log) quoted(id FieldID) (v Value, ok bool) {
	if l.shape == nil || l.shape.slots[id] < 0 || id == FieldContainer || isTrace(id) {
		return Value{}, false
	}
	at := l.shape.slots[id]
	s := &l.root.Spans[at]
	if s.Kind != String || s.Flags&jsonscan.Escaped == 0 {
		return Value{}, false
	}
	t := l.d.resolved(l.root.Doc[s.Start:s.End], s.Flags)
	if id == FieldMessage {
		t = l.tidy(t, true)
	}
	l.note(id, at)
	return Value{String, t}, true
}

// knownSource is where known found a field.
func (l *Log) knownSource(id FieldID) (source, bool) {
	if l.shape == nil || l.shape.slots[id] < 0 {
		return fromNowhere, false
	}
	_, ok := l.known(id)
	return source(l.shape.slots[id]), ok
}

// words remembers the levels of the words that were read last.
type words [8]struct {
	text  string
	level level
}

func (w *words) of(text []byte) level {
	if len(text) == 0 {
		return level{}
	}
	e := &w[(int(text[0])+len(text))&7]
	if e.level.word != nil && e.text == string(text) {
		return e.level
	}
	if len(text) > 12 || text[0]-'0' <= 9 {
		return level{}
	}
	if l, _ := wordLevel(nil, text); l.severity > 0 {
		e.text, e.level = string(text), l
		return l
	}
	return level{}
}

// isTrace says whether a field is an identity of a trace, of which a path is only the way there.
func isTrace(id FieldID) bool { return id == FieldTraceID || id == FieldSpanID }

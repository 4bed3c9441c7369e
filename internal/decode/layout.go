package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// layout caches, for logs with the same set of fields, the candidate of each well-known field.
// Programs write the same fields again and again, so candidates are searched once for a layout
// instead of once for a log.
//
// A layout depends on which fields are present, not on their values. It names a candidate only
// where no better one is present. Whether the candidate is a plain text is checked in each log; if
// it is not, the candidates are searched as without a layout.
type layout struct {
	has   jsonscan.Bitset
	slots []jsonscan.Slot // by FieldID
	time  jsonscan.Slot
	level jsonscan.Slot

	partial bool // has the marks of a partial line
}

// Values of a layout's slots besides a slot.
const (
	slotUnknown    jsonscan.Slot = -1 // search
	slotAbsent     jsonscan.Slot = -2
	slotHeaderOnly jsonscan.Slot = -3 // not in the log; may be in the record's headers
	slotInArray    jsonscan.Slot = -4 // not in the log, unless a path leads through an array
	slotInMessage  jsonscan.Slot = -5 // not in the log, unless the message has several lines
)

// layoutCount is how many layouts are remembered; each takes about a kilobyte.
const layoutCount = 32

// layouts are the layouts that a decoder remembers.
type layouts struct {
	last      *layout
	plan      *fieldPlan
	fields    int  // number of requested fields
	ownLevels bool // the configuration names levels of its own
	all       [layoutCount]layout
}

// of returns the layout of the fields that an object has. A new layout is empty.
func (c *layouts) of(has jsonscan.Bitset) *layout {
	if s := c.last; s != nil && s.same(has) {
		return s
	}
	hash := uint64(0)
	for _, w := range has {
		hash = (hash ^ w) * 0x9E3779B97F4A7C15
	}
	s := &c.all[hash>>59]
	c.last = s
	if s.has == nil {
		s.has = jsonscan.NewBitset(c.plan.Slots)
		s.slots = make([]jsonscan.Slot, c.fields)
	} else if s.same(has) {
		return s
	}
	copy(s.has, has)
	for i := range s.slots {
		s.slots[i] = slotUnknown
	}
	s.time = firstPresent(&c.plan.time, has)
	s.level = slotUnknown
	h := &c.plan.hints
	s.partial = has.Has(h.partialMessage) || has.Has(h.partialID)
	if n, only := c.plan.level.Present(has); n == 1 && !c.ownLevels &&
		!has.Has(h.args) && !has.Has(h.auditID) && !has.Has(h.logbook) &&
		!has.Has(h.auditLevel) && c.plan.scales[only] == scaleAny {
		s.level = only
	}
	return s
}

func (s *layout) same(has jsonscan.Bitset) bool {
	diff := uint64(0)
	for i, w := range s.has[:len(has)] {
		diff |= has[i] ^ w
	}
	return diff == 0
}

// firstPresent returns the best candidate that is present, or slotUnknown.
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

// learn stores where a field was found, if every log of the layout has it there.
func (l *Log) learn(id FieldID, v Value) {
	p, h := l.d.plan, &l.d.plan.hints
	s := slotUnknown
	c := &p.fields[id]
	first := firstPresent(c, l.root.Has)
	switch id {
	case FieldRaw, FieldLevel:
		return
	case FieldStack:
		if n, _ := c.Present(l.root.Has); n == 0 && !l.root.Has.Has(h.fullMessage) {
			s = slotInMessage
		}
	case FieldMessage:
		if v.Kind == String && !l.in(l.root).ofSyslog() && !l.root.Has.Has(h.arguments) &&
			!l.root.Has.Has(h.line) && !l.root.Has.Has(h.template) &&
			first != h.journalMessage {
			s = first
		}
	case FieldService:
		switch {
		case first != slotUnknown:
			s = first
		case v.Kind != Absent && l.from[id] >= 0 &&
			jsonscan.Slot(l.from[id]) == firstPresent(&p.serviceLabels, l.root.Has) &&
			!h.shapesService(l.root.Has):
			s = jsonscan.Slot(l.from[id])
		case v.Kind == Absent && l.namesNoService():
			s = slotHeaderOnly
		}
	case FieldTraceID, FieldSpanID:
		switch {
		case first == slotUnknown:
			s = slotHeaderOnly
		case isPlainID(p.path(first)):
			s = first
		}
	default:
		s = first
		if first == slotUnknown {
			s = slotAbsent
		}
		if id >= FieldWellKnown {
			s = p.settled(id, first, l.root.Has)
		}
	}
	// a better candidate is present but empty in this log
	if s >= 0 && v.Kind != Absent && s != jsonscan.Slot(l.from[id]) {
		s = slotUnknown
	}
	l.layout.slots[id] = s
}

// settled returns where a field that is not well known is in all logs that have the given slots,
// slotUnknown if they differ.
func (p *fieldPlan) settled(id FieldID, first jsonscan.Slot, has jsonscan.Bitset) jsonscan.Slot {
	r, h := &p.others[id], &p.hints
	switch r.kind {
	case lineField, streamField, extractedField, addressField:
		return slotUnknown
	}
	if first != slotUnknown {
		if r.kind == classField { // which candidate is the name of a class depends on its text
			return slotUnknown
		}
		return first
	}
	switch r.kind {
	case classField:
		if n, _ := p.fields[FieldStack].Present(has); n > 0 || has.Has(h.fullMessage) {
			return slotUnknown
		}
		if n, _ := r.arrays.Present(has); n == 0 {
			return slotInMessage
		}
	case durationField:
		if has.Has(h.duration) || has.Has(h.bigDuration) || has.Has(h.requestTime) ||
			has.Has(h.latency) {
			return slotUnknown
		}
		if n, _ := h.spans.Present(has); n > 0 {
			return slotUnknown
		}
	}
	if n, _ := r.arrays.Present(has); n > 0 {
		return slotInArray
	}
	return slotAbsent
}

// inArray reports whether a path of a field leads through an array that the log has.
func (l *Log) inArray(id FieldID) bool {
	for _, at := range l.d.plan.others[id].arrays.Slots {
		if l.root.Has.Has(at) && l.root.Spans[at].Kind == Array {
			return true
		}
	}
	return false
}

// namesNoService reports whether no field is present that could name the service.
func (l *Log) namesNoService() bool {
	p, has := l.d.plan, l.root.Has
	return firstPresent(&p.serviceLabels, has) == slotUnknown &&
		firstPresent(&p.fields[FieldContainer], has) == slotUnknown &&
		!p.hints.shapesService(has)
}

// shapesService reports whether a field is present that names the service of programs known by
// their fields (see layer.service).
func (h *hints) shapesService(has jsonscan.Bitset) bool {
	return has.Has(h.name) || has.Has(h.ident) || has.Has(h.eventSource) || has.Has(h.bootLogger)
}

// known returns a field by its layout; ok is false if it must be searched.
func (l *Log) known(id FieldID) (v Value, ok bool) {
	at := l.layout.slots[id]
	if at < 0 {
		return Value{}, l.knownAbsent(id, at)
	}
	s := &l.root.Spans[at]
	if s.Flags&(jsonscan.Escaped|jsonscan.Wide) != 0 ||
		s.Kind != String && (s.Kind != Number || id < FieldWellKnown) {
		return Value{}, false
	}
	t := l.root.Doc[s.Start:s.End:s.End]
	if len(t) == 0 || id == FieldMessage && t[len(t)-1] == '\n' ||
		id == FieldContainer && t[0] == '/' ||
		isTrace(id) && (t[0] == '0' || bytes.IndexByte(t, '/') >= 0) {
		return Value{}, false
	}
	return Value{s.Kind, t}, true
}

// knownAbsent reports whether the log has no field whose layout names no slot.
func (l *Log) knownAbsent(id FieldID, at jsonscan.Slot) bool {
	switch at {
	case slotAbsent:
		return true
	case slotHeaderOnly:
		return l.rec == nil || len(l.rec.Headers) == 0
	case slotInArray:
		return !l.inArray(id)
	case slotInMessage:
		if l.isText {
			return bytes.IndexByte(l.text, '\n') < 0
		}
		return oneLine(l.root, l.layout.slots[FieldMessage])
	}
	return false
}

// oneLine reports whether it is certain that the text in a slot has one line.
func oneLine(x *jsonscan.Extractor, at jsonscan.Slot) bool {
	if at < 0 {
		return false
	}
	s := &x.Spans[at]
	if s.Kind != String {
		return false
	}
	t := x.Doc[s.Start:s.End]
	return (!x.MayHaveControls() || bytes.IndexByte(t, '\n') < 0) &&
		(s.Flags&jsonscan.Escaped == 0 || !mayEscapeNewline(t))
}

// mayEscapeNewline reports whether a string as it is written may have an escaped newline.
func mayEscapeNewline(t []byte) bool {
	for {
		i := bytes.IndexByte(t, '\\')
		if i < 0 {
			return false
		}
		if i+1 == len(t) || t[i+1] == 'n' || t[i+1] == 'u' || t[i+1] == 'x' {
			return true
		}
		t = t[i+2:]
	}
}

// quoted returns a field by its layout whose text has escapes, as messages often have.
func (l *Log) quoted(id FieldID) (v Value, ok bool) {
	if l.layout == nil || l.layout.slots[id] < 0 || id == FieldContainer || isTrace(id) {
		return Value{}, false
	}
	at := l.layout.slots[id]
	s := &l.root.Spans[at]
	if s.Kind != String || s.Flags&jsonscan.Escaped == 0 {
		return Value{}, false
	}
	t := l.d.resolved(l.root.Doc[s.Start:s.End], s.Flags)
	if id == FieldMessage {
		t = l.d.tidy(t, true)
	}
	l.note(id, at)
	return Value{String, t}, true
}

// knownSource returns the slot in which known found a field.
func (l *Log) knownSource(id FieldID) (source, bool) {
	if l.layout == nil || l.layout.slots[id] < 0 {
		return fromNowhere, false
	}
	_, ok := l.known(id)
	return source(l.layout.slots[id]), ok
}

// words caches the levels of words.
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

// isPlainID reports whether what stands at a path is the ID of a trace or span as it is.
func isPlainID(path string) bool {
	switch path {
	case "trace", "logging.googleapis.com/trace", "span", "span.id":
		return false
	}
	return true
}

// isTrace reports whether a field is an ID of a trace, which may be the last segment of a path.
func isTrace(id FieldID) bool { return id == FieldTraceID || id == FieldSpanID }

package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// wide caches, as a layout does, where fields are in logs with several layers: a record of
// OpenTelemetry with its resource and its attributes, or a record and the object in its message. It
// depends on which fields the layers have, not on their values, and names a place only where no
// better one is present.
type wide struct {
	record, resource, envelope jsonscan.Bitset
	nested                     bool // envelope is the object in the message, and resource is empty
	anywhere                   jsonscan.Bitset
	resourceNo                 uint64                // the resource that was compared last
	slots                      []jsonscan.Slot       // by FieldID
	in                         []*jsonscan.Extractor // by FieldID, of those that have a slot
	levels                     [25]wideLevel         // by severity number
}

// wideLevel is the level of a severity number and text.
type wideLevel struct {
	text  string
	level level
	from  source
}

const wideCount = 32

// wideOf returns the cache of the log that was read, nil if it has none yet.
func (d *Decoder) wideOf() *wide {
	if w := d.lastWide; w != nil && d.isWide(w) {
		return w
	}
	w := &d.wides[hashOf(d.root.Has, d.resource.Has, d.envelope.Has)]
	d.lastWide = w
	if w.slots == nil || !d.isWide(w) {
		d.newWide(w, d.resource.Has, d.envelope.Has)
		w.resourceNo = d.flat.resourceNo
		return nil
	}
	return w
}

// hashOf returns the place of a cache in a list of wideCount.
func hashOf(sets ...jsonscan.Bitset) uint64 {
	hash := uint64(0)
	for _, set := range sets {
		for _, w := range set {
			hash = (hash ^ w) * 0x9E3779B97F4A7C15
		}
	}
	return hash >> 59
}

// nest sets up the cache of a log whose layers are its root and one object in its message or in a
// field of the root.
func (l *Log) nest() {
	d := l.d
	inner := l.over[0]
	w := d.lastNested
	if w == nil || !sameBits(w.record, d.root.Has) || !sameBits(w.envelope, inner.Has) {
		w = &d.nested[hashOf(d.root.Has, inner.Has)]
		d.lastNested = w
		if w.slots == nil || !sameBits(w.record, d.root.Has) || !sameBits(w.envelope, inner.Has) {
			d.newWide(w, nil, inner.Has)
			w.nested = true
		}
	}
	l.wide, l.learning = w, w
}

func (d *Decoder) isWide(w *wide) bool {
	if !sameBits(w.record, d.root.Has) || !sameBits(w.envelope, d.envelope.Has) {
		return false
	}
	if w.resourceNo == d.flat.resourceNo {
		return true
	}
	if !sameBits(w.resource, d.resource.Has) {
		return false
	}
	w.resourceNo = d.flat.resourceNo
	return true
}

func sameBits(a, b jsonscan.Bitset) bool {
	diff := uint64(0)
	for i, w := range a[:len(b)] {
		diff |= w ^ b[i]
	}
	return diff == 0
}

func (d *Decoder) newWide(w *wide, resource, envelope jsonscan.Bitset) {
	if w.slots == nil {
		n := d.plan.Slots
		w.record, w.resource = jsonscan.NewBitset(n), jsonscan.NewBitset(n)
		w.envelope, w.anywhere = jsonscan.NewBitset(n), jsonscan.NewBitset(n)
		w.slots = make([]jsonscan.Slot, d.fields.Len())
		w.in = make([]*jsonscan.Extractor, d.fields.Len())
	}
	copy(w.record, d.root.Has)
	copy(w.resource, resource)
	copy(w.envelope, envelope)
	for i := range w.anywhere {
		w.anywhere[i] = w.record[i] | w.resource[i] | w.envelope[i]
	}
	for i := range w.slots {
		w.slots[i] = slotUnknown
	}
	w.levels = [25]wideLevel{}
}

// widen sets up a log with three layers, and says whether that is all: no layer holds a part that
// is a layer of its own, and its message is a text with nothing in it.
func (l *Log) widen() bool {
	d := l.d
	if d.root.Parts || d.cloudEvent || d.cfg.Pattern != "" {
		return false
	}
	w := d.wideOf()
	l.learning = d.lastWide
	if w == nil || w.slots[FieldMessage] < 0 {
		return false
	}
	s := &d.root.Spans[w.slots[FieldMessage]]
	if w.in[FieldMessage] != d.root || s.Kind != String || s.End-s.Start < 6 ||
		opens(d.root.Doc[s.Start:s.End], s.Flags) {
		return false
	}
	l.over, l.under, l.ownUnder = l.over[:0], append(l.under[:0], d.resource, d.envelope), 0
	l.parts = 0
	l.wide, l.gathered, d.anywhere = w, true, w.anywhere
	return true
}

// inWide returns a field by the cache; ok is false if it must be searched.
func (l *Log) inWide(id FieldID) (v Value, ok bool) {
	w := l.wide
	switch at := w.slots[id]; {
	case at >= 0:
		x := w.in[id]
		s := &x.Spans[at]
		if s.Flags != 0 || s.End <= s.Start ||
			s.Kind != String && (s.Kind != Number || id < FieldWellKnown) {
			return Value{}, false
		}
		t := x.Doc[s.Start:s.End:s.End]
		if id <= FieldSpanID && !w.plain(l, id, t) {
			return Value{}, false
		}
		return Value{s.Kind, t}, true
	case at == slotAbsent:
		return Value{}, true
	case at == slotInMessage:
		return Value{}, oneLine(w.in[FieldMessage], w.slots[FieldMessage])
	case at == slotHeaderOnly:
		return Value{}, l.rec == nil || len(l.rec.Headers) == 0
	}
	return Value{}, false
}

// plain reports whether a text is the value of a field as it is.
func (w *wide) plain(l *Log, id FieldID, t []byte) bool {
	switch {
	case id == FieldContainer:
		return t[0] != '/'
	case isTrace(id):
		return !w.nested && w.in[id] == l.root ||
			t[0] != '0' && bytes.IndexByte(t, '/') < 0
	}
	return id != FieldMessage || t[len(t)-1] != '\n'
}

// learnWide stores where a field was found, if every log with the same fields has it there.
func (l *Log) learnWide(id FieldID, v Value) {
	p, h, w := l.d.plan, &l.d.plan.hints, l.learning
	any := w.anywhere
	c := &p.fields[id]
	absent := slotAbsent
	switch id {
	case FieldRaw, FieldLevel:
		return
	case FieldMessage:
		for _, at := range [...]jsonscan.Slot{
			h.arguments, h.line, h.template, h.bigTemplate, h.appName, h.priority,
			h.syslogTags[0], h.syslogTags[1], h.syslogTags[2], h.syslogTags[3],
		} {
			if any.Has(at) {
				return
			}
		}
		if w.nested && any.Has(h.journalMessage) {
			return
		}
		absent = slotUnknown
	case FieldStack:
		if any.Has(h.shortMessage) || any.Has(h.fullMessage) || v.Kind != Absent {
			return
		}
		absent = slotInMessage
	case FieldService:
		if h.shapesService(any) {
			return
		}
		absent = slotHeaderOnly
		for _, other := range [...]*jsonscan.Choice{&p.serviceLabels, &p.fields[FieldContainer]} {
			if n, _ := other.Present(any); n > 0 {
				absent = slotUnknown
			}
		}
	case FieldTraceID, FieldSpanID:
		absent = slotHeaderOnly
	default:
		if id < FieldWellKnown {
			break
		}
		r := &p.others[id]
		if r.kind != anyField && r.kind != platformField && r.kind != classField &&
			r.kind != durationField {
			return
		}
		if n, _ := r.arrays.Present(any); n > 0 {
			return
		}
		if r.kind == classField && v.Kind != Absent {
			return
		}
		absent = p.settled(id, slotUnknown, any)
	}
	for _, x := range l.wideOrder(id) {
		first := firstPresent(c, x.Has)
		if first == slotUnknown {
			continue
		}
		s := &x.Spans[first]
		if isTrace(id) && !isPlainID(p.path(first)) {
			return
		}
		if v.Kind != Absent && source(first) == l.from[id] && s.Flags == 0 &&
			bytes.Equal(v.Text, x.Doc[s.Start:s.End]) {
			w.slots[id], w.in[id] = first, x
		}
		return
	}
	if v.Kind == Absent {
		w.slots[id] = absent
	}
}

// wideOrder returns the layers of a log that is cached, in the order in which find looks for a
// field.
func (l *Log) wideOrder(id FieldID) []*jsonscan.Extractor {
	switch id {
	case FieldService, FieldNamespace, FieldPod, FieldContainer, FieldHost, FieldLogSource,
		FieldLogType:
		return l.platformFirst()
	}
	if id >= FieldWellKnown && l.d.plan.others[id].kind == platformField {
		return l.platformFirst()
	}
	return l.applicationFirst()
}

// wideLevelOf returns the level that the same severity number and text had before.
func (l *Log) wideLevelOf() (*wideLevel, []byte) {
	o := &l.d.flat
	n, t := o.keys[keySeverityNumber], o.keys[keySeverityText]
	if n == nil || t == nil || l.d.set.levels != nil || l.d.cfg.Fields["level"] != nil ||
		!l.root.Has.Has(n.Slot()) || !l.root.Has.Has(t.Slot()) {
		return nil, nil
	}
	s := &l.root.Spans[n.Slot()]
	number, ok := smallNumber(l.root.Doc[s.Start:s.End])
	if !ok || number < 0 || number >= len(l.wide.levels) {
		return nil, nil
	}
	s = &l.root.Spans[t.Slot()]
	return &l.wide.levels[number], l.root.Doc[s.Start:s.End]
}

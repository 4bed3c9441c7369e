package decode

import (
	"bytes"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// Kind is the kind of a value.
type Kind = jsonscan.Kind

const (
	Absent = jsonscan.Absent
	Null   = jsonscan.Null
	Bool   = jsonscan.Bool
	Number = jsonscan.Number
	String = jsonscan.String
	Array  = jsonscan.Array
	Object = jsonscan.Object
)

// Value is the value of a field. Text is the text of a string with its escapes resolved, the digits
// of a number as written, true or false, or the JSON of an array or object. It is valid until the
// decoder reads the next log.
type Value struct {
	Kind Kind
	Text []byte
}

// Each calls f for the value itself, or for each member of an array (and of nested arrays), until f
// returns false. Null members are skipped.
func (v Value) Each(f func(Value) bool) {
	switch v.Kind {
	case Absent, Null:
	case Array:
		jsonscan.Leaves(v.Text, func(s jsonscan.Span) bool {
			if s.Kind == Null {
				return true
			}
			text := v.Text[s.Start:s.End]
			if s.Kind == String && s.Flags != 0 {
				text = jsonscan.AppendText(nil, text, s.Flags)
			}
			return f(Value{s.Kind, text})
		})
	default:
		f(v)
	}
}

// Log is a log whose fields are read on demand. It belongs to its decoder and is valid until the
// decoder reads the next log; Entry makes a copy.
//
// A log has layers. The root is the record's own object. Above it are the objects that the
// application wrote into it, such as JSON in the message: they take precedence for what the
// application knows best, the message and its own fields. Below it are objects that belong to it
// loosely, such as the envelope of a batch: they come last. For what the platform knows better than
// the application, time and place, the root comes first.
type Log struct {
	d      *Decoder
	rec    *models.Record
	pos    models.Position // of a log that was built from an entry
	index  int             // of the log in its record
	clock  clock
	format string
	raw    []byte
	text   []byte // of a log that is plain text
	isText bool

	root        *jsonscan.Extractor
	over, under []*jsonscan.Extractor
	ownUnder    int  // number of layers in under that belong to the log itself
	parts       int  // number of layers at the start of over that are parts of those behind them
	textPart    bool // a part was a text of JSON, which has its own memory

	stamp  uint32 // of this log; a cached value with another stamp belongs to an older log
	stamps []uint32
	values []Value
	from   []source

	layout    *layout // nil when the log has more layers than its root
	wide      *wide   // of a log with several layers whose fields are known; nil otherwise
	learning  *wide   // the same, to learn where its fields are
	gathered  bool    // the decoder knows what any layer has
	level     level
	levelSeen bool
	time      int64
	timeFrom  string
	timeSeen  bool
	head      head // of the text
	headSeen  bool
	isAccess  bool // the message is a line of an access log, which has no level
}

// Value returns the field with the ID.
func (l *Log) Value(id FieldID) Value {
	if l.layout != nil {
		if at := l.layout.slots[id]; at >= 0 {
			s := &l.root.Spans[at]
			// the usual case
			if s.Kind == String && s.Flags == 0 && s.End > s.Start && id != FieldContainer &&
				!isTrace(id) {
				t := l.root.Doc[s.Start:s.End:s.End]
				if id != FieldMessage || t[len(t)-1] != '\n' {
					return Value{String, t}
				}
			}
		} else if at == slotAbsent || at == slotInMessage && l.knownAbsent(id, at) {
			return Value{}
		}
	} else if l.wide != nil {
		if v, ok := l.inWide(id); ok {
			return v
		}
	}
	return l.value(id)
}

func (l *Log) value(id FieldID) Value {
	if id == FieldLevel {
		l.findLevel()
		return Value{String, l.level.word}
	}
	if l.layout != nil {
		if v, ok := l.known(id); ok {
			return v
		}
	}
	if l.stamps[id] == l.stamp {
		return l.values[id]
	}
	v, ok := l.quoted(id)
	if !ok {
		v = l.find(id)
	}
	l.stamps[id], l.values[id] = l.stamp, v
	if l.layout != nil && l.layout.slots[id] == slotUnknown {
		l.learn(id, v)
	} else if w := l.learning; w != nil && w.slots[id] == slotUnknown {
		l.learnWide(id, v)
	}
	return v
}

// Lookup returns any field by its dotted path, requested or not. It is for templates and
// explanations: it may read the record again.
func (l *Log) Lookup(path string) Value {
	path = Canonical(path)
	if id, ok := l.d.fields.ID(path); ok && path != "timestamp" {
		return l.Value(id)
	}
	if path == "timestamp" {
		at := l.Time() // it may keep texts of its own
		return Value{String, l.d.keep(func(b []byte) []byte {
			return time.Unix(0, at).UTC().AppendFormat(b, time.RFC3339Nano)
		})}
	}
	l.inFull()
	x, r := l.d.lookup(path)
	v, _ := l.findRequested(path, r, func(layer *jsonscan.Extractor) *jsonscan.Extractor {
		if layer.Doc == nil {
			return nil
		}
		x.Read(layer.Doc)
		return x
	})
	return v
}

// Severity is the OpenTelemetry severity number, 0 when unknown.
func (l *Log) Severity() int {
	if !l.levelSeen {
		l.findLevel()
	}
	return l.level.severity
}

// Time is the log's event time, in nanoseconds since 1970.
func (l *Log) Time() int64 {
	l.findTime()
	return l.time
}

// TimeSource is where the time came from: the path of a field, "text" for the start of the text, or
// "kafka" for the record's timestamp.
func (l *Log) TimeSource() string {
	l.findTime()
	return l.timeFrom
}

// Source is where a field came from, for display: the path as the record spells it, or a word such
// as "text" or "header". It is empty for an absent field.
func (l *Log) Source(id FieldID) string {
	if l.Value(id).Kind == Absent {
		return ""
	}
	return l.d.plan.sourceName(l.source(id))
}

// source returns where a requested field came from.
func (l *Log) source(id FieldID) source {
	if s, ok := l.knownSource(id); ok {
		return s
	}
	if l.wide != nil && l.wide.slots[id] >= 0 {
		if _, ok := l.inWide(id); ok {
			return source(l.wide.slots[id])
		}
	}
	return l.from[id]
}

// source is where a field came from: a slot, or one of the constants below.
type source int32

const (
	fromNowhere source = -1 - iota
	fromText
	fromDefault
	fromTemplate
	fromHeader
	fromTraceparent
)

func (p *fieldPlan) sourceName(s source) string {
	switch s {
	case fromNowhere:
		return ""
	case fromText:
		return "text"
	case fromDefault:
		return "default"
	case fromTemplate:
		return "@mt"
	case fromHeader:
		return "header"
	case fromTraceparent:
		return "header traceparent"
	}
	return p.path(jsonscan.Slot(s))
}

// RecordTime is the timestamp of the log's record, in nanoseconds since 1970.
func (l *Log) RecordTime() int64 { return l.clock.record }

// Position returns the log's position in its topic.
func (l *Log) Position() models.Position {
	if l.rec == nil {
		return l.pos
	}
	return models.Position{
		Topic:     l.rec.Topic,
		Partition: l.rec.Partition,
		Offset:    l.rec.Offset,
		Index:     l.index,
	}
}

// Format returns the format in which the log was read.
func (l *Log) Format() string { return l.format }

// applicationFirst returns the layers in the order of precedence of the application's own fields.
func (l *Log) applicationFirst() []*jsonscan.Extractor {
	if len(l.over)+len(l.under) == 0 {
		return l.d.rootOnly[:]
	}
	order := l.d.order[:0]
	for i := len(l.over) - 1; i >= 0; i-- {
		order = append(order, l.over[i])
	}
	order = append(order, l.root)
	order = append(order, l.under...)
	l.d.order = order
	return order
}

// platformFirst returns the layers in the order of precedence of time and place.
func (l *Log) platformFirst() []*jsonscan.Extractor {
	if len(l.over)+len(l.under) == 0 {
		return l.d.rootOnly[:]
	}
	order := append(l.d.order[:0], l.root)
	order = append(order, l.under...)
	order = append(order, l.over[l.parts:]...)
	order = append(order, l.over[:l.parts]...)
	l.d.order = order
	return order
}

func (l *Log) find(id FieldID) Value {
	switch id {
	case FieldMessage:
		return l.findMessage()
	case FieldService:
		return l.findService()
	case FieldNamespace, FieldPod, FieldHost, FieldLogSource, FieldLogType:
		if l.nowhere(&l.d.plan.fields[id]) {
			return Value{}
		}
		return l.findText(id, l.platformFirst())
	case FieldContainer:
		if l.nowhere(&l.d.plan.fields[id]) {
			return Value{}
		}
		v := l.findText(id, l.platformFirst())
		v.Text = bytes.TrimPrefix(v.Text, []byte("/")) // Docker's form
		return v
	case FieldTraceID, FieldSpanID:
		return l.findTrace(id)
	case FieldStack:
		return l.findStack()
	case FieldRaw:
		return Value{String, l.rawText()}
	}
	return l.findAny(id)
}

// rawText returns the bytes of the log.
func (l *Log) rawText() []byte {
	if l.raw == nil && l.format == "otlp_proto" {
		l.inFull()
		l.raw = l.d.protoRaw()
	}
	return l.raw
}

// nowhere reports whether it is known that no layer has a candidate of a field.
func (l *Log) nowhere(c *jsonscan.Choice) bool {
	if !l.gathered {
		return false
	}
	n, _ := c.Present(l.d.anywhere)
	return n == 0
}

// findAny finds a field that is not well known.
func (l *Log) findAny(id FieldID) Value {
	switch r := &l.d.plan.others[id]; r.kind {
	case classField,
		durationField,
		lineField,
		streamField,
		extractedField: // may be found elsewhere
	default:
		if l.nowhere(&r.choice) && l.nowhere(&r.arrays) {
			return Value{}
		}
	}
	v, at := l.findRequested(l.d.fields.Path(id), &l.d.plan.others[id], nil)
	l.note(id, at)
	return v
}

func (l *Log) note(id FieldID, s jsonscan.Slot) {
	l.from[id] = source(s)
}

// findText finds a field that is a text. Empty texts, nulls and objects are skipped; an array
// yields its first text.
func (l *Log) findText(id FieldID, layers []*jsonscan.Extractor) Value {
	c := &l.d.plan.fields[id]
	for _, x := range layers {
		if v, at := l.in(x).textOf(c); at != jsonscan.NoSlot {
			l.note(id, at)
			return v
		}
	}
	return Value{}
}

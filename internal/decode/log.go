package decode

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

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
	ownUnder    int // number of layers in under that belong to the log itself

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
		return Value{String, l.d.keep(func(b []byte) []byte {
			return time.Unix(0, l.Time()).UTC().AppendFormat(b, time.RFC3339Nano)
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
	order = append(order, l.over...)
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

func (l *Log) anyOf(x *jsonscan.Extractor, c *jsonscan.Choice) (Value, jsonscan.Slot) {
	n, s := c.Present(x.Has)
	if n == 0 {
		return Value{}, jsonscan.NoSlot
	}
	if n > 1 {
		for _, s = range c.Slots {
			if x.Has.Has(s) {
				break
			}
		}
	}
	return l.valueOf(x, x.Spans[s]), s
}

func (l *Log) note(id FieldID, s jsonscan.Slot) {
	l.from[id] = source(s)
}

// valueOf returns the value of a span.
func (l *Log) valueOf(x *jsonscan.Extractor, s jsonscan.Span) Value {
	t := x.Doc[s.Start:s.End]
	if s.Flags&(jsonscan.Escaped|jsonscan.Wide) == 0 || s.Kind != String {
		return Value{s.Kind, t}
	}
	return Value{String, l.d.resolved(t, s.Flags)}
}

// findText finds a field that is a text. Empty texts, nulls and objects are skipped; an array
// yields its first text.
func (l *Log) findText(id FieldID, layers []*jsonscan.Extractor) Value {
	c := &l.d.plan.fields[id]
	for _, x := range layers {
		if v, at := l.textOf(x, c); at != jsonscan.NoSlot {
			l.note(id, at)
			return v
		}
	}
	return Value{}
}

func (l *Log) textOf(x *jsonscan.Extractor, c *jsonscan.Choice) (Value, jsonscan.Slot) {
	n, only := c.Present(x.Has)
	if n == 0 {
		return Value{}, jsonscan.NoSlot
	}
	if n == 1 {
		if v := l.scalar(x, x.Spans[only]); v.Kind != Absent {
			return v, only
		}
		return Value{}, jsonscan.NoSlot
	}
	for _, s := range c.Slots {
		if !x.Has.Has(s) {
			continue
		}
		if v := l.scalar(x, x.Spans[s]); v.Kind != Absent {
			return v, s
		}
	}
	return Value{}, jsonscan.NoSlot
}

// scalar returns a span as text, Absent if it is not a scalar. A number is text too: a service may
// be called 7.
func (l *Log) scalar(x *jsonscan.Extractor, s jsonscan.Span) Value {
	switch s.Kind {
	case String, Number, Bool:
		if s.Start == s.End {
			return Value{}
		}
		return Value{String, l.valueOf(x, s).Text}
	case Array:
		first := Value{}
		Value{Array, x.Doc[s.Start:s.End]}.Each(func(v Value) bool {
			if v.Kind == Object || len(v.Text) == 0 {
				return true
			}
			first = Value{String, v.Text}
			return false
		})
		return first
	}
	return Value{}
}

// findService finds the service: what the envelope says, what the line says, the labels, the
// record's headers, and the container. A line cannot replace a service that its envelope names, or
// a producer could take it out of the scope of a rule.
func (l *Log) findService() Value {
	layers := l.platformFirst()
	for _, x := range layers {
		if v, ok := l.serviceOf(x); ok {
			return v
		}
	}
	for _, x := range layers {
		if v, at := l.textOf(x, &l.d.plan.serviceLabels); at != jsonscan.NoSlot {
			l.note(FieldService, at)
			return v
		}
	}
	for _, name := range [...]string{"service", "service.name", "service_name", "app"} {
		if v := l.header(name); len(v) > 0 {
			l.from[FieldService] = fromHeader
			return Value{String, v}
		}
	}
	v := l.Value(FieldContainer)
	l.from[FieldService] = l.source(FieldContainer)
	return v
}

// serviceOf finds the service that one layer names.
func (l *Log) serviceOf(x *jsonscan.Extractor) (Value, bool) {
	p, h := l.d.plan, &l.d.plan.hints
	if v, at := l.textOf(x, &p.fields[FieldService]); at != jsonscan.NoSlot {
		l.note(FieldService, at)
		return v, true
	}
	at := jsonscan.NoSlot
	switch {
	// pino and bunyan
	case x.Has.Has(h.name) && x.Has.Has(h.pid) && x.Has.Has(h.hostname) &&
		(x.Has.Has(h.level) || x.Has.Has(h.time)):
		at = h.name
	case x.Has.Has(h.ident) && (x.Has.Has(h.pri) || x.Has.Has(h.pid)):
		at = h.ident
	case x.Has.Has(h.eventSource) && x.Has.Has(h.eventName): // CloudTrail
		at = h.eventSource
	// Spring Boot's GELF has the name of the application for its host
	case x.Has.Has(h.shortMessage) && x.Has.Has(h.bootLogger) && x.Has.Has(h.host):
		at = h.host
	}
	if at == jsonscan.NoSlot {
		return Value{}, false
	}
	v := l.scalar(x, x.Spans[at])
	l.note(FieldService, at)
	return v, v.Kind != Absent
}

// header returns the text of a record's header, without the quotes or the schema that Kafka Connect
// puts around it; nothing if it is no text.
func (l *Log) header(name string) []byte {
	v := l.rawHeader(name)
	if len(v) > 1 && v[0] == '{' {
		if payload, s := member(v, []byte("payload")); s.Kind == String {
			v = jsonscan.AppendText(nil, payload, s.Flags)
		}
	} else if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
		if text := unquote(v); text != nil {
			v = text
		}
	}
	if !utf8.Valid(v) {
		return nil
	}
	return v
}

// rawHeader returns the value of a record's header, the last of its name.
func (l *Log) rawHeader(name string) []byte {
	if l.rec == nil {
		return nil
	}
	for i := len(l.rec.Headers) - 1; i >= 0; i-- {
		if h := &l.rec.Headers[i]; len(h.Key) == len(name) && equalFold(h.Key, name) {
			return h.Value
		}
	}
	return nil
}

// equalFold compares two ASCII texts of one length, the second in lower case.
func equalFold(s, low string) bool {
	for i := range len(s) {
		c := s[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != low[i] {
			return false
		}
	}
	return true
}

// findTrace finds the trace or span: in the log, else in a W3C traceparent header.
func (l *Log) findTrace(id FieldID) Value {
	v := l.findText(id, l.applicationFirst())
	if v.Kind != Absent && l.namesSpan(id, v.Text) {
		l.from[id] = fromNowhere
	} else if v.Kind != Absent {
		if i := bytes.LastIndexByte(v.Text, '/'); i >= 0 { // projects/shop/traces/5b8a...
			v.Text = v.Text[i+1:]
		}
		v.Text = bytes.TrimPrefix(v.Text, []byte("0x")) // of Python's console exporter
		if len(bytes.Trim(v.Text, "0")) > 0 {
			return v
		}
		l.from[id] = fromNowhere // zeros only are no trace
	}
	h := l.header("traceparent") // 00-5b8a...-051b...-01
	if len(h) < 55 || h[2] != '-' || h[35] != '-' || h[52] != '-' {
		return Value{}
	}
	l.from[id] = fromTraceparent
	if id == FieldTraceID {
		return Value{String, h[3:35]}
	}
	return Value{String, h[36:52]}
}

// namesSpan reports whether what was found as an ID is a name, or the application's own number,
// as Rust's tracing has under span and span.id.
func (l *Log) namesSpan(id FieldID, t []byte) bool {
	if id != FieldSpanID || l.from[id] < 0 {
		return false
	}
	switch l.d.plan.path(jsonscan.Slot(l.from[id])) {
	case "span":
		return len(t) < 8 || !isHex(t)
	case "span.id":
		return len(t) < 8 && jsonscan.Digits(t) == len(t)
	}
	return false
}

func isHex(t []byte) bool {
	for _, c := range t {
		if c-'0' > 9 && c|0x20-'a' > 5 {
			return false
		}
	}
	return true
}

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
		t, from, bad := l.timeOf(x)
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
			if t, ok := l.readTime(x, s); ok {
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

// timeOf finds the time in one layer; bad reports an unreadable or implausible one.
func (l *Log) timeOf(x *jsonscan.Extractor) (t int64, from string, bad bool) {
	p := l.d.plan
	if n, only := p.time.Present(x.Has); n == 1 {
		if t, ok := l.readTime(x, only); ok {
			return t, p.path(only), false
		}
		bad = x.Spans[only].Kind > Null
	} else if n > 1 {
		for _, s := range p.time.Slots {
			if !x.Has.Has(s) {
				continue
			}
			if t, ok := l.readTime(x, s); ok {
				return t, p.path(s), false
			}
			bad = bad || x.Spans[s].Kind > Null
		}
	}
	if t, ok := l.dateAndTime(x); ok {
		return t, "date", false
	}
	// Python's; elsewhere created means something else
	if h := &p.hints; x.Has.Has(h.created) && (x.Has.Has(h.levelName) ||
		x.Has.Has(h.levelNumber)) {
		if t, ok := l.readTime(x, h.created); ok {
			return t, "created", false
		}
	}
	// of log15; elsewhere t is anything
	if h := &p.hints; x.Has.Has(h.shortTime) && x.Spans[h.shortTime].Kind == String &&
		(x.Has.Has(h.lvl) || x.Has.Has(h.msg)) {
		if t, ok := l.readTime(x, h.shortTime); ok {
			return t, "t", false
		}
	}
	// of zerolog with the short names of its documentation
	if h := &p.hints; x.Has.Has(h.shortTime) && x.Has.Has(h.oneLevel) && x.Has.Has(h.oneMessage) {
		if t, ok := l.readTime(x, h.shortTime); ok {
			return t, "t", false
		}
	}
	if h := &p.hints; x.Has.Has(h.zapTime) && x.Has.Has(h.zapLevel) && x.Has.Has(h.zapMessage) {
		if t, ok := l.readTime(x, h.zapTime); ok {
			return t, "T", false
		}
	}
	// of API Gateway; elsewhere a duration
	if h := &p.hints; x.Has.Has(h.requestText) && x.Spans[h.requestText].Kind == String &&
		x.Spans[h.requestText].End-x.Spans[h.requestText].Start >= 19 {
		if t, ok := l.readTime(x, h.requestText); ok {
			return t, "requestTime", false
		}
	}
	for _, parts := range p.hints.instants {
		if !x.Has.Has(parts[0]) {
			continue
		}
		if t, ok := l.readTime(x, parts[0]); ok {
			if n := x.Spans[parts[1]]; x.Has.Has(parts[1]) && n.Kind == Number {
				nano, _ := smallNumber(x.Doc[n.Start:n.End])
				t += int64(nano)
			}
			return t, p.path(parts[0]), false
		}
	}
	return 0, "", bad
}

// dateAndTime reads the time of a log that has the date, the time of the day and perhaps the zone
// apart, as FortiGate's and IIS's have.
func (l *Log) dateAndTime(x *jsonscan.Extractor) (int64, bool) {
	h := &l.d.plan.hints
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
	t, ok := l.clock.read(text)
	return t, ok && l.clock.plausible(t)
}

func (l *Log) readTime(x *jsonscan.Extractor, at jsonscan.Slot) (int64, bool) {
	s := x.Spans[at]
	if s.Kind != String && s.Kind != Number && s.Kind != Array {
		return 0, false
	}
	v := l.scalar(x, s)
	if v.Kind == Absent {
		return 0, false
	}
	t, ok := l.d.today.read(v.Text)
	if !ok {
		if t, ok = l.d.stamp.read(v.Text, l.clock); ok {
			return t, l.clock.plausible(t)
		}
		if t, ok = l.clock.read(v.Text); ok {
			l.d.today.remember(v.Text, t)
			l.d.stamp.remember(v.Text, t, l.clock)
		} else {
			t, ok = l.d.customTime(v.Text)
		}
	}
	return t, ok && l.clock.plausible(t)
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

// findLevel finds the level. An inner level counts if the outer one may be a shipper's guess;
// without either, the text is searched.
func (l *Log) findLevel() {
	if l.levelSeen {
		return
	}
	l.levelSeen = true
	if l.layout != nil && l.layout.level >= 0 {
		if s := &l.root.Spans[l.layout.level]; s.Kind == String && s.Flags == 0 {
			if v := l.d.words.of(l.root.Doc[s.Start:s.End]); v.severity > 0 &&
				!(v.weak() && l.isPriority(l.layout.level)) {
				l.level, l.from[FieldLevel] = v, source(l.layout.level)
				return
			}
		}
	}
	var known *wideLevel
	var text []byte
	if l.wide != nil && !l.wide.nested {
		if known, text = l.wideLevelOf(); known != nil && known.level.word != nil &&
			known.text == string(text) {
			l.level, l.from[FieldLevel] = known.level, known.from
			return
		}
	}
	outer, at := l.layerLevel(l.root)
	priority := outer.explicit() && l.isPriority(at)
	for i := 0; i < len(l.under) && !outer.explicit(); i++ {
		if v, s := l.layerLevel(l.under[i]); v.word != nil {
			outer, at = v, s
		}
	}
	for i := len(l.over) - 1; i >= 0 && outer.weak(); i-- {
		if v, s := l.layerLevel(l.over[i]); v.explicit() {
			outer, at, priority = v, s, false
			break
		}
	}
	l.from[FieldLevel] = fromDefault
	if at != jsonscan.NoSlot {
		l.note(FieldLevel, at)
	}
	if priority && outer.weak() {
		if v := l.levelOfHead(); v.severity > 0 {
			outer, at = v, jsonscan.NoSlot
			l.from[FieldLevel] = fromText
		}
	}
	if !outer.explicit() {
		if v := l.levelOfText(); v.word != nil {
			outer = v
			l.from[FieldLevel] = fromText
		}
	}
	if outer.word == nil || !outer.explicit() {
		outer = l.d.defaultLevel
	}
	l.level = outer
	if known != nil && outer.explicit() && at != jsonscan.NoSlot &&
		l.from[FieldLevel] == source(at) {
		*known = wideLevel{string(text), outer, source(at)}
	}
}

// levelOfText finds the level in the text of the message.
func (l *Log) levelOfText() level {
	text := l.Value(FieldMessage).Text
	if l.isAccess || len(text) < 4 {
		return level{}
	}
	if v := textLevel(text, l.lineHead()); v.word != nil || l.format == "auditd" {
		return v // pairs of auditd have no level
	}
	return pairLevel(text)
}

// layerLevel finds the level in one layer. Many loggers write a field called level behind their
// own: the last of equal names counts, but where it is no level and the first is one, the first
// does. OpenTelemetry's forms have one level.
func (l *Log) layerLevel(x *jsonscan.Extractor) (level, jsonscan.Slot) {
	last, at := l.levelOf(x)
	if last.severity > 0 || !last.explicit() || at == jsonscan.NoSlot || len(x.Doc) == 0 ||
		x.Doc[0] != '{' || strings.HasPrefix(l.format, "otlp") {
		return last, at
	}
	name, found := l.d.plan.path(at), last
	jsonscan.Members(x.Doc, func(key []byte, flags uint8, v jsonscan.Span) bool {
		if flags != 0 || string(key) != name {
			return true
		}
		kept := x.Spans[at]
		x.Spans[at] = v
		if first := l.readLevel(x, at); first.severity > 0 {
			found = first
		}
		x.Spans[at] = kept
		return false
	})
	return found, at
}

// isPriority says whether the level in a slot is a priority of syslog. Of those INFO and NOTICE are
// what journald, rsyslog and others give to lines without one, as programs write them to their
// output.
func (l *Log) isPriority(at jsonscan.Slot) bool {
	return at != jsonscan.NoSlot &&
		(l.d.plan.scales[at] == scaleSyslog || strings.HasPrefix(l.format, "syslog"))
}

// levelOfHead finds the level in the text of a message that has a head of its own: it begins with a
// time, or with the level.
func (l *Log) levelOfHead() level {
	text := l.Value(FieldMessage).Text
	if l.isAccess || len(text) < 4 || startsWithWord(text) || !mayName(text) {
		return level{}
	}
	h := l.lineHead()
	if h.end == 0 {
		start := 0
		if text[0] == '[' || text[0] == '<' {
			start = 1
		}
		end := start
		for end < len(text) && end < 16 && isWord(text[end]) {
			end++
		}
		if end-start < 3 || levelWord(text[start:end]).word == nil {
			return level{}
		}
	}
	return headLevel(text, h)
}

// startsWithWord reports whether a text begins with a word in lower case that belongs to no head of
// a line, and another word behind it.
func startsWithWord(text []byte) bool {
	n := 0
	for n < len(text) && text[n]-'a' < 26 {
		n++
	}
	return n > 2 && n+1 < len(text) && text[n] == ' ' && text[n+1]|0x20-'a' < 26 &&
		levelWord(text[:n]).word == nil
}

// levelOf finds the level in one layer; the zero level means none.
func (l *Log) levelOf(x *jsonscan.Extractor) (level, jsonscan.Slot) {
	p, h := l.d.plan, &l.d.plan.hints
	n, only := p.level.Present(x.Has)
	var found level
	at := jsonscan.NoSlot
	guess := false // a number under a key that every library uses in its own way
	if v, s := l.shapedLevel(x); v.word != nil {
		return v, s
	}
	if n == 1 {
		found, at = l.readLevel(x, only), only
	} else if n > 1 {
		for _, s := range p.level.Slots {
			if !x.Has.Has(s) {
				continue
			}
			v := l.readLevel(x, s)
			switch {
			case v.word == nil:
				continue
			case found.explicit(): // a guess, or a word that is no level: what is certain beats it
				if v.severity > 0 && (!l.isDigits(x, s) ||
					found.severity == 0 && p.scales[s] != scaleAny) {
					found, at = v, s
					guess = false
				}
			default:
				found, at = v, s
				guess = p.scales[s] == scaleAny && l.isDigits(x, s)
			}
			if found.severity > 0 && !guess {
				break
			}
		}
		found = l.refine(x, found, at)
	}
	if found.word != nil && found.explicit() {
		return found, at
	}
	if x.Has.Has(h.mongoSeverity) && x.Has.Has(h.mongoTime) {
		return l.readWord(x, h.mongoSeverity), h.mongoSeverity
	}
	if x.Has.Has(h.zapLevel) && x.Has.Has(h.zapMessage) {
		return l.readWord(x, h.zapLevel), h.zapLevel
	}
	if x.Has.Has(h.oneLevel) && x.Has.Has(h.oneMessage) {
		if v := l.readWord(x, h.oneLevel); v.severity > 0 {
			return v, h.oneLevel
		}
	}
	if x.Has.Has(h.status) && x.Has.Has(h.ddsource) {
		return l.readWord(x, h.status), h.status
	}
	if found.word == nil && x.Has.Has(h.clefTime) &&
		(x.Has.Has(h.template) || x.Has.Has(h.rendered) || x.Has.Has(h.clefID)) {
		return levelInfo, h.clefTime // CLEF omits the level Information
	}
	return found, at
}

// isDigits reports whether the value in a slot is a number, or a string of one.
func (l *Log) isDigits(x *jsonscan.Extractor, at jsonscan.Slot) bool {
	t := l.scalar(x, x.Spans[at]).Text
	return len(t) > 0 && (t[0]-'0' <= 9 || t[0] == '-')
}

// shapedLevel finds the level of programs that are known by their fields alone: consola, whose
// numbers begin with 0 for errors, the components of Kubernetes, whose errors have no level, its
// events, which are normal or warnings, Nextcloud, Eliot, whose actions fail or succeed, and
// Logbook, whose numbers go from 9 for a trace to 15 for a critical error.
func (l *Log) shapedLevel(x *jsonscan.Extractor) (level, jsonscan.Slot) {
	h := &l.d.plan.hints
	if x.Has.Has(h.kindWord) && x.Has.Has(h.reason) &&
		(x.Has.Has(h.involvedObject) || x.Has.Has(h.regarding)) {
		switch string(l.scalar(x, x.Spans[h.kindWord]).Text) {
		case "Warning":
			return levelWarn, h.kindWord
		case "Normal":
			return levelInfo, h.kindWord
		}
	}
	if x.Has.Has(h.args) && x.Spans[h.args].Kind == Array && x.Has.Has(h.kindWord) {
		if v := l.readWord(x, h.kindWord); v.severity > 0 {
			return v, h.kindWord
		}
		if x.Has.Has(h.level) && x.Spans[h.level].Kind == Number {
			if n, ok := smallNumber(x.Doc[x.Spans[h.level].Start:x.Spans[h.level].End]); ok &&
				n < 10 {
				level := stepped(
					n, levelError, levelWarn, levelInfo, levelInfo, levelDebug, levelTrace,
				)
				return level, h.level
			}
		}
	}
	if v, at := l.logrLevel(x); v.word != nil {
		return v, at
	}
	if x.Has.Has(h.requestID) && x.Has.Has(h.remoteAddress) && x.Has.Has(h.level) &&
		x.Spans[h.level].Kind == Number { // Nextcloud, from 0 for debug to 4
		if n, ok := smallNumber(x.Doc[x.Spans[h.level].Start:x.Spans[h.level].End]); ok && n < 5 {
			level := stepped(n, levelDebug, levelInfo, levelWarn, levelError, levelFatal)
			return level, h.level
		}
	}
	if x.Has.Has(h.logbook) && x.Has.Has(h.level) && x.Spans[h.level].Kind == Number {
		n, _ := smallNumber(x.Doc[x.Spans[h.level].Start:x.Spans[h.level].End])
		return stepped(n-9, levelTrace, levelDebug, levelInfo, levelNotice, levelWarn, levelError,
			levelCritical), h.level
	}
	if x.Has.Has(h.actionStatus) && x.Has.Has(h.taskID) {
		if string(l.scalar(x, x.Spans[h.actionStatus]).Text) == "failed" {
			return levelError, h.actionStatus
		}
		return levelInfo, h.actionStatus
	}
	if x.Has.Has(h.caller) && x.Has.Has(h.ts) && x.Spans[h.ts].Kind == Number && x.Has.Has(h.msg) {
		if n, _ := l.d.plan.level.Present(x.Has); n == 0 {
			if x.Has.Has(h.verbosity) {
				return levelInfo, h.verbosity
			}
			return levelError, h.caller
		}
	}
	return level{}, jsonscan.NoSlot
}

// logrLevel finds the level of logr's JSON, whose number is a verbosity, 0 for information, and
// whose errors have no level:
//
//	{"logger":"pay","level":0,"msg":"paid"}
//	{"logger":"pay","msg":"payment failed","error":"card declined"}
func (l *Log) logrLevel(x *jsonscan.Extractor) (level, jsonscan.Slot) {
	h := &l.d.plan.hints
	if x.Has.Has(h.subsystem) && x.Has.Has(h.threadID) && x.Has.Has(h.msg) {
		return l.powerDNSLevel(x)
	}
	if !x.Has.Has(h.logger) || !x.Has.Has(h.msg) || x.Spans[h.logger].Kind != String {
		return level{}, jsonscan.NoSlot
	}
	if n, only := l.d.plan.level.Present(x.Has); n == 0 {
		if x.Has.Has(h.error) {
			return levelError, h.error
		}
	} else if s := x.Spans[h.level]; n == 1 && only == h.level && s.Kind == Number {
		switch v, ok := smallNumber(x.Doc[s.Start:s.End]); {
		case !ok || v < 0 || v > 9:
		case v == 0:
			return levelInfo, h.level
		default:
			return levelDebug, h.level
		}
	}
	return level{}, jsonscan.NoSlot
}

// powerDNSLevel finds the level of PowerDNS's Recursor, whose number is a verbosity, too, and whose
// priority is a word that not every log has:
//
//	msg="Unable to open file" error="No such file" subsystem="config" level="0" tid="0"
func (l *Log) powerDNSLevel(x *jsonscan.Extractor) (level, jsonscan.Slot) {
	h := &l.d.plan.hints
	if n, only := l.d.plan.level.Present(x.Has); n != 1 || only != h.level || !l.isDigits(x, only) {
		return level{}, jsonscan.NoSlot
	}
	if x.Has.Has(h.error) {
		return levelError, h.error
	}
	return levelInfo, h.level
}

// refine combines a word with the number beside it if both mean the same level: OTLP's severity
// text and number, and those of a LogEntry.
func (l *Log) refine(x *jsonscan.Extractor, found level, at jsonscan.Slot) level {
	h := &l.d.plan.hints
	if at == h.level && found.severity > 0 && x.Has.Has(h.severity) &&
		x.Spans[h.severity].Kind == Number {
		s := x.Spans[h.severity]
		if n, ok := smallNumber(x.Doc[s.Start:s.End]); ok && n > 0 && n <= 24 &&
			(n-1)/4 == (found.severity-1)/4 {
			found.severity = n
		}
	}
	if at != jsonscan.NoSlot && l.d.plan.scales[at] == scaleOTel {
		for _, s := range [...]jsonscan.Slot{h.severityText, h.bigSeverityText} {
			if !x.Has.Has(s) {
				continue
			}
			if w := l.readWord(x, s); w.severity > 0 && (w.severity-1)/4 == (found.severity-1)/4 {
				found.word = w.word
			}
		}
	}
	return found
}

// readLevel reads the level in a slot, a word or number.
func (l *Log) readLevel(x *jsonscan.Extractor, at jsonscan.Slot) level {
	s := x.Spans[at]
	h := &l.d.plan.hints
	if s.Kind == Object || s.Kind == Null {
		return level{}
	}
	v := l.scalar(x, s)
	if v.Kind == Absent {
		return level{}
	}
	if own, ok := l.d.set.levels[string(v.Text)]; ok {
		return own
	}
	if len(v.Text) > 0 && (v.Text[0]-'0' <= 9 || v.Text[0] == '-') {
		if n, ok := smallNumber(v.Text); ok {
			scale := l.d.plan.scales[at]
			if scale == scaleAny && x.Has.Has(h.shortMessage) {
				scale = scaleSyslog
			}
			if at == h.bigLevel && (x.Has.Has(h.eventID) || x.Has.Has(h.channel)) ||
				(at == h.bigLevel || at == h.level) && x.Has.Has(h.resourceID) {
				scale = scaleWindows
			}
			v := numberLevel(scale, n)
			if v.severity == 0 && (l.d.plan.weak.Has(at) || scale == scaleOTel) {
				return level{} // unspecified
			}
			return v
		}
	}
	if at == h.level && (x.Has.Has(h.auditID) || x.Has.Has(h.auditLevel)) && isAuditLevel(v.Text) {
		return levelUnknown
	}
	if n, ok := bytes.CutPrefix(v.Text, []byte("SEVERITY_NUMBER_")); ok {
		return otelName(n)
	}
	word := l.word(v.Text)
	if l.d.plan.weak.Has(at) && word.severity == 0 {
		return level{}
	}
	return word
}

func (l *Log) readWord(x *jsonscan.Extractor, at jsonscan.Slot) level {
	v := l.scalar(x, x.Spans[at])
	if v.Kind == Absent {
		return level{}
	}
	return l.word(v.Text)
}

func (l *Log) word(text []byte) level {
	v, arena := wordLevel(l.d.arena, text)
	l.d.arena = arena
	return v
}

// isAuditLevel reports whether a word is a level of the Kubernetes audit policy, which is no
// severity.
func isAuditLevel(word []byte) bool {
	switch string(word) {
	case "None", "Metadata", "Request", "RequestResponse":
		return true
	}
	return false
}

// otelName reads OpenTelemetry's names of severity numbers: ERROR, ERROR2, ...
func otelName(name []byte) level {
	step := 0
	if n := len(name); n > 0 && name[n-1]-'2' < 3 {
		step = int(name[n-1] - '1')
		name = name[:n-1]
	}
	switch string(name) {
	case "TRACE":
		return severityLevel(1 + step)
	case "DEBUG":
		return severityLevel(5 + step)
	case "INFO":
		return severityLevel(9 + step)
	case "WARN":
		return severityLevel(13 + step)
	case "ERROR":
		return severityLevel(17 + step)
	case "FATAL":
		return severityLevel(21 + step)
	}
	return levelUnknown
}

// Package decode reads log records of any format in one pass over the bytes, and only the fields
// that are requested.
//
// A Decoder turns a record into logs. It removes the transport's framing (compression, byte order
// marks, a schema registry's header), detects the format, splits batches into logs, and finds the
// fields of a Fields set in each log. A log in JSON, the usual case, is read in place: nothing is
// copied or allocated, and no tree is built. Every other format is rewritten into one JSON object
// in the decoder's own memory and read like JSON, so all formats share fields, paths and
// precedence.
//
// Programs use different names for the same field. The message is message, msg, log, body, and a
// dozen more; the level is a word, or a number on one of several scales. Each well-known field has
// a list of candidates, and the first that is not empty wins. Configuration can extend the lists.
//
// No record is dropped because of its format. What cannot be parsed becomes a log of plain text,
// unless the configuration fixes the format of the topic; binary data is rejected with a reason.
// JSON is read leniently: in a value that is not requested only strings and brackets are checked,
// and control characters in strings are accepted. The format "json" is strict.
package decode

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

const (
	maxLayers  = 3       // objects within messages within messages
	maxWrapped = 4       // compression within quotes within compression
	maxMembers = 1 << 18 // logs of one record; the smallest take microseconds, however short
	maxLookups = 64      // extractors of paths outside Fields that are kept
	maxDetail  = 200     // bytes of a rejection's detail
	maxRefused = 1000    // rejections of one record
	maxDamaged = 8       // damaged values of one record whose end is searched in all of its rest
)

// What the logs of a record share, such as the envelope of a batch, is read again with each of
// them. The bytes that are read so are bounded by the size of the record, so no log of a record
// with very many takes more than linear time.
const (
	sharedRatio  = 64
	sharedAlways = 16 << 20
	sharedMost   = 256 << 20
)

// Decoder reads records. It has scratch memory and is not safe for concurrent use.
type Decoder struct {
	cfg          Config
	fields       *Fields
	plan         *fieldPlan
	set          compiled
	defaultLevel level
	auto         bool // the format is detected
	notices      [NoticeCount]uint64
	noticed      [NoticeCount]uint32 // the stamp of the log that was counted last

	log     Log
	today   today
	stamp   stamp
	words   words
	layouts layouts

	flat       flatLog
	otlpCount  int // log records and refused members of the export that is read
	wides      [wideCount]wide
	lastWide   *wide
	nested     [wideCount]wide // of logs with an object in their message
	lastNested *wide
	root       *jsonscan.Extractor
	overs      pool
	unders     pool
	order      []*jsonscan.Extractor
	rootOnly   [1]*jsonscan.Extractor
	envelope   *jsonscan.Extractor // fields shared by the members of a batch; nil outside a batch
	resource   *jsonscan.Extractor // the resource of OpenTelemetry logs; nil otherwise
	anywhere   jsonscan.Bitset     // what any layer of the log has, if it was gathered
	gathered   jsonscan.Bitset     // memory for it

	envelopeKept, resourceKept *jsonscan.Extractor

	lookups    map[string]lookup
	extractors []*extractor

	memory
	unpacker unpacker

	rec              *models.Record
	each             func(*Log)
	reject           func(Reason, string)
	access           bool // the current line is of an access log
	wholeLine        bool // the message of the current line is the line, which was read already
	index            int
	split            split
	cloudEvent       bool // the record is a CloudEvent in binary mode
	refused, damaged int  // of the record: rejections, and damaged values
	sharing          sharing
	last             [16]winner // by the low bits of the partition
}

// lookup is a path outside Fields that was looked up.
type lookup struct {
	x *jsonscan.Extractor
	r *requested
}

// New returns a decoder that finds the given fields.
func New(cfg Config, fields *Fields) (*Decoder, error) {
	set, err := cfg.compile()
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	d := &Decoder{
		cfg:          cfg,
		fields:       fields,
		plan:         newFieldPlan(cfg, fields),
		set:          set,
		defaultLevel: set.level,
		auto:         set.format == "auto",
		lookups:      map[string]lookup{},
	}
	d.layouts = layouts{plan: d.plan, fields: fields.Len(), ownLevels: set.levels != nil}
	d.root = jsonscan.NewExtractor(d.plan.Plan)
	d.rootOnly[0] = d.root
	d.memory.init(&d.flat.doc, &d.flat.resourceDoc)
	d.gathered = jsonscan.NewBitset(d.plan.Slots)
	d.anywhere = d.gathered
	d.log = Log{
		d: d, root: d.root,
		stamps: make([]uint32, fields.Len()),
		values: make([]Value, fields.Len()),
		from:   make([]source, fields.Len()),
	}
	return d, nil
}

// Decode reads a record and calls each for every log in it. It calls reject for what cannot be
// read, possibly besides each: one bad member of a batch does not affect the others. The record is
// not kept after Decode returns.
func (d *Decoder) Decode(
	rec *models.Record,
	each func(*Log),
	reject func(reason Reason, detail string),
) {
	d.begin(rec, each, reject)
	switch {
	case rec.Value == nil:
		d.refuse(Tombstone, "the record has no value")
	default:
		d.value(rec.Value, 0)
	}
	d.end()
}

// Entry presents a LogEntry as a Log, valid until the next call. It reads as the entry's JSON
// would, except that raw is the entry's Raw when it has one.
func (d *Decoder) Entry(e *models.LogEntry) *Log {
	d.begin(nil, nil, nil)
	l := &d.log
	if !e.Timestamp.IsZero() {
		l.clock.record = e.Timestamp.UnixNano()
	}
	d.built = appendEntry(d.built[:0], e)
	d.root.Read(d.built)
	d.prepare("entry", d.built)
	if e.Raw != "" {
		l.raw = d.keep(func(b []byte) []byte { return append(b, e.Raw...) })
	}
	l.pos = e.Position
	if l.timeFrom == "" && e.TimestampSource != "" {
		l.findTime()
		l.timeFrom = e.TimestampSource
	}
	return l
}

func (d *Decoder) begin(rec *models.Record, each func(*Log), reject func(Reason, string)) {
	d.rec, d.each, d.reject, d.index = rec, each, reject, 0
	d.refused, d.damaged, d.split = 0, 0, split{}
	d.log.rec = rec
	d.log.clock = clock{zone: d.set.zone}
	if rec != nil && !rec.Timestamp.IsZero() {
		d.log.clock.record = min(
			bounded(rec.Timestamp.Unix(), int64(rec.Timestamp.Nanosecond())),
			math.MaxInt64-day,
		)
	}
	d.envelope, d.resource = nil, nil
	d.sharing = sharing{}
	if rec != nil {
		d.sharing.begin(rec)
	}
	d.cloudEvent = rec != nil && len(rec.Headers) > 0 && len(d.log.rawHeader("ce_specversion")) > 0
}

// end releases the record, and scratch memory that one large record has grown.
func (d *Decoder) end() {
	small := d.rec != nil && len(d.rec.Value) <= smallValue
	d.rec, d.each, d.reject = nil, nil, nil
	if small {
		return
	}
	d.memory.release()
	d.flat.bytes, d.flat.scope, d.flat.group = nil, nil, nil
	d.root.Reset()
	for _, layers := range [...]pool{d.overs, d.unders} {
		for _, x := range layers {
			x.Reset()
		}
	}
	for _, x := range [...]*jsonscan.Extractor{d.envelopeKept, d.resourceKept} {
		if x != nil {
			x.Reset()
		}
	}
}

// value reads the bytes of a record, or bytes that were wrapped in it.
func (d *Decoder) value(b []byte, depth int) {
	// the usual case
	if len(b) > 1 && b[0] == '{' && b[1] >= ' ' && d.auto && len(d.rec.Headers) == 0 {
		if last := len(otlpPrefix) - 1; len(b) > last && b[last] == '[' && // rare in other records
			hasPrefix(b, otlpPrefix) && d.otlpWhole(b) {
			return
		}
		if n := d.root.Read(b); n > 0 && jsonscan.SkipBlank(b, n) == len(b) && !d.root.Parts {
			d.prepare("json", b[:n])
			d.emit()
			return
		}
		d.detect(trim(b), depth)
		return
	}
	if d.cfg.Schemas != nil && len(b) > 0 && (b[0] == 0 || b[0] == 0xc3 ||
		len(d.rec.Headers) > 0) && d.bySchema(b, depth) {
		return
	}
	if unpacked, packed, reason, detail := d.unpack(b, depth); packed {
		if reason != "" {
			d.refuse(reason, detail)
			return
		}
		d.sharing.size = max(d.sharing.size, len(unpacked))
		d.value(unpacked, depth+1)
		return
	}
	if d.auto && len(b) > 8 && b[0] == 0x0a && d.otlpProto(b) {
		return
	}
	if d.set.format == "otlp_proto" || d.isProtobuf() {
		if !d.otlpProto(b) {
			d.refuse(InvalidFormat, "no OTLP logs: the protobuf is damaged or of another message")
		}
		return
	}
	if out, ok := d.rawSnappy(b, depth); ok {
		d.sharing.size = max(d.sharing.size, len(out))
		d.value(out, depth+1)
		return
	}
	if done := d.binary(b, depth); done {
		return
	}
	b = d.charset(b, depth)
	if len(b) > 5 && b[0] == 0 {
		rest := bytes.TrimSpace(b[5:])
		if !startsJSON(rest) || !d.json(rest, depth) {
			id := uint32(b[1])<<24 | uint32(b[2])<<16 | uint32(b[3])<<8 | uint32(b[4])
			d.refuse(Schema, fmt.Sprintf("schema-framed avro/protobuf, id %d", id))
		}
		return
	}
	if detail := d.schemaEncoded(b); detail != "" {
		d.refuse(Schema, detail)
		return
	}
	b = trim(b)
	if len(b) == 0 {
		d.refuse(Empty, "the value is blank")
		return
	}
	if d.set.format != "auto" {
		d.held(b, depth)
		return
	}
	d.detect(b, depth)
}

// binary reads a value in MessagePack or CBOR, and says whether it was read or refused.
func (d *Decoder) binary(b []byte, depth int) bool {
	switch name := d.set.format; {
	case len(b) == 0:
	case d.auto && mayBePacked(b) && d.packed(b, depth), d.auto && mayBeCBOR(b) && d.cbor(b, depth):
		return true
	case name == "msgpack", name == "cbor":
		if !(name == "msgpack" && d.packed(b, depth)) && !(name == "cbor" && d.cbor(b, depth)) {
			d.refuse(InvalidFormat, "the record is no "+name)
		}
		return true
	}
	return false
}

// schemaEncoded returns what an Avro file, an Avro object, or a value whose schema is named in a
// header is, or nothing for any other value.
func (d *Decoder) schemaEncoded(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("Obj\x01")):
		return "an Avro file"
	case len(b) > 10 && b[0] == 0xc3 && b[1] == 1:
		return fmt.Sprintf("an Avro object of the schema with fingerprint %x", b[2:10])
	case len(d.rec.Headers) > 0 && !startsJSON(trim(b)):
		if id := d.log.rawHeader("__value_schema_id"); len(id) > 0 {
			return fmt.Sprintf(
				"avro/protobuf, its schema in the header __value_schema_id: %x",
				id[:min(len(id), 20)],
			)
		}
	}
	return ""
}

// trim removes blanks and NULs from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// isBlank reports whether a byte around a value means nothing. A sequence of JSON texts (RFC 7464)
// has a record separator before each.
func isBlank(c byte) bool {
	return c == ' ' || c == '\n' || c == 0 || c == '\t' || c == '\r' || c == 0x1e
}

// isProtobuf reports whether the record's headers declare OTLP in protobuf.
func (d *Decoder) isProtobuf() bool {
	t := d.log.header("content-type")
	return len(t) > 0 &&
		(bytes.Equal(t, []byte("application/x-protobuf")) ||
			bytes.Equal(t, []byte("application/protobuf")))
}

func startsJSON(b []byte) bool { return len(b) > 0 && (b[0] == '{' || b[0] == '[' || b[0] == '"') }

// detect detects the format of a value and reads it.
func (d *Decoder) detect(b []byte, depth int) {
	if startsJSON(b) {
		if out, ok := appendTraced(d.built[:0], b); ok {
			d.built = out
			d.emitBuilt("json", b)
			return
		}
		if d.json(b, depth) || d.repaired(b) || b[0] == '[' && d.formatted(b) {
			return
		}
	} else if reason, detail := binaryReason(b); reason != "" {
		if !d.otlpProto(d.rec.Value) {
			d.refuse(reason, detail)
		}
		return
	} else if d.formatted(b) {
		return
	}
	d.text(b)
}

// textLine reads a line that was wrapped in another format: in any format of lines, or as text.
func (d *Decoder) textLine(b []byte) {
	if b = trim(b); len(b) == 0 || d.set.format == "text" || !d.formatted(b) {
		d.text(b)
	}
}

// held reads a value in the configured format, or rejects it.
func (d *Decoder) held(b []byte, depth int) {
	switch name := d.set.format; name {
	case "text":
		d.text(b)
	case "json",
		"ndjson",
		"otlp_json",
		"loki",
		"hec",
		"cloudtrail",
		"cloudwatch",
		"azure",
		"connect":
		if !startsJSON(b) || !strictJSON(b) || !d.json(b, depth) {
			d.refuse(InvalidJSON, "the record is not JSON: "+clip(b))
		}
	default:
		for f := format(1); f < formatCount; f++ {
			if f.held() == name && d.parse(f, b) {
				return
			}
		}
		d.refuse(InvalidFormat, "the record is no "+name+": "+clip(b))
	}
}

// strictJSON reports whether b is one valid JSON value, or several objects in sequence.
func strictJSON(b []byte) bool {
	if jsonscan.Valid(b) {
		return b[0] != '"' || startsJSON(bytes.TrimSpace(unquote(b)))
	}
	for len(b) > 0 {
		e, v := jsonscan.ScanValue(b, 0)
		if e < 0 || v.Kind != Object || !jsonscan.Valid(b[:e]) {
			return false
		}
		b = b[jsonscan.SkipBlank(b, e):]
	}
	return true
}

func unquote(b []byte) []byte {
	e, flags := jsonscan.ScanString(b, 1)
	if e < 0 {
		return nil
	}
	return jsonscan.AppendText(nil, b[1:e], flags)
}

// refuse reports data that yields no log.
func (d *Decoder) refuse(reason Reason, detail string) {
	if d.refused++; d.reject == nil || d.refused > maxRefused {
		return
	}
	if d.refused == maxRefused {
		detail = fmt.Sprintf(
			"the record has at least %d faults; the rest is not reported",
			maxRefused,
		)
	}
	d.reject(reason, clean(detail))
}

// clean returns a text that can be displayed: bounded, valid UTF-8, without control characters.
func clean(s string) string {
	b := jsonscan.AppendValid(nil, []byte(s[:min(len(s), maxDetail)]))
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}

func clip(b []byte) string { return string(b[:min(len(b), 80)]) }

// text emits a log of plain text.
func (d *Decoder) text(b []byte) {
	if d.set.pattern != nil && d.patterned(b) {
		return
	}
	if rest, ok := cutCookie(b); ok && whole(d.root, rest) {
		d.prepare("json", b)
		d.emit()
		return
	}
	if mayHaveTail(b) && d.tailed(b) {
		return
	}
	d.root.Reset()
	l := &d.log
	d.prepare("text", b)
	l.isText = true
	l.text = b
	d.emit()
}

// tailed reads a line of text with pairs behind it.
func (d *Decoder) tailed(b []byte) (ok bool) {
	if d.built, ok = appendTail(append(d.built[:0], '{'), b); ok {
		d.wholeLine = true
		d.emitBuilt("text", b)
		d.wholeLine = false
	}
	return ok
}

// patterned reads a line with the configured pattern.
func (d *Decoder) patterned(b []byte) bool {
	var ok bool
	if d.built, ok = d.appendPattern(append(d.built[:0], '{'), b); ok {
		d.emitBuilt("pattern", b)
	}
	return ok
}

// appendPattern rewrites a line that matches the configured pattern.
func (d *Decoder) appendPattern(dst, b []byte) ([]byte, bool) {
	m := d.set.pattern.FindSubmatchIndex(b)
	if m == nil {
		return dst, false
	}
	message := false
	for i, name := range d.set.pattern.SubexpNames() {
		if name == "" || m[2*i] < 0 {
			continue
		}
		message = message || name == "message"
		dst = appendMember(dst, name, b[m[2*i]:m[2*i+1]])
	}
	if !message {
		dst = appendMember(dst, "message", b)
	}
	return dst, true
}

// emitBuilt emits the log in d.built, which lacks its closing brace.
func (d *Decoder) emitBuilt(format string, raw []byte) {
	d.built = append(d.built, '}')
	d.root.Read(d.built)
	d.prepare(format, raw)
	d.emit()
}

// prepare sets up the log of the object that the root has just read.
func (d *Decoder) prepare(format string, raw []byte) {
	if d.sharing.exhausted || d.index >= maxMembers {
		return // emit refuses it
	}
	l := &d.log
	if cap(d.arena) > keptScratch {
		d.arena = nil
	}
	d.arena = d.arena[:0]
	l.stamp++
	if l.stamp == 0 { // wrapped around: an old stamp could look like this log's
		clear(l.stamps)
		clear(d.noticed[:])
		for _, e := range d.extractors {
			e.stamp = 0
		}
		l.stamp = 1
	}
	l.format, l.raw, l.isText, l.text = format, raw, false, nil
	l.levelSeen, l.timeSeen, l.timeFrom = false, false, ""
	l.headSeen, l.isAccess = false, d.access
	l.index = d.index
	l.layout, l.wide, l.learning, l.gathered = nil, nil, nil, false
	if d.flat.active && l.widen() {
		return
	}
	if !l.root.Parts {
		l.layout = d.layouts.of(d.root.Has)
		// the usual case
		if len(l.over)+len(l.under) == 0 && d.resource == nil && d.envelope == nil &&
			!d.cloudEvent && !l.layout.partial &&
			(d.wholeLine || l.closedMessage()) {
			return
		}
	}
	l.addLayers()
	if len(l.over)+len(l.under) != 0 {
		l.layout = nil
	}
}

func (d *Decoder) emit() {
	if d.index >= maxMembers {
		if d.index == maxMembers {
			d.refuse(TooManyMembers, fmt.Sprintf("the record holds more than %d logs", maxMembers))
			d.index++
		}
		d.split = split{}
		return
	}
	if d.sharing.exhausted {
		if !d.sharing.said {
			d.sharing.said = true
			d.refuse(TooManyMembers, fmt.Sprintf(
				"%d logs share %d bytes, which are read with each; the others are left out",
				d.index, d.sharing.headers+d.sharing.part))
		}
		d.split = split{}
		return
	}
	d.index++
	if d.each != nil {
		d.each(&d.log)
	}
	d.sharing.spend()
	if d.split.next > 0 {
		d.emitNext()
	}
}

// emitNext emits the log of the next object of a message that holds several.
func (d *Decoder) emitNext() {
	l := &d.log
	timed := l.timeSeen && l.timeFrom == recordKeyNames[keyTime]
	at, from := l.time, l.timeFrom
	d.split.from, d.split.next = d.split.next, 0
	d.prepare(l.format, l.raw)
	if timed {
		l.time, l.timeFrom, l.timeSeen = at, from, true
	}
	d.emit()
	d.split = split{}
}

// lookup returns an extractor for a path that is not in Fields.
func (d *Decoder) lookup(path string) (*jsonscan.Extractor, *requested) {
	if a, ok := d.lookups[path]; ok {
		return a.x, a.r
	}
	if len(d.lookups) >= maxLookups {
		clear(d.lookups)
	}
	p := jsonscan.NewPlan()
	p.Request()
	r := request(p, path, d.cfg.candidates(path, spellings(path)))
	p.Finish()
	a := lookup{jsonscan.NewExtractor(p), &r}
	d.lookups[path] = a
	return a.x, a.r
}

// customTime reads a time in one of the configured formats.
func (d *Decoder) customTime(t []byte) (int64, bool) {
	for _, layout := range d.cfg.TimeFormats {
		if at, err := time.ParseInLocation(layout, string(t), d.set.zone); err == nil {
			return bounded(at.Unix(), int64(at.Nanosecond())), true
		}
	}
	return 0, false
}

// Extract runs the extractor over an object and ignores the result. It is for benchmarks.
func (d *Decoder) Extract(object []byte) bool { return d.root.Read(object) > 0 }

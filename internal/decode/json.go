package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// json reads a value that begins like JSON, and says whether it is. The logs of a value that is not
// are not emitted.
func (d *Decoder) json(b []byte, depth int) bool {
	switch b[0] {
	case '"':
		return d.quoted(b, depth)
	case '[':
		return d.arrays(b)
	}
	return d.objects(b)
}

// quoted reads a JSON string that holds a log, as OpenTelemetry's raw encoding writes it.
func (d *Decoder) quoted(b []byte, depth int) bool {
	e, flags := jsonscan.ScanString(b, 1)
	if e < 0 || jsonscan.SkipBlank(b, e+1) != len(b) || depth >= maxWrapped {
		return false
	}
	d.wrapped[depth+1] = jsonscan.AppendText(d.wrapped[depth+1][:0], b[1:e], flags)
	text := trim(d.wrapped[depth+1])
	if len(text) == 0 {
		d.refuse(Empty, "the value is an empty string")
		return true
	}
	if d.set.format == "auto" {
		d.detect(text, depth+1)
		return true
	}
	return startsJSON(text) && d.json(text, depth+1)
}

// objects reads one object, or several one after the other, with or without newlines between them.
func (d *Decoder) objects(b []byte) bool {
	n := d.root.Read(b)
	if n < 0 {
		return d.lines(b)
	}
	next := nextValue(b, n)
	if next == len(b) {
		d.object(b[:n], "json")
		return true
	}
	if b[next] != '{' {
		return d.lines(b)
	}
	for refused := false; ; {
		if n > 0 {
			d.object(b[:n], "ndjson")
			refused = false
			b = b[nextValue(b, n):]
		} else {
			if !refused {
				d.refuse(InvalidJSON, "one of several objects is not JSON: "+clip(b))
			}
			refused = true
			i := bytes.IndexByte(b, '\n')
			if i < 0 {
				return true
			}
			b = b[nextValue(b, i):]
		}
		if len(b) == 0 {
			return true
		}
		if n = d.root.Read(b[:d.reach(b)]); n < 0 {
			d.damaged++
		}
	}
}

// reach returns how far an object may extend. After too many damaged ones, each is scanned to the
// end of its line only: otherwise every damaged line could be scanned to the end of the record.
func (d *Decoder) reach(b []byte) int {
	if d.damaged < maxDamaged {
		return len(b)
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i
	}
	return len(b)
}

// nextValue skips what stands between values: blanks, the record separator of JSON text sequences,
// and commas, of an array that arrives line by line.
func nextValue(b []byte, i int) int {
	for i < len(b) && (b[i] <= ' ' || b[i] == ',') {
		i++
	}
	return i
}

// lines reads lines of JSON of which some are damaged. Most lines must be objects; otherwise the
// value is a text that begins with a brace by chance.
func (d *Decoder) lines(b []byte) bool {
	good, bad := 0, 0
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case line[0] == '{' && whole(d.root, line):
			good++
		default:
			bad++
		}
	}
	if good == 0 || bad > good {
		return false
	}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case line[0] == '{' && whole(d.root, line):
			d.object(line, "ndjson")
		default:
			d.refuse(InvalidJSON, "one of several lines is not JSON: "+clip(line))
		}
	}
	return true
}

// arrays reads one array of logs, or several one after the other, as Monolog writes for Fluentd,
// and objects between them.
func (d *Decoder) arrays(b []byte) bool {
	n := d.array(b)
	if n == 0 {
		return false
	}
	for b = b[nextValue(b, n):]; len(b) > 0; b = b[nextValue(b, n):] {
		switch n = 0; b[0] {
		case '[':
			n = d.array(b)
		case '{':
			if n = d.root.Read(b); n > 0 {
				d.object(b[:n], "json")
			}
		}
		if n <= 0 {
			d.refuse(InvalidJSON, "what follows an array is no log: "+clip(b))
			break
		}
	}
	return true
}

// array reads an array of logs and returns its length. A member that is no log is refused and the
// others are kept. An array without any object is no batch but a text; its length is 0.
func (d *Decoder) array(b []byte) int {
	if i := jsonscan.SkipBlank(b, 1); i < len(b) && b[i] == ']' &&
		jsonscan.SkipBlank(b, i+1) == len(b) {
		d.refuse(EmptyBatch, "the array is empty")
		return len(b)
	}
	objects := false
	if n := jsonscan.Elements(b, func(s jsonscan.Span) bool {
		objects = s.Kind == Object
		return !objects
	}); !objects &&
		n < 0 &&
		!bytes.Contains(b, []byte(`{"`)) ||
		!objects && n > 0 {
		return 0
	}
	if n := d.pair(b); n > 0 {
		return n
	}
	var refused []string
	emitted := d.index
	i := jsonscan.SkipBlank(b, 1)
	end := -1
	for i < len(b) && b[i] != ']' {
		n := d.element(b[i:])
		if n <= 0 {
			if len(refused) < maxRefused {
				refused = append(refused, clip(b[i:]))
			}
			if n = -n; n == 0 {
				end = len(b) // the rest cannot be split into members
				break
			}
		}
		i = jsonscan.SkipBlank(b, i+n)
		if i < len(b) && b[i] == ',' {
			i = jsonscan.SkipBlank(b, i+1)
		}
	}
	if d.index == emitted {
		return 0
	}
	for _, detail := range refused {
		d.refuse(InvalidMember, "one of several logs is not one: "+detail)
	}
	if i >= len(b) && len(refused) == 0 {
		d.refuse(InvalidJSON, "the array is cut off")
	}
	if end < 0 {
		end = min(i+1, len(b))
	}
	return end
}

// pair reads an event as Fluentd and Fluent Bit forward it: a time and an object, perhaps behind a
// tag, and returns its length; 0 if it is none.
func (d *Decoder) pair(b []byte) int {
	var parts [3]jsonscan.Span
	n := 0
	end := jsonscan.Elements(b, func(s jsonscan.Span) bool {
		if n < 3 {
			parts[n] = s
		}
		n++
		return n < 4
	})
	if end < 0 || n != 2 && (n != 3 || parts[0].Kind != String) {
		return 0
	}
	at, event := parts[n-2], parts[n-1]
	if at.Kind == Array && n == 2 { // a time and metadata, as newer versions of Fluent Bit have it
		list := b[at.Start:at.End]
		jsonscan.Elements(list, func(s jsonscan.Span) bool {
			s.Start, s.End = s.Start+at.Start, s.End+at.Start
			at = s
			return false
		})
	}
	if at.Kind != Number || event.Kind != Object {
		return 0
	}
	object := b[event.Start:event.End]
	d.built = append(appendKey(append(d.built[:0], '{'), "time"), b[at.Start:at.End]...)
	if n == 3 {
		d.built = appendSpan(appendKey(d.built, "fluentd_tag"), b, parts[0])
	}
	d.built = appendMembers(d.built, object, "")
	d.emitBuilt("json", object)
	return end
}

// element reads a member of an array and returns its length, negative if it is not a log, 0 if its
// end cannot be found. A member that is cut off reaches to the end of the record, so nothing is
// searched behind it; a damaged container is searched for its end a few times only.
func (d *Decoder) element(b []byte) int {
	if b[0] == '{' {
		if n := d.root.Read(b); n > 0 {
			d.object(b[:n], "json")
			return n
		}
		return -max(jsonscan.SkipContainer(b, 1, '{'), 0)
	}
	n, s := jsonscan.ScanValue(b, 0)
	switch {
	case n == jsonscan.Cut && (b[0] == '"' || b[0] == '['):
		return 0
	case n < 0 && b[0] == '[':
		if d.damaged++; d.damaged > maxDamaged {
			return 0
		}
		fallthrough
	case n < 0:
		return -max(bytes.IndexAny(b, ",]"), 0)
	}
	if s.Kind != String || s.End == s.Start {
		return -n
	}
	d.wrapped[maxWrapped+1] = jsonscan.AppendText(d.wrapped[maxWrapped+1][:0], b[s.Start:s.End],
		s.Flags)
	d.textLine(d.wrapped[maxWrapped+1])
	return n
}

// object emits the logs of the object that the root has just read: itself, unless it is the
// envelope of others.
func (d *Decoder) object(doc []byte, format string) {
	if d.envelope == nil && d.resource == nil && d.opened(doc) {
		return
	}
	d.prepare(format, doc)
	d.emit()
}

// opened emits the logs in an envelope, and says whether the object is one.
func (d *Decoder) opened(doc []byte) bool {
	x, h := d.root, &d.plan.hints
	if !x.Parts {
		return false
	}
	list := func(s jsonscan.Slot) []byte {
		if !x.Has.Has(s) || x.Spans[s].Kind != Array {
			return nil
		}
		return doc[x.Spans[s].Start:x.Spans[s].End]
	}
	switch {
	case list(h.resourceLogs) != nil:
		d.otlpJSON(doc, int(x.Spans[h.resourceLogs].Start))
	case list(h.streams) != nil && d.loki(list(h.streams)):
	case holdsObjects(list(h.bigRecords)):
		d.batch(doc, list(h.bigRecords), "Records", "cloudtrail")
	case holdsObjects(list(h.records)):
		d.batch(doc, list(h.records), "records", "azure")
	case holdsObjects(list(h.items)) && x.Has.Has(h.kind) &&
		string(doc[x.Spans[h.kind].Start:x.Spans[h.kind].End]) == "EventList":
		d.batch(doc, list(h.items), "items", "json")
	case list(h.bigResource) != nil && d.exported(doc):
	case list(h.logEvents) != nil:
		d.cloudWatch(doc, list(h.logEvents))
	case bytes.HasPrefix(list(h.metrics), []byte(`[{"fields":`)):
		d.batch(doc, list(h.metrics), "metrics", "json")
	case x.Has.Has(h.payload) && x.Has.Has(h.schema) && !x.Has.Has(h.message):
		d.connect(doc, x.Spans[h.payload])
	default:
		return false
	}
	d.envelope, d.resource, d.sharing.part = nil, nil, 0
	return true
}

// exported emits a log of OpenTelemetry's stdout exporter for Go, and reports whether the object is
// one.
func (d *Decoder) exported(doc []byte) (ok bool) {
	d.built, ok = appendExported(append(d.built[:0], '{'), doc)
	if ok {
		d.emitBuilt("json", doc)
	}
	return ok
}

func holdsObjects(array []byte) bool {
	i := jsonscan.SkipBlank(array, 1)
	return i < len(array) && array[i] == '{'
}

// repaired reads an object that was cut off, as a shipper does at its size limit: what is open is
// closed, and the log has the fields up to the cut. It also reads one with values that miss their
// quotes, as web servers write from a template, and objects that a logger left open before the
// next.
func (d *Decoder) repaired(b []byte) bool {
	if b[0] != '{' {
		return false
	}
	for first := true; len(b) > 0; first = false {
		var end int
		var ok bool
		d.built, end, ok = jsonscan.Repair(d.built[:0], b)
		rest := b[nextValue(b, end):]
		switch {
		case ok && first && len(rest) > 0 && rest[0] != '{':
			return false // a text behind an object
		case ok && whole(d.root, b[:end]):
			d.object(b[:end], "json")
		case ok && whole(d.root, d.built):
			d.prepare("json", b[:end])
			d.notice(NoticeRepaired)
			d.emit()
		default:
			if !first {
				d.refuse(InvalidJSON, "one of several objects is not JSON: "+clip(b))
			}
			return !first
		}
		b = rest
	}
	return true
}

// appendMember appends a member to the object that is being built: a comma unless it is the first,
// the key, and a text.
func appendMember(b []byte, key string, text []byte) []byte {
	b = appendKey(b, key)
	return jsonscan.AppendQuoted(b, text)
}

// appendKnown appends a member whose key is a name that needs no escapes.
func appendKnown(b []byte, key string, text []byte) []byte {
	return jsonscan.AppendQuoted(appendName(b, key), text)
}

// appendName appends a key that needs no escapes.
func appendName(b []byte, key string) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' {
		b = append(b, ',')
	}
	b = append(append(b, '"'), key...)
	return append(b, '"', ':')
}

// appendNumber appends a whole number, or nothing if the text has other bytes than digits. Leading
// zeros, which JSON does not allow, are dropped.
func appendNumber(b []byte, key string, digits []byte) []byte {
	if n := jsonscan.Digits(digits); n == 0 || n != len(digits) {
		return b
	}
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	return append(appendName(b, key), digits...)
}

// appendKey appends the key of a member, ready for its value.
func appendKey(b []byte, key string) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' {
		b = append(b, ',')
	}
	b = jsonscan.AppendQuoted(b, []byte(key))
	return append(b, ':')
}

// appendMembers appends the members of an object to the one that is being built, except those under
// one key.
func appendMembers(dst, object []byte, except string) []byte {
	jsonscan.Members(object, func(key []byte, _ uint8, v jsonscan.Span) bool {
		if string(key) == except {
			return true
		}
		if n := len(dst); n > 0 && dst[n-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), key...), '"', ':')
		dst = appendSpan(dst, object, v)
		return true
	})
	return dst
}

// appendSpan appends a value as it stands in its document.
func appendSpan(dst, doc []byte, v jsonscan.Span) []byte {
	if v.Kind == String && v.Start > 0 && doc[v.Start-1] == '"' {
		return append(dst, doc[v.Start-1:v.End+1]...)
	}
	return append(dst, doc[v.Start:v.End]...)
}

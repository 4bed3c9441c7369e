package decode

import (
	"math"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// A log of OTLP in JSON is read like one in protobuf, value by value. Its layers refer to the
// message and have no memory of their own.

// prefixes of the values of OpenTelemetry's data model, as nearly all senders write them
const (
	stringPrefix = `{"stringValue":"`
	intPrefix    = `{"intValue":"`
	doublePrefix = `{"doubleValue":`
	boolPrefix   = `{"boolValue":`
	keyPrefix    = `{"key":"`
)

// flatJSONResource reads the resource at doc[at] of a group of logs; at is negative if it has none.
func (d *Decoder) flatJSONResource(doc []byte, at int) {
	o := &d.flat
	if !o.compiled {
		d.compileFlat()
	}
	o.resourceNo++
	o.group, o.resourceRaw, o.json = nil, false, true
	d.resource = d.extractor(&d.resourceKept)
	o.resource.begin(d.resource)
	d.resource.Doc = doc
	if at >= 0 && doc[at] == '{' {
		end := jsonscan.EachMember(doc, at, func(key []byte, _ uint8, i int) int {
			if string(key) == "attributes" && doc[i] == '[' {
				return o.resource.jsonPairs(doc, i)
			}
			end, _ := jsonscan.ScanValue(doc, i)
			return end
		})
		if end < 0 { // what cannot be read value by value
			o.resource.full = true
			if end, _ = jsonscan.ScanValue(doc, at); end < 0 {
				end = at
			}
		}
		o.group = doc[at:end]
	}
	d.sharing.part = len(o.group)
	if o.resource.full {
		d.resourceInFull()
	}
}

// flatJSONRecord reads and emits the log record at doc[at], and returns the index behind it,
// negative if it is damaged.
func (d *Decoder) flatJSONRecord(doc []byte, at int, scope jsonscan.Span) int {
	o := &d.flat
	o.time = 0
	r, a := &o.record, &o.attributes
	r.begin(d.root)
	d.envelope = d.extractor(&d.envelopeKept)
	a.begin(d.envelope)
	d.root.Doc, d.envelope.Doc = doc, doc
	var timeSpan, observedSpan jsonscan.Span
	end := jsonscan.EachMember(doc, at, func(key []byte, _ uint8, i int) int {
		switch string(key) {
		case "attributes":
			if doc[i] == '[' {
				return a.jsonPairs(doc, i)
			}
		case "body":
			if doc[i] == '{' {
				return r.jsonAny(doc, o.keys[keyBody], i)
			}
		case "droppedAttributesCount":
		default:
			end, v := jsonscan.ScanValue(doc, i)
			if end < 0 || v.Kind == Null || v.End == v.Start ||
				v.End-v.Start == 1 && doc[v.Start] == '0' {
				return end
			}
			switch string(key) {
			case "timeUnixNano":
				timeSpan = v
				return end
			case "observedTimeUnixNano":
				observedSpan = v
				return end
			}
			if k := r.key(key); k != nil {
				r.full = r.full || v.Kind == Object && k.Leads()
				r.x.Put(k, v)
			}
			return end
		}
		end, _ := jsonscan.ScanValue(doc, i)
		return end
	})
	if end < 0 {
		return end
	}
	o.bytes, o.scopeName = doc[at:end], scope
	d.sharing.spent += int(scope.End - scope.Start)
	if n, ok := nanoseconds(doc[timeSpan.Start:timeSpan.End]); ok {
		o.time = n
	}
	timed := o.time > 0 && o.time < math.MaxInt64 && d.log.clock.plausible(int64(o.time)) &&
		d.cfg.Fields["timestamp"] == nil
	for _, t := range [...]struct {
		span jsonscan.Span
		key  recordKey
	}{{timeSpan, keyTime}, {observedSpan, keyObserved}} {
		if k := o.keys[t.key]; k != nil && t.span.Kind != Absent && (!timed || o.timeAsked) {
			r.x.Put(k, t.span)
		}
	}
	if k := o.keys[keyScope]; k != nil && scope.Kind == String {
		r.x.Put(k, scope)
	}
	d.emitFlat("otlp_json", o.bytes, timed)
	return end
}

// nanoseconds reads a time as all senders write it, with its nineteen digits.
func nanoseconds(t []byte) (n uint64, ok bool) {
	if len(t) != 19 {
		return 0, false
	}
	for _, c := range t {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// jsonPairs stores the keys and values of the array at doc[at], and returns the index behind it.
func (f *flat) jsonPairs(doc []byte, at int) int {
	i := at + 1
	for {
		if i < len(doc) && doc[i] != '{' {
			i = jsonscan.SkipBlank(doc, i)
		}
		switch {
		case i >= len(doc):
			return jsonscan.Cut
		case doc[i] == ']':
			return i + 1
		case doc[i] == '{':
			i = f.jsonPair(doc, i)
		default:
			i, _ = jsonscan.ScanValue(doc, i)
		}
		if i < 0 || i >= len(doc) {
			return jsonscan.Broken
		}
		if doc[i] != ',' && doc[i] != ']' {
			if i = jsonscan.SkipBlank(doc, i); i >= len(doc) {
				return jsonscan.Cut
			}
		}
		switch doc[i] {
		case ',':
			i++
		case ']':
			return i + 1
		default:
			return jsonscan.Broken
		}
	}
}

// jsonPair stores the key and value at doc[at], and returns the index behind them.
func (f *flat) jsonPair(doc []byte, at int) int {
	if f.n < len(f.learned) { // the same key as in the object before
		l := f.learned[f.n]
		if i := at + len(l.json); i < len(doc) && doc[i] == '{' && string(doc[at:i]) == l.json {
			f.n++
			if i = f.jsonAny(doc, l.at, i); i >= 0 && i < len(doc) && doc[i] == '}' {
				return i + 1
			}
			f.full = true // a member more, or a blank: the whole is read in full
			end, _ := jsonscan.ScanValue(doc, at)
			return end
		}
	}
	var name []byte
	value := -1
	end := jsonscan.EachMember(doc, at, func(key []byte, _ uint8, i int) int {
		end, v := jsonscan.ScanValue(doc, i)
		switch string(key) {
		case "key":
			name = nil
			if v.Kind == String {
				name = doc[v.Start:v.End:v.End]
			}
		case "value":
			value = i
		}
		return end
	})
	if end < 0 || name == nil {
		return end
	}
	k := f.key(name)
	if k == nil {
		return end
	}
	if value < 0 || doc[value] != '{' {
		f.full = true // null, which the message does not spell
		return end
	}
	if f.jsonAny(doc, k, value) < 0 {
		return jsonscan.Broken
	}
	return end
}

// jsonAny stores the value at doc[at], an object, of OpenTelemetry's data model, and returns the
// index behind it.
func (f *flat) jsonAny(doc []byte, k *jsonscan.Key, at int) int {
	switch b := doc[at:]; {
	case hasPrefix(b, stringPrefix):
		from := at + len(stringPrefix)
		to, flags := jsonscan.ScanString(doc, from)
		if to < 0 {
			return to
		}
		if to+1 < len(doc) && doc[to+1] == '}' {
			if k != nil {
				f.x.Put(k, jsonscan.Span{
					Start: int32(from), End: int32(to), Kind: String, Flags: flags,
				})
			}
			return to + 2
		}
	case hasPrefix(b, intPrefix):
		from := at + len(intPrefix)
		to := from
		if to < len(doc) && doc[to] == '-' {
			to++
		}
		n := jsonscan.Digits(doc[to:min(to+20, len(doc))])
		first := to
		to += n
		if n > 0 && n < 20 && (n == 1 || doc[first] != '0') && to+1 < len(doc) &&
			doc[to] == '"' && doc[to+1] == '}' {
			if k != nil {
				f.x.Put(k, jsonscan.Span{Start: int32(from), End: int32(to), Kind: Number})
			}
			return to + 2
		}
	case hasPrefix(b, doublePrefix), hasPrefix(b, boolPrefix):
		from := at + len(doublePrefix)
		if b[2] == 'b' {
			from = at + len(boolPrefix)
		}
		if to, v := jsonscan.ScanValue(doc, from); v.Kind == Number || v.Kind == Bool {
			if to < len(doc) && doc[to] == '}' {
				if k != nil {
					f.x.Put(k, v)
				}
				return to + 1
			}
		}
	}
	end := jsonscan.SkipContainer(doc, at+1, '{')
	if end < 0 || k == nil {
		return end
	}
	f.otherAny(doc, k, at, end)
	return end
}

// otherAny stores the value doc[at:end] if it is a scalar; anything else is read in full.
func (f *flat) otherAny(doc []byte, k *jsonscan.Key, at, end int) {
	found := false
	jsonscan.Members(doc[at:end], func(key []byte, _ uint8, v jsonscan.Span) bool {
		v.Start, v.End = v.Start+int32(at), v.End+int32(at)
		switch string(key) {
		case "stringValue", "boolValue", "bytesValue":
		case "intValue", "doubleValue":
			if v.Kind == String && jsonscan.IsNumber(doc[v.Start:v.End]) {
				v.Kind = Number
			}
		case "arrayValue", "kvlistValue":
			f.full, found = true, true
			return false
		default:
			return true
		}
		found = true
		if v.Kind == Object || v.Kind == Array || v.Kind == Number && v.End-v.Start > 300 {
			f.full = true
			return false
		}
		f.x.Put(k, v)
		return false
	})
	f.full = f.full || !found // null
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) > len(prefix) && string(b[:len(prefix)]) == prefix
}

// jsonInFull makes the JSON of the record, in built, and of its attributes, in shared.
func (d *Decoder) jsonInFull() {
	o := &d.flat
	record := o.bytes
	b := append(d.built[:0], '{')
	attributes := append(d.shared[:0], '{')
	jsonscan.Members(record, func(key []byte, _ uint8, v jsonscan.Span) bool {
		value := record[v.Start:v.End]
		switch string(key) {
		case "body":
			if v.Kind == Object {
				b = appendAny(appendKey(b, "body"), value, 0)
			}
		case "attributes":
			if v.Kind == Array {
				attributes = appendPairs(attributes, value, 0)
			}
		case "droppedAttributesCount":
		default:
			if v.Kind != Null && len(value) > 0 && string(value) != "0" {
				b = appendSpan(appendKey(b, string(key)), record, v)
			}
		}
		return true
	})
	if o.scopeName.Kind == String {
		b = append(appendKey(b, "otel.scope.name"), '"')
		b = append(append(b, d.root.Doc[o.scopeName.Start:o.scopeName.End]...), '"')
	}
	d.built, d.shared = append(b, '}'), append(attributes, '}')
}

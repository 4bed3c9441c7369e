package decode

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// A log of OTLP in protobuf is read without making JSON of it. Each of its layers, the record, its
// attributes and its resource, is a flat: the values of the keys that are asked for stand in its
// memory, as they would stand in JSON, and nothing else does. What wants a layer as a whole, such
// as Entry, has the JSON made first (see inFull).

// flat is a layer whose values are put one by one.
type flat struct {
	x       *jsonscan.Extractor
	doc     []byte
	learned []learnedKey // of the members of the last object, in their order
	n       int          // members so far
	nested  bool         // something within a value is asked for, so the layer must be read in full
}

type learnedKey struct {
	name string
	key  *jsonscan.Key
}

func (f *flat) begin(x *jsonscan.Extractor) {
	f.x, f.doc, f.n, f.nested = x, f.doc[:0], 0, false
	x.Begin()
}

// key finds the key of the next member, nil if nothing about it is asked for.
func (f *flat) key(name []byte) *jsonscan.Key {
	i := f.n
	f.n++
	if i < len(f.learned) && f.learned[i].name == string(name) {
		return f.learned[i].key
	}
	for _, c := range name {
		if c < ' ' || c == '"' || c == '\\' {
			f.nested = true // the rare way
			return nil
		}
	}
	k, kept := f.x.Key(name)
	known := learnedKey{k.Name(), k}
	if !k.Wanted() {
		known.key = nil
	}
	if kept && i < maxLearned {
		for len(f.learned) <= i {
			f.learned = append(f.learned, learnedKey{})
		}
		f.learned[i] = known
	}
	return known.key
}

// maxLearned is of how many members the order is remembered.
const maxLearned = 64

// text puts a text.
func (f *flat) text(k *jsonscan.Key, t []byte) {
	from := len(f.doc) + 1
	var plain bool
	if f.doc, plain = jsonscan.AppendPlain(f.doc, t); plain {
		f.x.Put(k, jsonscan.Span{Start: int32(from), End: int32(len(f.doc) - 1), Kind: String})
		return
	}
	f.doc = jsonscan.AppendQuoted(f.doc, t)
	flags := uint8(0)
	if len(f.doc)-from-1 != len(t) {
		flags = jsonscan.Escaped
	}
	for _, c := range t {
		if c >= 0x80 {
			flags |= jsonscan.Wide
			break
		}
	}
	f.x.Put(
		k,
		jsonscan.Span{Start: int32(from), End: int32(len(f.doc) - 1), Kind: String, Flags: flags},
	)
}

// put puts what was appended to doc since from.
func (f *flat) put(k *jsonscan.Key, from int) {
	s := jsonscan.Span{Start: int32(from), End: int32(len(f.doc)), Kind: Number}
	switch f.doc[from] {
	case '"':
		s.Kind, s.Start, s.End = String, s.Start+1, s.End-1
		_, s.Flags = jsonscan.ScanString(f.doc, from+1)
	case '{':
		s.Kind = Object
		f.nested = f.nested || k.Leads()
	case '[':
		s.Kind = Array
	case 't', 'f':
		s.Kind = Bool
	case 'n':
		s.Kind = Null
	}
	f.x.Put(k, s)
}

// pair puts a key and its value, as attributes have them.
func (f *flat) pair(pair []byte) {
	var name, value []byte
	if len(pair) > 2 && pair[0] == 0x0a && pair[1] < 0x80 &&
		int(pair[1])+2 <= len(pair) { // the usual order
		name, value = pair[2:2+pair[1]], pair[2+pair[1]:]
		if len(value) > 2 && value[0] == 0x12 {
			if value[1] < 0x80 && int(value[1])+2 == len(value) {
				if k := f.key(name); k != nil {
					f.any(k, value[2:])
				}
				return
			}
			if n, rest := uvarint(value[1:]); rest != nil && n == uint64(len(rest)) {
				if k := f.key(name); k != nil {
					f.any(k, rest)
				}
				return
			}
		}
	}
	name, value = nil, nil
	for b := pair; len(b) > 0; {
		field, rest := nextField(b)
		if rest == nil {
			break
		}
		switch b = rest; field.number {
		case 1:
			name = field.bytes
		case 2:
			value = field.bytes
		}
	}
	if k := f.key(name); k != nil {
		f.any(k, value)
	}
}

// any puts a value of OpenTelemetry's data model.
func (f *flat) any(k *jsonscan.Key, v []byte) {
	from := len(f.doc)
	if len(v) > 1 {
		switch v[0] {
		case 0x0a:
			if v[1] < 0x80 && int(v[1])+2 == len(v) {
				f.text(k, v[2:])
				return
			}
			if n, t := uvarint(v[1:]); t != nil && n == uint64(len(t)) {
				f.text(k, t)
				return
			}
		case 0x18:
			if n, rest := uvarint(v[1:]); rest != nil && len(rest) == 0 {
				f.doc = strconv.AppendInt(f.doc, int64(n), 10)
				f.x.Put(k, jsonscan.Span{Start: int32(from), End: int32(len(f.doc)), Kind: Number})
				return
			}
		case 0x21:
			if len(v) == 9 {
				f.doc = appendDouble(
					f.doc,
					math.Float64frombits(binary.LittleEndian.Uint64(v[1:9])),
				)
				f.put(k, from)
				return
			}
		}
	}
	f.doc = appendProtoAny(f.doc, v, 0)
	f.put(k, from)
}

// appendDouble appends a number as appendFloat does, sooner where it is a small one with at most
// two digits behind the point.
func appendDouble(dst []byte, v float64) []byte {
	if n := v * 100; n > -1e8 && n < 1e8 {
		whole := int64(n + math.Copysign(0.5, n))
		if float64(whole)/100 == v && (whole != 0 || !math.Signbit(v)) {
			if whole < 0 {
				dst, whole = append(dst, '-'), -whole
			}
			dst = strconv.AppendInt(dst, whole/100, 10)
			if cents := whole % 100; cents > 0 {
				dst = append(dst, '.', byte('0'+cents/10))
				if cents%10 > 0 {
					dst = append(dst, byte('0'+cents%10))
				}
			}
			return dst
		}
	}
	return appendFloat(dst, v)
}

// recordKey is a field of a log record.
type recordKey uint8

const (
	keyTime recordKey = iota
	keyObserved
	keySeverityNumber
	keySeverityText
	keyBody
	keyTraceID
	keySpanID
	keyEventName
	keyScope
	recordKeys
)

var recordKeyNames = [recordKeys]string{
	"timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText",
	"body", "traceId", "spanId", "eventName", "otel.scope.name",
}

// flatLog is the log of OTLP that is being read.
type flatLog struct {
	record, attributes, resource flat

	keys        [recordKeys]*jsonscan.Key // nil for what is not asked for
	timeAsked   bool                      // a field is the time's own number
	compiled    bool
	bytes       []byte // of the record
	scope       []byte
	group       []byte // the message of the resource
	resourceNo  uint64 // grows with each resource
	active      bool   // the current log is one of these, and not yet in full
	resourceRaw bool   // shared2 is the JSON of the resource
	time        uint64
}

func (d *Decoder) compileFlat() {
	o := &d.flat
	for i, name := range recordKeyNames {
		if k, _ := d.root.Key([]byte(name)); k.Wanted() {
			o.keys[i] = k
		}
	}
	if k := o.keys[keyTime]; k != nil {
		for _, r := range d.plan.others {
			for _, s := range r.choice.Slots {
				o.timeAsked = o.timeAsked || s == k.Slot()
			}
		}
	}
	o.compiled = true
}

// flatResource reads the resource of a group of logs.
func (d *Decoder) flatResource(resource []byte) {
	o := &d.flat
	if !o.compiled {
		d.compileFlat()
	}
	o.resourceNo++
	o.group, o.resourceRaw = resource, false
	d.resource = d.extractor(&d.resourceKept)
	o.resource.begin(d.resource)
	for b := resource; len(b) > 0; {
		field, rest := nextField(b)
		if rest == nil {
			break
		}
		if b = rest; field.number == 1 {
			o.resource.pair(field.bytes)
		}
	}
	d.resource.Doc = o.resource.doc
	if o.resource.nested {
		d.resourceInFull()
	}
}

func (d *Decoder) resourceInFull() {
	d.shared2 = append(appendProtoAttributes(append(d.shared2[:0], '{'), d.flat.group, 1), '}')
	d.resource.Read(d.shared2)
	d.flat.resourceRaw = true
}

// flatRecord reads and emits a log record.
func (d *Decoder) flatRecord(record, scope []byte) {
	o := &d.flat
	o.bytes, o.scope, o.time = record, scope, 0
	r, a := &o.record, &o.attributes
	r.begin(d.root)
	d.envelope = d.extractor(&d.envelopeKept)
	a.begin(d.envelope)
	observed := uint64(0)
	for b := record; len(b) > 0; {
		var t []byte
		switch tag := b[0]; tag {
		case 1<<3 | 1:
			o.time, b = binary.LittleEndian.Uint64(b[1:9]), b[9:]
		case 11<<3 | 1:
			observed, b = binary.LittleEndian.Uint64(b[1:9]), b[9:]
		case 2 << 3:
			var n uint64
			if n, b = uvarint(b[1:]); n != 0 {
				r.number(o.keys[keySeverityNumber], n)
			}
		case 6<<3 | 2:
			if t, b = chunk(b[1:]); b == nil {
				break
			}
			a.pair(t)
		case 3<<3 | 2:
			t, b = chunk(b[1:])
			r.some(o.keys[keySeverityText], t)
		case 5<<3 | 2:
			t, b = chunk(b[1:])
			if k := o.keys[keyBody]; k != nil {
				r.any(k, t)
			}
		case 9<<3 | 2:
			t, b = chunk(b[1:])
			r.id(o.keys[keyTraceID], t)
		case 10<<3 | 2:
			t, b = chunk(b[1:])
			r.id(o.keys[keySpanID], t)
		case 12<<3 | 2:
			t, b = chunk(b[1:])
			r.some(o.keys[keyEventName], t)
		default:
			_, b = nextField(b)
		}
	}
	timed := o.time > 0 && o.time < math.MaxInt64 && d.log.clock.plausible(int64(o.time)) &&
		d.cfg.Fields["timestamp"] == nil
	if o.time > 0 && (!timed || o.timeAsked) {
		r.number(o.keys[keyTime], o.time)
	}
	if observed > 0 && (!timed || o.timeAsked) {
		r.number(o.keys[keyObserved], observed)
	}
	r.some(o.keys[keyScope], scope)
	d.root.Doc, d.envelope.Doc = r.doc, a.doc
	if r.nested || a.nested {
		d.readInFull()
		d.prepare("otlp_proto", nil)
	} else {
		o.active = true
		d.prepare("otlp_proto", nil)
		if timed {
			l := &d.log
			l.time, l.timeFrom, l.timeSeen = int64(o.time), recordKeyNames[keyTime], true
		}
	}
	d.emit()
	o.active = false
}

func (f *flat) number(k *jsonscan.Key, n uint64) {
	if k == nil {
		return
	}
	from := len(f.doc)
	f.doc = strconv.AppendUint(f.doc, n, 10)
	f.x.Put(k, jsonscan.Span{Start: int32(from), End: int32(len(f.doc)), Kind: Number})
}

// some puts a text unless it is empty.
func (f *flat) some(k *jsonscan.Key, t []byte) {
	if k != nil && len(t) > 0 {
		f.text(k, t)
	}
}

func (f *flat) id(k *jsonscan.Key, id []byte) {
	if k == nil || len(id) == 0 {
		return
	}
	from := len(f.doc) + 1
	f.doc = append(hex.AppendEncode(append(f.doc, '"'), id), '"')
	f.x.Put(k, jsonscan.Span{Start: int32(from), End: int32(len(f.doc) - 1), Kind: String})
}

// readInFull makes the JSON of the record and its attributes, and reads it.
func (d *Decoder) readInFull() {
	o := &d.flat
	if !o.resourceRaw {
		d.resourceInFull()
	}
	d.built = append(appendRecord(append(d.built[:0], '{'), o.bytes, o.scope), '}')
	d.root.Read(d.built)
	d.shared = append(appendProtoAttributes(append(d.shared[:0], '{'), o.bytes, 6), '}')
	d.envelope.Read(d.shared)
}

// inFull has the layers of a log read as a whole. What was found before stays valid.
func (l *Log) inFull() {
	d := l.d
	if !d.flat.active {
		return
	}
	d.flat.active = false
	d.readInFull()
	l.layout, l.wide, l.learning = nil, nil, nil
	l.addLayers()
}

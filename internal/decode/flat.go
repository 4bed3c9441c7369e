package decode

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// A log of OTLP in protobuf is read without a conversion to JSON. Each of its layers (the record,
// its attributes and its resource) is a flat, which holds the values of the requested keys only, in
// the form of JSON. Callers that need a whole layer, such as Entry, have it converted first (see
// inFull).

// flat is a layer whose values are stored one by one. Its document begins with a copy of the
// message. Texts that need no escapes in JSON are read from that copy. Other values, such as
// numbers, are appended to it.
type flat struct {
	x       *jsonscan.Extractor
	learned []*learnedKey // of the members of the last object, in their order
	names   map[string]*learnedKey
	n       int // members so far
	missed  int // keys met while names was full
	// the layer must be read in full: a value is not a scalar, or is written in an unusual way
	full bool
}

// learnedKey is a key as messages hold it.
type learnedKey struct {
	key  string        // in protobuf, with its tag and length
	json string        // in OTLP's JSON, up to its value
	at   *jsonscan.Key // nil if neither its value nor anything within is requested
}

func (f *flat) begin(x *jsonscan.Extractor) {
	f.x, f.n, f.full = x, 0, false
	x.Begin()
}

// key returns the key of the next member, nil if neither its value nor anything within is
// requested.
func (f *flat) key(name []byte) *jsonscan.Key {
	i := f.n
	f.n++
	known := f.names[string(name)]
	if known == nil {
		for _, c := range name {
			if c < ' ' || c == '"' || c == '\\' {
				f.full = true // the rare way
				return nil
			}
		}
		k, kept := f.x.Key(name)
		if !k.Wanted() {
			k = nil
		}
		if !kept || len(name) >= 0x80 {
			return k
		}
		if len(f.names) >= maxNames { // of another sender, perhaps
			if f.missed++; f.missed > relearnNames {
				clear(f.names)
				f.learned, f.missed = f.learned[:0], 0
			}
			return k
		}
		known = &learnedKey{
			key:  string(append([]byte{1<<3 | 2, byte(len(name))}, name...)),
			json: keyPrefix + string(name) + `","value":`,
			at:   k,
		}
		if f.names == nil {
			f.names = map[string]*learnedKey{}
		}
		f.names[string(name)] = known
	}
	switch {
	case i < len(f.learned):
		f.learned[i] = known
	case i == len(f.learned) && i < maxLearned:
		f.learned = append(f.learned, known)
	}
	return known.at
}

const (
	maxLearned = 64  // members whose order is remembered
	maxNames   = 512 // keys that are remembered
	// keys that are not remembered after which all are forgotten, because senders may have changed
	relearnNames = 1 << 16
)

// text stores the text doc[from:to] and returns the document.
func (f *flat) text(doc []byte, k *jsonscan.Key, from, to int) []byte {
	t := doc[from:to]
	if jsonscan.IsPlain(t) {
		f.x.Put(k, jsonscan.Span{Start: int32(from), End: int32(to), Kind: String})
		return doc
	}
	start := len(doc) + 1
	doc = jsonscan.AppendQuoted(doc, t)
	flags := uint8(0)
	if len(doc)-start-1 != len(t) {
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
		jsonscan.Span{Start: int32(start), End: int32(len(doc) - 1), Kind: String, Flags: flags},
	)
	return doc
}

// put stores the value that was appended to doc since from.
func (f *flat) put(doc []byte, k *jsonscan.Key, from int) {
	s := jsonscan.Span{Start: int32(from), End: int32(len(doc)), Kind: Number}
	switch doc[from] {
	case '"':
		s.Kind, s.Start, s.End = String, s.Start+1, s.End-1
		_, s.Flags = jsonscan.ScanString(doc, from+1)
	case '{':
		s.Kind = Object
		f.full = f.full || k.Leads()
	case '[':
		s.Kind = Array
	case 't', 'f':
		s.Kind = Bool
	case 'n':
		s.Kind = Null
	}
	f.x.Put(k, s)
}

// pair stores the attribute doc[from:to], a key and a value, and reports whether it is one.
func (f *flat) pair(doc []byte, from, to int) ([]byte, bool) {
	if from < to &&
		f.n < len(f.learned) { // the same key as in the object before, in one of the two orders
		l := f.learned[f.n]
		at, n := from, 0
		front := doc[from] != 2<<3|2
		if front {
			at += len(l.key)
		}
		if at+1 < to && doc[at] == 2<<3|2 && (!front || string(doc[from:at]) == l.key) {
			n = int(doc[at+1])
			if at += 2; n >= 0x80 {
				n, at = length(doc[:to], at-1)
			}
			if end := at + n; end <= to && (front && end == to ||
				!front && string(doc[end:to]) == l.key) {
				f.n++
				if l.at != nil {
					doc = f.any(doc, l.at, at, end)
				}
				return doc, true
			}
		}
	}
	nameFrom, nameTo, valueFrom, valueTo := from, from, from, from
	for i := from; i < to; {
		tag := doc[i]
		if tag != 1<<3|2 && tag != 2<<3|2 { // an unknown field, or a tag of several bytes
			f.full = true
			return doc, protoFields(doc[from:to], func(protoField) bool { return true })
		}
		n, at := length(doc[:to], i+1)
		if n < 0 {
			return doc, false
		}
		switch i = at + n; tag {
		case 1<<3 | 2:
			nameFrom, nameTo = at, i
		case 2<<3 | 2:
			valueFrom, valueTo = at, i
		}
	}
	if k := f.key(doc[nameFrom:nameTo]); k != nil {
		doc = f.any(doc, k, valueFrom, valueTo)
	}
	return doc, true
}

// any stores the value doc[from:to] of OpenTelemetry's data model.
func (f *flat) any(doc []byte, k *jsonscan.Key, from, to int) []byte {
	start := len(doc)
	if to-from > 1 {
		switch v := doc[from:to]; v[0] {
		case 1<<3 | 2:
			if n, at := length(doc[:to], from+1); at+n == to && n >= 0 {
				return f.text(doc, k, at, to)
			}
		case 3 << 3:
			if n, rest := uvarint(v[1:]); rest != nil && len(rest) == 0 {
				doc = strconv.AppendInt(doc, int64(n), 10)
				f.x.Put(k, jsonscan.Span{Start: int32(start), End: int32(len(doc)), Kind: Number})
				return doc
			}
		case 4<<3 | 1:
			if len(v) == 9 {
				doc = appendDouble(doc, math.Float64frombits(binary.LittleEndian.Uint64(v[1:9])))
				f.put(doc, k, start)
				return doc
			}
		}
	}
	doc = appendProtoAny(doc, doc[from:to:to], 0)
	f.put(doc, k, start)
	return doc
}

// length reads a length at b[i] and returns it with the index after it. The length is -1 if fewer
// bytes follow.
func length(b []byte, i int) (n, at int) {
	if i < len(b) && b[i] < 0x80 {
		if n = int(b[i]); i+1+n <= len(b) {
			return n, i + 1
		}
		return -1, i
	}
	size, rest := uvarint(b[min(i, len(b)):])
	if rest == nil || size > uint64(len(rest)) {
		return -1, i
	}
	return int(size), len(b) - len(rest)
}

// appendDouble appends a number as appendFloat does. It is faster for a small number with at most
// two decimals.
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
	doc         []byte // memory of the record and its attributes
	resourceDoc []byte
	bytes       []byte // of the record
	scope       []byte
	scopeName   jsonscan.Span // in the document
	group       []byte        // the message of the resource
	resourceNo  uint64        // grows with each resource
	active      bool          // the current log is one of these, and not yet in full
	resourceRaw bool          // shared2 is the JSON of the resource
	json        bool          // what is read is OTLP's JSON
	time        uint64
}

func (d *Decoder) compileFlat() {
	o := &d.flat
	for i, name := range recordKeyNames {
		if k := d.root.OwnKey([]byte(name)); k.Wanted() {
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
	o.group, o.resourceRaw, o.json = resource, false, false
	d.sharing.part = len(resource)
	d.resource = d.extractor(&d.resourceKept)
	o.resource.begin(d.resource)
	doc := append(o.resourceDoc[:0], resource...)
	for i := 0; i < len(resource); {
		if doc[i] != 1<<3|2 {
			field, rest := nextField(resource[i:])
			if rest == nil {
				break
			}
			o.resource.full = o.resource.full || field.number == 1
			i = len(resource) - len(rest)
			continue
		}
		n, at := length(doc[:len(resource)], i+1)
		if n < 0 {
			break
		}
		i = at + n
		doc, _ = o.resource.pair(doc, at, i)
	}
	o.resourceDoc, d.resource.Doc = doc, doc
	if o.resource.full {
		d.resourceInFull()
	}
}

func (d *Decoder) resourceInFull() {
	o := &d.flat
	d.shared2 = append(d.shared2[:0], '{')
	if o.json {
		d.shared2 = appendAttributes(d.shared2, o.group)
	} else {
		d.shared2 = appendProtoAttributes(d.shared2, o.group, 1)
	}
	d.shared2 = append(d.shared2, '}')
	d.resource.Read(d.shared2)
	o.resourceRaw = true
}

// flatRecord reads and emits a log record, and reports whether the bytes are one.
func (d *Decoder) flatRecord(record, scope []byte) bool {
	o := &d.flat
	o.bytes, o.scope, o.time = record, scope, 0
	d.sharing.spent += len(scope)
	r, a := &o.record, &o.attributes
	r.begin(d.root)
	d.envelope = d.extractor(&d.envelopeKept)
	a.begin(d.envelope)
	observed := uint64(0)
	doc := append(o.doc[:0], record...)
	for i, end := 0, len(record); i < end; {
		tag := doc[i] // of several bytes where it is 0x80 or more
		if tag&7 == 2 && tag < 0x80 {
			n, at := length(doc[:end], i+1)
			if n < 0 {
				return false
			}
			i = at + n
			switch tag {
			case 6<<3 | 2:
				var ok bool
				if doc, ok = a.pair(doc, at, i); !ok {
					return false
				}
			case 3<<3 | 2:
				doc = r.some(doc, o.keys[keySeverityText], at, i)
			case 5<<3 | 2:
				if k := o.keys[keyBody]; k != nil {
					doc = r.any(doc, k, at, i)
				}
			case 9<<3 | 2:
				if n != 16 && n != 0 {
					return false
				}
				doc = r.id(doc, o.keys[keyTraceID], at, i)
			case 10<<3 | 2:
				if n != 8 && n != 0 {
					return false
				}
				doc = r.id(doc, o.keys[keySpanID], at, i)
			case 12<<3 | 2:
				doc = r.some(doc, o.keys[keyEventName], at, i)
			}
			continue
		}
		switch tag {
		case 1<<3 | 1, 11<<3 | 1:
			if i+9 > end {
				return false
			}
			if n := binary.LittleEndian.Uint64(doc[i+1 : i+9]); tag == 1<<3|1 {
				o.time = n
			} else {
				observed = n
			}
			i += 9
		case 2 << 3:
			n, rest := uvarint(doc[i+1 : end])
			if rest == nil || n > 24 {
				return false
			}
			if i = end - len(rest); n != 0 {
				doc = r.number(doc, o.keys[keySeverityNumber], n)
			}
		default:
			_, rest := nextField(record[i:])
			if rest == nil {
				return false
			}
			i = end - len(rest)
			r.full = r.full || tag >= 0x80
		}
	}
	timed := o.time > 0 && o.time < math.MaxInt64 && d.log.clock.plausible(int64(o.time)) &&
		d.cfg.Fields["timestamp"] == nil
	if o.time > 0 && (!timed || o.timeAsked) {
		doc = r.number(doc, o.keys[keyTime], o.time)
	}
	if observed > 0 && (!timed || o.timeAsked) {
		doc = r.number(doc, o.keys[keyObserved], observed)
	}
	if k := o.keys[keyScope]; k != nil && len(scope) > 0 {
		from := len(doc)
		doc = append(doc, scope...)
		doc = r.text(doc, k, from, len(doc))
	}
	o.doc, d.root.Doc, d.envelope.Doc = doc, doc, doc
	d.emitFlat("otlp_proto", nil, timed)
	return true
}

// emitFlat emits the log whose layers were filled. If timed, its time is in d.flat.time.
func (d *Decoder) emitFlat(format string, raw []byte, timed bool) {
	o := &d.flat
	if o.record.full || o.attributes.full {
		d.readInFull()
		d.prepare(format, raw)
	} else {
		o.active = true
		d.prepare(format, raw)
		if timed {
			l := &d.log
			l.time, l.timeFrom, l.timeSeen = int64(o.time), recordKeyNames[keyTime], true
		}
	}
	d.emit()
	o.active = false
}

func (f *flat) number(doc []byte, k *jsonscan.Key, n uint64) []byte {
	if k == nil {
		return doc
	}
	from := len(doc)
	doc = strconv.AppendUint(doc, n, 10)
	f.x.Put(k, jsonscan.Span{Start: int32(from), End: int32(len(doc)), Kind: Number})
	return doc
}

// some stores the text doc[from:to] unless it is empty.
func (f *flat) some(doc []byte, k *jsonscan.Key, from, to int) []byte {
	if k == nil || from == to {
		return doc
	}
	return f.text(doc, k, from, to)
}

// id stores the 8 or 16 bytes doc[from:to] in hexadecimal digits.
func (f *flat) id(doc []byte, k *jsonscan.Key, from, to int) []byte {
	if k == nil || from == to {
		return doc
	}
	start := len(doc)
	for i := from; i+4 <= to; i += 4 {
		doc = appendHex4(doc, doc[i:i+4])
	}
	f.x.Put(k, jsonscan.Span{Start: int32(start), End: int32(len(doc)), Kind: String})
	return doc
}

// appendHex4 appends four bytes in hexadecimal digits, all eight digits at once.
func appendHex4(dst []byte, four []byte) []byte {
	const ones = 0x0101010101010101
	n := uint64(binary.LittleEndian.Uint32(four))
	n = (n | n<<16) & 0x0000ffff0000ffff
	n = (n | n<<8) & 0x00ff00ff00ff00ff
	n = n>>4&0x000f000f000f000f | n&0x000f000f000f000f<<8
	letters := (n + 6*ones) >> 4 & ones
	return binary.LittleEndian.AppendUint64(dst, n+'0'*ones+letters*('a'-'0'-10))
}

// readInFull converts the record and its attributes to JSON, and reads it.
func (d *Decoder) readInFull() {
	o := &d.flat
	if !o.resourceRaw {
		d.resourceInFull()
	}
	if o.json {
		d.jsonInFull()
	} else {
		d.built = append(appendRecord(append(d.built[:0], '{'), o.bytes, o.scope), '}')
		d.shared = append(appendProtoAttributes(append(d.shared[:0], '{'), o.bytes, 6), '}')
	}
	d.root.Read(d.built)
	d.envelope.Read(d.shared)
}

// inFull converts the layers of a log to JSON. Values found before stay valid.
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

package decode

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// requested is how a field that is not well known is found.
type requested struct {
	kind    requestKind
	choice  jsonscan.Choice
	through []through
	arrays  jsonscan.Choice // the slots of all arrays that paths lead through
	exact   jsonscan.Choice // of inStream: the name as it is written, which Loki's labels have
	extract *extracted      // of extractedField; nil until the decoder has compiled it
}

type requestKind uint8

const (
	anyField requestKind = iota // the application's value comes first
	// the platform's value comes first: the line cannot replace it
	platformField
	classField     // the class of an exception
	durationField  // a duration in milliseconds
	addressField   // an address, without its port
	lineField      // the line as it was shipped
	inLine         // a field of the line only
	inStream       // a field of the envelope only
	streamField    // all labels of the envelope
	extractedField // what an extraction yields
)

// through is a path through an array of objects: the array, and the path within its members.
type through struct {
	slots []jsonscan.Slot
	index int // of the member, -1 for any
	rest  []string
}

// request compiles a path of a field that is not well known.
func request(p *jsonscan.Plan, path string, candidates []string) requested {
	var r requested
	if name, of := extractions(path); len(of) > 0 {
		return requested{kind: extractedField, choice: jsonscan.NewChoice(p.Add(name, false))}
	}
	switch {
	case IsStream(path):
		return requested{kind: streamField}
	case path == "exception.class":
		r.kind = classField
	case path == "duration_ms":
		r.kind = durationField
	case path == "source_ip":
		r.kind = addressField
	case path == "line":
		r.kind = lineField
	case strings.HasPrefix(path, "kubernetes."), strings.HasPrefix(path, "docker."):
		r.kind = platformField
	}
	if own, ok := strings.CutPrefix(path, "line."); ok && own != "" {
		r.kind, candidates = inLine, append(slices.Clone(candidates), inner(own)...)
	} else if own, ok := strings.CutPrefix(path, "stream."); ok && own != "" {
		r.kind, candidates = inStream, append(slices.Clone(candidates), inner(own)...)
		r.exact = jsonscan.NewChoice(p.Add(own, false))
	}
	var slots []jsonscan.Slot
	for _, candidate := range candidates {
		for _, s := range p.Add(candidate, false) {
			if !slices.Contains(slots, s) {
				slots = append(slots, s)
			}
		}
	}
	r.choice = jsonscan.NewChoice(slots)
	for _, candidate := range candidates {
		r.through = append(r.through, throughArrays(p, candidate)...)
	}
	var arrays []jsonscan.Slot
	for _, w := range r.through {
		arrays = append(arrays, w.slots...)
	}
	r.arrays = jsonscan.NewChoice(arrays)
	return r
}

// inner are the spellings of a field within the line or the envelope, where a well-known name means
// that field, too.
func inner(path string) []string {
	list := spellings(path)
	if id := slices.Index(canonicalNames[:], Canonical(path)); id >= 0 {
		for _, candidate := range textCandidates[id] {
			if !slices.Contains(list, candidate) {
				list = append(slices.Clone(list), candidate)
			}
		}
	}
	return list
}

// maxThrough is how many segments a path through arrays may have.
const maxThrough = 8

// throughArrays returns the ways on which a path may lead through an array.
func throughArrays(p *jsonscan.Plan, path string) (list []through) {
	segments := strings.Split(path, ".")
	if len(segments) > maxThrough {
		return nil
	}
	for n := 1; n <= len(segments); n++ {
		head, index := cutIndex(segments[n-1])
		if n == len(segments) && index < 0 {
			break
		}
		before := append(slices.Clone(segments[:n-1]), head)
		if slices.ContainsFunc(before, func(s string) bool { return strings.HasSuffix(s, "]") }) {
			break
		}
		list = append(list, through{p.Add(strings.Join(before, "."), false), index, segments[n:]})
	}
	return list
}

// cutIndex splits a[0] into the key and the index, -1 for none.
func cutIndex(segment string) (key string, index int) {
	open := strings.IndexByte(segment, '[')
	if open <= 0 || !strings.HasSuffix(segment, "]") {
		return segment, -1
	}
	n, err := strconv.Atoi(segment[open+1 : len(segment)-1])
	if err != nil || n < 0 {
		return segment, -1
	}
	return segment[:open], n
}

// findRequested finds a field that is not well known, and the slot that it was read from.
func (l *Log) findRequested(
	path string, r *requested, read func(*jsonscan.Extractor) *jsonscan.Extractor,
) (Value, jsonscan.Slot) {
	layers := l.applicationFirst()
	switch r.kind {
	case platformField:
		layers = l.platformFirst()
	case lineField:
		// a field of the log that is called line; in Loki's format the line is never replaced
		if v, at := l.inLayers(r, layers, read); v.Kind > Null && l.format != "loki" {
			if at != jsonscan.NoSlot && !(v.Kind == Number) {
				return v, at
			}
		}
		return Value{String, l.line()}, jsonscan.NoSlot
	case inLine:
		if len(l.over) > 0 {
			layers = layers[:len(l.over)]
		}
	case extractedField:
		if r.extract == nil {
			r.extract = l.d.extracted(path)
		}
		return l.extractedValue(r, read), jsonscan.NoSlot
	case streamField:
		return l.streamLabels(path), jsonscan.NoSlot
	case inStream:
		if l.format == "loki" {
			return l.lokiLabel(r, read)
		}
		layers = append(l.d.order[:0], l.under...)
		layers = append(layers, l.root)
		l.d.order = layers
	default:
		if l.format == "loki" && len(l.under) > 0 { // labels of the stream
			layers = l.platformFirst()
			slices.Reverse(layers[:1+len(l.under)])
		}
	}
	v, at := l.inLayers(r, layers, read)
	if v.Kind > Null {
		if r.kind == addressField && v.Kind == String && isAddress(v.Text) {
			v.Text = withoutPort(v.Text)
		}
		return v, at
	}
	switch r.kind {
	case classField:
		if class := classOf(l.Value(FieldStack).Text); class != nil {
			return Value{String, class}, jsonscan.NoSlot
		}
	case durationField:
		if t := l.secondsAsMillis(); t != nil {
			return Value{Number, t}, jsonscan.NoSlot
		}
	}
	return v, at
}

// lokiLabel is a label of the stream, or metadata of the line, of exactly the name.
func (l *Log) lokiLabel(
	r *requested, read func(*jsonscan.Extractor) *jsonscan.Extractor,
) (Value, jsonscan.Slot) {
	layers := append(append(l.d.order[:0], l.under...), l.root)
	l.d.order = layers
	return l.firstOf(&r.exact, layers, read)
}

// firstOf is the first value of a choice in some layers.
func (l *Log) firstOf(
	c *jsonscan.Choice, layers []*jsonscan.Extractor,
	read func(*jsonscan.Extractor) *jsonscan.Extractor,
) (Value, jsonscan.Slot) {
	for _, x := range layers {
		if read != nil {
			if x = read(x); x == nil {
				continue
			}
		}
		if v, at := l.in(x).anyOf(c); v.Kind > Null {
			return v, at
		}
	}
	return Value{}, jsonscan.NoSlot
}

// inLayers finds a field in the first layer that has it: of any kind, null only if no layer has a
// value.
func (l *Log) inLayers(
	r *requested, layers []*jsonscan.Extractor, read func(*jsonscan.Extractor) *jsonscan.Extractor,
) (Value, jsonscan.Slot) {
	var null Value
	nullAt := jsonscan.NoSlot
	for _, x := range layers {
		if read != nil {
			if x = read(x); x == nil {
				continue
			}
		}
		v, at := l.in(x).anyOf(&r.choice)
		if r.kind == classField && v.Kind > Null {
			v, at = l.in(x).className(&r.choice)
		}
		if r.kind == addressField && v.Kind == Object { // the client, of which one is the address
			v, at = l.in(x).textOf(&r.choice)
		}
		if v.Kind > Null {
			return v, at
		}
		if v.Kind == Null {
			null, nullAt = v, at
		}
		if n, _ := r.arrays.Present(x.Has); n == 0 {
			continue
		}
		if v, at := l.in(x).throughAny(r.through); v.Kind > Null {
			if r.kind == classField {
				v.Each(func(first Value) bool { v = Value{String, first.Text}; return false })
			}
			return v, at
		}
	}
	return null, nullAt
}

// className is the first candidate that can be the name of a class.
func (x layer) className(c *jsonscan.Choice) (Value, jsonscan.Slot) {
	for _, at := range c.Slots {
		if !x.Has.Has(at) {
			continue
		}
		v := x.scalar(x.Spans[at])
		if x.d.plan.path(at) == "exception" { // more often the stack
			if v.Text = classOf(v.Text); v.Text == nil {
				continue
			}
		}
		if v.Kind != Absent && len(v.Text) < 200 && bytes.IndexByte(v.Text, '\n') < 0 {
			return v, at
		}
	}
	return Value{}, jsonscan.NoSlot
}

// throughAny finds the values of a path that leads through an array of objects. Several are an
// array, of which any member matches.
func (x layer) throughAny(ways []through) (Value, jsonscan.Slot) {
	for i := range ways {
		w := &ways[i]
		for _, at := range w.slots {
			if !x.Has.Has(at) || x.Spans[at].Kind != Array {
				continue
			}
			doc := x.Doc[x.Spans[at].Start:x.Spans[at].End]
			count := 0
			text := x.d.keep(func(b []byte) []byte {
				b = append(b, '[')
				b, count = appendThrough(b, doc, w.index, w.rest, 0)
				return append(b, ']')
			})
			if count > 0 {
				return Value{Array, text}, at
			}
		}
	}
	return Value{}, jsonscan.NoSlot
}

// appendThrough appends the values of a path within the members of an array.
func appendThrough(dst, array []byte, index int, rest []string, count int) ([]byte, int) {
	n := -1
	jsonscan.Elements(array, func(s jsonscan.Span) bool {
		if n++; index >= 0 && n != index {
			return n < index
		}
		dst, count = appendWithin(dst, array, s, rest, count)
		return true
	})
	return dst, count
}

func appendWithin(dst, doc []byte, s jsonscan.Span, rest []string, count int) ([]byte, int) {
	if len(rest) == 0 {
		if s.Kind > Null {
			if count > 0 {
				dst = append(dst, ',')
			}
			dst, count = appendSpan(dst, doc, s), count+1
		}
		return dst, count
	}
	value := doc[s.Start:s.End]
	switch s.Kind {
	case Array:
		return appendThrough(dst, value, -1, rest, count)
	case Object:
		for n := len(rest); n > 0; n-- {
			key, index := cutIndex(strings.Join(rest[:n], "."))
			_, found := member(value, []byte(key))
			if found.Kind == Absent {
				continue
			}
			if index >= 0 {
				if found.Kind == Array {
					return appendThrough(dst, value[found.Start:found.End], index, rest[n:], count)
				}
				continue
			}
			return appendWithin(dst, value, found, rest[n:], count)
		}
	}
	return dst, count
}

// line is the line as it was shipped: the message of the envelope before it was read, or the whole
// record.
func (l *Log) line() []byte {
	if l.isText || len(l.built()) > 0 && l.envelopeless() {
		return l.rawText()
	}
	for _, x := range l.platformFirst() {
		if s, at := l.in(x).message(); at != jsonscan.NoSlot && s.Kind == String {
			return l.in(x).valueOf(s).Text
		}
	}
	return l.rawText()
}

// built is the object into which a line was rewritten, nil for a log that was JSON.
func (l *Log) built() []byte {
	if len(l.root.Doc) > 0 && len(l.d.built) > 0 && &l.root.Doc[0] == &l.d.built[0] {
		return l.d.built
	}
	return nil
}

// envelopeless reports whether the format is one of lines, whose line is the record.
func (l *Log) envelopeless() bool {
	switch l.format {
	case "loki", "otlp_json", "otlp_proto", "json", "hec":
		return false
	}
	return l.d.envelope == nil && l.d.resource == nil
}

// secondsAsMillis is the duration of a request that Caddy, or Traefik in nanoseconds, has logged,
// or one that is a text with its unit: 17.1ms.
func (l *Log) secondsAsMillis() []byte {
	h := &l.d.plan.hints
	for _, x := range l.applicationFirst() {
		for _, d := range [...]struct {
			at, beside jsonscan.Slot
			factor     float64
		}{
			{h.duration, h.request, 1e3}, {
				h.bigDuration, h.requestMethod, 1e-6,
			}, {h.requestTime, h.remoteAddr, 1e3}, {h.latency, h.remoteIP, 1e-6},
		} {
			if !x.Has.Has(d.at) || !x.Has.Has(d.beside) {
				continue
			}
			f, err := strconv.ParseFloat(string(l.in(x).scalar(x.Spans[d.at]).Text), 64)
			if err != nil {
				continue
			}
			return l.d.keep(func(b []byte) []byte {
				return strconv.AppendFloat(b, f*d.factor, 'f', -1, 64)
			})
		}
	}
	for _, x := range l.applicationFirst() {
		if n, _ := h.spans.Present(x.Has); n == 0 {
			continue
		}
		for _, at := range h.spans.Slots {
			if !x.Has.Has(at) || x.Spans[at].Kind != String {
				continue
			}
			t := l.in(x).scalar(x.Spans[at]).Text
			if len(t) < 2 || len(t) > 32 || t[0]-'0' > 9 || t[len(t)-1] != 's' {
				continue
			}
			d, err := time.ParseDuration(string(bytes.ReplaceAll(t, []byte(" "), nil)))
			if err != nil {
				continue
			}
			return l.d.keep(func(b []byte) []byte {
				return strconv.AppendFloat(b, float64(d)/1e6, 'f', -1, 64)
			})
		}
	}
	return nil
}

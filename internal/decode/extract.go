package decode

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// Extraction reads new fields out of the text of another field. It is done only for logs in which
// such a field is asked for, and once for all fields of one extraction.
type Extraction struct {
	From   string // the path of the field whose text is read
	Method string // one of Methods
	// a pattern such as "<ip> - - [<_>] <rest>", whose names are fields; a regular expression,
	// whose named groups are; or the members of an object, or keys of pairs, separated by commas:
	// each is a name, or name=path
	Text string
}

// Methods are the ways of extraction.
var Methods = []string{"pattern", "regexp", "json", "logfmt"}

// An extracted field has a path that says how it is extracted: its name, and the extractions that
// may have it, the first of which wins.
const extractMark = "\x00"

// Path is the path of a field that an extraction yields; that of several yields it, too, the first
// that has it.
func Path(name string, of ...Extraction) string {
	parts := []string{name}
	for _, x := range of {
		parts = append(parts, x.Method, x.From, x.Text)
	}
	return strings.Join(parts, extractMark)
}

// FieldName is the name of a field as people write it: of an extracted field its name, and of
// others their path.
func FieldName(path string) string {
	name, _, _ := strings.Cut(path, extractMark)
	return name
}

// Extracted reports whether a path is that of an extracted field.
func Extracted(path string) bool { return strings.Contains(path, extractMark) }

// extractions are the name and the extractions of a path, none if it is that of another field.
func extractions(path string) (name string, list []Extraction) {
	parts := strings.Split(path, extractMark)
	for i := 1; i+2 < len(parts); i += 3 {
		list = append(list, Extraction{Method: parts[i], From: parts[i+1], Text: parts[i+2]})
	}
	return parts[0], list
}

// Names are the names of the fields that an extraction yields, or what is wrong with it.
func (x Extraction) Names() ([]string, error) {
	e, err := x.compile()
	if err != nil {
		return nil, err
	}
	return e.names, nil
}

// maxExtracted bounds the fields of one extraction.
const maxExtracted = 64

// extractor is a compiled extraction with the values of the log at hand.
type extractor struct {
	Extraction
	names  []string
	parts  [][]byte // of a pattern: the texts between its captures
	ends   []int    // of a pattern: by capture, the index in names, -1 for one without a name
	regexp *regexp.Regexp
	groups []int        // of names, the group of the expression
	paths  [][]pathStep // of names, the path within an object; nil for a flattened name
	flat   []byte       // scratch: the flattened name of a member
	values []Value      // of names, of the log with the stamp
	stamp  uint32       // 0 for none
	left   int          // names without a value yet
	from   FieldID      // of From
	given  bool         // From is among the fields of the decoder
}

// pathStep is a step of a path in an object: a key, or the index of a member of an array.
type pathStep struct {
	key   string
	index int // -1 for a key
}

func (x Extraction) compile() (*extractor, error) {
	e := &extractor{Extraction: x}
	var err error
	switch x.Method {
	case "pattern":
		err = e.compilePattern()
	case "regexp":
		if e.regexp, err = regexp.Compile(x.Text); err != nil {
			break
		}
		for i, name := range e.regexp.SubexpNames() {
			if name != "" {
				e.names, e.groups = append(e.names, name), append(e.groups, i)
			}
		}
		if len(e.names) == 0 {
			err = fmt.Errorf("the expression has no named group; write (?P<name>...)")
		}
	case "json", "logfmt":
		err = e.compileMembers()
	default:
		err = fmt.Errorf("unknown method %q", x.Method)
	}
	switch {
	case err != nil:
		return nil, err
	case len(e.names) > maxExtracted:
		return nil, fmt.Errorf("it has more than %d fields", maxExtracted)
	}
	for i, name := range e.names {
		if slices.Contains(e.names[:i], name) {
			return nil, fmt.Errorf("it has the field %q twice", name)
		}
	}
	e.values = make([]Value, len(e.names))
	return e, nil
}

var capture = regexp.MustCompile(`<([A-Za-z_][A-Za-z0-9_]*)>`)

// compilePattern splits a pattern into its texts and captures.
func (e *extractor) compilePattern() error {
	at := 0
	for i, m := range capture.FindAllStringSubmatchIndex(e.Text, -1) {
		if i > 0 && m[0] == at {
			return fmt.Errorf("two captures stand side by side; put the text between them there")
		}
		e.parts = append(e.parts, []byte(e.Text[at:m[0]]))
		at = m[1]
		if name := e.Text[m[2]:m[3]]; name != "_" {
			e.ends, e.names = append(e.ends, len(e.names)), append(e.names, name)
		} else {
			e.ends = append(e.ends, -1)
		}
	}
	if len(e.names) == 0 {
		return fmt.Errorf("the pattern has no capture; write <name>")
	}
	e.parts = append(e.parts, []byte(e.Text[at:]))
	return nil
}

var fieldName = regexp.MustCompile(`^[A-Za-z_@][A-Za-z0-9_.@-]*$`)

// compileMembers reads "level, user=request.user".
func (e *extractor) compileMembers() error {
	for one := range strings.SplitSeq(e.Text, ",") {
		name, path, given := strings.Cut(strings.TrimSpace(one), "=")
		if !fieldName.MatchString(name) {
			return fmt.Errorf("%q is not the name of a field", name)
		}
		var steps []pathStep
		if given {
			var err error
			if steps, err = parsePath(path); err != nil {
				return err
			}
			if e.Method == "logfmt" && (len(steps) != 1 || steps[0].index >= 0) {
				return fmt.Errorf("%q is not a key", path)
			}
		}
		e.names, e.paths = append(e.names, name), append(e.paths, steps)
	}
	return nil
}

// parsePath reads a path in an object, as in request.headers["User-Agent"][0].
func parsePath(path string) (steps []pathStep, err error) {
	rest := path
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, `["`):
			end := strings.Index(rest, `"]`)
			if end < 2 {
				return nil, fmt.Errorf("%q is not a path", path)
			}
			steps, rest = append(steps, pathStep{rest[2:end], -1}), rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			n, err := strconv.Atoi(rest[1:max(end, 1)])
			if err != nil || n < 0 {
				return nil, fmt.Errorf("%q is not a path", path)
			}
			steps, rest = append(steps, pathStep{"", n}), rest[end+1:]
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, fmt.Errorf("%q is not a path", path)
			}
			steps, rest = append(steps, pathStep{rest[:end], -1}), rest[end:]
		}
	}
	if len(steps) == 0 || len(steps) > maxThrough {
		return nil, fmt.Errorf("%q is not a path", path)
	}
	return steps, nil
}

// sharedExtractor returns the compiled extraction, which all fields of it share. One that does not
// compile, which the reader of rules has refused, is nil.
func (d *Decoder) sharedExtractor(x Extraction) *extractor {
	for _, e := range d.extractors {
		if e.Extraction == x {
			return e
		}
	}
	e, err := x.compile()
	if err != nil {
		return nil
	}
	e.from, e.given = d.fields.ID(x.From)
	d.extractors = append(d.extractors, e)
	return e
}

// extracted is a field that extractions yield.
type extracted struct {
	name string
	of   []*extractor
	at   []int // by extractor, the index of the name; -1 if it has none
}

func (d *Decoder) extracted(path string) *extracted {
	name, list := extractions(path)
	x := &extracted{name: name}
	for _, one := range list {
		if e := d.sharedExtractor(one); e != nil {
			x.of, x.at = append(x.of, e), append(x.at, slices.Index(e.names, name))
		}
	}
	return x
}

// extractedValue finds an extracted field. In Loki's format a label of the stream comes first, as
// it does there: a line cannot replace it.
func (l *Log) extractedValue(
	r *requested, read func(*jsonscan.Extractor) *jsonscan.Extractor,
) Value {
	if l.format == "loki" {
		if v, _ := l.firstOf(&r.choice, l.under, read); v.Kind > Null {
			return v
		}
	}
	for i, e := range r.extract.of {
		if r.extract.at[i] < 0 {
			continue
		}
		e.read(l)
		if v := e.values[r.extract.at[i]]; v.Kind > Null {
			return v
		}
	}
	return Value{}
}

// read extracts from a log, once.
func (e *extractor) read(l *Log) {
	if e.stamp == l.stamp {
		return
	}
	e.stamp, e.left = l.stamp, len(e.names)
	clear(e.values)
	v := Value{}
	if e.given {
		v = l.Value(e.from)
	} else {
		v = l.Lookup(e.From)
	}
	if v.Kind <= Null {
		return
	}
	switch e.Method {
	case "pattern":
		e.readPattern(v.Text)
	case "regexp":
		e.readRegexp(v.Text)
	case "json":
		e.readJSON(l.d, bytes.TrimLeft(v.Text, " \t\r\n"))
	case "logfmt":
		e.readLogfmt(l.d, v.Text)
	}
}

// readPattern reads what stands between the texts of the pattern. The text before the first
// capture must begin the value. A capture whose end is missing goes to the end of the value.
func (e *extractor) readPattern(text []byte) {
	text, ok := bytes.CutPrefix(text, e.parts[0])
	if !ok {
		return
	}
	for i, name := range e.ends {
		end := e.parts[i+1]
		value, rest, found := text, []byte(nil), false
		if len(end) > 0 {
			value, rest, found = bytes.Cut(text, end)
		}
		if name >= 0 {
			e.values[name] = Value{String, value}
		}
		if !found {
			return
		}
		text = rest
	}
}

func (e *extractor) readRegexp(text []byte) {
	if !e.regexp.Match(text) {
		return // without an allocation
	}
	m := e.regexp.FindSubmatchIndex(text)
	for i, g := range e.groups {
		if m[2*g] >= 0 {
			e.values[i] = Value{String, text[m[2*g]:m[2*g+1]]}
		}
	}
}

// readJSON reads the members of an object, those before a mistake as well. The name of a nested
// member is its path with _ between its keys.
func (e *extractor) readJSON(d *Decoder, doc []byte) {
	if len(doc) == 0 || doc[0] != '{' {
		return
	}
	flattened := false
	for i, steps := range e.paths {
		if steps == nil {
			flattened = true
			continue
		}
		if v := walk(d, doc, steps); v.Kind > Null {
			e.set(i, v)
		}
	}
	if flattened {
		e.flat = e.flat[:0]
		e.members(d, doc, 0)
	}
}

func (e *extractor) set(i int, v Value) {
	if e.values[i].Kind == Absent {
		e.values[i] = v
		e.left--
	}
}

// maxNested bounds how deep extracted members are nested.
const maxNested = 16

// members reads the members of an object whose own flattened name is in e.flat.
func (e *extractor) members(d *Decoder, doc []byte, depth int) {
	before := len(e.flat)
	jsonscan.Members(doc, func(key []byte, flags uint8, s jsonscan.Span) bool {
		if flags&jsonscan.Escaped != 0 {
			key = d.resolved(key, flags)
		}
		e.flat = appendFlat(e.flat[:before], key)
		switch s.Kind {
		case Null, Array:
		case Object:
			if depth < maxNested && e.leads() {
				e.members(d, doc[s.Start:s.End], depth+1)
			}
		default:
			for i, name := range e.names {
				if e.paths[i] == nil && sameFlat(name, e.flat) {
					e.set(i, spanValue(d, doc, s))
				}
			}
		}
		return e.left > 0
	})
	e.flat = e.flat[:before]
}

// leads reports whether some name goes on behind the flattened one.
func (e *extractor) leads() bool {
	for i, name := range e.names {
		if e.paths[i] == nil && len(name) > len(e.flat) && sameFlat(name[:len(e.flat)], e.flat) {
			return true
		}
	}
	return false
}

// appendFlat appends a key to the flattened name of an object: everything but ASCII letters and
// digits becomes _.
func appendFlat(dst, key []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, '_')
	} else if len(key) > 0 && key[0]-'0' <= 9 {
		dst = append(dst, '_')
	}
	for _, c := range key {
		dst = append(dst, flatByte(c))
	}
	return dst
}

func flatByte(c byte) byte {
	if c-'0' <= 9 || c|0x20-'a' < 26 && c < 0x80 {
		return c
	}
	return '_'
}

// sameFlat compares a name with a flattened one.
func sameFlat(name string, flat []byte) bool {
	if len(name) != len(flat) {
		return false
	}
	for i := range len(name) {
		if flatByte(name[i]) != flat[i] {
			return false
		}
	}
	return true
}

func spanValue(d *Decoder, doc []byte, s jsonscan.Span) Value {
	t := doc[s.Start:s.End]
	if s.Kind == String {
		t = d.resolved(t, s.Flags)
	}
	return Value{s.Kind, t}
}

// walk finds the value of a path.
func walk(d *Decoder, doc []byte, steps []pathStep) (found Value) {
	step := steps[0]
	each := func(s jsonscan.Span) {
		switch {
		case len(steps) == 1:
			found = spanValue(d, doc, s)
		case s.Kind == Object || s.Kind == Array:
			found = walk(d, doc[s.Start:s.End], steps[1:])
		}
	}
	switch {
	case step.index < 0 && doc[0] == '{':
		jsonscan.Members(doc, func(key []byte, flags uint8, s jsonscan.Span) bool {
			if string(key) != step.key {
				return true
			}
			each(s)
			return false
		})
	case step.index >= 0 && doc[0] == '[':
		n := 0
		jsonscan.Elements(doc, func(s jsonscan.Span) bool {
			if n++; n <= step.index {
				return true
			}
			each(s)
			return false
		})
	}
	return found
}

// readLogfmt reads pairs of keys and values anywhere in a text. Words without = are skipped.
func (e *extractor) readLogfmt(d *Decoder, b []byte) {
	for i := 0; i < len(b) && e.left > 0; {
		for i < len(b) && b[i] <= ' ' {
			i++
		}
		start := i
		for i < len(b) && b[i] > ' ' && b[i] != '=' && b[i] != '"' {
			i++
		}
		key := b[start:i]
		if i >= len(b) || b[i] != '=' {
			for i < len(b) && b[i] > ' ' {
				i++
			}
			continue
		}
		i++
		var value Value
		if i < len(b) && b[i] == '"' {
			end, flags := jsonscan.ScanString(b, i+1)
			if end < 0 {
				return
			}
			value, i = Value{String, d.resolved(b[i+1:end], flags)}, end+1
		} else {
			start := i
			for i < len(b) && b[i] > ' ' {
				i++
			}
			value = Value{String, b[start:i]}
		}
		if len(key) == 0 {
			continue
		}
		e.flat = appendFlat(e.flat[:0], key)
		for n, name := range e.names {
			if e.paths[n] == nil && sameFlat(name, e.flat) ||
				e.paths[n] != nil && e.paths[n][0].key == string(key) {
				e.set(n, value)
			}
		}
	}
}

// streamPath is the path of all labels of the envelope, and streamWithout begins that of all but
// some.
const (
	streamPath    = "stream.*"
	streamWithout = "stream.* without "
)

// IsStream reports whether a path is that of all labels of the envelope. Its value is an object.
func IsStream(path string) bool {
	return path == streamPath || strings.HasPrefix(path, streamWithout)
}

const (
	maxLabels     = 64   // of an envelope, that a group has
	maxLabelBytes = 2000 // of their names and values together
	maxLabelValue = 256
)

// streamLabels are the labels of the envelope as an object, in the order of their names: of a push
// to Loki those of the stream, and the metadata of the line; of others the place that the platform
// names.
func (l *Log) streamLabels(path string) Value {
	var without []string
	if names, ok := strings.CutPrefix(path, streamWithout); ok {
		without = strings.Split(names, ",")
	}
	type label struct {
		name  string
		value []byte
	}
	var labels []label
	size := 0
	add := func(name string, value []byte) {
		value = value[:min(len(value), maxLabelValue)]
		if len(value) == 0 || len(labels) == maxLabels ||
			size+len(name)+len(value) > maxLabelBytes ||
			slices.Contains(without, name) ||
			slices.ContainsFunc(labels, func(o label) bool { return o.name == name }) {
			return
		}
		size += len(name) + len(value)
		labels = append(labels, label{name, value})
	}
	if l.format != "loki" {
		for _, place := range streamPlaces {
			if v := l.Value(place.id); v.Kind > Null {
				add(place.name, v.Text)
			}
		}
	} else {
		for _, x := range append(slices.Clone(l.under), l.root) {
			if len(x.Doc) == 0 {
				continue
			}
			jsonscan.Members(x.Doc, func(key []byte, flags uint8, s jsonscan.Span) bool {
				if x == l.root && (string(key) == "message" || string(key) == "timestamp") ||
					s.Kind <= Null || s.Kind >= Array {
					return true
				}
				add(string(appendFlat(nil, l.d.resolved(key, flags))),
					spanValue(l.d, x.Doc, s).Text)
				return true
			})
		}
	}
	slices.SortFunc(labels, func(a, b label) int { return strings.Compare(a.name, b.name) })
	if len(labels) == 0 {
		return Value{}
	}
	return Value{Object, l.d.keep(func(b []byte) []byte {
		b = append(b, '{')
		for _, one := range labels {
			b = appendMember(b, one.name, one.value)
		}
		return append(b, '}')
	})}
}

// LabelsOf are the labels that the value of stream.* holds.
func LabelsOf(text string) map[string]string {
	labels := map[string]string{}
	if len(text) > 1 && text[0] == '{' {
		b := []byte(text)
		jsonscan.Members(b, func(key []byte, flags uint8, s jsonscan.Span) bool {
			value := jsonscan.AppendText(nil, b[s.Start:s.End], s.Flags)
			labels[string(jsonscan.AppendText(nil, key, flags))] = string(value)
			return true
		})
	}
	return labels
}

// LabelsText is the value of stream.* of some labels.
func LabelsText(labels map[string]string) string {
	if len(labels) == 0 {
		return ""
	}
	b := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		b = appendMember(b, name, []byte(labels[name]))
	}
	return string(append(b, '}'))
}

// streamPlaces are the labels that the envelope of a platform has.
var streamPlaces = []struct {
	name string
	id   FieldID
}{
	{"container", FieldContainer}, {"host", FieldHost}, {"namespace", FieldNamespace},
	{"pod", FieldPod}, {"service", FieldService},
}

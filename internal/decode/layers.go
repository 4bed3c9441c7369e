package decode

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// addLayers finds the objects that belong to the log besides its root.
func (l *Log) addLayers() {
	d := l.d
	l.over, l.under, l.ownUnder, l.parts = l.over[:0], l.under[:0], 0, 0
	l.textPart = false
	if d.resource != nil {
		l.under = append(l.under, d.resource)
	}
	if d.envelope != nil {
		l.under = append(l.under, d.envelope)
	}
	if d.root.Parts {
		l.addParts()
	}
	if d.cloudEvent {
		l.pushAttributes()
	}
	if !d.wholeLine && (l.layout == nil || !l.closedMessage()) {
		l.openMessage()
	}
	switch {
	case len(l.over) == 1 && len(l.under) == 0 && l.format != "loki":
		l.nest()
	case len(l.over) != 0 || len(l.under) != 2:
		l.learning = nil
	}
	l.gathered = true
	d.anywhere = d.gathered
	copy(d.anywhere, d.root.Has)
	for _, layers := range [...][]*jsonscan.Extractor{l.over, l.under} {
		for _, x := range layers {
			for i, w := range x.Has {
				d.anywhere[i] |= w
			}
		}
	}
	if d.root.Has.Has(d.plan.hints.partialMessage) || d.root.Has.Has(d.plan.hints.partialID) {
		d.notice(NoticePartial)
	}
}

// addParts adds the objects within the root that programs put their fields into.
func (l *Log) addParts() {
	x, h := l.root, &l.d.plan.hints
	l.pushPayloads(x)
	if x.Has.Has(h.event) && x.Spans[h.event].Kind == Object && l.in(x).isHEC() {
		l.format = "hec"
		l.pushOver(x.Doc[x.Spans[h.event].Start:x.Spans[h.event].End])
	}
	for _, s := range h.containers {
		if !x.Has.Has(s) {
			continue
		}
		switch v := x.Spans[s]; v.Kind {
		case Object:
			l.pushUnder(x.Doc[v.Start:v.End])
		case String: // Azure writes properties as a string of JSON
			if v.End > v.Start && x.Doc[v.Start] == '{' && !l.textPart {
				l.textPart = true
				l.d.inner[0] = jsonscan.AppendText(l.d.inner[0][:0], x.Doc[v.Start:v.End], v.Flags)
				l.pushUnder(l.d.inner[0])
			}
		}
	}
	x = l.pushDetail(x)
	if x.Has.Has(h.specVersion) {
		l.pushEvent(x)
	}
	if x.Has.Has(h.flatLabels) && x.Spans[h.flatLabels].Kind == Array {
		l.pushFlatLabels(x.Spans[h.flatLabels])
	}
	if x.Has.Has(h.ddtags) && x.Spans[h.ddtags].Kind == String && x.Has.Has(h.ddsource) {
		l.pushTags(l.in(x).valueOf(x.Spans[h.ddtags]).Text)
	}
}

// addPartsOf adds the objects within an object of the message, as addParts does those of the root.
// What they say comes behind what the object says, and before the root.
func (l *Log) addPartsOf(x *jsonscan.Extractor) {
	if !x.Parts {
		return
	}
	for _, at := range l.d.plan.hints.containers {
		if !x.Has.Has(at) || len(l.over) >= maxParts {
			continue
		}
		s := x.Spans[at]
		doc := x.Doc[s.Start:s.End]
		if s.Kind == String && len(doc) > 0 && doc[0] == '{' && !l.textPart { // of Azure
			l.textPart = true
			l.d.inner[0] = jsonscan.AppendText(l.d.inner[0][:0], doc, s.Flags)
			doc = l.d.inner[0]
		} else if s.Kind != Object {
			continue
		}
		if last := len(l.over); l.pushOver(doc) {
			part := l.over[last]
			copy(l.over[1:], l.over[:last])
			l.over[0] = part
			l.parts++
		}
	}
	l.pushPayloads(x)
	l.pushDetail(x)
}

// maxParts bounds the objects of a log that are read as parts of its message.
const maxParts = 16

// pushPayloads adds the objects within an object that are the log itself.
func (l *Log) pushPayloads(x *jsonscan.Extractor) {
	h := &l.d.plan.hints
	for _, s := range [...]jsonscan.Slot{
		h.structured, h.jsonPayload, h.protoPayload, h.parsed, h.processed,
	} {
		if x.Has.Has(s) && x.Spans[s].Kind == Object {
			l.pushOver(x.Doc[x.Spans[s].Start:x.Spans[s].End])
		}
	}
	// {"msg":"record","record":{"error_severity":"ERROR"},"logging_pod":"db-1"} of CloudNativePG
	if s := x.Spans[h.recordObject]; x.Has.Has(h.loggingPod) && x.Has.Has(h.recordObject) &&
		s.Kind == Object {
		l.pushOver(x.Doc[s.Start:s.End])
	}
}

// pushDetail adds the event within one of EventBridge, and that within one of Auth0. It returns the
// layer that the envelope of the former has.
func (l *Log) pushDetail(x *jsonscan.Extractor) *jsonscan.Extractor {
	h := &l.d.plan.hints
	if x.Has.Has(h.detailType) && x.Has.Has(h.detail) && x.Spans[h.detail].Kind == Object &&
		l.pushOver(x.Doc[x.Spans[h.detail].Start:x.Spans[h.detail].End]) {
		x = l.over[len(l.over)-1]
	}
	if x.Has.Has(h.logID) && x.Has.Has(h.data) && x.Spans[h.data].Kind == Object &&
		!l.in(x).speaks() {
		l.pushOver(x.Doc[x.Spans[h.data].Start:x.Spans[h.data].End])
	}
	return x
}

// isHEC says whether an object is an event as Splunk's HTTP collector takes it.
func (x layer) isHEC() bool {
	h := &x.d.plan.hints
	return !x.Has.Has(h.atTimestamp) && (x.Has.Has(h.time) || x.Has.Has(h.sourcetype))
}

// pushEvent adds the data of a CloudEvent: an object, or a text that is the message.
func (l *Log) pushEvent(x *jsonscan.Extractor) {
	h := &l.d.plan.hints
	text := l.d.inner[maxLayers+4][:0]
	switch {
	case x.Has.Has(h.data) && x.Spans[h.data].Kind == Object:
		l.pushOver(x.Doc[x.Spans[h.data].Start:x.Spans[h.data].End])
		return
	case x.Has.Has(h.data) && x.Spans[h.data].Kind == String:
		s := x.Spans[h.data]
		text = jsonscan.AppendText(text, x.Doc[s.Start:s.End], s.Flags)
	case x.Has.Has(h.dataBase64) && x.Spans[h.dataBase64].Kind == String:
		s := x.Spans[h.dataBase64]
		var err error
		if text, err = base64.StdEncoding.AppendDecode(text, x.Doc[s.Start:s.End]); err != nil {
			return
		}
	default:
		return
	}
	l.d.inner[maxLayers+4] = text
	if text = trim(text); len(text) > 0 && text[0] == '{' && l.pushOver(text) {
		return
	}
	message := appendMember(append(l.d.inner[maxLayers+3][:0], '{'), "message", text)
	l.d.inner[maxLayers+3] = append(message, '}')
	l.pushOver(l.d.inner[maxLayers+3])
}

// pushAttributes adds the attributes of a CloudEvent in binary mode, which stand in the headers.
func (l *Log) pushAttributes() {
	d := l.d
	b := append(d.inner[maxLayers+3][:0], '{')
	for i := range l.rec.Headers {
		name, ok := strings.CutPrefix(l.rec.Headers[i].Key, "ce_")
		if !ok || name == "" || name == "time" {
			continue
		}
		if v := headerText(l.rec.Headers[i].Value); len(v) > 0 {
			b = appendMember(b, name, v)
		}
	}
	d.inner[maxLayers+3] = append(b, '}')
	l.pushUnder(d.inner[maxLayers+3])
}

// pushFlatLabels adds the labels that Fluentd wrote as an array of "app=checkout".
func (l *Log) pushFlatLabels(s jsonscan.Span) {
	d := l.d
	b := append(d.inner[maxLayers+4][:0], `{"kubernetes":{"labels":{`...)
	Value{Array, l.root.Doc[s.Start:s.End]}.Each(func(v Value) bool {
		if key, value, ok := bytes.Cut(v.Text, []byte("=")); ok {
			b = appendMember(b, string(key), value)
		}
		return true
	})
	d.inner[maxLayers+4] = append(b, "}}}"...)
	l.pushUnder(d.inner[maxLayers+4])
}

// pushTags adds the tags that Datadog's agent wrote as "env:prod,kube_namespace:shop".
func (l *Log) pushTags(tags []byte) {
	d := l.d
	b := append(d.inner[maxLayers+5][:0], '{')
	for tag := range bytes.SplitSeq(tags, []byte(",")) {
		if key, value, ok := bytes.Cut(tag, []byte(":")); ok && len(key) > 0 {
			b = appendMember(b, string(bytes.TrimSpace(key)), bytes.TrimSpace(value))
		}
	}
	d.inner[maxLayers+5] = append(b, '}')
	l.pushUnder(d.inner[maxLayers+5])
}

func (l *Log) pushOver(doc []byte) bool {
	x := l.d.overs.at(len(l.over), l.d.plan)
	if !whole(x, doc) {
		return false
	}
	l.over = append(l.over, x)
	return true
}

func (l *Log) pushUnder(doc []byte) bool {
	x := l.d.unders.at(l.ownUnder, l.d.plan)
	if !whole(x, doc) {
		return false
	}
	l.under = append(l.under, x)
	l.ownUnder++
	return true
}

// pool keeps the extractors of layers from one log to the next: each has learnt the keys of its
// place.
type pool []*jsonscan.Extractor

func (p *pool) at(i int, plan *fieldPlan) *jsonscan.Extractor {
	for len(*p) <= i {
		*p = append(*p, jsonscan.NewExtractor(plan.Plan))
	}
	return (*p)[i]
}

// whole reads an object and says whether the document is that object and nothing else.
func whole(x *jsonscan.Extractor, doc []byte) bool {
	n := x.Read(doc)
	return n > 0 && jsonscan.SkipBlank(doc, n) == len(doc)
}

// openMessage adds the object that the message is, or holds as text, and the one in that one's
// message. A message may be JSON, a line of logfmt or klog, or either with the prefix of a
// container runtime.
func (l *Log) openMessage() {
	d := l.d
	for range maxLayers {
		x := l.root
		if n := len(l.over); n > 0 {
			x = l.over[n-1]
		}
		s, at := l.in(x).message()
		i := len(l.under) - l.ownUnder
		for ; at == jsonscan.NoSlot && x == l.root && i < len(l.under); i++ {
			x = l.under[i]
			s, at = l.in(x).message()
		}
		if at == jsonscan.NoSlot {
			return
		}
		switch {
		case s.Kind == Object:
			if !l.pushOver(x.Doc[s.Start:s.End]) {
				return
			}
			if top := l.over[len(l.over)-1]; at == d.plan.hints.logText ||
				at == d.plan.hints.event {
				if _, at := l.in(top).message(); at == jsonscan.NoSlot {
					l.over = l.over[:len(l.over)-1]
					return
				}
			}
			l.addPartsOf(l.over[len(l.over)-1])
		case s.Kind != String || s.End-s.Start < 5:
			return
		case d.set.pattern == nil && !opens(x.Doc[s.Start:s.End], s.Flags):
			return
		default:
			n := len(l.over) - l.parts + 1
			if n > maxLayers+3 {
				return
			}
			text := d.split.of(l.in(x).valueOf(s).Text, n)
			if len(text) == 0 {
				return
			}
			keepsLine := false // the message of the new layer is the text again
			if text[0] == '{' {
				text = bytes.TrimRight(text, ",") // a line of an array
				d.inner[n] = append(d.inner[n][:0], text...)
				if l.pushOver(d.inner[n]) {
					l.openExported(n, text)
					l.addPartsOf(l.over[len(l.over)-1])
					continue
				}
				if out, ok := appendTraced(d.inner[n][:0], text); ok {
					if d.inner[n] = append(out, '}'); l.pushOver(d.inner[n]) {
						continue
					}
				}
				var ok bool
				var end int
				d.inner[n], end, ok = jsonscan.Repair(d.inner[n][:0], text)
				rest := bytes.TrimSpace(text[end:])
				if !ok || len(rest) > 0 && (rest[0] != '{' || !d.split.at(n, end)) ||
					!l.pushOver(d.inner[n]) {
					return
				}
				d.notice(NoticeRepaired)
				continue
			} else if built, f, ok := d.rewritten(d.inner[n][:0], text); ok {
				d.inner[n] = built
				l.isAccess = l.isAccess || f == formatAccess
				keepsLine = f.keepsLine(text)
			} else {
				return
			}
			if !l.pushOver(d.inner[n]) || keepsLine {
				return
			}
		}
	}
}

// openExported replaces the layer that was pushed last, of a text, if it is a log of
// OpenTelemetry's stdout exporter for Go.
func (l *Log) openExported(n int, text []byte) {
	x, at := l.over[len(l.over)-1], l.d.plan.hints.bigResource
	if !x.Has.Has(at) || x.Spans[at].Kind != Array {
		return
	}
	if built, ok := appendExported(append(l.d.inner[n][:0], '{'), text); ok {
		l.d.inner[n] = append(built, '}')
		l.over = l.over[:len(l.over)-1]
		l.pushOver(l.d.inner[n])
	}
}

// split is the log of a message that holds several objects.
type split struct {
	layer int // of the message; 0 if it is not split
	from  int // offset of the log's object in the message without the blanks around it
	next  int // offset of the next log's object; 0 if there is none
	count int
}

// maxSplits bounds the logs of one message, because each reads the whole message.
const maxSplits = 16

// speaks reports whether a layer has a message or a level.
func (x layer) speaks() bool {
	n, _ := x.d.plan.fields[FieldMessage].Present(x.Has)
	if n == 0 {
		n, _ = x.d.plan.level.Present(x.Has)
	}
	return n > 0
}

// of returns the rest of the message of a layer, from the log's object on.
func (s *split) of(message []byte, layer int) []byte {
	message = trim(message)
	if layer != s.layer {
		return message
	}
	return message[min(s.from, len(message)):]
}

// at splits the message of a layer behind an object of a size, and reports whether it could.
func (s *split) at(layer, size int) bool {
	if s.count >= maxSplits || s.layer != 0 && s.layer != layer {
		return false
	}
	if s.layer != layer {
		s.from = 0
	}
	s.layer, s.next = layer, s.from+size
	s.count++
	return true
}

// closedMessage says whether the message is known to be a text with nothing in it.
func (l *Log) closedMessage() bool {
	at := l.layout.slots[FieldMessage]
	if at < 0 {
		return false
	}
	s := &l.root.Spans[at]
	return s.Kind == String && s.End-s.Start > 5 && l.d.set.pattern == nil &&
		!opens(l.root.Doc[s.Start:s.End], s.Flags)
}

// opens is a quick check of whether a message may hold fields of its own. It reads the string as it
// is written in the document, with its escapes.
func opens(t []byte, flags uint8) bool {
	c := t[0]
	if classes[c] != 0 {
		switch classes[c] {
		case opensAlways:
			return true
		case opensDigit: // a time, an address, or a duration since 1970
			if t[1] > ' ' && t[2] > ' ' &&
				(bytes.IndexByte(t[1:4], '.') >= 0 || bytes.IndexByte(t[1:5], ':') >= 0) {
				return true
			}
			if len(t) <= 20 {
				return false
			}
			if t[4] == '-' { // CloudFront has an escaped tab, IIS an address behind the time
				return t[10] == 'T' || t[10] == '\\' || t[10] == ' ' &&
					(t[19] == ' ' && (mayBeAddress(t[20:21]) || opensExtended(t[20:])) ||
						endsInPairs(t))
			}
			return t[10] == '.' || t[2] == '/' && (t[5] == '-' || t[10] == '-') || // Squid; Snort
				t[4] == '/' && endsInPairs(t) ||
				flags&jsonscan.Escaped != 0 && opensEscaped(t) || // S3
				opensBehindID(t)
		case opensKlog:
			if jsonscan.Digits(t[1:5]) == 4 {
				return true
			}
		case opensWord:
			if opensWordFormat(t) {
				return true
			}
		}
		if t[1]-'A' < 26 && t[2]-'A' < 26 && opensBehindLevel(t) {
			return true
		}
		if t[3] == ' ' && t[0]-'A' < 26 && weekday(t) == 3 {
			return t[4]-'0' <= 9 || endsInPairs(t) // journalctl's short-full
		}
	}
	near := t[:min(len(t), 40)]
	if i := bytes.IndexByte(near, '|'); i > 0 && near[i-1] == ' ' {
		return true // Docker Compose, and columns of access logs
	}
	i := bytes.IndexByte(near, ' ')
	if i > 0 && i+20 < len(t) && t[i+1] == '2' && t[i+5] == '-' && endsInPairs(t) {
		return true // the name of a logger before a date
	}
	if i = bytes.IndexByte(near, '='); i > 0 {
		key := true
		for _, c := range t[:i] {
			if !isWord(c) && c != '.' && c != '-' && c != '@' {
				key = false
				break
			}
		}
		if key {
			return true
		}
		if opensBehindID(t) {
			return true
		}
	}
	// an access log has quotes, LTSV has tabs: both are escaped
	return flags&jsonscan.Escaped != 0 && opensEscaped(t)
}

// opensBehindID reports whether a string has an ID with a colon before its pairs, as Postfix writes
// them: 3F2A81234: to=<bob@example.org>, relay=mx.example.org:25, status=sent (250 OK)
func opensBehindID(t []byte) bool {
	n := 0
	for n < len(t) && n < 24 && isWord(t[n]) {
		n++
	}
	if n < 4 || n+4 > len(t) || t[n] != ':' || t[n+1] != ' ' {
		return false
	}
	i := n + 2
	for i < len(t) && isTailKey(t[i]) {
		i++
	}
	return i > n+2 && i < len(t) && t[i] == '=' && endsInPairs(t)
}

// opensExtended reports whether a method, or the name of a site of IIS, stands behind the time of a
// line in W3C's extended format.
func opensExtended(t []byte) bool {
	word, _, ok := bytes.Cut(t[:min(len(t), 10)], []byte(" "))
	return ok && (isMethod(word) || bytes.HasPrefix(word, []byte("W3SVC")))
}

// opensBehindLevel reports whether a string begins with a level, behind which pairs or the request
// of an access log may follow.
func opensBehindLevel(t []byte) bool {
	n := 3
	for n < len(t) && n < 12 && t[n]-'A' < 26 {
		n++
	}
	return levelWord(t[:n]).word != nil && (mayHavePairs(t) || endsInPairs(t))
}

// endsInPairs reports whether a string may be a line of text with pairs behind it.
func endsInPairs(t []byte) bool {
	return mayHaveTail(bytes.TrimSuffix(t, []byte(`\n`)))
}

// opensEscaped reports whether a string with escapes has the quote of a request behind a bracket
// or a minus sign, as access logs have, or begins with a label, as LTSV does, and has a tab.
func opensEscaped(t []byte) bool {
	t = t[:min(len(t), 400)] // S3 has many columns before the request
	for i := 0; i < len(t); i += 2 {
		j := bytes.IndexByte(t[i:], '\\')
		if j < 0 {
			return false
		}
		i += j
		if i+1 == len(t) {
			return false
		}
		switch t[i+1] {
		case '"':
			if i > 1 && t[i-1] == ' ' && (t[i-2] == ']' || t[i-2] == '-' ||
				opensRequest(t[i+2:])) {
				return true
			}
		case 't':
			if label := bytes.IndexByte(t[:min(len(t), 24)], ':'); label > 0 && isLabel(t[:label]) {
				return true
			}
		}
	}
	return false
}

// opensRequest reports whether a text begins with a method and a path.
func opensRequest(t []byte) bool {
	method, path, ok := bytes.Cut(t[:min(len(t), 10)], []byte(" "))
	return ok && len(path) > 0 && path[0] == '/' && isMethod(method)
}

const (
	opensAlways = 1 + iota
	opensDigit
	opensKlog
	opensWord
)

// classes says of the first byte of a message which formats it may begin.
var classes = func() (c [256]uint8) {
	for _, b := range []byte("{ \\<[@#") {
		c[b] = opensAlways
	}
	for b := '0'; b <= '9'; b++ {
		c[b] = opensDigit
	}
	for _, b := range []byte("IWETV") {
		c[b] = opensKlog
	}
	for _, b := range []byte("CLJFMASONDGPH:hgwt") {
		c[b] = opensWord
	}
	return c
}()

// opensWordFormat reports whether a text begins with the mark of CEF or LEEF, a month, a day of the
// week, the method of a request, or an address.
func opensWordFormat(t []byte) bool {
	switch t[0] {
	case 'C':
		return string(t[:4]) == "CEF:" || string(t[:5]) == "CONNE"
	case 'L':
		return string(t[:5]) == "LEEF:"
	case ':':
		return t[1] == ':'
	case 'F':
		return string(t[:4]) == "Feb " || jsonscan.Digits(t[1:5]) == 4
	case 'G':
		return string(t[:4]) == "GET "
	case 'P':
		return string(t[:5]) == "POST " || string(t[:4]) == "PUT " || string(t[:5]) == "PATCH"
	case 'H':
		return string(t[:5]) == "HEAD "
	case 'D':
		return string(t[:4]) == "Dec " || string(t[:5]) == "DELET" || jsonscan.Digits(t[1:5]) == 4
	case 'O':
		return string(t[:4]) == "Oct " || string(t[:5]) == "OPTIO"
	case 'h', 'g', 'w': // a load balancer of AWS: http 2026-05-04T10:11:12Z
		i := bytes.IndexByte(t[:min(len(t), 6)], ' ')
		return i > 0 && len(t) > i+20 && t[i+5] == '-' && t[i+11] == 'T'
	case 't': // a network load balancer
		return string(t[:4]) == "tls "
	case 'J', 'M', 'A', 'S', 'N':
		return t[3] == ' ' && startsMonth(t)
	}
	return false
}

package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// findMessage finds the text of the log.
func (l *Log) findMessage() Value {
	if l.isText {
		l.from[FieldMessage] = fromText
		return Value{String, l.d.resolved(l.d.tidy(l.text, true), jsonscan.Wide)}
	}
	h := &l.d.plan.hints
	// OpenTelemetry's syslog receiver has the message among the attributes.
	if e := l.d.envelope; e != nil && len(l.under) > 0 &&
		(e.Has.Has(h.appName) || e.Has.Has(h.priority)) && e.Has.Has(h.message) &&
		(l.format == "otlp_json" || l.format == "otlp_proto") {
		if v := l.in(e).scalar(e.Spans[h.message]); v.Kind != Absent {
			l.note(FieldMessage, l.d.plan.hints.message)
			return Value{String, l.d.tidy(v.Text, true)}
		}
	}
	for _, x := range l.applicationFirst() {
		s, at := l.in(x).message()
		if at == jsonscan.NoSlot {
			if t := l.in(x).rendered(); t != nil {
				l.from[FieldMessage] = fromTemplate
				return Value{String, t}
			}
			if l.isLine(x) { // its text is no message, but how it was shipped
				if t, at := l.in(x).weakMessage(); len(t) > 0 {
					l.note(FieldMessage, at)
					return Value{String, t}
				}
			}
			continue
		}
		if s.Kind == Object {
			continue // it is a layer of its own
		}
		v := l.in(x).scalar(s)
		if at == l.d.plan.hints.journalMessage && s.Kind == Array {
			v = l.in(x).journalBytes(s, v)
		}
		l.note(FieldMessage, at)
		if l.in(x).ofSyslog() {
			v.Text = bytes.TrimPrefix(v.Text, []byte(" "))
		}
		text := l.d.tidy(v.Text, s.Flags&jsonscan.Escaped != 0)
		if at == l.d.plan.hints.message && x.Has.Has(l.d.plan.hints.arguments) {
			text = l.in(x).withArguments(text)
		}
		return Value{String, text}
	}
	for _, x := range l.applicationFirst() {
		if t, at := l.in(x).weakMessage(); len(t) > 0 {
			l.note(FieldMessage, at)
			return Value{String, t}
		}
	}
	for _, x := range l.applicationFirst() {
		if v, at := l.in(x).textOf(&l.d.plan.fields[FieldStack]); at != jsonscan.NoSlot {
			if t := stackSummary(v.Text); len(t) > 0 {
				l.note(FieldMessage, at)
				return Value{String, l.d.tidy(t, true)}
			}
		}
	}
	return Value{}
}

// isLine reports whether a layer is the object that was read from the message of another.
func (l *Log) isLine(x *jsonscan.Extractor) bool {
	return len(l.over) > 0 && x == l.over[len(l.over)-1]
}

// stackSummary is the line of a stack trace that says what happened: the first, and of Python's the
// last; nothing for a text of one line.
func stackSummary(stack []byte) []byte {
	stack = bytes.TrimSpace(stack)
	if bytes.IndexByte(stack, '\n') < 0 { // another meaning of the word, or a class alone
		return nil
	}
	if bytes.HasPrefix(stack, []byte("Traceback (")) {
		stack = stack[bytes.LastIndexByte(stack, '\n')+1:]
	}
	first, _, _ := bytes.Cut(stack, []byte("\n"))
	return bytes.TrimRight(first, "\r")
}

// weakMessage is a text that is the message where there is no other: the first of the arguments
// that a program passed to its logger, or the reason of a failure.
func (x layer) weakMessage() ([]byte, jsonscan.Slot) {
	h := &x.d.plan.hints
	for _, at := range [...]jsonscan.Slot{
		h.text, h.args, h.data, h.reason, h.description, h.zapMessage, h.oneMessage,
	} {
		if !x.Has.Has(at) {
			continue
		}
		s := x.Spans[at]
		switch at {
		case h.text, h.description:
			if s.Kind != String {
				continue
			}
		case h.zapMessage:
			if s.Kind != String || !x.Has.Has(h.zapLevel) {
				continue
			}
		case h.oneMessage:
			levels, _ := x.d.plan.level.Present(x.Has)
			if s.Kind != String || levels == 0 && !x.Has.Has(h.oneLevel) &&
				!x.Has.Has(h.shortTime) {
				continue
			}
		case h.args, h.data:
			if s.Kind != Array || !x.Has.Has(h.kindWord) && !x.Has.Has(h.category) {
				continue
			}
		case h.reason:
			if s.Kind != String || !x.Has.Has(h.exception) && !x.Has.Has(h.level) {
				continue
			}
		}
		if v := x.scalar(s); v.Kind != Absent {
			return x.d.tidy(v.Text, true), at
		}
	}
	return nil, jsonscan.NoSlot
}

// withArguments puts Logback's arguments into the {} of a message.
func (x layer) withArguments(text []byte) []byte {
	s := x.Spans[x.d.plan.hints.arguments]
	if s.Kind != Array || !bytes.Contains(text, []byte("{}")) {
		return text
	}
	doc := x.Doc[s.Start:s.End]
	return x.d.keep(func(b []byte) []byte {
		rest := text
		jsonscan.Elements(doc, func(v jsonscan.Span) bool {
			before, after, ok := bytes.Cut(rest, []byte("{}"))
			if !ok {
				return false
			}
			b = append(b, before...)
			b = jsonscan.AppendText(b, doc[v.Start:v.End], v.Flags|jsonscan.Wide)
			rest = after
			return true
		})
		return append(b, rest...)
	})
}

// ofSyslog reports whether an object was made of syslog by rsyslog, whose messages begin with a
// blank.
func (x layer) ofSyslog() bool {
	for _, at := range x.d.plan.hints.syslogTags {
		if x.Has.Has(at) {
			return true
		}
	}
	return false
}

// message finds the span of the message in the layer. Objects under the keys log and event are
// messages only where there is no other: ECS keeps facts about the log there.
func (x layer) message() (jsonscan.Span, jsonscan.Slot) {
	p := x.d.plan
	c := &p.fields[FieldMessage]
	n, only := c.Present(x.Has)
	if n == 0 {
		return jsonscan.Span{}, jsonscan.NoSlot
	}
	if n == 1 {
		if s := x.Spans[only]; isMessage(s) && (only != p.hints.line || s.Kind == String) {
			return s, only
		}
		return jsonscan.Span{}, jsonscan.NoSlot
	}
	rest := jsonscan.NoSlot
	for _, at := range c.Slots {
		if !x.Has.Has(at) {
			continue
		}
		s := x.Spans[at]
		if !isMessage(s) || at == p.hints.line && s.Kind != String {
			continue
		}
		if s.Kind == Object && (at == p.hints.logText || at == p.hints.event) {
			if rest == jsonscan.NoSlot {
				rest = at
			}
			continue
		}
		return s, at
	}
	if rest != jsonscan.NoSlot {
		return x.Spans[rest], rest
	}
	return jsonscan.Span{}, jsonscan.NoSlot
}

func isMessage(s jsonscan.Span) bool {
	return s.Kind > Null && s.End > s.Start && !(s.Kind == Array && s.End-s.Start <= 2)
}

// appendPlain appends t without the escape sequences of terminals.
func appendPlain(dst, t []byte) []byte {
	for {
		i := bytes.IndexByte(t, 0x1b)
		if i < 0 {
			return append(dst, t...)
		}
		dst = append(dst, t[:i]...)
		t = t[i+1:]
		if len(t) == 0 || t[0] != '[' {
			continue
		}
		n := 1
		for n < len(t) && t[n] >= 0x20 && t[n] < 0x40 {
			n++
		}
		if n < len(t) && t[n] >= 0x40 && t[n] < 0x7f {
			n++
		}
		t = t[n:]
	}
}

// journalBytes is a MESSAGE that journald wrote as an array of bytes because it is no UTF-8. An
// array of anything else is one of texts, of which v is the first.
func (x layer) journalBytes(s jsonscan.Span, v Value) Value {
	whole := true
	text := x.d.keep(func(b []byte) []byte {
		return jsonscan.AppendText(b, bytesOf(x.Doc[s.Start:s.End], &whole), jsonscan.Wide)
	})
	if !whole {
		return v
	}
	return Value{String, text}
}

func bytesOf(array []byte, whole *bool) []byte {
	text := make([]byte, 0, len(array)/3)
	jsonscan.Elements(array, func(s jsonscan.Span) bool {
		n, ok := smallNumber(array[s.Start:s.End])
		if !ok || s.Kind != Number || n < 0 || n > 255 {
			*whole = false
			return false
		}
		text = append(text, byte(n))
		return true
	})
	return text
}

// rendered is the message of an event of Serilog or Twisted that carries its template only, or nil.
func (x layer) rendered() []byte {
	h := &x.d.plan.hints
	if x.Has.Has(h.template) || x.Has.Has(h.logFormat) {
		x.d.log.inFull() // the template's holes may be any fields
	}
	at, event := h.template, x.Doc
	if !x.Has.Has(at) {
		if at = h.bigTemplate; x.Has.Has(h.bigProperties) &&
			x.Spans[h.bigProperties].Kind == Object {
			event = x.Doc[x.Spans[h.bigProperties].Start:x.Spans[h.bigProperties].End]
		}
	}
	if !x.Has.Has(at) {
		at = h.logFormat
	}
	if !x.Has.Has(at) || x.Spans[at].Kind != String {
		return nil
	}
	template := x.valueOf(x.Spans[at]).Text
	if bytes.IndexByte(template, '{') < 0 {
		return x.d.tidy(template, false)
	}
	var formatted [][]byte
	if x.Has.Has(h.renderings) && x.Spans[h.renderings].Kind == Array {
		Value{
			Array,
			x.Doc[x.Spans[h.renderings].Start:x.Spans[h.renderings].End],
		}.Each(
			func(v Value) bool {
				formatted = append(formatted, v.Text)
				return true
			},
		)
	}
	return x.d.keep(func(b []byte) []byte { return appendRendered(b, template, event, formatted) })
}

// maxHoles bounds the holes of a template that are filled: each is a search in the event.
const maxHoles = 100

// appendRendered puts the properties of an event into the holes of its template: {Name}, {@Name},
// {Name,10:F2}. Holes with a format take the texts that were formatted by the program, where it
// sent them. A hole without property stays as it is.
func appendRendered(dst, template, event []byte, formatted [][]byte) []byte {
	for holes := 0; len(template) > 0; {
		i := bytes.IndexAny(template, "{}")
		if i < 0 {
			return append(dst, template...)
		}
		dst = append(dst, template[:i]...)
		c := template[i]
		if i+1 < len(template) && template[i+1] == c { // doubled braces are escaped ones
			dst = append(dst, c)
			template = template[i+2:]
			continue
		}
		end := bytes.IndexByte(template[i:], '}')
		if end < 0 {
			return append(dst, template[i:]...)
		}
		if c == '}' {
			dst = append(dst, c)
			template = template[i+1:]
			continue
		}
		hole := template[i+1 : i+end]
		name := bytes.TrimLeft(hole, "@$")
		if n := bytes.IndexAny(name, ",:"); n >= 0 {
			name = name[:n]
		}
		if holes++; holes > maxHoles {
			return append(dst, template[i:]...)
		}
		if len(formatted) > 0 && bytes.IndexByte(hole, ':') >= 0 {
			dst, formatted = append(dst, formatted[0]...), formatted[1:]
		} else if v, s := member(event, name); s.Kind != Absent {
			dst = jsonscan.AppendText(dst, v, s.Flags)
		} else {
			dst = append(dst, template[i:i+end+1]...)
		}
		template = template[i+end+1:]
	}
	return dst
}

// member finds a member of an object by its name, the last of several.
func member(object, name []byte) (value []byte, found jsonscan.Span) {
	jsonscan.Members(object, func(key []byte, _ uint8, v jsonscan.Span) bool {
		if bytes.Equal(key, name) {
			found = v
		}
		return true
	})
	return object[found.Start:found.End], found
}

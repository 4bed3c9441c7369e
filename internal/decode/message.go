package decode

import "bytes"

// findMessage finds the text of the log.
func (l *Log) findMessage() Value {
	if l.isText {
		l.from[FieldMessage] = fromText
		return Value{String, l.d.resolved(l.tidy(l.text, true), wide)}
	}
	for _, x := range l.applicationFirst() {
		s, at := l.messageOf(x)
		if at == noSlot {
			if t := l.rendered(x); t != nil {
				l.from[FieldMessage] = fromTemplate
				return Value{String, t}
			}
			continue
		}
		if s.kind == Object {
			continue // it is a layer of its own
		}
		v := l.scalar(x, s)
		if at == l.d.plan.hints.journalMessage && s.kind == Array {
			v = l.journalBytes(x, s, v)
		}
		l.note(FieldMessage, at)
		if x.has.has(l.d.plan.hints.syslogTag) {
			v.Text = bytes.TrimPrefix(v.Text, []byte(" "))
		}
		return Value{String, l.tidy(v.Text, s.flags&escaped != 0)}
	}
	return Value{}
}

// messageOf finds the span of the message in one layer. Objects under the keys log and event are
// messages only where there is no other: ECS keeps facts about the log there.
func (l *Log) messageOf(x *extractor) (span, slot) {
	p := l.d.plan
	c := &p.fields[FieldMessage]
	n, only := c.present(x.has)
	if n == 0 {
		return span{}, noSlot
	}
	if n == 1 {
		if s := x.spans[only]; isMessage(s) {
			return s, only
		}
		return span{}, noSlot
	}
	rest := noSlot
	for _, at := range c.slots {
		if !x.has.has(at) {
			continue
		}
		s := x.spans[at]
		if !isMessage(s) {
			continue
		}
		if s.kind == Object && (at == p.hints.logText || at == p.hints.event) {
			if rest == noSlot {
				rest = at
			}
			continue
		}
		return s, at
	}
	if rest != noSlot {
		return x.spans[rest], rest
	}
	return span{}, noSlot
}

func isMessage(s span) bool {
	return s.kind > Null && s.end > s.start && !(s.kind == Array && s.end-s.start <= 2)
}

// tidy cuts what is no part of a message: one newline at the end, and, where there can be any, the
// codes that colour a terminal.
func (l *Log) tidy(t []byte, codes bool) []byte {
	if n := len(t); n > 0 && t[n-1] == '\n' {
		t = t[:n-1]
		if n := len(t); n > 0 && t[n-1] == '\r' {
			t = t[:n-1]
		}
	}
	if !codes || bytes.IndexByte(t, 0x1b) < 0 {
		return t
	}
	return l.d.keep(func(b []byte) []byte { return appendPlain(b, t) })
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
func (l *Log) journalBytes(x *extractor, s span, v Value) Value {
	whole := true
	text := l.d.keep(func(b []byte) []byte {
		return appendText(b, bytesOf(x.doc[s.start:s.end], &whole), wide)
	})
	if !whole {
		return v
	}
	return Value{String, text}
}

func bytesOf(array []byte, whole *bool) []byte {
	text := make([]byte, 0, len(array)/3)
	elements(array, func(s span) bool {
		n, ok := smallNumber(array[s.start:s.end])
		if !ok || s.kind != Number || n < 0 || n > 255 {
			*whole = false
			return false
		}
		text = append(text, byte(n))
		return true
	})
	return text
}

// rendered is the message of a Serilog event that carries its template only, or nil.
func (l *Log) rendered(x *extractor) []byte {
	h := &l.d.plan.hints
	at, event := h.template, x.doc
	if !x.has.has(at) {
		if at = h.bigTemplate; x.has.has(h.bigProperties) &&
			x.spans[h.bigProperties].kind == Object {
			event = x.doc[x.spans[h.bigProperties].start:x.spans[h.bigProperties].end]
		}
	}
	if !x.has.has(at) || x.spans[at].kind != String {
		return nil
	}
	template := l.valueOf(x, x.spans[at]).Text
	if bytes.IndexByte(template, '{') < 0 {
		return l.tidy(template, false)
	}
	var formatted [][]byte
	if x.has.has(h.renderings) && x.spans[h.renderings].kind == Array {
		Value{
			Array,
			x.doc[x.spans[h.renderings].start:x.spans[h.renderings].end],
		}.Each(
			func(v Value) bool {
				formatted = append(formatted, v.Text)
				return true
			},
		)
	}
	return l.d.keep(func(b []byte) []byte { return appendRendered(b, template, event, formatted) })
}

// appendRendered puts the properties of an event into the holes of its template: {Name}, {@Name},
// {Name,10:F2}. Holes with a format take the texts that were formatted by the program, where it
// sent them. A hole without property stays as it is.
func appendRendered(dst, template, event []byte, formatted [][]byte) []byte {
	for len(template) > 0 {
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
		if c == '}' || end < 0 {
			dst = append(dst, c)
			template = template[i+1:]
			continue
		}
		hole := template[i+1 : i+end]
		name := bytes.TrimLeft(hole, "@$")
		if n := bytes.IndexAny(name, ",:"); n >= 0 {
			name = name[:n]
		}
		if len(formatted) > 0 && bytes.IndexByte(hole, ':') >= 0 {
			dst, formatted = append(dst, formatted[0]...), formatted[1:]
		} else if v, s := member(event, name); s.kind != Absent {
			dst = appendText(dst, v, s.flags)
		} else {
			dst = append(dst, template[i:i+end+1]...)
		}
		template = template[i+end+1:]
	}
	return dst
}

// member finds a member of an object by its name, the last of several.
func member(object, name []byte) (value []byte, found span) {
	members(object, func(key []byte, _ uint8, v span) bool {
		if bytes.Equal(key, name) {
			found = v
		}
		return true
	})
	return object[found.start:found.end], found
}

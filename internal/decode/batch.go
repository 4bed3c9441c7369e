package decode

import "bytes"

// batch emits the members of a list; what else the envelope says belongs to each of them.
func (d *Decoder) batch(doc, list []byte, key, format string) {
	d.shared = append(appendMembers(append(d.shared[:0], '{'), doc, key), '}')
	envelope := d.extractor(&d.envelopeKept)
	envelope.read(d.shared)
	d.envelope = envelope
	count := 0
	elements(list, func(s span) bool {
		count++
		member := list[s.start:s.end]
		if s.kind != Object || d.root.read(member) < 0 {
			d.refuse(InvalidMember, "one of several logs is not one: "+clip(member))
			return true
		}
		d.prepare(format, member)
		d.emit()
		return true
	})
	if count == 0 {
		d.refuse(EmptyBatch, "the batch is empty")
	}
}

// extractor returns an extractor that is kept from one batch to the next.
func (d *Decoder) extractor(kept **extractor) *extractor {
	if *kept == nil {
		*kept = newExtractor(d.plan.plan)
	}
	return *kept
}

// cloudWatch emits the events of a subscription of CloudWatch Logs.
func (d *Decoder) cloudWatch(doc, events []byte) {
	if h := &d.plan.hints; d.root.has.has(h.messageType) {
		s := d.root.spans[h.messageType]
		if string(doc[s.start:s.end]) == "CONTROL_MESSAGE" {
			d.refuse(Control, "a test of the subscription")
			return
		}
	}
	d.batch(doc, events, "logEvents", "cloudwatch")
}

// connect emits the payload of a Kafka Connect envelope.
func (d *Decoder) connect(doc []byte, payload span) {
	value := doc[payload.start:payload.end]
	switch payload.kind {
	case Object:
		d.root.read(value)
		d.prepare("connect", value)
		d.emit()
	case String:
		d.wrapped[maxWrapped+1] = appendText(d.wrapped[maxWrapped+1][:0], value, payload.flags)
		text := d.wrapped[maxWrapped+1]
		if len(text) > 0 && text[0] == '{' && whole(d.root, text) {
			d.prepare("connect", text)
			d.emit()
			return
		}
		d.text(text)
	case Null:
		d.refuse(Tombstone, "the payload is null")
	default:
		d.refuse(InvalidMember, "the payload is no log: "+clip(value))
	}
}

// loki emits the lines of a push to Loki, and says whether it is one. A stream's labels belong to
// each of its lines.
func (d *Decoder) loki(streams []byte) bool {
	is := false
	count := 0
	elements(streams, func(s span) bool {
		if s.kind != Object {
			return true
		}
		stream := streams[s.start:s.end]
		labels, l := member(stream, []byte("stream"))
		values, v := member(stream, []byte("values"))
		if l.kind == Absent { // as it was pushed before Loki 1.0
			labels, l = member(stream, []byte("labels"))
			values, v = member(stream, []byte("entries"))
			d.shared = appendSelector(d.shared[:0], appendText(nil, labels, l.flags))
			labels, l.kind = d.shared, Object
		}
		if l.kind != Object || v.kind != Array {
			return true
		}
		is = true
		envelope := d.extractor(&d.envelopeKept)
		envelope.read(labels)
		d.envelope = envelope
		elements(values, func(s span) bool {
			count++
			d.lokiLine(values[s.start:s.end], s.kind)
			return true
		})
		return true
	})
	if is && count == 0 {
		d.refuse(EmptyBatch, "the push holds no line")
	}
	return is
}

// lokiLine emits one line: its time, its text, and perhaps an object of metadata.
func (d *Decoder) lokiLine(entry []byte, kind Kind) {
	if kind == Object {
		at, t := member(entry, []byte("ts"))
		text, m := member(entry, []byte("line"))
		if m.kind == String {
			d.built = appendMember(
				append(d.built[:0], '{'),
				"message",
				appendText(nil, text, m.flags),
			)
			if t.kind == String {
				d.built = appendMember(d.built, "timestamp", appendText(nil, at, t.flags))
			}
			d.emitBuilt("loki", entry)
			return
		}
	}
	if kind != Array {
		d.refuse(InvalidMember, "one of several lines is not one: "+clip(entry))
		return
	}
	b := append(d.built[:0], '{')
	i := 0
	elements(entry, func(s span) bool {
		switch {
		case i == 0 && (s.kind == String || s.kind == Number):
			b = appendSpan(appendKey(b, "timestamp"), entry, s)
		case i == 1 && s.kind == String:
			b = appendSpan(appendKey(b, "message"), entry, s)
		case i == 2 && s.kind == Object:
			b = appendMembers(b, entry[s.start:s.end], "")
		}
		i++
		return i < 3
	})
	d.built = b
	if i < 2 {
		d.refuse(InvalidMember, "one of several lines is not one: "+clip(entry))
		return
	}
	d.emitBuilt("loki", entry)
}

// appendSelector rewrites labels as Prometheus writes them, {app="checkout",level="error"}, into an
// object.
func appendSelector(dst, labels []byte) []byte {
	dst = append(dst, '{')
	labels = bytes.Trim(labels, "{} ")
	for len(labels) > 0 {
		key, rest, ok := bytes.Cut(labels, []byte(`="`))
		end := -1
		if ok {
			end = quoteEnd(rest, 0)
		}
		if end < 0 {
			break
		}
		dst = appendMember(dst, string(bytes.TrimSpace(key)), unslash(rest[:end]))
		labels = bytes.TrimLeft(rest[end+1:], ", ")
	}
	return append(dst, '}')
}

package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// batch emits the members of a list; what else the envelope says belongs to each of them.
func (d *Decoder) batch(doc, list []byte, key, format string) {
	d.shared = append(appendMembers(append(d.shared[:0], '{'), doc, key), '}')
	envelope := d.extractor(&d.envelopeKept)
	envelope.Read(d.shared)
	d.envelope, d.sharing.part = envelope, len(d.shared)
	count := 0
	jsonscan.Elements(list, func(s jsonscan.Span) bool {
		count++
		member := list[s.Start:s.End]
		if s.Kind != Object || d.root.Read(member) < 0 {
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
func (d *Decoder) extractor(kept **jsonscan.Extractor) *jsonscan.Extractor {
	if *kept == nil {
		*kept = jsonscan.NewExtractor(d.plan.Plan)
	}
	return *kept
}

// cloudWatch emits the events of a subscription of CloudWatch Logs.
func (d *Decoder) cloudWatch(doc, events []byte) {
	if h := &d.plan.hints; d.root.Has.Has(h.messageType) {
		s := d.root.Spans[h.messageType]
		if string(doc[s.Start:s.End]) == "CONTROL_MESSAGE" {
			d.refuse(Control, "a test of the subscription")
			return
		}
	}
	d.batch(doc, events, "logEvents", "cloudwatch")
}

// connect emits the payload of a Kafka Connect envelope.
func (d *Decoder) connect(doc []byte, payload jsonscan.Span) {
	value := doc[payload.Start:payload.End]
	switch payload.Kind {
	case Object:
		d.root.Read(value)
		d.prepare("connect", value)
		d.emit()
	case String:
		d.wrapped[maxWrapped+1] = jsonscan.AppendText(d.wrapped[maxWrapped+1][:0], value,
			payload.Flags)
		text := d.wrapped[maxWrapped+1]
		if len(text) > 0 && text[0] == '{' && whole(d.root, text) {
			d.prepare("connect", text)
			d.emit()
			return
		}
		d.textLine(text)
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
	jsonscan.Elements(streams, func(s jsonscan.Span) bool {
		if s.Kind != Object {
			return true
		}
		stream := streams[s.Start:s.End]
		labels, l := member(stream, []byte("stream"))
		values, v := member(stream, []byte("values"))
		if l.Kind == Absent { // as it was pushed before Loki 1.0
			labels, l = member(stream, []byte("labels"))
			values, v = member(stream, []byte("entries"))
			d.shared = appendSelector(d.shared[:0], jsonscan.AppendText(nil, labels, l.Flags))
			labels, l.Kind = d.shared, Object
		}
		if l.Kind != Object || v.Kind != Array {
			return true
		}
		is = true
		envelope := d.extractor(&d.envelopeKept)
		envelope.Read(labels)
		d.envelope, d.sharing.part = envelope, len(labels)
		jsonscan.Elements(values, func(s jsonscan.Span) bool {
			count++
			d.lokiLine(values[s.Start:s.End], s.Kind)
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
		if m.Kind == String {
			d.built = appendMember(append(d.built[:0], '{'),
				"message", jsonscan.AppendText(nil, text, m.Flags))
			if t.Kind == String {
				d.built = appendMember(d.built, "timestamp", jsonscan.AppendText(nil, at, t.Flags))
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
	jsonscan.Elements(entry, func(s jsonscan.Span) bool {
		switch {
		case i == 0 && (s.Kind == String || s.Kind == Number):
			b = appendSpan(appendKey(b, "timestamp"), entry, s)
		case i == 1 && s.Kind == String:
			b = appendSpan(appendKey(b, "message"), entry, s)
		case i == 2 && s.Kind == Object:
			b = appendMembers(b, entry[s.Start:s.End], "")
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

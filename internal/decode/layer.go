package decode

import (
	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

func (x layer) anyOf(c *jsonscan.Choice) (Value, jsonscan.Slot) {
	n, s := c.Present(x.Has)
	if n == 0 {
		return Value{}, jsonscan.NoSlot
	}
	if n > 1 {
		for _, s = range c.Slots {
			if x.Has.Has(s) {
				break
			}
		}
	}
	return x.valueOf(x.Spans[s]), s
}

// layer is one object of a log, with the decoder that reads it.
type layer struct {
	*jsonscan.Extractor
	d *Decoder
}

// in returns a layer of the log.
func (l *Log) in(x *jsonscan.Extractor) layer { return layer{x, l.d} }

// valueOf returns the value of a span.
func (x layer) valueOf(s jsonscan.Span) Value {
	t := x.Doc[s.Start:s.End]
	if s.Flags&(jsonscan.Escaped|jsonscan.Wide) == 0 || s.Kind != String {
		return Value{s.Kind, t}
	}
	return Value{String, x.d.resolved(t, s.Flags)}
}

func (x layer) textOf(c *jsonscan.Choice) (Value, jsonscan.Slot) {
	n, only := c.Present(x.Has)
	if n == 0 {
		return Value{}, jsonscan.NoSlot
	}
	if n == 1 {
		if v := x.scalar(x.Spans[only]); v.Kind != Absent {
			return v, only
		}
		return Value{}, jsonscan.NoSlot
	}
	for _, s := range c.Slots {
		if !x.Has.Has(s) {
			continue
		}
		if v := x.scalar(x.Spans[s]); v.Kind != Absent {
			return v, s
		}
	}
	return Value{}, jsonscan.NoSlot
}

// scalar returns a span as text, Absent if it is not a scalar. A number is text too: a service may
// be called 7.
func (x layer) scalar(s jsonscan.Span) Value {
	switch s.Kind {
	case String, Number, Bool:
		if s.Start == s.End {
			return Value{}
		}
		return Value{String, x.valueOf(s).Text}
	case Array:
		first := Value{}
		Value{Array, x.Doc[s.Start:s.End]}.Each(func(v Value) bool {
			if v.Kind == Object || len(v.Text) == 0 {
				return true
			}
			first = Value{String, v.Text}
			return false
		})
		return first
	}
	return Value{}
}

// isDigits reports whether the value in a slot is a number, or a string of one.
func (x layer) isDigits(at jsonscan.Slot) bool {
	t := x.scalar(x.Spans[at]).Text
	return len(t) > 0 && (t[0]-'0' <= 9 || t[0] == '-')
}

package decode

import "github.com/log-monitoring/alert-engine/internal/jsonscan"

// EachValue calls f for the value of every field of the log, nested ones and members of arrays
// included, until f returns false. Null values are skipped; a value may come more than once. A
// Value is valid until f returns.
func (l *Log) EachValue(f func(Value) bool) {
	l.inFull()
	if l.isText {
		if !f(Value{String, l.text}) {
			return
		}
	}
	more := true
	var scratch []byte
	for _, x := range l.applicationFirst() {
		if x.Doc == nil || !more {
			continue
		}
		jsonscan.Values(x.Doc, func(s jsonscan.Span) bool {
			if s.Kind == Null {
				return true
			}
			text := x.Doc[s.Start:s.End]
			if s.Kind == String && s.Flags != 0 {
				scratch = jsonscan.AppendText(scratch[:0], text, s.Flags)
				text = scratch
			}
			more = f(Value{s.Kind, text})
			return more
		})
	}
}

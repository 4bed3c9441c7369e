package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// findTrace finds the trace or span: in the log, else in a W3C traceparent header.
func (l *Log) findTrace(id FieldID) Value {
	v := l.findText(id, l.applicationFirst())
	if v.Kind != Absent && l.namesSpan(id, v.Text) {
		l.from[id] = fromNowhere
	} else if v.Kind != Absent {
		if i := bytes.LastIndexByte(v.Text, '/'); i >= 0 { // projects/shop/traces/5b8a...
			v.Text = v.Text[i+1:]
		}
		v.Text = bytes.TrimPrefix(v.Text, []byte("0x")) // of Python's console exporter
		if len(bytes.Trim(v.Text, "0")) > 0 {
			return v
		}
		l.from[id] = fromNowhere // zeros only are no trace
	}
	h := l.header("traceparent") // 00-5b8a...-051b...-01
	if len(h) < 55 || h[2] != '-' || h[35] != '-' || h[52] != '-' {
		return Value{}
	}
	l.from[id] = fromTraceparent
	if id == FieldTraceID {
		return Value{String, h[3:35]}
	}
	return Value{String, h[36:52]}
}

// namesSpan reports whether what was found as an ID is a name, or the application's own number,
// as Rust's tracing has under span and span.id.
func (l *Log) namesSpan(id FieldID, t []byte) bool {
	if id != FieldSpanID || l.from[id] < 0 {
		return false
	}
	switch l.d.plan.path(jsonscan.Slot(l.from[id])) {
	case "span":
		return len(t) < 8 || !isHex(t)
	case "span.id":
		return len(t) < 8 && jsonscan.Digits(t) == len(t)
	}
	return false
}

func isHex(t []byte) bool {
	for _, c := range t {
		if c-'0' > 9 && c|0x20-'a' > 5 {
			return false
		}
	}
	return true
}

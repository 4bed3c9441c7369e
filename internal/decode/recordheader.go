package decode

import (
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// header returns the text of a record's header, without the quotes or the schema that Kafka Connect
// puts around it; nothing if it is no text.
func (l *Log) header(name string) []byte {
	return headerText(l.rawHeader(name))
}

// headerText returns the text of a header's value, nothing if it is no text.
func headerText(v []byte) []byte {
	if len(v) > 1 && v[0] == '{' {
		if payload, s := member(v, []byte("payload")); s.Kind == String {
			v = jsonscan.AppendText(nil, payload, s.Flags)
		}
	} else if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
		if text := unquote(v); text != nil {
			v = text
		}
	}
	if !utf8.Valid(v) {
		return nil
	}
	return v
}

// rawHeader returns the value of a record's header, the last of its name.
func (l *Log) rawHeader(name string) []byte {
	if l.rec == nil {
		return nil
	}
	for i := len(l.rec.Headers) - 1; i >= 0; i-- {
		if h := &l.rec.Headers[i]; len(h.Key) == len(name) && equalFold(h.Key, name) {
			return h.Value
		}
	}
	return nil
}

// equalFold compares two ASCII texts of one length, the second in lower case.
func equalFold(s, low string) bool {
	for i := range len(s) {
		c := s[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != low[i] {
			return false
		}
	}
	return true
}

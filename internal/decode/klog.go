package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// appendKlog rewrites a line of klog and glog: a letter for the level, month and day, the time, a
// thread, the place in the source, and the text, which may be a quoted message with pairs behind
// it. CockroachDB has the year before the month, and a mark instead of the bracket.
//
//	E0504 10:11:12.162098   17963 main.go:36] "payment failed" err="card declined"
//	E260504 10:11:12.162098 1 1@server/node.go:36 ⋮ [T1,n1] 23  payment failed
func appendKlog(dst, b []byte) ([]byte, bool) {
	if len(b) < 24 {
		return dst, false
	}
	day := jsonscan.Digits(b[1:10]) // 0504, or 20260504 as newer versions of glog have it
	if day != 4 && day != 6 && day != 8 || b[1+day] != ' ' {
		return dst, false
	}
	switch b[0] {
	case 'I', 'W', 'E', 'F', 'D', 'T': // D and T of Rust's tracing-glog
	default:
		return dst, false
	}
	var v civil
	n := v.clock(b, day+2)
	mark := "] "
	if day == 6 {
		mark = " ⋮ "
	}
	end := bytes.Index(b, []byte(mark))
	if n == 0 || end < n || end > n+300 || bytes.IndexByte(b[:end], '\n') >= 0 {
		return dst, false
	}
	dst = appendKnown(dst, "level", b[:1])
	dst = appendKnown(dst, "timestamp", b[1:n])
	thread, caller, ok := bytes.Cut(bytes.TrimSpace(b[n:end]), []byte(" "))
	if !ok || jsonscan.Digits(thread) != len(thread) {
		return dst, false
	}
	dst = appendKnown(dst, "pid", thread)
	dst = appendKnown(dst, "caller", bytes.TrimSpace(caller))
	text := b[end+len(mark):]
	if len(text) > 0 && text[0] == '"' {
		if e, _ := jsonscan.ScanString(text, 1); e > 0 {
			rest := bytes.TrimSpace(text[e+1:])
			if out, pairs, ok := appendPlainPairs(dst, rest); ok && (pairs > 0 || len(rest) == 0) {
				out = appendKey(out, "message")
				return append(out, text[:e+1]...), true
			}
		}
	}
	return appendKnown(dst, "message", text), true
}

package decode

import "bytes"

// appendCRI rewrites a line as container runtimes keep it on disk: time, stream, a tag that is F
// for a full line and P for a part, and the text.
//
//	2026-05-04T10:11:12.345678901Z stderr F payment failed
func appendCRI(dst, b []byte, day *today) ([]byte, bool) {
	if len(b) < 30 || b[0]-'0' > 9 || b[4] != '-' || b[10] != 'T' {
		return dst, false
	}
	at, rest, _ := bytes.Cut(b, []byte(" "))
	stream, rest, ok := bytes.Cut(rest, []byte(" "))
	if !ok || string(stream) != "stdout" && string(stream) != "stderr" {
		return dst, false
	}
	tag, text, _ := bytes.Cut(rest, []byte(" "))
	if len(tag) == 0 || tag[0] != 'F' && tag[0] != 'P' || len(tag) > 1 && tag[1] != ':' {
		return dst, false
	}
	if _, ok := day.read(at); !ok {
		if _, n := (clock{}).iso(at); n != len(at) {
			return dst, false
		}
	}
	dst = appendKnown(dst, "logtag", tag)
	dst = appendKnown(dst, "stream", stream)
	dst = appendKnown(dst, "timestamp", at)
	return appendKnown(dst, "message", text), true
}

package decode

import "bytes"

// appendLTSV rewrites a line of labelled tab-separated values.
//
//	time:2026-05-04T10:11:12+00:00	level:error	message:payment failed	host:web-1
//
// Unless the topic is held to the format, there must be three of them at least, one of which only a
// log has.
func appendLTSV(dst, b []byte, held bool) ([]byte, bool) {
	if bytes.IndexByte(b, '\n') >= 0 ||
		!held && bytes.Count(b[:min(len(b), 4096)], []byte("\t")) < 2 {
		return dst, false
	}
	pairs, specific := 0, false
	for field := range bytes.SplitSeq(b, []byte("\t")) {
		if len(field) == 0 {
			continue
		}
		label, value, ok := bytes.Cut(field, []byte(":"))
		if !ok || !isLabel(label) {
			return dst, false
		}
		switch string(label) {
		case "time", "timestamp", "host", "req", "status":
			specific = true
		}
		specific = specific || isSpecific(label)
		dst = appendMember(dst, string(label), value)
		pairs++
	}
	return dst, held && pairs > 0 || pairs >= 3 && specific
}

// isLabel says whether a text can be a label: of letters, digits, dots, dashes and underscores.
func isLabel(t []byte) bool {
	for _, c := range t {
		if c >= 0x80 || !isWord(c) && c != '.' && c != '-' {
			return false
		}
	}
	return len(t) > 0
}

package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// appendCEF rewrites an event in ArcSight's Common Event Format: seven fields between bars, then
// keys and values. The name is the message.
//
//	CEF:0|Acme|Firewall|1.2|100|worm successfully stopped|10|src=10.0.0.1 msg=a \= b
func appendCEF(dst, b []byte, h header) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(b, []byte("CEF:"))
	if !ok {
		return dst, false
	}
	var field [7][]byte
	for i := range field {
		if field[i], rest, ok = cutBar(rest); !ok && i < len(field)-1 {
			return dst, false
		}
	}
	for i, key := range [...]string{
		"cefVersion", "deviceVendor", "deviceProduct", "deviceVersion", "signatureId", "message",
		"severity",
	} {
		dst = appendMember(dst, key, field[i])
	}
	dst = appendMember(dst, "level", []byte(threatLevel(field[6])))
	dst = appendBytes(dst, "receiveTimestamp", h.time)
	host := h.host
	pairs(rest, func(key, value []byte) {
		if string(key) == "dvchost" && host == nil {
			host = value
		}
		if string(key) == "message" || string(key) == "level" || string(key) == "severity" {
			return
		}
		dst = appendMember(dst, string(key), value)
	})
	return appendBytes(dst, "host", host), true
}

// cutBar cuts a field off at the next bar that no backslash protects.
func cutBar(b []byte) (field, rest []byte, ok bool) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '|':
			return unbar(b[:i]), b[i+1:], true
		}
	}
	return unbar(b), nil, false
}

func unbar(t []byte) []byte {
	if bytes.IndexByte(t, '\\') < 0 {
		return t
	}
	out := make([]byte, 0, len(t))
	for i := 0; i < len(t); i++ {
		if t[i] == '\\' && i+1 < len(t) {
			i++
			switch t[i] {
			case 'n':
				out = append(out, '\n')
				continue
			case 'r':
				out = append(out, '\r')
				continue
			}
		}
		out = append(out, t[i])
	}
	return out
}

// threatLevel is the word for a severity, which is a number from 0 to 10 or a word of CEF's own.
func threatLevel(severity []byte) string {
	if n, ok := smallNumber(severity); ok {
		return string(cefLevel(n).word)
	}
	switch string(bytes.ToLower(bytes.TrimSpace(severity))) {
	case "low":
		return "INFO"
	case "medium":
		return "WARN"
	case "high":
		return "ERROR"
	case "very-high", "very high":
		return "CRITICAL"
	}
	return "UNKNOWN"
}

// pairs calls f for each key and value of a CEF extension. A value may have blanks in it: it ends
// before the next word that is followed by an equals sign.
func pairs(b []byte, f func(key, value []byte)) {
	b = bytes.TrimSpace(b)
	for len(b) > 0 {
		eq := bytes.IndexByte(b, '=')
		if eq <= 0 {
			return
		}
		key, rest := b[:eq], b[eq+1:]
		end, next := len(rest), len(rest)
		for i := 0; i < len(rest); i++ {
			if rest[i] == '\\' {
				i++
				continue
			}
			if rest[i] != '=' {
				continue
			}
			word := i
			for word > 0 && isKeyByte(rest[word-1]) {
				word--
			}
			if word < i && word > 0 && rest[word-1] == ' ' {
				end, next = word-1, word
				break
			}
		}
		f(bytes.TrimSpace(key), unbar(bytes.TrimRight(rest[:end], " ")))
		b = rest[next:]
	}
}

func isKeyByte(c byte) bool { return isWord(c) || c == '.' || c == '-' || c == '[' || c == ']' }

// appendLEEF rewrites an event in QRadar's Log Event Extended Format. Version 2 names the character
// between the pairs, version 1 has a tab.
//
//	LEEF:2.0|Acme|IDS|4.0|41|^|src=10.0.0.1^sev=8^devTime=2026-05-04T10:11:12.345Z
func appendLEEF(dst, b []byte, h header) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(b, []byte("LEEF:"))
	if !ok {
		return dst, false
	}
	var field [5][]byte
	for i := range field {
		if field[i], rest, ok = bytes.Cut(rest, []byte("|")); !ok {
			return dst, false
		}
	}
	delimiter := []byte("\t")
	if len(field[0]) > 0 && field[0][0] == '2' {
		if named, pairs, ok := bytes.Cut(rest, []byte("|")); ok && len(named) <= 5 {
			rest = pairs
			if len(named) > 0 {
				delimiter = leefDelimiter(named)
			}
		}
	}
	for i, key := range [...]string{
		"leefVersion", "deviceVendor", "deviceProduct", "deviceVersion", "eventId",
	} {
		dst = appendMember(dst, key, field[i])
	}
	var severity []byte
	hosted := h.host != nil
	for pair := range bytes.SplitSeq(rest, delimiter) {
		key, value, ok := bytes.Cut(pair, []byte("="))
		if key = bytes.TrimSpace(key); !ok || len(key) == 0 {
			continue
		}
		if string(key) == "sev" {
			severity = value
		}
		if string(key) == "devName" && !hosted {
			h.host = value
		}
		dst = appendMember(dst, string(key), value)
	}
	if severity != nil {
		dst = appendMember(dst, "level", []byte(threatLevel(severity)))
	} else if h.level != "" {
		dst = append(appendKey(dst, "level"), h.level...)
	}
	dst = appendBytes(dst, "receiveTimestamp", h.time)
	return appendBytes(dst, "host", h.host), true
}

// leefDelimiter reads a delimiter that may be written as the hexadecimal number of its character:
// x09, 0x5e.
func leefDelimiter(named []byte) []byte {
	if i := bytes.IndexByte(named, 'x'); i >= 0 && i <= 1 && len(named) > i+1 {
		padded := append(bytes.Repeat([]byte("0"), max(0, 4-len(named[i+1:]))), named[i+1:]...)
		if r, ok := jsonscan.Hex4(padded, 0); ok {
			return []byte(string(r))
		}
	}
	return named
}

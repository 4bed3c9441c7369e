package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// maxTail bounds the pairs behind the text of a line.
const maxTail = 64

// mayHaveTail is a quick check of whether a line of text may end with pairs or an object.
func mayHaveTail(b []byte) bool {
	n := len(b)
	if n < 5 {
		return false
	}
	switch b[n-1] {
	case '}', '"', '\'', ')', ']':
	default: // the last word is a pair, or there are more lines
		i := n - 1
		for i > 0 && b[i] != ' ' && b[i] != '=' && b[i] != '\n' {
			i--
		}
		if i > 0 && b[i] == '=' {
			return bytes.IndexByte(b[:i], ' ') > 0
		}
		if i > 1 && b[i] == ' ' && b[i-1] == '=' {
			return true
		}
		if n = bytes.IndexByte(b, '\n'); n < 5 {
			return false
		}
		return mayHaveTail(bytes.TrimRight(b[:n], "\r"))
	}
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		return n > 4 && mayHaveTail(bytes.TrimRight(b[:n], "\r"))
	}
	if bytes.IndexByte(b, '=') > 0 {
		return true
	}
	object := b[n-1] == '}' || b[n-1] == ']' && b[n-2] == '['
	return object && (bytes.Contains(b, []byte(`{"`)) ||
		bytes.Contains(b, []byte(`{\"`))) // as it is written in JSON
}

// appendTail rewrites a line of text that ends with pairs or an object, as loggers for people write
// their fields behind the message. The whole line is the message; level, time and host are read
// from its head. A single pair needs a head before it: a time or a level. Of several lines the
// first counts.
//
//	2026-05-04T10:11:12Z ERROR shop::pay: payment failed order=7 err=Os { code: 2 }   tracing
//	2026-05-04T10:11:12Z<tab>ERROR<tab>pay.go:12<tab>failed<tab>{"order": 7}         zap
func appendTail(dst, b []byte) ([]byte, bool) {
	line := b
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = bytes.TrimRight(line[:n], "\r")
	}
	if len(line) > smallValue || line[0] == '<' && line[len(line)-1] == '>' {
		return dst, false
	}
	if bytes.IndexByte(b, 0x1b) >= 0 {
		line, b = appendPlain(nil, line), appendPlain(nil, b)
		if len(line) == 0 {
			return dst, false
		}
	}
	size := len(dst)
	out, pairs := appendTailObject(dst, line)
	if pairs == 0 {
		out, pairs = appendTailPairs(dst, line)
	}
	if pairs == 0 {
		out, pairs = appendSpacedPairs(dst, line)
	}
	if pairs == 0 || pairs == 1 && !hasHead(line) {
		return dst[:size], false
	}
	return appendMember(out, "message", b), true
}

// hasHead reports whether a line begins with a time or a level.
func hasHead(line []byte) bool {
	if h := (clock{record: earliest}).headOf(line); h.end > 0 || clockEnd(line) > 0 {
		return true
	}
	near := line[:min(len(line), 32)]
	if word := wordAt(bytes.TrimLeft(near, "[<(")); levelWord(word).word != nil {
		return true
	}
	_, rest, _ := bytes.Cut(near, []byte(" ")) // 8:04AM ERR, [10:11:12] ERROR:
	word := wordAt(rest)
	return len(word) > 2 && (near[0]-'0' <= 9 || near[0] == '[') && isUpper(word) &&
		levelWord(word).word != nil
}

// appendTailObject appends the members of the object that a line ends with, or of several, as
// Monolog writes the context and what its processors add, and returns how many. Behind the last one
// an empty list may stand, which is PHP's empty object.
func appendTailObject(dst, line []byte) ([]byte, int) {
	line = bytes.TrimSuffix(bytes.TrimRight(line, " "), []byte(" []"))
	if line[len(line)-1] != '}' {
		return dst, 0
	}
	at := bytes.Index(line, []byte(`{"`))
	if at < 1 || line[at-1] != '\t' && line[at-1] != ' ' {
		return dst, 0
	}
	size, members := len(dst), 0
	for rest := line[at:]; len(rest) > 0; {
		end, v := jsonscan.ScanValue(rest, 0)
		if end < 0 || v.Kind != Object || !jsonscan.Valid(rest[:end]) {
			return dst[:size], 0
		}
		object := rest[:end]
		jsonscan.Members(object, func(key []byte, flags uint8, v jsonscan.Span) bool {
			if flags == 0 && len(key) > 0 {
				dst = appendKey(dst, string(tailNames.of(key)))
				dst = appendSpan(dst, object, v)
				members++
			}
			return members < maxTail
		})
		rest = bytes.TrimLeft(rest[end:], " ")
		if members >= maxTail {
			break
		}
	}
	return dst, members
}

// appendTailPairs appends the pairs that a line ends with, and returns their number. A line that
// begins with a pair is none of text.
func appendTailPairs(dst, line []byte) ([]byte, int) {
	size := len(dst)
	from := 0
	for range maxTail { // each may read an open bracket or quote to the end of the line
		n := bytes.IndexByte(line[from:], '=')
		if n < 0 {
			return dst[:size], 0
		}
		equals := from + n
		start := equals
		for start > 0 && isTailKey(line[start-1]) {
			start--
		}
		from = equals + 1
		if start == equals || start == 0 || line[start]-'0' <= 9 || line[start] == '-' ||
			line[start-1] != ' ' && line[start-1] != '\t' {
			continue
		}
		out, pairs, end := appendPairsFrom(dst[:size], line, start)
		if end == len(line) || pairs > 0 && isRemark(line[end:]) {
			return out, pairs
		}
		from = max(from, end)
	}
	return dst[:size], 0
}

// appendSpacedPairs appends the pairs that a line ends with, if there are blanks around their signs
// and commas between them, and returns their number. A single one may be of prose.
//
//	2026-05-04T10:11:12Z ERROR Authentication failed (auth.failed) listener = "imaps", port = 993
func appendSpacedPairs(dst, line []byte) ([]byte, int) {
	size, pairs := len(dst), 0
	sign := bytes.Index(line, []byte(" = "))
	start := sign
	for start > 0 && isTailKey(line[start-1]) {
		start--
	}
	if start <= 0 || start == sign || line[start-1] != ' ' {
		return dst, 0
	}
	for rest := line[start:]; pairs < maxTail; pairs++ {
		key, value, ok := bytes.Cut(rest, []byte(" = "))
		if !ok || len(key) == 0 || len(value) == 0 || bytes.ContainsFunc(key, isNoTailKey) {
			return dst[:size], 0
		}
		end := tailValue(value, 0)
		if end <= 0 {
			return dst[:size], 0
		}
		dst = appendQuotedText(appendKey(dst, string(tailNames.of(key))), value[:end])
		if end == len(value) {
			pairs++
			break
		}
		if rest, ok = bytes.CutPrefix(value[end:], []byte(", ")); !ok {
			return dst[:size], 0
		}
	}
	if pairs < 2 {
		return dst[:size], 0
	}
	return dst, pairs
}

func isNoTailKey(r rune) bool { return r >= 0x80 || !isTailKey(byte(r)) }

// isRemark reports whether what stands behind the last pair explains it in brackets: status=bounced
// (host mx.example said: 550 no such user) of Postfix.
func isRemark(t []byte) bool {
	t = bytes.TrimSpace(t)
	return len(t) > 2 && t[0] == '(' && t[len(t)-1] == ')'
}

// betweenTabs reports whether each pair of some has a tab behind it, so values have blanks, as in
// the audit log of HDFS.
func betweenTabs(t []byte) bool {
	_, rest, ok := bytes.Cut(t, []byte("\t"))
	for ok {
		var pair []byte
		pair, rest, ok = bytes.Cut(rest, []byte("\t"))
		if n := bytes.IndexByte(pair, '='); n <= 0 || bytes.IndexByte(pair[:n], ' ') >= 0 {
			return false
		}
	}
	return bytes.IndexByte(t, '\t') > 0
}

// appendPairsFrom appends the pairs that begin at b[i], and returns the index behind the last.
func appendPairsFrom(dst, b []byte, i int) (out []byte, pairs, end int) {
	tabs := betweenTabs(b[i:])
	for pairs = 0; pairs < maxTail; pairs++ {
		start := i
		for i < len(b) && isTailKey(b[i]) {
			i++
		}
		if i == start || i >= len(b) || b[i] != '=' {
			return dst, pairs, start
		}
		key := b[start:i]
		stop := tailValue(b, i+1)
		if tabs {
			if stop = i + 1 + bytes.IndexByte(b[i+1:], '\t'); stop == i {
				stop = len(b)
			}
		}
		if stop < 0 {
			return dst, pairs, i + 1
		}
		value := b[i+1 : stop]
		if n := len(value); n > 1 && value[0] == '\'' && value[n-1] == '\'' { // repr of Python
			value = value[1 : n-1]
		}
		dst = appendQuotedText(appendKey(dst, string(tailNames.of(key))), value)
		if i = stop; i < len(b) && b[i] == ',' {
			i++
		}
		for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
			i++
		}
		if i == len(b) {
			return dst, pairs + 1, i
		}
	}
	return dst, pairs, i
}

// tailValue returns the end of the value that begins at b[i], -1 if it is none: a text in quotes, a
// word, or a value of Rust's or Go's with blanks within brackets, as Os { code: 2 } and [1 2].
func tailValue(b []byte, i int) int {
	if i >= len(b) || b[i] == ' ' || b[i] == '\t' {
		return i
	}
	if b[i] == '\'' {
		if end := bytes.IndexByte(b[i+1:], '\''); end >= 0 {
			if end += i + 2; end == len(b) || b[end] == ' ' || b[end] == ',' {
				return end
			}
		}
	}
	depth := 0
	for start := i; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			end, _ := jsonscan.ScanString(b, i+1)
			if end < 0 {
				return -1
			}
			if i = end; start < i && depth == 0 && b[start] == '"' {
				if i+1 < len(b) && b[i+1] != ' ' && b[i+1] != '\t' && b[i+1] != ',' {
					return -1
				}
				return i + 1
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth < 0 { // of a bracket before the pair
				return -1
			}
		case ' ', '\t':
			if depth > 0 || i+2 < len(b) && b[i+1] == '{' && b[i+2] == ' ' {
				continue
			}
			return i
		case ',':
			if depth == 0 && i+1 < len(b) && b[i+1] == ' ' {
				return i
			}
		}
	}
	if depth > 0 {
		return -1
	}
	return len(b)
}

func isTailKey(c byte) bool { return isWord(c) || c == '.' || c == '-' || c == '@' || c == '/' }

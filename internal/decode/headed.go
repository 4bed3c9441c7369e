package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// nearPairs is how far from the start of a line its first pair is searched.
const nearPairs = 64

// mayHavePairs reports whether pairs may follow the head of a line that does not begin with one.
func mayHavePairs(b []byte) bool {
	switch c := b[0]; {
	case c == '[':
		return len(b) > 30 && b[5] == '/' && b[8] == '/' // TiDB
	case c-'0' <= 9, c-'A' < 26:
		near := b[:min(len(b), nearPairs)]
		return bytes.Contains(near, []byte(" msg=")) || bytes.Contains(near, []byte(" ts="))
	}
	return false
}

// appendAnyPairs rewrites a line of logfmt, with or without a head. Lines of a stack trace may
// stand behind it, as programs print them and shippers join them.
func appendAnyPairs(dst, b []byte, held bool) ([]byte, bool) {
	if n := bytes.IndexByte(b, '\n'); n > 0 && isClosed(b[:n]) && stackWithin(b[n:]) != nil {
		if out, ok := appendAnyPairs(dst, bytes.TrimRight(b[:n], "\r"), held); ok {
			return appendMember(out, "stack_trace", bytes.TrimLeft(b[n:], "\r\n")), true
		}
	}
	if len(b) > 0 && mayHavePairs(b) {
		if out, ok := appendHeaded(dst, b, held); ok {
			return out, true
		}
	}
	return appendLogfmt(dst, b, held)
}

// isClosed reports whether each quote of a line is closed.
func isClosed(line []byte) bool {
	return (bytes.Count(line, []byte(`"`))-bytes.Count(line, []byte(`\"`)))%2 == 0
}

// appendHeaded rewrites a line whose pairs stand behind a head: a level, a time, or both.
//
//	ERROR ts=2026-05-04T10:11:12Z caller=main.go:7 msg=payment failed             Kratos
//	May  4 10:11:12 msg="Failed to update" prio="Warning" ts="1777889472.123"     PowerDNS
//	[2026/05/04 10:11:12.345 +00:00] [ERROR] [conn.go:7] ["failed"] [conn=1]      TiDB
func appendHeaded(dst, b []byte, held bool) ([]byte, bool) {
	if b[0] == '[' {
		return appendBracketed(dst, b)
	}
	equals := bytes.IndexByte(b[:min(len(b), nearPairs+8)], '=')
	if equals < 0 {
		return dst, false
	}
	start := bytes.LastIndexByte(b[:equals], ' ') + 1
	key := b[start:equals]
	if start == 0 || string(key) != "ts" && !isMessageKey(key) {
		return dst, false
	}
	at, word := bytes.TrimRight(b[:start], " "), []byte(nil)
	if i := bytes.LastIndexByte(at, ' ') + 1; isUpper(at[i:]) && levelWord(at[i:]).word != nil {
		at, word = bytes.TrimRight(at[:i], " "), at[i:]
	} else if i := bytes.IndexByte(at, ' '); i > 0 && isUpper(at[:i]) &&
		levelWord(at[:i]).word != nil {
		at, word = bytes.TrimLeft(at[i:], " "), at[:i]
	}
	if len(at) > 0 {
		_, n := clock{record: earliest}.prefix(append(at[:len(at):len(at)], ' '))
		if n < len(at) {
			return dst, false
		}
	}
	size := len(dst)
	dst = appendBytes(appendBytes(dst, "level", word), "timestamp", bytes.Trim(at, "[]"))
	dst, ok := appendLogfmt(dst, b[start:], held)
	if !ok {
		return dst[:size], false
	}
	return dst, true
}

// appendBracketed appends the parts in brackets of a line of TiDB, TiKV or PD: time, level, the
// place in the source, the message, and pairs.
func appendBracketed(dst, b []byte) ([]byte, bool) {
	size := len(dst)
	messaged := false
	for n := 0; len(b) > 0; n++ {
		end := groupEnd(b)
		if end < 0 || n > 200 {
			return dst[:size], false
		}
		part := b[1:end]
		b = bytes.TrimLeft(b[end+1:], " ")
		switch key, value, ok := cutGroup(part); {
		case n == 0:
			if _, n := (clock{record: earliest}).iso(part); n < len(part) {
				return dst[:size], false
			}
			dst = appendKnown(dst, "timestamp", part)
		case n == 1:
			if !isUpper(part) || levelWord(part).word == nil {
				return dst[:size], false
			}
			dst = appendKnown(dst, "level", part)
		case n == 2 && !ok && len(part) > 0 && part[0] != '"':
			dst = appendKnown(dst, "caller", part)
		case !messaged && !ok:
			dst, messaged = appendQuotedText(appendKey(dst, "message"), part), true
		case ok:
			dst = appendQuotedText(appendKey(dst, string(klogNames.of(key))), value)
		}
	}
	return dst, messaged
}

// groupEnd returns the index of the bracket that closes the one at b[0], which quotes may hold;
// -1 for none.
func groupEnd(b []byte) int {
	if len(b) == 0 || b[0] != '[' {
		return -1
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case ']':
			return i
		case '"':
			end, _ := jsonscan.ScanString(b, i+1)
			if end <= 0 {
				return -1
			}
			i = end
		case '[', '\n':
			return -1
		}
	}
	return -1
}

// cutGroup splits the content of brackets into a key and a value; ok is false if it is no pair.
func cutGroup(part []byte) (key, value []byte, ok bool) {
	if len(part) > 0 && part[0] == '"' {
		end, _ := jsonscan.ScanString(part, 1)
		if end <= 0 || end+1 >= len(part) || part[end+1] != '=' {
			return nil, nil, false
		}
		return part[1:end], part[end+2:], true
	}
	key, value, ok = bytes.Cut(part, []byte("="))
	return key, value, ok && len(key) > 0 && bytes.IndexByte(key, ' ') < 0
}

// appendQuotedText appends a text, in quotes already or not, as a string.
func appendQuotedText(dst, t []byte) []byte {
	if len(t) > 1 && t[0] == '"' {
		if end, _ := jsonscan.ScanString(t, 1); end == len(t)-1 {
			return append(dst, t...)
		}
	}
	return jsonscan.AppendQuoted(dst, t)
}

package jsonscan

import (
	"bytes"
	"strings"
)

const (
	maxMended = 32   // depth of objects whose values are mended
	maxOpen   = 1000 // open brackets of a cut object
	maxKey    = 100  // bytes of a key behind a string that is mended
)

// Repair appends the object b[:end] to dst in valid syntax, and reports whether it could. It quotes
// values that lack quotes, and closes an object that the next object or the end of b cuts off. What
// follows the object is not checked. The result depends on b only, and the time is linear in end.
func Repair(dst, b []byte) (out []byte, end int, ok bool) {
	start := len(dst)
	if out, end, ok := mend(dst, b); ok {
		return out, end, true
	}
	out, ok = closeAtCut(dst[:start], b)
	if !ok {
		return dst[:start], 0, false
	}
	closed := out[start:]
	if mended, end, ok := mend(out, closed); ok && end == len(closed) {
		out = append(mended[:start], mended[start+len(closed):]...)
	}
	return out, len(b), true
}

// mend appends to dst the object b[:end] in valid syntax, where only the following keeps it from
// being JSON, and says whether it could. The time is linear in end.
//
// Web servers whose log format is a template of JSON write values without quotes: a variable is
// empty, a dash, or a list. An empty value and a dash become null, any other that is not JSON a
// string. A comma before the closing brace is dropped.
//
//	{"status":502,"bytes":-,"upstream_time":0.001, 0.002}
//	{"status":502,"bytes":null,"upstream_time":"0.001, 0.002"}
//
// A logger that fails between two members leaves the object open, and writes the next one behind
// it. The object is closed, and end is where the next one begins.
//
//	{"message":"failed","level":"ERROR",{"message":"next"}
//	{"message":"failed","level":"ERROR"}
func mend(dst, b []byte) (out []byte, end int, ok bool) {
	if len(b) == 0 || b[0] != '{' {
		return dst, 0, false
	}
	dst, end, state := mendObject(dst, b, 0, 0)
	return dst, end, state != damaged
}

// mending is how far a value could be mended.
type mending int

const (
	damaged  mending = iota
	mended           // up to its end
	leftOpen         // up to where another object follows
)

// mendObject mends the object at b[i] and returns the index after what it read of it.
func mendObject(dst, b []byte, i, depth int) (out []byte, end int, state mending) {
	if depth == maxMended {
		return dst, i, damaged
	}
	dst = append(dst, '{')
	for first := true; ; first = false {
		i = SkipBlank(b, i+1)
		switch {
		case i >= len(b):
			return dst, i, damaged
		case b[i] == '}':
			return append(dst, '}'), i + 1, mended
		case b[i] == '{' && !first:
			return append(dst, '}'), i, leftOpen
		case b[i] != '"':
			return dst, i, damaged
		}
		if !first {
			dst = append(dst, ',')
		}
		key, _ := ScanString(b, i+1)
		if key < 0 {
			return dst, i, damaged
		}
		colon := SkipBlank(b, key+1)
		if colon >= len(b) || b[colon] != ':' {
			return dst, i, damaged
		}
		dst = append(append(dst, b[i:key+1]...), ':')
		switch dst, i, state = mendValue(dst, b, SkipBlank(b, colon+1), depth); state {
		case damaged:
			return dst, i, damaged
		case leftOpen:
			return append(dst, '}'), i, leftOpen
		}
		i = SkipBlank(b, i)
		switch {
		case i < len(b) && b[i] == '}':
			return append(dst, '}'), i + 1, mended
		case i >= len(b) || b[i] != ',':
			return dst, i, damaged
		}
	}
}

// mendValue mends the value at b[i] and returns the index after it.
func mendValue(dst, b []byte, i, depth int) (out []byte, end int, state mending) {
	if i >= len(b) {
		return dst, i, damaged
	}
	switch b[i] {
	case '"':
		end, _ = ScanString(b, i+1)
		if end > 0 && !endsValue(b, end+1) {
			return mendQuotes(dst, b, i)
		}
		end++
	case '[':
		end = SkipContainer(b, i+1, '[')
	case '{':
		return mendObject(dst, b, i, depth+1)
	default:
		return mendBare(dst, b, i)
	}
	if end <= 0 {
		return dst, i, damaged
	}
	return append(dst, b[i:end]...), end, mended
}

// endsValue reports whether a value may end before b[i]: a closing bracket follows, or a comma and
// a key, or nothing.
func endsValue(b []byte, i int) bool {
	i = SkipBlank(b, i)
	if i >= len(b) || b[i] == '}' || b[i] == ']' || b[i] == '{' {
		return true
	}
	if b[i] != ',' {
		return false
	}
	i = SkipBlank(b, i+1)
	if i >= len(b) || b[i] != '"' {
		return i >= len(b) || b[i] == '{' || b[i] == '}'
	}
	near := b[:min(len(b), i+maxKey)]
	key, _ := ScanString(near, i+1)
	if key < 0 { // cut off, or long
		return true
	}
	colon := SkipBlank(b, key+1)
	return colon >= len(b) || b[colon] == ':'
}

// mendQuotes mends a string within which there are quotes without a backslash, as a format that
// puts a message between quotes yields them. It ends with the first quote that a value may end
// with.
//
//	{"level":"ERROR","msg":"order "A-1" failed"}
func mendQuotes(dst, b []byte, i int) (out []byte, end int, state mending) {
	dst = append(dst, '"')
	for end = i + 1; end < len(b); end++ {
		switch c := b[end]; {
		case c == '"' && endsValue(b, end+1):
			return append(dst, '"'), end + 1, mended
		case c == '"':
			dst = append(dst, '\\', '"')
		case c == '\\' && end+1 < len(b):
			dst = append(dst, c, b[end+1])
			end++
		default:
			dst = append(dst, c)
		}
	}
	return dst, i, damaged
}

// mendBare mends a value without quotes. It ends before the closing brace, or before a comma that a
// key, or the closing brace, follows.
func mendBare(dst, b []byte, i int) (out []byte, end int, state mending) {
	for end = i; ; end++ {
		if end >= len(b) || strings.IndexByte("\"{[]\n", b[end]) >= 0 {
			return dst, i, damaged
		}
		if b[end] == '}' {
			break
		}
		if b[end] == ',' {
			next := SkipBlank(b, end+1)
			if next < len(b) && strings.IndexByte("\"{}", b[next]) >= 0 {
				break
			}
		}
	}
	text := bytes.TrimSpace(b[i:end])
	switch {
	case len(text) == 0, string(text) == "-":
		return append(dst, "null"...), end, mended
	case scalarKind(text) != Absent:
		return append(dst, text...), end, mended
	}
	return AppendQuoted(dst, text), end, mended
}

// closeAtCut appends a cut-off document with everything closed that is open at its end. A member
// without its value is null.
func closeAtCut(dst, b []byte) ([]byte, bool) {
	var open []byte
	last, inKey := byte(0), false // the last byte that was no blank and in no string
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			inKey = (last == '{' || last == ',') && len(open) > 0 && open[len(open)-1] == '}'
			e, _ := ScanString(b, i+1)
			if e < 0 {
				return closeAll(append(append(dst, cutEscape(b)...), '"'), open, inKey),
					len(open) > 0
			}
			i, last = e, '"'
		case '{', '[':
			if len(open) >= maxOpen {
				return dst, false
			}
			open = append(open, c+2) // the closing bracket
			last = c
		case '}', ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return dst, false
			}
			open = open[:len(open)-1]
			last, inKey = c, false
		case ' ', '\t', '\r', '\n':
		default:
			if c == ',' || c == ':' {
				inKey = false
			}
			last = c
		}
	}
	dst = append(dst, bytes.TrimRight(b, " \t\r\n")...)
	switch last {
	case ',':
		dst = dst[:len(dst)-1]
	case ':':
		dst = append(dst, "null"...)
	case '"', '{', '[', '}', ']':
	default: // a number or literal that may be cut: it is not known
		dst = append(bytes.TrimRight(dst, "+-.0123456789eEaflnrstu"), "null"...)
	}
	return closeAll(dst, open, inKey && last == '"'), len(open) > 0
}

func closeAll(dst, open []byte, inKey bool) []byte {
	if inKey {
		dst = append(dst, ":null"...)
	}
	for i := len(open) - 1; i >= 0; i-- {
		dst = append(dst, open[i])
	}
	return dst
}

// cutEscape cuts an escape that is not complete off the end.
func cutEscape(b []byte) []byte {
	i := bytes.LastIndexByte(b, '\\')
	if i < 0 || i < len(b)-6 {
		return b
	}
	slashes := 0
	for i-slashes >= 0 && b[i-slashes] == '\\' {
		slashes++
	}
	if slashes%2 == 0 || i+1 < len(b) && b[i+1] != 'u' {
		return b
	}
	return b[:i]
}

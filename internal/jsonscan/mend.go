package jsonscan

import (
	"bytes"
	"strings"
)

// maxMended is how deep an object may be nested to be mended.
const maxMended = 32

// Mend appends to dst the object b[:end] in valid syntax, where only the following keeps it from
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
func Mend(dst, b []byte) (out []byte, end int, ok bool) {
	if len(b) == 0 || b[0] != '{' {
		return dst, 0, false
	}
	dst, end, state := mendObject(dst, b, 0, 0)
	return dst, end, state == leftOpen || state == mended && SkipBlank(b, end) == len(b)
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

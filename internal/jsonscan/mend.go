package jsonscan

import "bytes"

// maxMended is how deep an object may be nested to be mended.
const maxMended = 32

// Mend appends to dst the object b in valid syntax, where only values without quotes or a comma
// before the closing brace keep it from being JSON, and says whether it could. Web servers whose
// log format is a template of JSON write such objects: a variable without quotes is empty, a dash,
// or a list.
//
//	{"status":502,"bytes":-,"upstream_time":0.001, 0.002}
//	{"status":502,"bytes":null,"upstream_time":"0.001, 0.002"}
//
// An empty value and a dash become null, any other that is not JSON a string. The time is linear in
// the length of b.
func Mend(dst, b []byte) ([]byte, bool) {
	if len(b) == 0 || b[0] != '{' {
		return dst, false
	}
	dst, end, ok := mendObject(dst, b, 0, 0)
	return dst, ok && SkipBlank(b, end) == len(b)
}

// mendObject mends the object at b[i] and returns the index after it.
func mendObject(dst, b []byte, i, depth int) (out []byte, end int, ok bool) {
	if depth == maxMended {
		return dst, i, false
	}
	dst = append(dst, '{')
	for first := true; ; first = false {
		i = SkipBlank(b, i+1)
		if i < len(b) && b[i] == '}' {
			return append(dst, '}'), i + 1, true
		}
		if i >= len(b) || b[i] != '"' {
			return dst, i, false
		}
		if !first {
			dst = append(dst, ',')
		}
		key, _ := ScanString(b, i+1)
		if key < 0 {
			return dst, i, false
		}
		colon := SkipBlank(b, key+1)
		if colon >= len(b) || b[colon] != ':' {
			return dst, i, false
		}
		dst = append(append(dst, b[i:key+1]...), ':')
		if dst, i, ok = mendValue(dst, b, SkipBlank(b, colon+1), depth); !ok {
			return dst, i, false
		}
		i = SkipBlank(b, i)
		if i < len(b) && b[i] == '}' {
			return append(dst, '}'), i + 1, true
		}
		if i >= len(b) || b[i] != ',' {
			return dst, i, false
		}
	}
}

// mendValue mends the value at b[i] and returns the index after it.
func mendValue(dst, b []byte, i, depth int) (out []byte, end int, ok bool) {
	if i >= len(b) {
		return dst, i, false
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
		return dst, i, false
	}
	return append(dst, b[i:end]...), end, true
}

// mendBare mends a value without quotes. It ends before the closing brace, or before a comma that a
// key, or the closing brace, follows.
func mendBare(dst, b []byte, i int) (out []byte, end int, ok bool) {
	for end = i; ; end++ {
		if end >= len(b) || bytes.IndexByte([]byte("\"{[]\n"), b[end]) >= 0 {
			return dst, i, false
		}
		if b[end] == '}' {
			break
		}
		if b[end] == ',' {
			next := SkipBlank(b, end+1)
			if next < len(b) && (b[next] == '"' || b[next] == '}') {
				break
			}
		}
	}
	text := bytes.TrimSpace(b[i:end])
	switch {
	case len(text) == 0, string(text) == "-":
		return append(dst, "null"...), end, true
	case scalarKind(text) != Absent:
		return append(dst, text...), end, true
	}
	return AppendQuoted(dst, text), end, true
}

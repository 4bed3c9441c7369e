package decode

import (
	"bytes"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// What the scanning functions answer instead of an index.
const (
	broken = -1 // the bytes are not JSON
	cut    = -2 // the bytes end within a value
)

// maxDigits is the longest number that is taken for one. A longer one is kept as text: nothing in a
// log is counted with five hundred digits, and whoever turns them into a number pays for each.
const maxDigits = 512

// A word of eight bytes is searched at once: (w^pattern - ones) &^ (w^pattern) & tops has its
// lowest bit set in the first byte that equals the pattern.
const (
	ones    = 0x0101010101010101
	tops    = 0x8080808080808080
	quotes  = 0x2222222222222222
	slashes = 0x5c5c5c5c5c5c5c5c
	blanks  = 0x2020202020202020
)

// What a span says about its bytes.
const (
	escaped = 1 << iota // there are escapes to be resolved
	wide                // there are bytes beyond ASCII, valid or not
	folded              // the key was spelled otherwise than the path; an exact spelling beats it
)

// span is a value in a document: a string without its quotes, anything else as it stands.
type span struct {
	start, end int32
	kind       Kind
	flags      uint8
}

// skipBlank returns the index of the first byte that is no white space, at i or after it.
func skipBlank(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// scanString finds the quote that ends the string whose first byte is b[i].
func scanString(b []byte, i int) (end int, flags uint8) {
	var seen uint64
	for i >= 0 && i <= len(b)-8 {
		w := word(b[i : i+8 : i+8])
		m := endBytes(w)
		if m == 0 {
			seen |= w
			i += 8
			continue
		}
		n := bits.TrailingZeros64(m) >> 3
		seen |= w & (1<<(uint(n)*8) - 1)
		i += n
		if b[i] == '"' {
			return i, flags | wideness(seen)
		}
		flags |= escaped
		if i+1 < len(b) {
			seen |= uint64(b[i+1])
		}
		i += 2
	}
	for i < len(b) {
		switch b[i] {
		case '"':
			return i, flags | wideness(seen)
		case '\\':
			flags |= escaped
			i++
			if i < len(b) {
				seen |= uint64(b[i])
			}
		default:
			seen |= uint64(b[i])
		}
		i++
	}
	return cut, flags
}

func wideness(seen uint64) uint8 {
	if seen&tops != 0 {
		return wide
	}
	return 0
}

// skipContainer returns the index behind the bracket that closes the container whose opening
// bracket, open, was just read. It looks at strings and brackets only, needs no stack however deep
// the container is, and checks the pairing of the innermost 64 brackets.
func skipContainer(b []byte, i int, open byte) int {
	depth, shape := 1, uint64(open>>5&1) // '[' is 0x5b, '{' is 0x7b: the bit tells them apart
	for i < len(b) {
		switch c := b[i]; c {
		case '"':
			e, _ := scanString(b, i+1)
			if e < 0 {
				return e
			}
			i = e
		case '{', '[':
			depth++
			shape = shape<<1 | uint64(c>>5&1)
		case '}', ']':
			if depth <= 64 && shape&1 != uint64(c>>5&1) {
				return broken
			}
			depth--
			shape >>= 1
			if depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return cut
}

// scanScalar reads the number or literal that begins at b[i].
func scanScalar(b []byte, i int) (end int, kind Kind) {
	if i >= 0 && i <= len(b)-8 {
		w := word(b[i : i+8 : i+8])
		n := bits.TrailingZeros64(notDigits(w)) >> 3
		// most numbers
		if c := byte(w >> (8 * uint(n&7))); n&7 != 0 && (c == ',' || c == '}') &&
			(n == 1 || byte(w) != '0') {
			return i + n, Number
		}
	}
	s := i
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	kind = scalarKind(b[s:i])
	if kind == Absent {
		if i == len(b) {
			return cut, Absent
		}
		return broken, Absent
	}
	return i, kind
}

// notDigits has bits set where there is anything but a digit among eight bytes; the lowest of them
// is the first byte's.
func notDigits(w uint64) uint64 {
	w ^= ones * '0'
	return (w + ones*(0x80-10) | w) & tops
}

// scalarKind tells numbers from literals. What JSON does not know but writers of JSON write, NaN
// and Infinity, is text.
func scalarKind(t []byte) Kind {
	if len(t) == 0 {
		return Absent
	}
	switch t[0] {
	case 't', 'f':
		if string(t) == "true" || string(t) == "false" {
			return Bool
		}
		return Absent
	case 'n':
		if string(t) == "null" {
			return Null
		}
		return Absent
	case 'N', 'I':
		if string(t) == "NaN" || string(t) == "Infinity" {
			return String
		}
		return Absent
	}
	if isNumber(t) {
		if len(t) > maxDigits {
			return String
		}
		return Number
	}
	if string(t) == "-Infinity" {
		return String
	}
	return Absent
}

// isNumber says whether t is a number as JSON spells it.
func isNumber(t []byte) bool {
	i := 0
	if i < len(t) && t[i] == '-' {
		i++
	}
	switch n := digits(t[i:]); {
	case n == 0, n > 1 && t[i] == '0':
		return false
	default:
		i += n
	}
	if i < len(t) && t[i] == '.' {
		n := digits(t[i+1:])
		if n == 0 {
			return false
		}
		i += 1 + n
	}
	if i < len(t) && (t[i] == 'e' || t[i] == 'E') {
		i++
		if i < len(t) && (t[i] == '+' || t[i] == '-') {
			i++
		}
		n := digits(t[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return i == len(t)
}

func digits(t []byte) int {
	n := 0
	for n < len(t) && t[n]-'0' <= 9 {
		n++
	}
	return n
}

// scanValue reads any value that begins at b[i], and returns the index behind it.
func scanValue(b []byte, i int) (int, span) {
	if i >= len(b) {
		return cut, span{}
	}
	switch b[i] {
	case '"':
		e, f := scanString(b, i+1)
		if e < 0 {
			return e, span{}
		}
		return e + 1, span{int32(i + 1), int32(e), String, f}
	case '{', '[':
		kind := Object
		if b[i] == '[' {
			kind = Array
		}
		e := skipContainer(b, i+1, b[i])
		if e < 0 {
			return e, span{}
		}
		return e, span{int32(i), int32(e), kind, 0}
	}
	e, kind := scanScalar(b, i)
	if e < 0 {
		return e, span{}
	}
	return e, span{int32(i), int32(e), kind, 0}
}

// members calls f for each member of the object that begins at b[0], until f returns false, and
// returns the index behind the object.
func members(b []byte, f func(key []byte, keyFlags uint8, v span) bool) int {
	i := skipBlank(b, 1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		i = skipBlank(b, i)
		if i >= len(b) {
			return cut
		}
		if b[i] != '"' {
			return broken
		}
		ks := i + 1
		ke, kf := scanString(b, ks)
		if ke < 0 {
			return ke
		}
		i = skipBlank(b, ke+1)
		if i >= len(b) {
			return cut
		}
		if b[i] != ':' {
			return broken
		}
		e, v := scanValue(b, skipBlank(b, i+1))
		if e < 0 {
			return e
		}
		if !f(b[ks:ke], kf, v) {
			return e
		}
		i = skipBlank(b, e)
		if i >= len(b) {
			return cut
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			return i + 1
		default:
			return broken
		}
	}
}

// elements calls f for each element of the array that begins at b[0], until f returns false, and
// returns the index behind the array.
func elements(b []byte, f func(v span) bool) int {
	i := skipBlank(b, 1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		e, v := scanValue(b, skipBlank(b, i))
		if e < 0 {
			return e
		}
		if !f(v) {
			return e
		}
		i = skipBlank(b, e)
		if i >= len(b) {
			return cut
		}
		switch b[i] {
		case ',':
			i++
		case ']':
			return i + 1
		default:
			return broken
		}
	}
}

// appendText appends the text of a string: escapes resolved, and whatever is no UTF-8 replaced by
// U+FFFD.
func appendText(dst, s []byte, flags uint8) []byte {
	if flags&escaped == 0 {
		if flags&wide == 0 || utf8.Valid(s) {
			return append(dst, s...)
		}
		return appendValid(dst, s)
	}
	for len(s) > 0 {
		n := bytes.IndexByte(s, '\\')
		plain := s
		if n >= 0 {
			plain = s[:n]
		}
		if flags&wide == 0 {
			dst = append(dst, plain...)
		} else {
			dst = appendValid(dst, plain)
		}
		if n < 0 {
			break
		}
		dst, n = appendEscape(dst, s, n)
		s = s[n:]
	}
	return dst
}

// appendEscape resolves the escape that begins at s[i] and returns the index behind it. An escape
// that JSON does not know stands for the character itself.
func appendEscape(dst, s []byte, i int) ([]byte, int) {
	if i+1 >= len(s) {
		return append(dst, '\\'), len(s)
	}
	switch c := s[i+1]; c {
	case 'n':
		return append(dst, '\n'), i + 2
	case 't':
		return append(dst, '\t'), i + 2
	case 'r':
		return append(dst, '\r'), i + 2
	case 'b':
		return append(dst, '\b'), i + 2
	case 'f':
		return append(dst, '\f'), i + 2
	case 'u':
		r, ok := hex4(s, i+2)
		if !ok {
			return append(dst, 'u'), i + 2
		}
		if !utf16.IsSurrogate(r) {
			return utf8.AppendRune(dst, r), i + 6
		}
		if i+7 < len(s) && s[i+6] == '\\' && s[i+7] == 'u' {
			if low, ok := hex4(s, i+8); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					return utf8.AppendRune(dst, pair), i + 12
				}
			}
		}
		return utf8.AppendRune(dst, utf8.RuneError), i + 6
	default:
		// a rune of several bytes: it is copied, and checked, with the text that follows
		if c >= utf8.RuneSelf {
			return dst, i + 1
		}
		return append(dst, c), i + 2
	}
}

func hex4(s []byte, i int) (rune, bool) {
	if i+4 > len(s) {
		return 0, false
	}
	var r rune
	for _, c := range s[i : i+4] {
		switch {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// appendValid appends s with every byte that is no UTF-8 replaced by U+FFFD, as encoding/json does.
func appendValid(dst, s []byte) []byte {
	for len(s) > 0 {
		n := 0
		for n < len(s) && s[n] < utf8.RuneSelf {
			n++
		}
		dst = append(dst, s[:n]...)
		s = s[n:]
		if len(s) == 0 {
			break
		}
		r, size := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[size:]
	}
	return dst
}

// plainRun is the length of a start of s in which nothing needs an escape. It stops early rather
// than look at single bytes.
func plainRun(s []byte) int {
	i := 0
	for i >= 0 && i <= len(s)-8 {
		w := word(s[i : i+8 : i+8])
		q, b := w^quotes, w^slashes
		if ((q-ones)&^q|(b-ones)&^b|(w-blanks)&^w)&tops != 0 {
			break
		}
		i += 8
	}
	return i
}

// appendQuoted appends s as a JSON string.
func appendQuoted(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := plainRun(s); i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

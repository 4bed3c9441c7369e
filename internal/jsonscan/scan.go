package jsonscan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the kind of a value.
type Kind uint8

const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Results of the scanning functions that are not an index.
const (
	Broken = -1 // the bytes are not JSON
	Cut    = -2 // the bytes end within a value
)

// maxDigits is the length of the longest number. A longer one is text, because converting it to a
// number is expensive and of no use.
const maxDigits = 512

// Eight bytes are searched at once: (w^pattern - ones) &^ (w^pattern) & tops has its lowest bit in
// the first byte that equals the pattern.
const (
	ones    = 0x0101010101010101
	Tops    = 0x8080808080808080
	quotes  = 0x2222222222222222
	slashes = 0x5c5c5c5c5c5c5c5c
	Blanks  = 0x2020202020202020
)

// Flags of a span.
const (
	Escaped = 1 << iota // has escapes
	Wide                // may have bytes beyond ASCII, valid UTF-8 or not
	Folded              // the key matched in another spelling; an exact key replaces it
)

// Span is the position of a value in a document: a string without its quotes, any other value as it
// is written.
type Span struct {
	Start, End int32
	Kind       Kind
	Flags      uint8
}

// SkipBlank returns the index of the first byte at or after i that is not white space.
func SkipBlank(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// ScanString returns the index of the quote that ends the string whose first byte is b[i].
func ScanString(b []byte, i int) (end int, flags uint8) {
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
		flags |= Escaped
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
			flags |= Escaped
			i++
			if i < len(b) {
				seen |= uint64(b[i])
			}
		default:
			seen |= uint64(b[i])
		}
		i++
	}
	return Cut, flags
}

func wideness(seen uint64) uint8 {
	if seen&Tops != 0 {
		return Wide
	}
	return 0
}

// SkipContainer returns the index after the bracket that closes the container whose opening
// bracket, open, was just read. It reads strings and brackets only, needs no stack at any depth,
// and checks that the innermost 64 brackets pair.
func SkipContainer(b []byte, i int, open byte) int {
	depth, shape := 1, uint64(open>>5&1) // '[' is 0x5b, '{' is 0x7b: the bit tells them apart
	for i < len(b) {
		switch c := b[i]; c {
		case '"':
			// as ScanString, whose flags are not wanted
			for i++; ; i += 2 {
				for i >= 0 && i <= len(b)-8 {
					if m := endBytes(word(b[i : i+8 : i+8])); m != 0 {
						i += bits.TrailingZeros64(m) >> 3
						break
					}
					i += 8
				}
				for i < len(b) && b[i] != '"' && b[i] != '\\' {
					i++
				}
				if i >= len(b) {
					return Cut
				}
				if b[i] == '"' {
					break
				}
			}
		case '{', '[':
			depth++
			shape = shape<<1 | uint64(c>>5&1)
		case '}', ']':
			if depth <= 64 && shape&1 != uint64(c>>5&1) {
				return Broken
			}
			depth--
			shape >>= 1
			if depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return Cut
}

// scanScalar reads the number or literal at b[i].
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
			return Cut, Absent
		}
		return Broken, Absent
	}
	return i, kind
}

// notDigits sets a bit in each of eight bytes that is not a digit. The lowest bit that is set
// belongs to the first such byte.
func notDigits(w uint64) uint64 {
	w ^= ones * '0'
	return (w + ones*(0x80-10) | w) & Tops
}

// scalarKind returns the kind of a number or literal. NaN and Infinity, which some writers of JSON
// emit, are strings.
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
	if IsNumber(t) {
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

// IsNumber reports whether t is a number in JSON syntax.
func IsNumber(t []byte) bool {
	i := 0
	if i < len(t) && t[i] == '-' {
		i++
	}
	switch n := Digits(t[i:]); {
	case n == 0, n > 1 && t[i] == '0':
		return false
	default:
		i += n
	}
	if i < len(t) && t[i] == '.' {
		n := Digits(t[i+1:])
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
		n := Digits(t[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return i == len(t)
}

// Digits returns how many digits t begins with.
func Digits(t []byte) int {
	n := 0
	for n < len(t) && t[n]-'0' <= 9 {
		n++
	}
	return n
}

// ScanValue reads the value at b[i] and returns the index after it.
func ScanValue(b []byte, i int) (int, Span) {
	if i >= len(b) {
		return Cut, Span{}
	}
	switch b[i] {
	case '"':
		e, f := ScanString(b, i+1)
		if e < 0 {
			return e, Span{}
		}
		return e + 1, Span{int32(i + 1), int32(e), String, f}
	case '{', '[':
		kind := Object
		if b[i] == '[' {
			kind = Array
		}
		e := SkipContainer(b, i+1, b[i])
		if e < 0 {
			return e, Span{}
		}
		return e, Span{int32(i), int32(e), kind, 0}
	}
	e, kind := scanScalar(b, i)
	if e < 0 {
		return e, Span{}
	}
	return e, Span{int32(i), int32(e), kind, 0}
}

// EachMember calls f for each member of the object at b[i], with its key and the index of its
// value. f returns the index after the value, negative to stop. EachMember returns the index after
// the object, or what f returned to stop, or Broken, or Cut.
func EachMember(b []byte, i int, f func(key []byte, flags uint8, at int) int) int {
	i = SkipBlank(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) {
			return Cut
		}
		if b[i] != '"' {
			return Broken
		}
		start := i + 1
		end, flags := ScanString(b, start)
		if end < 0 {
			return end
		}
		if i = SkipBlank(b, end+1); i >= len(b) {
			return Cut
		}
		if b[i] != ':' {
			return Broken
		}
		if i = SkipBlank(b, i+1); i >= len(b) {
			return Cut
		}
		if i = f(b[start:end], flags, i); i < 0 {
			return i
		}
		if i = SkipBlank(b, i); i >= len(b) {
			return Cut
		}
		switch b[i] {
		case ',':
			i = SkipBlank(b, i+1)
		case '}':
			return i + 1
		default:
			return Broken
		}
	}
}

// Members calls f for each member of the object at b[0] until f returns false, and returns the
// index after the object, or after the value of the last member that f was called for.
func Members(b []byte, f func(key []byte, keyFlags uint8, v Span) bool) int {
	last := 0
	end := EachMember(b, 0, func(key []byte, flags uint8, at int) int {
		e, v := ScanValue(b, at)
		if e >= 0 && !f(key, flags, v) {
			last, e = e, Broken
		}
		return e
	})
	if last > 0 {
		return last
	}
	return end
}

// Elements calls f for each element of the array at b[0] until f returns false, and returns the
// index after the array.
func Elements(b []byte, f func(v Span) bool) int {
	i := SkipBlank(b, 1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		e, v := ScanValue(b, SkipBlank(b, i))
		if e < 0 {
			return e
		}
		if !f(v) {
			return e
		}
		i = SkipBlank(b, e)
		if i >= len(b) {
			return Cut
		}
		switch b[i] {
		case ',':
			i++
		case ']':
			return i + 1
		default:
			return Broken
		}
	}
}

// Leaves calls f for each value of the array at b[0] that is not an array, at any depth of nested
// arrays, until f returns false. Time is linear whatever the depth.
func Leaves(b []byte, f func(v Span) bool) {
	depth := 0
	for i := 0; ; {
		if i = SkipBlank(b, i); i >= len(b) {
			return
		}
		switch b[i] {
		case '[':
			depth++
			i++
			continue
		case ']':
			if depth--; depth <= 0 {
				return
			}
			i++
			continue
		case ',':
			i++
			continue
		}
		e, v := ScanValue(b, i)
		if e < 0 || !f(v) {
			return
		}
		i = e
	}
}

// AppendText appends the text of a string, with escapes resolved and invalid UTF-8 replaced by
// U+FFFD. The free capacity of dst must not be that of s.
func AppendText(dst, s []byte, flags uint8) []byte {
	if flags&Escaped == 0 {
		if flags&Wide == 0 || utf8.Valid(s) {
			return append(dst, s...)
		}
		return AppendValid(dst, s)
	}
	if flags&Wide == 0 {
		dst, s = appendUnescaped(dst, s)
	}
	for len(s) > 0 {
		n := bytes.IndexByte(s, '\\')
		plain := s
		if n >= 0 {
			plain = s[:n]
		}
		if flags&Wide == 0 {
			dst = append(dst, plain...)
		} else {
			dst = AppendValid(dst, plain)
		}
		if n < 0 {
			break
		}
		dst, n = appendEscape(dst, s, n)
		s = s[n:]
	}
	return dst
}

// appendUnescaped appends the text of s, which has no bytes beyond ASCII, but for its last bytes,
// which it returns. Texts with JSON in them have an escape every few bytes, so eight bytes are
// copied at once and what follows an escape is copied over.
func appendUnescaped(dst, s []byte) (out, rest []byte) {
	dst = slices.Grow(dst, len(s)+8) // no escape is shorter than what it stands for
	start := len(dst)
	dst = dst[:start+len(s)+8]
	i, j := 0, start
	for i+8 < len(s) {
		w := word(s[i : i+8 : i+8])
		binary.LittleEndian.PutUint64(dst[j:], w)
		b := w ^ slashes
		hit := (b - ones) &^ b & Tops
		if hit == 0 {
			i, j = i+8, j+8
			continue
		}
		n := bits.TrailingZeros64(hit) >> 3
		i, j = i+n, j+n
		if c := s[i+1]; c == '"' || c == '\\' {
			dst[j] = c
			i, j = i+2, j+1
			continue
		}
		grown, next := appendEscape(dst[:j], s, i)
		i, j = next, len(grown)
	}
	return dst[:j], s[i:]
}

// appendEscape resolves the escape at s[i] and returns the index after it. An escape that JSON does
// not define stands for the character itself, but for \xHH: nginx and Apache write bytes so.
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
		r, ok := Hex4(s, i+2)
		if !ok {
			return append(dst, 'u'), i + 2
		}
		if !utf16.IsSurrogate(r) {
			return utf8.AppendRune(dst, r), i + 6
		}
		if i+7 < len(s) && s[i+6] == '\\' && s[i+7] == 'u' {
			if low, ok := Hex4(s, i+8); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					return utf8.AppendRune(dst, pair), i + 12
				}
			}
		}
		return utf8.AppendRune(dst, utf8.RuneError), i + 6
	case 'x':
		return appendHexBytes(dst, s, i)
	default:
		// a rune of several bytes: it is copied, and checked, with the text that follows
		if c >= utf8.RuneSelf {
			return dst, i + 1
		}
		return append(dst, c), i + 2
	}
}

// appendHexBytes resolves the run of escapes \xHH at s[i], which are bytes of UTF-8.
func appendHexBytes(dst, s []byte, i int) ([]byte, int) {
	start := len(dst)
	for i+4 <= len(s) && s[i] == '\\' && s[i+1] == 'x' {
		high, low := hexDigit(s[i+2]), hexDigit(s[i+3])
		if high|low > 15 {
			break
		}
		dst, i = append(dst, high<<4|low), i+4
	}
	if len(dst) == start {
		return append(dst, 'x'), i + 2
	}
	if !utf8.Valid(dst[start:]) {
		dst = AppendValid(dst[:start], bytes.Clone(dst[start:]))
	}
	return dst, i
}

// hexDigit returns the value of a hexadecimal digit, or 255.
func hexDigit(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// Hex4 reads four hexadecimal digits at s[i].
func Hex4(s []byte, i int) (rune, bool) {
	if i+4 > len(s) {
		return 0, false
	}
	var r rune
	for _, c := range s[i : i+4] {
		digit := hexDigit(c)
		if digit > 15 {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}

// AppendValid appends s with each invalid byte replaced by U+FFFD, as encoding/json does.
func AppendValid(dst, s []byte) []byte {
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

// plainRun returns the length of a prefix of s in which no byte needs an escape. It may stop early.
func plainRun(s []byte) int {
	i := 0
	for i >= 0 && i <= len(s)-8 {
		w := word(s[i : i+8 : i+8])
		q, b := w^quotes, w^slashes
		if hit := ((q-ones)&^q | (b-ones)&^b | (w-Blanks)&^w) & Tops; hit != 0 {
			return i + bits.TrailingZeros64(hit)>>3
		}
		i += 8
	}
	return i
}

// AppendQuoted appends s as a JSON string.
func AppendQuoted(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from, i := 0, 0
	if len(s) >= 8 {
		i = plainRun(s)
	}
	for ; i < len(s); i++ {
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
		i += plainRun(s[i+1:])
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

package match

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Text that is compared without regard to case is compared in its folded form, in which every rune
// is replaced by the representative of those that are equal to it under Unicode simple folding: the
// lower-case letter for ASCII letters and for what folds to them (K for Kelvin, ſ), the smallest
// rune otherwise. A value of ASCII bytes is never rewritten for that: it is compared in place, with
// letters lowered on the way.

// lowFolds are the representatives of the runes that take one or two bytes.
var lowFolds = func() (t [0x800]uint16) {
	for r := range t {
		t[r] = uint16(slowFold(rune(r)))
	}
	return t
}()

// foldRune is the representative of a rune.
func foldRune(r rune) rune {
	if uint32(r) < uint32(len(lowFolds)) {
		return rune(lowFolds[r])
	}
	// the scripts of East Asia have no case
	if r >= 0x2E80 && r < 0xA640 || r >= 0xAC00 && r < 0xFB00 {
		return r
	}
	return slowFold(r)
}

func slowFold(r rune) rune {
	low := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		low = min(low, f)
	}
	if low >= 'A' && low <= 'Z' {
		low += 'a' - 'A'
	}
	return low
}

// appendFold appends the folded form of a text. Bytes that are no UTF-8 become U+FFFD.
func appendFold(dst, s []byte) []byte {
	for len(s) > 0 {
		if c := s[0]; c < utf8.RuneSelf {
			dst = append(dst, lower(c))
			s = s[1:]
			continue
		}
		r, n := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, foldRune(r))
		s = s[n:]
	}
	return dst
}

func lower(c byte) byte {
	if c-'A' < 26 {
		c |= 0x20
	}
	return c
}

const (
	ngramCase = 0x20202020         // the bit of the case of ASCII letters, in four bytes
	wordCase  = 0x2020202020202020 // and in eight
)

// equalFold compares a value of ASCII bytes, or a folded one, with a folded text of the same
// length.
func equalFold(b, folded []byte) bool {
	if len(b) != len(folded) {
		return false
	}
	folded = folded[:len(b)]
	i := 0
	for ; i <= len(b)-8; i += 8 {
		x, y := word(b[i:i+8:i+8]), word(folded[i:i+8:i+8])
		if x == y {
			continue
		}
		if (x^y)&^wordCase != 0 {
			return false
		}
		for j := i; j < i+8; j++ {
			if lower(b[j]) != folded[j] {
				return false
			}
		}
	}
	for ; i < len(b); i++ {
		if lower(b[i]) != folded[i] {
			return false
		}
	}
	return true
}

// containsFold says whether a folded text occurs in a value of ASCII bytes, or in a folded one.
func containsFold(b, folded []byte) bool {
	n := len(folded)
	if n == 0 {
		return true
	}
	if len(b) >= longValue {
		return containsRare(b, folded)
	}
	first := folded[0]
	upper := first
	if first-'a' < 26 {
		upper -= 'a' - 'A'
	}
	for i := 0; i+n <= len(b); i++ {
		if (b[i] == first || b[i] == upper) && equalFold(b[i:i+n], folded) {
			return true
		}
	}
	return false
}

// longValue is the length from which a value is searched by the rarest byte of the text.
const longValue = 64

// commonBytes are the bytes that logs have most, the most frequent last.
const commonBytes = "zjqkvyxwbgfhpumcdl9876543=_:\"210/srnioat,.-\\e "

// commonness ranks bytes by how often logs have them; 0 is rarest.
var commonness = func() (rank [256]uint8) {
	for i := range len(commonBytes) {
		rank[commonBytes[i]] = uint8(i + 1)
	}
	return rank
}()

// containsRare is containsFold for long values: it goes from one occurrence of the rarest byte of
// the text to the next.
func containsRare(b, folded []byte) bool {
	n, k := len(folded), 0
	for i, c := range folded {
		if commonness[c] < commonness[folded[k]] {
			k = i
		}
	}
	if n > len(b) {
		return false
	}
	lower := folded[k]
	upper := lower
	if lower-'a' < 26 {
		upper -= 'a' - 'A'
	}
	places := b[k : len(b)-n+k+1] // where the byte may stand
	next := func(c byte, from int) int {
		if i := bytes.IndexByte(places[from:], c); i >= 0 {
			return from + i
		}
		return len(places)
	}
	low, up := next(lower, 0), len(places)
	if upper != lower {
		up = next(upper, 0)
	}
	for {
		at := min(low, up)
		if at == len(places) {
			return false
		}
		if equalFold(b[at:at+n], folded) {
			return true
		}
		if at == low {
			low = next(lower, at+1)
		} else {
			up = next(upper, at+1)
		}
	}
}

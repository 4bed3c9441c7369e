package match

import (
	"testing"
	"unicode"
	"unicode/utf8"
)

// Two runes have the same representative exactly when they are equal under simple folding, for all
// of Unicode.
func TestFoldRune(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		low := foldRune(r)
		if !equalRune(r, low) {
			t.Fatalf("%U is folded to %U, which is not equal to it", r, low)
		}
		if next := unicode.SimpleFold(r); foldRune(next) != low {
			t.Fatalf("%U and %U are equal but are folded to %U and %U", r, next, low,
				foldRune(next))
		}
		if r < utf8.RuneSelf && low >= utf8.RuneSelf {
			t.Fatalf("%U leaves ASCII", r)
		}
	}
}

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

func TestIsASCII(t *testing.T) {
	f := func(in string, want bool) {
		t.Helper()
		if got := isASCII([]byte(in)); got != want {
			t.Errorf("%q: got %v", in, got)
		}
	}
	f("", true)
	f("connection refused by peer", true)
	f("é", false)
	f("connection refused by pé", false)
	f("12345678\x80", false)
	f("1234567\xff", false)
}

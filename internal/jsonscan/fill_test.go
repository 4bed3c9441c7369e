package jsonscan

import (
	"bytes"
	"testing"
)

// A text is plain if none of its bytes, at any place, needs an escape or is beyond ASCII.
func TestIsPlain(t *testing.T) {
	for size := 1; size <= 20; size++ {
		for at := range size {
			for c := range 256 {
				text := bytes.Repeat([]byte{'a'}, size)
				text[at] = byte(c)
				plain := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
				if IsPlain(text) != plain {
					t.Fatalf("%q is plain: %v", text, !plain)
				}
			}
		}
	}
}

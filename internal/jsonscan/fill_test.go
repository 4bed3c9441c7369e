package jsonscan

import (
	"bytes"
	"testing"
)

// A text is plain if none of its bytes, at any place, needs an escape or is beyond ASCII.
func TestAppendPlain(t *testing.T) {
	for size := 1; size <= 20; size++ {
		for at := range size {
			for c := range 256 {
				text := bytes.Repeat([]byte{'a'}, size)
				text[at] = byte(c)
				plain := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
				out, ok := AppendPlain(nil, text)
				if ok != plain || ok && string(out) != `"`+string(text)+`"` {
					t.Fatalf("%q is plain: %v, written as %q", text, ok, out)
				}
			}
		}
	}
}

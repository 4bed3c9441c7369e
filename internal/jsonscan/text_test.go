package jsonscan

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A text is the same whether its escapes are resolved eight bytes at a time or one by one.
func TestAppendText(t *testing.T) {
	pieces := []string{
		`\"`, `\\`, `\/`, `\n`, `\t`, `\u0041`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, `\u12`, `\x`,
		`a`, `bc`, `payment`, ` `, `0123456789`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var s []byte
		for range random.IntN(12) {
			s = append(s, pieces[random.IntN(len(pieces))]...)
		}
		if random.IntN(20) == 0 {
			s = append(s, '\\')
		}
		var want []byte
		for i := 0; i < len(s); {
			if s[i] == '\\' {
				want, i = appendEscape(want, s, i)
				continue
			}
			want = append(want, s[i])
			i++
		}
		prefix := []byte("kept")
		got := AppendText(prefix, s, Escaped)
		if string(got[:4]) != "kept" || !bytes.Equal(got[4:], want) {
			t.Fatalf("%q is %q, want %q", s, got, want)
		}
	}
}

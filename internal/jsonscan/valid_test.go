package jsonscan

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// Valid says of any bytes what json.Valid says.
func TestValidAgrees(t *testing.T) {
	check := func(b string) {
		if got, want := Valid([]byte(b)), json.Valid([]byte(b)); got != want {
			t.Fatalf("%q: %t", b, got)
		}
	}
	seeds := []string{
		`{"a":1,"b":[true,false,null,{}],"c":"x\"\\\u00e9y","d":{"e":[]}}`, ` [1, -2.5e+3 , ""] `,
		`{"long text of more than eight bytes":"and \/\b\f\n\r\t another one"}`, `"alone"`, `12`,
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), "tru", "01", "-", "1.", "{",
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), "", " ", "\x00", "[1]x", "{]",
	}
	parts := []string{
		"{", "}", "[", "]", ",", ":", `"`, `\`, "u00e9", "a", "1", "-", ".", "e", "true", " ", "\n",
		"\x01", "\xff", `"k":`, "null",
	}
	r := rand.New(rand.NewPCG(3, 3))
	for _, s := range seeds {
		check(s)
		for range min(3000, 400_000/(len(s)+1)) {
			b := s
			for range 1 + r.IntN(2) {
				i := r.IntN(len(b) + 1)
				j := min(len(b), i+r.IntN(3))
				b = b[:i] + parts[r.IntN(len(parts))] + b[j:]
			}
			check(b)
		}
	}
}

func FuzzValid(f *testing.F) {
	f.Add([]byte(`{"a":[1,"b"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := Valid(b); got != json.Valid(b) {
			t.Errorf("%q: %t", b, got)
		}
	})
}

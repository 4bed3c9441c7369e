package match

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A long value is searched otherwise than a short one, with the same result.
func TestContainsFoldOfLongValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const letters = "aAbB -\\zZ1"
	text := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return b
	}
	found := 0
	for range 20_000 {
		b, folded := text(longValue+r.IntN(20)), bytes.ToLower(text(1+r.IntN(5)))
		want := bytes.Contains(bytes.ToLower(b), folded)
		if want {
			found++
		}
		if got := containsFold(b, folded); got != want {
			t.Fatalf("%q in %q: got %v", folded, b, got)
		}
	}
	if found < 1000 || found > 19_000 {
		t.Errorf("%d of 20000 are found", found)
	}
	long := text(longValue)
	if !containsFold(long, bytes.ToLower(long)) || containsFold(long, append(long, 'x')) {
		t.Error("a text of the value's length")
	}
}

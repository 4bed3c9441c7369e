package jsonscan

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Both ways to mark agree with a look at each byte, at every length.
func TestMarks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	alphabet := []byte("\"\"\\\\#]![ax{}:,")
	rare := []byte{'\n', 0, 0x1f, 0x7f, 0x80, 0xff, 0xa2, 0xdc}
	ways := map[string]func(*[maxBlocks + 1]uint64, []byte) (bool, bool){
		"markBlocks": markBlocks, "markWords": markWords,
	}
	for size := 64; size <= 64*maxBlocks; size++ {
		b := make([]byte, size)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		if size%2 == 0 {
			b[r.IntN(size)] = rare[r.IntN(len(rare))]
		}
		wide, control := false, false
		for _, c := range b {
			wide, control = wide || c >= 0x80, control || c < ' '
		}
		for name, mark := range ways {
			var marked [maxBlocks + 1]uint64
			for i := range marked {
				marked[i] = r.Uint64() // of an earlier window
			}
			gotWide, gotControl := mark(&marked, b)
			if gotWide != wide || control && !gotControl {
				t.Fatalf("%s of %q: wide %v, control %v", name, b, gotWide, gotControl)
			}
			for i, c := range b {
				is := c == '"' || c == '\\'
				got := marked[i>>6]>>(i&63)&1 == 1
				if got != is && (is || c != '"'^1 && c != '\\'^1) {
					t.Fatalf("%s of %q: byte %d is %v", name, b, i, got)
				}
			}
			if rest := size & 63; rest > 0 && marked[size>>6]>>rest != 0 {
				t.Fatalf("%s of %q: marks after the end", name, b)
			}
		}
	}
}

// A string ends where ScanString says, wherever it begins and ends in windows and blocks.
func TestReadEndsStrings(t *testing.T) {
	p := NewPlan()
	slot := p.Add("a", false)[0]
	p.Finish()
	x := NewExtractor(p)
	r := rand.New(rand.NewPCG(2, 2))
	parts := []string{"x", `\"`, `\\`, "#", "]", "é", `é`, "0123456789abcdef", "\n"}
	for size := range 2500 {
		before := fmt.Sprintf(`{"b":"%*s","a":"`, r.IntN(300), "")
		doc := []byte(before)
		for len(doc)-len(before) < size {
			doc = append(doc, parts[r.IntN(len(parts)-r.IntN(2)*8)]...)
		}
		doc = append(doc, `","c":1}`...)
		end, flags := ScanString(doc, len(before))
		if n := x.Read(doc); n != len(doc) {
			t.Fatalf("%s: %d", doc, n)
		}
		want := Span{int32(len(before)), int32(end), String, flags}
		if got := x.Spans[slot]; got != want {
			t.Fatalf("%s\n%v, want %v", doc, got, want)
		}
		for cut := range min(len(doc), 200) {
			if n := x.Read(doc[:len(doc)-1-cut]); n >= 0 {
				t.Fatalf("%s without %d bytes: %d", doc, 1+cut, n)
			}
		}
	}
}

func TestIsASCII(t *testing.T) {
	f := func(in string, want bool) {
		t.Helper()
		if got := IsASCII([]byte(in)); got != want {
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

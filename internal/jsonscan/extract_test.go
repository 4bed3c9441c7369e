package jsonscan

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// "Our pods write the same keys in any order": learning from one document never changes the result
// of another, and its memory is bounded.
func TestExtractShuffled(t *testing.T) {
	members := []string{
		`"a":"x"`, `"a" : "y z"`, `"b":17`, `"b": null`, `"b":"seven"`,
		`"c":{"d":"1","e":{"f":true}}`, `"c":{"e":{"f":"long enough for two words and more"}}`,
		`"c":{ }`,
		`"c":[{"d":2}]`, `"c.d":"literal"`, `"c":"none"`, "\"g\"\t:\n\"\\\"quoted\\\"\"",
		`"h":{"skipped":[1,{"a":"no"}]}`, `"i":"0123456789"`, `"i":"01234567\"9"`,
		`"i":"Größe 012"`,
	}
	p := NewPlan()
	var slots []Slot
	for _, path := range []string{"a", "b", "c", "c.d", "c.e.f", "g", "i"} {
		slots = append(slots, p.Add(path, false)...)
	}
	p.Finish()
	found := func(x *Extractor, doc string) (out string) {
		out = fmt.Sprint(x.Read([]byte(doc)))
		for _, s := range slots {
			if x.Has.Has(s) {
				out += fmt.Sprintf(" %d=%d %q", s, x.Spans[s].Flags&^Wide,
					doc[x.Spans[s].Start:x.Spans[s].End])
			}
		}
		return out
	}
	r := rand.New(rand.NewPCG(1, 1))
	shared := NewExtractor(p)
	for range 20_000 {
		picked := make([]string, r.IntN(8))
		for i := range picked {
			picked[i] = members[r.IntN(len(members))]
		}
		doc := "{" + strings.Join(picked, []string{",", ", ", ",\n  "}[r.IntN(3)]) + "}"
		if r.IntN(4) == 0 {
			doc = doc[:r.IntN(len(doc)+1)]
		}
		if got, want := found(shared, doc), found(NewExtractor(p), doc); got != want {
			t.Fatalf("%s\nis %s\nand alone %s", doc, got, want)
		}
	}
	if shared.transitions > maxTransitions {
		t.Errorf("%d transitions are kept", shared.transitions)
	}
}

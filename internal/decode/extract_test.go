package decode

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// "Our pods write the same keys in any order": what was remembered of one document never shows in
// another, and there is a bound to it.
func TestExtractShuffled(t *testing.T) {
	members := []string{
		`"a":"x"`, `"a" : "y z"`, `"b":17`, `"b": null`, `"b":"seven"`, `"c":{"d":"1","e":{"f":true}}`, `"c":{"e":{"f":"long enough for two words and more"}}`, `"c":{ }`,
		`"c":[{"d":2}]`, `"c.d":"literal"`, `"c":"none"`, "\"g\"\t:\n\"\\\"quoted\\\"\"", `"h":{"skipped":[1,{"a":"no"}]}`, `"i":"0123456789"`, `"i":"01234567\"9"`, `"i":"Größe 012"`,
	}
	p := newPlan()
	var slots []slot
	for _, path := range []string{"a", "b", "c", "c.d", "c.e.f", "g", "i"} {
		slots = append(slots, p.add(path, false)...)
	}
	p.finish()
	found := func(x *extractor, doc string) (out string) {
		out = fmt.Sprint(x.read([]byte(doc)))
		for _, s := range slots {
			if x.has.has(s) {
				out += fmt.Sprintf(
					" %d=%d %q",
					s,
					x.spans[s].flags&^wide,
					doc[x.spans[s].start:x.spans[s].end],
				)
			}
		}
		return out
	}
	r := rand.New(rand.NewPCG(1, 1))
	shared := newExtractor(p)
	for range 20_000 {
		picked := make([]string, r.IntN(8))
		for i := range picked {
			picked[i] = members[r.IntN(len(members))]
		}
		doc := "{" + strings.Join(picked, []string{",", ", ", ",\n  "}[r.IntN(3)]) + "}"
		if r.IntN(4) == 0 {
			doc = doc[:r.IntN(len(doc)+1)]
		}
		if got, want := found(shared, doc), found(newExtractor(p), doc); got != want {
			t.Fatalf("%s\nis %s\nand alone %s", doc, got, want)
		}
	}
	if shared.steps > maxSteps {
		t.Errorf("%d steps are remembered", shared.steps)
	}
}

package rule

import (
	"math"
	"math/rand/v2"
	"regexp"
	"testing"
)

// What is written reads as the same query, or is refused.
func TestQueryTextReadsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{
		"a", "two words", `C:\x\`, `"q"`, "*", "a*b?", "/p/", "a/b", "@x", "1..5", "10.0.0.0/8",
		"not", "or",
		"-5", "(", ")", "é", "=x", "", " ", "\n", `\`, `a\*`, "x:y", "~", "~x", "a\tb",
	}
	fields := []string{
		"", "message", "a", "a.b", "fields.level", "AnyField", "*", "path", "x y", "a:b", "-f",
	}
	written := 0
	leaf := func() Query {
		l := &Leaf{Field: fields[r.IntN(len(fields))], Text: texts[r.IntN(len(texts))]}
		switch l.Op = Op(r.IntN(12)); l.Op {
		case OpRegexp:
			re, err := regexp.Compile(l.Text)
			if err != nil {
				re = regexp.MustCompile(`(?i)^a/b\\\/$`)
			}
			l.Text, l.Regexp = "", re
		case OpRange, OpLevel:
			l.Text, l.Range = "", Range{Min: 1.5, Max: math.Inf(1), OpenMin: r.IntN(2) == 0}
			if r.IntN(2) == 0 {
				l.Range = Range{Min: -1e12, Max: 7}
			}
		case OpExists:
			l.Text = ""
		case OpEqual:
			l.Cased = r.IntN(2) == 0
		}
		return l
	}
	var tree func(depth int) Query
	tree = func(depth int) Query {
		switch kind := r.IntN(4); {
		case depth == 0 || kind == 0:
			return leaf()
		case kind == 1:
			return &Not{tree(depth - 1)}
		case kind == 2:
			return &And{[]Query{tree(depth - 1), tree(depth - 1)}}
		}
		return &Or{[]Query{tree(depth - 1), tree(depth - 1), leaf()}}
	}
	for range 20_000 {
		q := tree(r.IntN(3))
		text, err := QueryText(q)
		if err != nil {
			continue
		}
		written++
		read, err := parseQuery(text, &regexpBudget{})
		if err != nil || !sameQuery(read, q) {
			t.Fatalf("%q reads as %#v, %v", text, read, err)
		}
	}
	if written < 2000 {
		t.Errorf("only %d were written", written)
	}
}

func sameQuery(a, b Query) bool {
	all := func(a, b []Query) bool {
		for i := range a {
			if len(a) != len(b) || !sameQuery(a[i], b[i]) {
				return false
			}
		}
		return len(a) == len(b)
	}
	switch b := b.(type) {
	case *And:
		x, ok := a.(*And)
		return ok && all(x.Of, b.Of)
	case *Or:
		x, ok := a.(*Or)
		return ok && all(x.Of, b.Of)
	case *Not:
		x, ok := a.(*Not)
		return ok && sameQuery(x.Of, b.Of)
	case *Leaf:
		return sameLeaf(a, b)
	}
	return false
}

func TestQueryText(t *testing.T) {
	for _, text := range []string{
		`app:shop (level:=ERROR or message~"connection refused") not user:*`,
		`level:* not level:* (not level:/^E/ or level:?rror)`,
		`path:"/api" http.status>=500 x:1..5 ip:10.0.0.0/8 f:/^a\/b$/`,
	} {
		q, err := ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := QueryText(q); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

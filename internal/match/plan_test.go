package match

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// planned compiles queries with a sample of logs; without any there is no sample.
func planned(t *testing.T, queries []rule.Query, sample ...string) *Index {
	t.Helper()
	opt := Options{Lists: findList}
	if len(sample) > 0 {
		records := make([][]byte, len(sample))
		for i, s := range sample {
			records[i] = []byte(s)
		}
		opt.Sample = func(fields *decode.Fields, each func(*decode.Log)) {
			decoded(t, fields, records, each)
		}
	}
	ix, err := Compile(queries, opt)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

// worked is what an index over queries did for some logs.
func worked(t *testing.T, ix *Index, logs ...string) Work {
	t.Helper()
	m := ix.NewMatcher()
	for _, log := range logs {
		decoded(t, ix.Fields(), [][]byte{[]byte(log)}, func(log *decode.Log) { m.Match(log, nil) })
	}
	m.Flush()
	return ix.Work()
}

func all(of ...rule.Query) rule.Query { return &rule.And{Of: of} }

func anyOf(of ...rule.Query) rule.Query { return &rule.Or{Of: of} }

func expression(expr string) rule.Query {
	return &rule.Leaf{Op: rule.OpRegexp, Regexp: regexp.MustCompile(expr)}
}

func above(field string, min float64) rule.Query {
	return &rule.Leaf{
		Field: field,
		Op:    rule.OpRange,
		Range: rule.Range{Min: min, Max: math.Inf(1)},
	}
}

func repeated(n int, log string) []string { return slices.Repeat([]string{log}, n) }

// Without a sample the share of logs is guessed that a query is evaluated for.
func TestSharesAreGuessed(t *testing.T) {
	f := func(q rule.Query, want float64) {
		t.Helper()
		if got := planned(t, []rule.Query{q}).Cost(0).Expected; math.Abs(got-want) > 1e-9 {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	op := func(op rule.Op, text string) rule.Query {
		return &rule.Leaf{Field: "f", Op: op, Text: text}
	}
	f(op(rule.OpEqual, "x"), 0.02)
	f(op(rule.OpEqual, ""), 0.9)
	f(op(rule.OpPrefix, "x"), 0.03)
	f(op(rule.OpSuffix, "x"), 0.03)
	f(op(rule.OpContains, "12345"), 0.02)
	f(op(rule.OpContains, "1234"), 0.025+shortPenalty)
	f(op(rule.OpContains, "123"), 0.1/3+shortPenalty)
	f(op(rule.OpContains, "12"), 1) // for each log
	f(op(rule.OpExists, ""), 0.5)
	f(op(rule.OpCIDR, "10.0.0.0/8"), 0.1+rangePenalty)
	f(above("f", 7), 0.3+rangePenalty)
	f(anyOf(op(rule.OpEqual, "x"), has("g", "12345")), 0.04)
	f(anyOf(above("f", 7), above("g", 7), above("h", 7), above("i", 7)), 1)
	f(all(op(rule.OpExists, ""), has("g", "12345")), 0.02)
	// of an expression, that of the texts it needs
	f(expression("12345[ab]"), 0.02)
	f(op(rule.OpGlob, "a*12345*b"), 0.02)
}

// With a sample it is measured, and what was guessed counts as two logs.
func TestSharesAreMeasured(t *testing.T) {
	f := func(q rule.Query, want float64, sample ...string) {
		t.Helper()
		got := planned(t, []rule.Query{q}, sample...).Cost(0).Expected
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	payments := append(repeated(6, `{"service":"payment"}`), repeated(2, `{"service":"cart"}`)...)
	f(whole("service", "payment"), (6+2*0.02)/10, payments...)
	f(whole("service", "shop"), 2*0.02/10, payments...)
	f(above("took", 5), (1+2*0.3)/10+rangePenalty,
		append(repeated(7, `{"took":1}`), `{"took":9}`)...)
	f(level(17), 2*0.05/10, repeated(8, `{"level":"info"}`)...)
	f(level(17), (8+2*0.05)/10, repeated(8, `{"level":"error"}`)...)
	f(has(rule.AnyField, "needle"), (8+2*0.1/6)/10, repeated(8, `{"x":"a needle"}`)...)
	f(expression("needle[ab]"), (8+2*0.1/6)/10, repeated(8, "a needle")...)
}

// Of what must hold beside the access predicate, the two rarest are asked for before the query is
// evaluated.
func TestGuards(t *testing.T) {
	f := func(q rule.Query, log string, want int64, sample ...string) {
		t.Helper()
		ix := planned(t, []rule.Query{q}, sample...)
		worked(t, ix, log)
		if got := ix.Cost(0).Candidates; got != want {
			t.Errorf("%s: evaluated %d times, want %d", log, got, want)
		}
	}
	q := all(has("", "refused"), whole("service", "payment"), whole("host", "h1"),
		&rule.Leaf{Field: "user", Op: rule.OpExists})
	f(q, `{"message":"refused"}`, 0)
	f(q, `{"message":"refused","service":"payment","user":"u"}`, 0)
	f(q, `{"message":"refused","host":"h1","user":"u"}`, 0)
	f(q, `{"message":"accepted","host":"h1","service":"payment","user":"u"}`, 0)
	f(q, `{"message":"refused","host":"h1","service":"payment"}`, 1)
	// the rarest in the sample come first
	common := `{"message":"ok","service":"payment","host":"h1"}`
	f(q, `{"message":"refused","user":"u","host":"h1"}`, 1, repeated(20, common)...)
	f(q, `{"message":"refused","service":"payment","host":"h1"}`, 0, repeated(20, common)...)
	// what nearly always holds is no guard
	two := all(has("", "refused"), whole("service", "payment"))
	f(two, `{"message":"refused"}`, 1, repeated(20, common)...)
	f(two, `{"message":"refused"}`, 0, repeated(20, `{"message":"ok"}`)...)
	// a guard is what must hold, not what must not
	f(all(has("", "refused"), &rule.Not{Of: whole("service", "payment")}), `refused`, 1)
	f(anyOf(has("", "refused"), whole("service", "payment")), `refused`, 1)
	// an expression is guarded by the texts that it needs
	f(all(whole("service", "payment"), expression("needle[ab]")), `{"service":"payment"}`, 0)
	f(all(whole("service", "payment"), expression("needle[ab]")),
		`{"service":"payment","message":"needle"}`, 1)
}

// Regular expressions are run last, and only where everything else about the log speaks for it.
func TestRegexpsAreRunLast(t *testing.T) {
	f := func(q rule.Query, log string, want int64, sample ...string) {
		t.Helper()
		if got := worked(t, planned(t, []rule.Query{q}, sample...), log).Regexps; got != want {
			t.Errorf("%s: %d expressions are run, want %d", log, got, want)
		}
	}
	digits := expression("[0-9]+[km]s") // needs no text
	cart := whole("service", "cart")
	f(digits, `{"message":"7s"}`, 1)
	f(expression("needle [ab]c"), `{"message":"a need"}`, 0)
	f(expression("needle [ab]c"), `{"message":"a needle c"}`, 1)
	f(expression("needle [ab]c[0-9]+haystack"), `{"message":"needle cc haystack"}`, 1)
	f(expression("needle [ab]c[0-9]+haystack"), `{"message":"haystack needle cc"}`, 0)
	f(expression("needle [ab]c[0-9]+haystack"), `{"message":"needle cc"}`, 0)
	for _, q := range []rule.Query{
		all(digits, has("", "slow"), &rule.Not{Of: cart}),
		all(digits, &rule.Not{Of: cart}),
		all(digits, anyOf(&rule.Not{Of: cart}, whole("host", "h"))),
		all(digits, has("", "slow"), above("took", 5)),
		all(digits, above("took", 5)),
		all(digits, &rule.Not{Of: has("", "7")}), // found by looking for it
		all(expression("slow [0-9]+[km]s"), above("took", 5)),
	} {
		f(q, `{"message":"slow 7s","service":"cart","took":1}`, 0)
	}
	f(anyOf(digits, cart), `{"message":"7s","service":"cart"}`, 0)
	f(anyOf(digits, &rule.Not{Of: cart}), `{"message":"7s"}`, 0)
	f(anyOf(digits, above("took", 5)), `{"message":"7s","took":9}`, 0)
	// of two, the one comes first that decides most
	two := all(expression("alpha[0-9]s"), expression("omega[0-9]s"))
	f(two, "alpha omega1s", 1, repeated(20, "omega")...)
	f(two, "alpha omega1s", 2, repeated(20, "alpha")...)
	either := anyOf(expression("alpha[0-9]s"), expression("omega[0-9]s"))
	f(either, "alpha omega1s", 2, repeated(20, "alpha")...)
	f(either, "alpha omega1s", 1, repeated(20, "omega")...)
}

// What a query says twice is asked once.
func TestRepeatedPartsAreOne(t *testing.T) {
	digits, cart := expression("[0-9]+[km]s"), whole("service", "cart")
	not := func(q rule.Query) rule.Query { return &rule.Not{Of: q} }
	for _, q := range []rule.Query{
		all(digits, digits), all(digits, cart, digits), anyOf(cart, digits, digits),
		all(not(digits), not(digits)), all(cart, not(digits), not(digits)),
		all(cart, all(digits, anyOf(digits, digits))),
	} {
		if got := planned(t, []rule.Query{q}).Cost(0).Regexps; got != 1 {
			t.Errorf("%d expressions, want 1", got)
		}
	}
	if got := planned(t, []rule.Query{anyOf(digits, not(digits))}).Cost(0).Regexps; got != 2 {
		t.Errorf("%d expressions, want 2", got)
	}
}

// A field that few queries look at is not scanned for every log, where others that are scanned
// anyway are nearly as good; those of a text may also be found by a number.
func TestFieldsAreAvoided(t *testing.T) {
	f := func(want string, queries []rule.Query, sample ...string) {
		t.Helper()
		ix := planned(t, queries, sample...)
		var got []string
		for i := range queries {
			got = append(got, ix.Cost(i).Access)
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	named := func(name string) rule.Query { return whole("service", name) }
	hosts := []rule.Query{
		named("cart"), named("payment"), all(named("shop"), whole("host", "h1")),
	}
	var even, shops []string
	for i := range 100 {
		even = append(even, fmt.Sprintf(`{"service":"s%d","host":"h"}`, i%10))
		shops = append(shops, `{"service":"shop","host":"h"}`)
	}
	f(`service is "cart", service is "payment", service is "shop"`, hosts, even...)
	f(`service is "cart", service is "payment", host is "h1"`, hosts, shops...)
	took := []rule.Query{all(above("took", 1000), whole("host", "h1"))}
	f(`took>=1000`, took, even...)
	f(`host is "h1"`, took, repeated(100, `{"took":2000,"host":"h"}`)...)
}

// Texts that share most of their bytes are distinguished by those they do not share, so that a
// log causes few comparisons.
func TestFewTextsAreCompared(t *testing.T) {
	queries := func(n int, format string) (list []rule.Query) {
		for i := range n {
			list = append(list, has("", fmt.Sprintf(format, i)))
		}
		return list
	}
	f := func(queries []rule.Query, log string, longest int, compared int64, sample ...string) {
		t.Helper()
		w := worked(t, planned(t, queries, sample...), log)
		if w.Longest > longest || w.Compared > compared || w.Longest == 0 {
			t.Errorf("%.40s: %d texts share an n-gram, %d comparisons", log, w.Longest, w.Compared)
		}
	}
	long := strings.Repeat("a common beginning and what follows ", 8)
	f(queries(2000, "common beginning %04d of an end"), long, 24, 0)
	f(queries(2000, "%04d with the same end of it"), "with the same end of it", 24, 0)
	f(queries(100, "common %04d"), long, 50, 0)
	f(queries(3, "needle %d"), "a needle 2", 3, 3)
	f(queries(9, "xy%d"), strings.Repeat("xx yy ", 10), 1, 0)
	f(queries(9, "xy%d"), "a xy2 b", 1, 1)
	// what is frequent in the sample is not what is looked for
	f([]rule.Query{has("", "connection quux lost")}, strings.Repeat("connection lost ", 9), 1, 0,
		repeated(10, "the connection was lost")...)
	f([]rule.Query{has("", "quuxbaz connection")}, "quuxbaz quuxbaz quuxbaz", 1, 0,
		repeated(10, "quuxbaz")...)
}

// A text that is longer than the filter looks is found, too.
func TestLongTexts(t *testing.T) {
	es := strings.Repeat("e", 300)
	texts := []string{
		es + "qxzjqxz", es[:252] + "qxzjqxz", es[:253] + "qxzjqxz", "qxzjqxz" + es, es + " " + es,
	}
	var queries []rule.Query
	for _, text := range texts {
		queries = append(queries, has("", text))
	}
	m := planned(t, queries).NewMatcher()
	for i, text := range texts {
		for before := range 5 {
			log := strings.Repeat(".", before) + text
			decoded(t, m.ix.Fields(), [][]byte{[]byte(log)}, func(log *decode.Log) {
				if !slices.Contains(m.Match(log, nil), int32(i)) {
					t.Errorf("text %d is not found behind %d bytes", i, before)
				}
			})
		}
	}
}

// Each way to look for texts finds them wherever they stand: few and many, short and long ones.
func TestTextsOfEachLength(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)]
		}
		return string(b)
	}
	for _, of := range []struct{ n, least int }{
		{3, 3}, {700, 3}, {3, 5}, {400, 5}, {3, 9}, {190, 12}, {400, 12},
	} {
		var queries []rule.Query
		var texts []string
		for range of.n {
			texts = append(texts, word(of.least+r.IntN(2)))
			queries = append(queries, has("", texts[len(texts)-1]))
		}
		m := planned(t, queries).NewMatcher()
		for i, text := range texts {
			log := word(r.IntN(40)) + strings.ToUpper(text) + word(r.IntN(40))
			decoded(t, m.ix.Fields(), [][]byte{[]byte(log)}, func(log *decode.Log) {
				if !slices.Contains(m.Match(log, nil), int32(i)) {
					t.Errorf("%v: %s is not found in %s", of, text, log.Value(decode.FieldRaw).Text)
				}
			})
		}
	}
}

package match

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// chooser makes the choices of the random generators: rapid, so that failures shrink, or a seeded
// source, so that there can be many of them.
type chooser interface {
	below(n int) int // in [0, n)
}

type seeded struct{ *rand.Rand }

func (s seeded) below(n int) int { return s.IntN(n) }

type drawn struct{ t *rapid.T }

func (d drawn) below(n int) int { return rapid.IntRange(0, n-1).Draw(d.t, "choice") }

func pick[T any](c chooser, of []T) T { return of[c.below(len(of))] }

// The words are few and alike, so that random rules match random logs and nearly match others.
var (
	words = []string{
		"a", "K", "k", "\u212a", "s", "\u017f", "ss", "ß", "ẞ", "Σ", "σ", "ς", "é", "É", "日本",
		"\ufffd", "err", "Error", "ERROR ", "timeout", "Timeouts", "time", ".exe", "cmd.exe",
		"powershell.exe", "connection refused", "connection", " refused by peer", "kernel",
		"\u212aernel", "10.1.2.3", "10.1.", "fe80::1", "200", "200.0", "2e2", "-0", "250ms", "5 MB",
		"7", "0.5", "*", "?", "\\", "\"", "x", "xx", "xxxxx", "xyxyxyxyxyxy", " ",
		"disk full on /dev/sda1", "user=root", "true", "null", "straße", "STRASSE", "İ", "ı",
		"i", "I",
	}
	paths = []string{
		"",
		"*",
		"message",
		"stack",
		"raw",
		"service",
		"level",
		"host",
		"status",
		"a",
		"a.b",
		"tags",
		"duration",
		"ip",
		"nothing",
		"timestamp",
	}
	logged = []string{
		"message",
		"stack_trace",
		"service",
		"level",
		"host",
		"status",
		"a",
		"tags",
		"duration",
		"ip",
		"timestamp",
		"a.b",
	}
	exprs = []string{
		"timeout", "(?i)timeout", "(?i)kernel", "time(out)?s?", "(refused|reset|denied)",
		"^connection", "exe$", "^timeout$", `\d+ms`, `(?i)err.*refused`, ".*full.*", "[Tt]imeout",
		"x{5}",
		"(?:)", "(?s)^.*k", "a|b|", "(?i)straße", "\ufffd", "(?m)^time", "K",
		"conn.{0,8}ion refused", "^(cmd|powershell)\\.exe$", "σ", "(?i)σ+",
	}
	numbers   = []float64{math.Inf(-1), -1, 0, 0.5, 5, 7, 200, 250, 400, 5e6, math.Inf(1)}
	testLists = map[string][]string{
		"none": nil,
		"few":  {"cmd.exe", "7", "200", "10.1.2.3"},
		"wild": {"cmd.exe", "time*", "*ref?sed*", "10.0.0.0/8", "fe80::/10", "7"},
		"many": words,
	}
)

func findList(name string) ([]string, bool) {
	l, ok := testLists[name]
	return l, ok
}

func randomText(c chooser) string {
	text := ""
	for range c.below(4) {
		text += pick(c, words)
	}
	return text
}

func randomQuery(c chooser, depth int) rule.Query {
	if depth == 0 || c.below(3) == 0 {
		return randomLeaf(c)
	}
	switch c.below(8) {
	case 0:
		return &rule.Not{Of: randomQuery(c, depth-1)}
	case 1: // an or-list over one field
		field, op := pick(c, paths), pick(
			c,
			[]rule.Op{rule.OpContains, rule.OpEqual, rule.OpSuffix, rule.OpPrefix},
		)
		or := &rule.Or{}
		for range c.below(8) {
			or.Of = append(
				or.Of,
				&rule.Leaf{Field: field, Op: op, Text: randomText(c), Cased: c.below(4) == 0},
			)
		}
		return or
	case 2, 3, 4:
		or := &rule.Or{}
		for range c.below(4) {
			or.Of = append(or.Of, randomQuery(c, depth-1))
		}
		return or
	}
	and := &rule.And{}
	for range c.below(4) {
		and.Of = append(and.Of, randomQuery(c, depth-1))
	}
	return and
}

func randomLeaf(c chooser) *rule.Leaf {
	l := &rule.Leaf{
		Field: pick(c, paths),
		Op:    rule.Op(c.below(int(rule.OpWords) + 1)),
		Cased: c.below(4) == 0,
	}
	switch l.Op {
	case rule.OpContains, rule.OpPrefix, rule.OpSuffix, rule.OpEqual:
		l.Text = randomText(c)
		if c.below(2) == 0 {
			l.Text = pick(c, words)
		}
	case rule.OpGlob:
		for range c.below(5) {
			l.Text += pick(c, []string{"*", "?", "\\*", pick(c, words)})
		}
	case rule.OpRegexp:
		l.Regexp = regexp.MustCompile(randomExpr(c, 3))
	case rule.OpRange, rule.OpLevel:
		l.Range = rule.Range{
			Min:     pick(c, numbers),
			Max:     pick(c, numbers),
			OpenMin: c.below(2) == 0,
			OpenMax: c.below(2) == 0,
		}
		if l.Op == rule.OpLevel {
			l.Range.Min, l.Range.Max = float64(c.below(25)), float64(c.below(30))
		}
	case rule.OpCIDR:
		l.Text = pick(c, []string{"10.0.0.0/8", "10.1.2.3", "fe80::/10", "::ffff:10.0.0.0/104"})
	case rule.OpList:
		l.Text = pick(c, []string{"none", "few", "wild", "many"})
	case rule.OpWords:
		l.Text = pick(c, words) + " " + randomText(c)
	}
	if c.below(12) == 0 && (l.Op <= rule.OpEqual || l.Op == rule.OpRange) {
		l.Other = pick(c, paths[2:])
		if l.Op == rule.OpRange {
			l.Text = pick(c, []string{"<", "<=", ">", ">="})
		}
	}
	return l
}

func randomValue(c chooser, depth int) any {
	switch c.below(12) {
	case 0:
		return nil
	case 1:
		return c.below(2) == 0
	case 2, 3:
		return json.RawMessage(
			pick(
				c,
				[]string{
					"7",
					"200",
					"200.0",
					"2e2",
					"-0",
					"0.5",
					"5E+0",
					"1e400",
					"123456789012345678901234567890123456789012",
					"12345678901234567890123456789012345678901.20e1",
					"250",
					"-7",
				},
			),
		)
	case 4:
		if depth > 0 {
			var list []any
			for range c.below(4) {
				list = append(list, randomValue(c, depth-1))
			}
			return list
		}
	case 5:
		if depth > 0 {
			return map[string]any{"b": randomValue(c, depth-1)}
		}
	case 6:
		return pick(c, words)
	}
	return randomText(c)
}

func randomLog(c chooser) []byte {
	if c.below(10) == 0 {
		return []byte(randomText(c))
	}
	m := map[string]any{}
	for range c.below(8) {
		m[pick(c, logged)] = randomValue(c, 2)
	}
	if c.below(3) > 0 {
		m["message"] = randomText(c) + randomText(c)
		m["level"] = pick(c, []string{"INFO", "warn", "ERROR", "fatal", ""})
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// randomExpr is a regular expression: one of the list, or one that is made of parts.
func randomExpr(c chooser, depth int) string {
	if depth == 0 {
		return regexp.QuoteMeta(pick(c, words))
	}
	sub := func() string { return randomExpr(c, c.below(depth)) }
	switch c.below(9) {
	case 0:
		return sub() + sub()
	case 1:
		return "(?:" + sub() + "|" + sub() + ")"
	case 2:
		return "(" + sub() + ")"
	case 3:
		return "^" + sub()
	case 4:
		return sub() + "$"
	case 5:
		return "^(?s:" + sub() + "|" + sub() + ")$"
	case 6:
		return pick(c, []string{".*", "(?s:.*)", ".+", "(?:)"}) + sub()
	case 7:
		return sub() + pick(c, []string{".*", "(?s:.*)", "?", "(?:)", ".{0,3}"})
	}
	return pick(c, exprs)
}

// decoded calls each for the logs of some records, decoded with the given fields.
func decoded(t testing.TB, fields *decode.Fields, records [][]byte, each func(*decode.Log)) {
	d, err := decode.New(decode.Config{}, fields)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range records {
		rec := models.Record{
			Topic:     "logs",
			Offset:    int64(i),
			Timestamp: time.Unix(1_800_000_000, 0),
			Value:     b,
		}
		d.Decode(&rec, each, func(decode.Reason, string) {})
	}
}

// agree checks that an index over the queries gives the answers of Eval, for each record.
func agree(t testing.TB, queries []rule.Query, records, sample [][]byte) {
	opt := Options{Lists: findList}
	if sample != nil {
		opt.Sample = func(fields *decode.Fields, each func(*decode.Log)) {
			decoded(t, fields, sample, each)
		}
	}
	p, err := Compile(queries, opt)
	if err != nil {
		t.Fatal(err)
	}
	m := p.NewMatcher()
	decoded(t, p.Fields(), records, func(log *decode.Log) {
		got := m.Match(log, nil)
		var want []int32
		for i, q := range queries {
			if Eval(q, log, findList) {
				want = append(want, int32(i))
			}
		}
		if slices.Equal(got, want) {
			return
		}
		for i, q := range queries {
			if slices.Contains(got, int32(i)) != slices.Contains(want, int32(i)) {
				t.Fatalf("record %s\nquery %d: the program says %v, but\n%s",
					log.Value(decode.FieldRaw).Text, i, slices.Contains(got, int32(i)),
					Explain(q, log, findList))
			}
		}
		t.Fatalf("order: got %v, want %v", got, want)
	})
}

// An index says of every query and every log what Eval says, however many queries there are, with
// a sample and without one.
func TestProgramAgreesWithEval(t *testing.T) {
	for _, size := range []int{1, 3, 10, 50, 300, 2000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			rounds := max(1, 300/size)
			if testing.Short() {
				rounds = 1
			}
			for round := range rounds {
				c := seeded{rand.New(rand.NewPCG(uint64(size), uint64(round)))}
				queries := make([]rule.Query, size)
				for i := range queries {
					queries[i] = randomQuery(c, c.below(4))
				}
				records := make([][]byte, 30)
				for i := range records {
					records[i] = randomLog(c)
				}
				agree(t, queries, records, nil)
				agree(t, queries, records, records[:20])
			}
		})
	}
}

// The same, with failures that shrink.
func TestProgramAgreesWithEvalSmall(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := drawn{rt}
		var queries []rule.Query
		for range 1 + c.below(4) {
			queries = append(queries, randomQuery(c, 2))
		}
		agree(t, queries, [][]byte{randomLog(c), randomLog(c)}, nil)
	})
}

// Adding a rule never changes what another one matches.
func TestQueriesAreIndependent(t *testing.T) {
	c := seeded{rand.New(rand.NewPCG(7, 7))}
	var queries []rule.Query
	for range 60 {
		queries = append(queries, randomQuery(c, 3))
	}
	records := make([][]byte, 200)
	for i := range records {
		records[i] = randomLog(c)
	}
	all, err := Compile(queries, Options{Lists: findList})
	if err != nil {
		t.Fatal(err)
	}
	together := make([][]bool, len(queries)) // by query and record
	m := all.NewMatcher()
	decoded(t, all.Fields(), records, func(log *decode.Log) {
		ids := m.Match(log, nil)
		for i := range queries {
			together[i] = append(together[i], slices.Contains(ids, int32(i)))
		}
	})
	for i, q := range queries {
		alone, err := Compile([]rule.Query{q}, Options{Lists: findList})
		if err != nil {
			t.Fatal(err)
		}
		m := alone.NewMatcher()
		n := 0
		decoded(t, alone.Fields(), records, func(log *decode.Log) {
			if got := len(m.Match(log, nil)) == 1; got != together[i][n] {
				t.Fatalf("query %d, log %d: alone %v, among others %v", i, n, got, together[i][n])
			}
			n++
		})
	}
}

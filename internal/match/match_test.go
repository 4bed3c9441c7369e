package match

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

func has(field, text string) rule.Query {
	return &rule.Leaf{Field: field, Op: rule.OpContains, Text: text}
}

func level(min float64) rule.Query {
	return &rule.Leaf{Op: rule.OpLevel, Range: rule.Range{Min: min, Max: math.Inf(1)}}
}

func whole(field, text string) rule.Query {
	return &rule.Leaf{Field: field, Op: rule.OpEqual, Text: text}
}

// What queries mean, case by case; the index must mean the same.
func TestMeaning(t *testing.T) {
	f := func(q *rule.Leaf, record string, want bool) {
		t.Helper()
		p, err := Compile([]rule.Query{q}, Options{Lists: findList})
		if err != nil {
			t.Fatal(err)
		}
		m := p.NewMatcher()
		decoded(t, p.Fields(), [][]byte{[]byte(record)}, func(log *decode.Log) {
			if got := Eval(q, log, findList); got != want {
				t.Errorf("Eval: %s for %s: got %v", Describe(q), record, got)
			}
			if got := len(m.Match(log, nil)) == 1; got != want {
				t.Errorf("Match: %s for %s: got %v", Describe(q), record, got)
			}
		})
	}
	leaf := func(field string, op rule.Op, text string) *rule.Leaf {
		return &rule.Leaf{Field: field, Op: op, Text: text}
	}
	cased := func(field string, op rule.Op, text string) *rule.Leaf {
		return &rule.Leaf{Field: field, Op: op, Text: text, Cased: true}
	}

	// Case is distinguished only where that is asked for, and Unicode has more of it than ASCII.
	f(leaf("", rule.OpContains, "KERNEL panic"), `{"message":"a kernel Panic"}`, true)
	f(cased("", rule.OpContains, "KERNEL"), `{"message":"a kernel panic"}`, false)
	f(leaf("", rule.OpContains, "kernel"), `{"message":"`+"\u212aernel"+`"}`, true)
	f(leaf("", rule.OpContains, "\u212aernel"), `{"message":"Kernel"}`, true)
	f(leaf("", rule.OpContains, "congress"), `{"message":"Congreſs"}`, true)
	f(leaf("user", rule.OpEqual, "ΣΊΣΥΦΟΣ"), `{"user":"σίσυφος"}`, true)
	// that would be full folding
	f(leaf("user", rule.OpEqual, "straße"), `{"user":"STRASSE"}`, false)
	f(leaf("user", rule.OpSuffix, "É"), `{"user":"caf\u00e9"}`, true)

	// The texts: message and stack trace, and the record only when there is no message.
	f(
		leaf("", rule.OpContains, "NullPointer"),
		`{"message":"x","stack_trace":"java.lang.NullPointerException"}`,
		true,
	)
	f(leaf("", rule.OpContains, "payment"), `{"message":"x","service":"payment"}`, false)
	f(leaf("", rule.OpContains, "payment"), `{"service":"payment"}`, true)
	f(
		leaf("message", rule.OpContains, "NullPointer"),
		`{"message":"x","stack_trace":"java.lang.NullPointerException"}`,
		false,
	)

	// Any member of an array will do, and null is absent.
	f(leaf("tags", rule.OpEqual, "b"), `{"tags":["a",["B"]]}`, true)
	f(leaf("tags", rule.OpExists, ""), `{"tags":[]}`, true)
	f(leaf("tags", rule.OpExists, ""), `{"tags":null}`, false)
	f(leaf("tags", rule.OpContains, ""), `{"tags":[]}`, false)

	// Numbers are equal by value, texts by letter.
	f(leaf("status", rule.OpEqual, "200"), `{"status":200.0}`, true)
	f(leaf("status", rule.OpEqual, "2e2"), `{"status":200}`, true)
	f(leaf("status", rule.OpEqual, "200"), `{"status":"200.0"}`, false)
	f(leaf("ok", rule.OpEqual, "TRUE"), `{"ok":true}`, true)
	f(&rule.Leaf{
		Field: "took",
		Op:    rule.OpRange,
		Range: rule.Range{Min: 200, Max: 300},
	}, `{"took":"0.25s"}`, true)

	f(leaf("path", rule.OpGlob, "/api/*/items?"), `{"path":"/API/v1/orders/items7"}`, true)
	f(leaf("path", rule.OpGlob, `/a\*b`), `{"path":"/a*b"}`, true)
	f(leaf("path", rule.OpGlob, `/a\*b`), `{"path":"/axb"}`, false)
	f(leaf("ip", rule.OpCIDR, "10.0.0.0/8"), `{"ip":"10.200.3.4:8080"}`, true)
	f(leaf("ip", rule.OpCIDR, "10.0.0.0/8"), `{"ip":"::ffff:10.200.3.4"}`, true)
	f(leaf("ip", rule.OpCIDR, "10.0.0.0/8"), `{"ip":"11.0.0.1"}`, false)
	f(leaf("program", rule.OpList, "few"), `{"program":"CMD.exe"}`, true)
	f(leaf("program", rule.OpList, "none"), `{"program":"CMD.exe"}`, false)
	f(&rule.Leaf{Op: rule.OpLevel, Range: rule.Range{Min: 0, Max: 100}},
		`{"message":"no level here"}`, false)
}

// Thousands of texts are found wherever they stand, also those of the same beginning, at every
// offset and in every case.
func TestManyTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, 5+r.IntN(16))
		for i := range b {
			b[i] = "abcdeXYZ -_0"[r.IntN(12)]
		}
		return string(b)
	}
	for _, n := range []int{3, 150, 1000, 20_000} {
		texts := make([]string, n)
		queries := make([]rule.Query, n)
		for i := range texts {
			texts[i] = word()
			if i%10 == 0 {
				texts[i] = "common beginning " + texts[i]
			}
			queries[i] = &rule.Leaf{Op: rule.OpContains, Text: texts[i], Cased: i%7 == 0}
		}
		p, err := Compile(queries, Options{})
		if err != nil {
			t.Fatal(err)
		}
		m := p.NewMatcher()
		var records [][]byte
		for range 60 {
			var b strings.Builder
			for range 1 + r.IntN(8) {
				b.WriteString(strings.Repeat(" ", r.IntN(5)))
				b.WriteString(texts[r.IntN(n)])
			}
			text := b.String()
			switch r.IntN(3) {
			case 0:
				text = strings.ToUpper(text)
			case 1:
				text += " é"
			}
			records = append(records, []byte(text))
		}
		at := 0
		decoded(t, p.Fields(), records, func(log *decode.Log) {
			text := string(log.Value(decode.FieldMessage).Text)
			var want []int32
			for i, s := range texts {
				if strings.Contains(text, s) ||
					i%7 != 0 && strings.Contains(strings.ToLower(text), strings.ToLower(s)) {
					want = append(want, int32(i))
				}
			}
			if got := m.Match(log, nil); !slices.Equal(got, want) {
				t.Fatalf("%d texts, %q: got %v, want %v", n, text, got, want)
			}
			at++
		})
		if at != len(records) {
			t.Fatalf("%d logs of %d records", at, len(records))
		}
	}
}

// A log that matches nothing costs no memory, whatever it is made of.
func TestNoAllocation(t *testing.T) {
	var queries []rule.Query
	for i := range 300 {
		word := fmt.Sprintf("absent word %d", i)
		queries = append(
			queries,
			&rule.And{Of: []rule.Query{whole("service", "payment"), level(17), has("", word)}},
			&rule.And{
				Of: []rule.Query{has("", "refused"), &rule.Not{Of: whole("service", "payment")}},
			},
			&rule.Leaf{
				Op:     rule.OpRegexp,
				Regexp: regexp.MustCompile(fmt.Sprintf(`declined \d+ %d times`, i)),
			},
			&rule.Leaf{Field: "ip", Op: rule.OpCIDR, Text: fmt.Sprintf("11.%d.0.0/16", i%256)},
			&rule.Leaf{Field: "tags", Op: rule.OpEqual, Text: word},
			&rule.And{
				Of: []rule.Query{
					&rule.Leaf{
						Field: "took",
						Op:    rule.OpRange,
						Range: rule.Range{Min: float64(5000 + i), Max: math.Inf(1)},
					},
					whole("service", "payment"),
				},
			},
		)
	}
	p, err := Compile(queries, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := p.NewMatcher()
	ids := make([]int32, 0, 8)
	for _, record := range []string{
		`{"message":"connection refused 7 times","level":"ERROR","service":"payment",` +
			`"ip":"10.1.2.3","tags":["a","b"],"took":250,"status":200}`,
		`{"message":"Verbindung abgelehnt: straße refused","level":"ERROR","service":"payment",` +
			`"took":"250ms","status":200.0}`,
	} {
		decoded(t, p.Fields(), [][]byte{[]byte(record)}, func(log *decode.Log) {
			if n := testing.AllocsPerRun(100, func() { ids = m.Match(log, ids[:0]) }); n != 0 ||
				len(ids) != 0 {
				t.Errorf("%s: %v allocations, %d matches", record, n, len(ids))
			}
		})
	}
}

// Matchers of one index do not disturb each other.
func TestMatchersShareProgram(t *testing.T) {
	c := seeded{rand.New(rand.NewPCG(3, 4))}
	queries := make([]rule.Query, 200)
	for i := range queries {
		queries[i] = randomQuery(c, 3)
	}
	records := make([][]byte, 300)
	for i := range records {
		records[i] = randomLog(c)
	}
	p, err := Compile(queries, Options{Lists: findList})
	if err != nil {
		t.Fatal(err)
	}
	results := make([][]int32, 4)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			m := p.NewMatcher()
			decoded(t, p.Fields(), records, func(log *decode.Log) {
				results[i] = append(m.Match(log, results[i]), -1)
			})
			m.Flush()
		})
	}
	wg.Wait()
	logs := 0
	for _, id := range slices.Concat(results...) {
		if id < 0 {
			logs++
		}
	}
	for _, r := range results[1:] {
		if !slices.Equal(r, results[0]) {
			t.Fatal("matchers of one program disagree")
		}
	}
	if got := p.Work().Logs; got != int64(logs) || logs == 0 {
		t.Errorf("%d of %d logs counted", got, logs)
	}
}

// What was known of an old log is not taken for the present one when the numbers of logs begin
// anew.
func TestNumbersBeginAnew(t *testing.T) {
	p, err := Compile([]rule.Query{has("", "needle"), &rule.Not{Of: has("", "needle")}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := p.NewMatcher()
	m.yes = math.MaxUint32 - 8
	n := 0
	decoded(
		t,
		p.Fields(),
		bytes.Split(bytes.Repeat([]byte("needle in hay\nonly hay\n"), 8), []byte("\n"))[:16],
		func(log *decode.Log) {
			if got, want := m.Match(log, nil), []int32{int32(n % 2)}; !slices.Equal(got, want) {
				t.Errorf("log %d: got %v, want %v", n, got, want)
			}
			n++
		},
	)
	if n != 16 || m.yes > 100 || m.yes < 9 {
		t.Errorf("%d logs, number %d", n, m.yes)
	}
}

// Mistakes that only the compiler can see have their place.
func TestCompileErrors(t *testing.T) {
	f := func(l *rule.Leaf, want string) {
		t.Helper()
		l.Pos = rule.Pos{File: "a.yml", Line: 3, Column: 7}
		if _, err := Compile([]rule.Query{l}, Options{Lists: findList}); err == nil ||
			err.Error() != "compile queries: a.yml:3:7: "+want {
			t.Errorf("got %v", err)
		}
	}
	f(
		&rule.Leaf{Field: "user", Op: rule.OpList, Text: "blocked"},
		`there is no list "blocked"; define it under lists`,
	)
	f(
		&rule.Leaf{Field: "ip", Op: rule.OpCIDR, Text: "10.0.0.0/64"},
		`"10.0.0.0/64" is not an IP network; write it as 10.0.0.0/8`,
	)
	nowhere := &rule.Leaf{Field: "user", Op: rule.OpList, Text: "blocked"}
	if _, err := Compile([]rule.Query{nowhere}, Options{Lists: findList}); err == nil ||
		err.Error() != `compile queries: there is no list "blocked"; define it under lists` {
		t.Errorf("without a place: %v", err)
	}
}

// Characters that are not letters are different where only the bit of the case is.
func TestOnlyLettersHaveCase(t *testing.T) {
	for _, pair := range []string{"@`", "[{", "]}", "^~", ")\t"} {
		for at := range 12 {
			const text = "abcdefghijkl"
			one, other := text[:at]+pair[:1]+text[at:], text[:at]+pair[1:]+text[at:]
			for _, op := range []rule.Op{
				rule.OpContains, rule.OpPrefix, rule.OpSuffix, rule.OpEqual,
			} {
				q := &rule.Leaf{Field: "f", Op: op, Text: one}
				ix := planned(t, []rule.Query{q})
				id, _ := ix.Fields().ID("f")
				for value, want := range map[string]int{one: 1, strings.ToUpper(one): 1, other: 0} {
					log := oneField{id, decode.Value{Kind: decode.String, Text: []byte(value)}}
					if got := len(ix.NewMatcher().match(log, nil)); got != want {
						t.Errorf("%s of %q: %d", Describe(q), value, got)
					}
				}
			}
		}
	}
}

func TestExplain(t *testing.T) {
	q := &rule.And{Of: []rule.Query{
		whole("service", "payment"),
		level(17),
		&rule.Or{Of: []rule.Query{has("", "refused"), has("", "timeout")}},
		&rule.Not{Of: &rule.Leaf{Field: "path", Op: rule.OpPrefix, Text: "/health"}},
		&rule.Leaf{
			Field: "took",
			Op:    rule.OpRange,
			Range: rule.Range{Min: 100, Max: 200, OpenMin: true},
		},
	}}
	record := `{"message":"connection refused","level":"ERROR","service":"payment","took":"250ms"}`
	decoded(t, decode.NewFields(), [][]byte{[]byte(record)}, func(log *decode.Log) {
		got := Explain(q, log, nil).String()
		want := `FAIL all of
  PASS service is "payment"   ("payment")
  PASS level>=ERROR   (ERROR, severity 17)
  PASS any of
    PASS text contains "refused"   ("connection refused")
    FAIL text contains "timeout"   ("connection refused")
  PASS not
    FAIL path begins with "/health"   (absent)
  FAIL took>100 and <=200   ("250ms")
`
		if got != want {
			t.Errorf("got\n%s", got)
		}
	})
}

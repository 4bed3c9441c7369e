package evaluator

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

var searches = flag.Int(
	"evaluate.queries", 2000, "how many random queries to evaluate, each on thirty logs")

// TestQueriesAgree holds the index of queries against the second reading of the query reference, on
// random queries and logs. Three million pairs take two minutes or so:
//
//	go test ./internal/evaluator -run QueriesAgree -evaluate.queries 100000
func TestQueriesAgree(t *testing.T) {
	n := *searches
	if testing.Short() {
		n /= 10
	}
	const together = 50
	pairs, holding, failed := 0, 0, 0
	for round := 0; round*together < n; round++ {
		d := searchDraw{rand.New(rand.NewPCG(*seed+uint64(round), 1))}
		var texts []string
		for range together {
			texts = append(texts, d.query(2))
		}
		var logs [][]byte
		for range 30 {
			logs = append(logs, d.log())
		}
		p, h, difference := queriesDiffer(t, texts, logs)
		pairs, holding = pairs+p, holding+h
		if difference != "" {
			t.Errorf("round %d: %s", round, difference)
			if failed++; failed == 8 {
				t.Fatal("and more")
			}
		}
	}
	t.Logf("%d pairs, of which %d hold", pairs, holding)
	if pairs < n*20 || holding < pairs/20 || holding > pairs*19/20 {
		t.Errorf("%d pairs of %d queries, and %d hold", pairs, n, holding)
	}
}

// searchLists are the lists that queries name.
var searchLists = Lists{
	"L": {"ann", "b?b", "*x*", "200", "2e2"},
	"N": {"10.0.0.0/9", "2001:db8::/32", "cart", "192.168.0.1"},
}

// queriesDiffer says where the index and the evaluator differ first.
func queriesDiffer(
	t *testing.T, texts []string, logs [][]byte,
) (pairs, holding int, difference string) {
	t.Helper()
	var queries []rule.Query
	var second []Search
	var read []string
	for _, text := range texts {
		set, err := rule.Read("x.rules.yml", []byte("version: 1\n"+
			"lists: {L: [ann, 'b?b', '*x*', '200', 2e2], "+
			"N: [10.0.0.0/9, '2001:db8::/32', cart, 192.168.0.1]}\n"+
			"groups: [{name: g, rules: [{alert: A, match: "+text+"}]}]"))
		s, err2 := ReadSearchYAML(text, searchLists)
		if (err == nil) != (err2 == nil) {
			return pairs, holding, fmt.Sprintf("%s: the engine says %v, the evaluator %v", text, err, err2)
		}
		if err == nil {
			queries, second = append(queries, set.Rules[0].Match), append(second, s)
			read = append(read, text)
		}
	}
	lists := func(name string) ([]string, bool) { l, ok := searchLists[name]; return l, ok }
	index, err := match.Compile(queries, match.Options{Lists: lists})
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := decode.New(decode.Config{}, index.Fields())
	if err != nil {
		t.Fatal(err)
	}
	one := func(q rule.Query, raw []byte) (holds bool) {
		decoder, err := decode.New(decode.Config{}, index.Fields())
		if err != nil {
			t.Fatal(err)
		}
		decoder.Decode(&models.Record{Topic: "logs", Value: raw}, func(l *decode.Log) {
			holds = match.Eval(q, l, lists)
		}, func(decode.Reason, string) {})
		return holds
	}
	m := index.NewMatcher()
	for i, raw := range logs {
		doc, err := ReadDocument(raw)
		if err != nil {
			t.Fatal(err)
		}
		record := models.Record{
			Topic: "logs", Offset: int64(i), Value: raw,
			Timestamp: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC),
		}
		decoder.Decode(&record, func(l *decode.Log) {
			found := m.Match(l, nil)
			for q, s := range second {
				pairs++
				got, want := slices.Contains(found, int32(q)), s(doc)
				if want {
					holding++
				}
				if got != want && difference == "" {
					raw = smallest(raw, func(raw []byte) bool {
						return one(queries[q], raw) != s.holds(raw)
					})
					difference = fmt.Sprintf("%s\nof %s\nthe engine says %v, the evaluator %v",
						read[q], raw, got, want)
				}
			}
		}, func(reason decode.Reason, detail string) {
			t.Fatalf("%s: %v %s", raw, reason, detail)
		})
	}
	return pairs, holding, difference
}

// holds reports whether a log satisfies a query, both as they are written.
func (s Search) holds(raw []byte) bool {
	d, err := ReadDocument(raw)
	return err == nil && s(d)
}

// smallest leaves fields out of a log as long as it is one that differs.
func smallest(raw []byte, differs func([]byte) bool) []byte {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return raw
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		less := maps.Clone(m)
		delete(less, name)
		if b, err := json.Marshal(less); err == nil && differs(b) {
			m, raw = less, b
		}
	}
	return raw
}

// searchDraw makes queries and logs.
type searchDraw struct{ *rand.Rand }

func (d searchDraw) of(list ...string) string { return list[d.IntN(len(list))] }
func (d searchDraw) in(of int) bool           { return d.IntN(of) == 0 }

var (
	searchWords = []string{
		"ann", "Ann", "ANN", "bob", "b?b", "cart", "payment", "pay", "connection refused",
		"refused", "Connection", "order 17", "timeout", "x", "K", "\u212a", "ſ", "s", "straße",
		"İ", "日本", "a.b", `C:\Windows\cmd.exe`, `a\b`, "50%", "a*b", "a b", "x:y", "(x)", "-a", "not",
		`say "hi"`, "user_1", "user-1", "~", "a/b", "/api/v1", "200", "2e2", "true", "null", "",
		"line one\nline two", "σ", "Σ", "ς", "10.1.2.3", "é", "e\u0301",
	}
	searchNumbers = []string{
		"0", "1", "-1", "2.5", "200", "200.0", "2e2", "404", "499", "500", "0.1", "0.3", "7", "1005",
		"1e-7", "-0", "1.005", "26481", "5000", "85", "1000000", "90000",
	}
	searchQuantities = []string{
		"250ms", "0.25s", "2 seconds", "2 Seconds", "1m30s", "PT26.481S", "P1DT2H", "PT1M", "0:00:26.481",
		"1.02:03:04", "5MB", "5mb", "5Mb", "512 KiB", "5k", "85 %", "85%", "1.005s", "1005ms",
		"+1000", "1_000", "1,000", "0x10", "inf", "NaN", "-3s", "1h", "60min", "90000", "1 h 30 min",
		"30m1h", "5 5", "ms", "1.5h", "2d", "1w", "0.5", ".5", "5.", "1e3", "500us", "500µs", "1GiB",
		"1000 MB", "1 G", "12 apples", "00:01", "0:61:00", "200", "P", "PT", "PT1,5S", "3T", "-1m30s",
	}
	searchAddresses = []string{
		"10.1.2.3", "10.200.0.1", "192.168.0.1", "192.168.0.1:8080", "2001:db8::1", "[2001:db8::1]:443",
		"::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.256", "10.1.2", "10.01.2.3", "2001:DB8::2",
	}
	searchLevels = []string{
		"TRACE", "debug", "Info", "NOTICE", "warn", "WARNING", "error", "err", "ERROR", "crit",
		"CRITICAL", "alert", "fatal", "panic", "emerg",
	}
)

// value is a random value of a log.
func (d searchDraw) value(depth int) any {
	switch d.IntN(12) {
	case 0:
		return nil
	case 1:
		return d.in(2)
	case 2, 3:
		return json.RawMessage(d.of(searchNumbers...))
	case 4, 5:
		return d.of(searchQuantities...)
	case 6:
		return d.of(searchAddresses...)
	case 7:
		if depth > 0 {
			list := []any{}
			for range d.IntN(4) {
				list = append(list, d.value(depth-1))
			}
			return list
		}
	case 8:
		if depth > 0 {
			m := map[string]any{}
			for range d.IntN(3) {
				m[d.of("b", "c", "b.c")] = d.value(depth - 1)
			}
			return m
		}
	}
	return d.of(searchWords...)
}

var searchFields = []string{"a", "a", "b", "x", "x", "tags", "a.b", "addr", "ok", "took"}

// log is a random log.
func (d searchDraw) log() []byte {
	m := map[string]any{}
	for range d.IntN(7) {
		m[d.of(searchFields...)] = d.value(2)
	}
	if !d.in(6) {
		m["message"] = d.of(searchWords...) + d.of("", " ", ": ") + d.of(searchWords...)
	}
	if d.in(5) {
		m["stack_trace"] = "trace " + d.of(searchWords...)
	}
	if !d.in(4) {
		m["level"] = d.of(searchLevels...)
	}
	if d.in(2) {
		m["service"] = d.of("cart", "Payment", "payment-api", "")
	}
	for name, list := range aliases {
		if d.in(6) {
			m[name] = d.alias(name)
		}
		if d.in(6) {
			m[d.of(list...)] = d.alias(name)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func (d searchDraw) alias(name string) any {
	if d.in(2) && name != "exception.class" {
		return json.RawMessage(d.of(searchNumbers...))
	}
	return d.of("200", "/api/v1", "/health", "GET", "ann", "java.io.IOException", "10.1.2.3", "500")
}

// field is a random field of a query.
func (d searchDraw) field() string {
	switch d.IntN(5) {
	case 0:
		return d.of("message", "stack_trace", "raw", "service", "level", "*", "message")
	case 1:
		return d.of("http.status", "http.status_code", "http.response.status_code", "path",
			"method", "exception.class", "exception.type", "user.name", "source_ip", "duration_ms",
			"status", "fields.status", "fields.a", "a.b.c", "url.path", "username", "fields.level")
	}
	return d.of(searchFields...)
}

// escaped writes a text so that it stands for itself, with wildcards here and there.
func (d searchDraw) escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case d.in(12):
			b.WriteString(d.of("*", "?", "*"))
			continue
		case strings.ContainsRune("*?\\ \t\n()\":<>=~@/-", r):
			if r == '\n' {
				b.WriteString("?")
				continue
			}
			if strings.ContainsRune(`*?\ ()"`, r) || d.in(2) {
				b.WriteString(`\`)
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (d searchDraw) word() string {
	for {
		w := d.escaped(d.of(searchWords...))
		if d.in(5) {
			w = "*" + w
		}
		if d.in(5) {
			w += "*"
		}
		if w != "" {
			return w
		}
	}
}

// phrase is a random phrase in its quotes.
func (d searchDraw) phrase() string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(d.of(searchWords...)) + `"`
}

func (d searchDraw) regexp() string {
	return "/" + d.of(
		"refused", "^conn", "17$", `\d+`, "(ann|bob)", "a.b", "x+", `\\`, `a\/b`, ".", "^$",
		"one.line", "(?s)one.line", "K", "^[0-9]", "pay", "api", "(?m)^line", `\bpay\b`, "true",
	) + "/" + d.of("", "", "i")
}

// query is a random query as the value of match in YAML.
func (d searchDraw) query(depth int) string {
	if d.in(4) {
		return d.mapQuery()
	}
	return quoted(d.text(depth))
}

func (d searchDraw) text(depth int) string {
	if depth > 0 {
		switch d.IntN(6) {
		case 0:
			return d.of("not ", "NOT ", "-") + d.of("", "") + d.text(0)
		case 1:
			return d.text(depth-1) + d.of(" ", " and ", " AND ", "  ") + d.text(depth-1)
		case 2:
			return d.text(depth-1) + d.of(" or ", " OR ") + d.text(depth-1)
		case 3:
			return "(" + d.text(depth-1) + ")"
		}
	}
	field := d.field()
	switch d.IntN(14) {
	case 0:
		return d.word()
	case 1:
		return d.phrase()
	case 2:
		return d.regexp()
	case 3:
		return field + ":" + d.regexp()
	case 4:
		return field + ":" + d.phrase()
	case 5:
		return field + ":=" + d.of(d.phrase(), d.word())
	case 6:
		if field == "level" {
			return "level" + d.of(">", ">=", "<", "<=", ":") + d.of(searchLevels...)
		}
		return field + d.of(">", ">=", "<", "<=") + strings.ReplaceAll(d.number(), " ", "")
	case 7:
		return field + ":" + d.of("200..499", "0..1", "-1..2.5", "1ms..1h", "1k..5MB", "7..7")
	case 8:
		return field + ":*"
	case 9:
		return field + ":" + d.of("10.0.0.0/8", "2001:db8::/32", "10.1.2.3/32", "::ffff:10.0.0.0/104",
			"0.0.0.0/0", "10.1.2.3", "2001:db8::1")
	case 10:
		return field + ":@" + d.of("L", "N")
	case 11:
		return field + "~" + d.of("refused", "ann", "order", `"connection refused"`, `"order 17"`,
			"user_1", "pay", "日本", "hi", `"x y"`, "200")
	case 12:
		return field + ":(" + d.word() + d.of(" or ", " ", " and not ") + d.of(d.word(), d.phrase()) + ")"
	}
	if field == "level" {
		if d.in(2) {
			return "level" + d.of(":=ERROR", ":=err", ":/^E/", ":/known/i", ":u*", ":?rror", "~error",
				":/WARN/", ":@L", ":*", ":war*", ":*al")
		}
		return "level:" + d.of(d.of(searchLevels...), "(warn or error)", "*", "war*")
	}
	return field + ":" + d.of(d.word(), d.word(), d.of(searchNumbers...))
}

func (d searchDraw) number() string {
	for {
		n := d.of(d.of(searchNumbers...), d.of(searchQuantities...))
		if _, ok := readNumber(n); ok {
			return n
		}
	}
}

// mapQuery is a random query that is written as a map, or as a list.
func (d searchDraw) mapQuery() string {
	switch d.IntN(6) {
	case 0:
		return "[" + d.mapFields() + ", " + quoted(d.mapText()) + "]"
	case 1:
		return "[" + quoted(d.mapText()) + ", " + quoted(d.mapText()) + "]"
	case 2:
		return "{sel_a: " + d.mapFields() + ", sel_b: " + d.mapFields() + ", other: " + d.mapFields() +
			", condition: " + d.of("sel_a and not sel_b", "1 of sel_*", "all of them", "2 of them",
			"sel_a or (sel_b and other)", "not 1 of sel_*", "all of sel_* or other") + "}"
	}
	return d.mapFields()
}

// mapText is a random text of a map, in which a backslash is before *, ? and a backslash.
func (d searchDraw) mapText() string {
	for {
		text := d.of(searchWords...)
		if strings.TrimSpace(text) == "" || strings.Contains(text, "\n") {
			continue
		}
		if d.in(2) {
			text = strings.NewReplacer(`*`, `\*`, `?`, `\?`).Replace(text)
		}
		if d.in(4) {
			text = "*" + text
		}
		if d.in(4) {
			text += "*"
		}
		return text
	}
}

func (d searchDraw) mapFields() string {
	var parts []string
	used := map[string]bool{}
	for range 1 + d.IntN(2) {
		field := d.field()
		if field == "*" || field == "level" && d.in(2) {
			field = "a"
		}
		part := quoted(field) + ": " + quoted(d.mapText())
		switch d.IntN(12) {
		case 0, 1:
			mods := d.of("|contains", "|startswith", "|endswith", "|contains|all", "|contains|cased",
				"|startswith|cased", "|endswith|all")
			part = quoted(field+mods) + ": [" + quoted(d.mapText()) + ", " + quoted(d.mapText()) + "]"
		case 2:
			part = quoted(field+"|re"+d.of("", "|i", "|s", "|m", "|i|s")) + ": " +
				quoted(strings.ReplaceAll(strings.Trim(strings.TrimSuffix(d.regexp(), "i"), "/"), `\/`, "/"))
		case 3:
			part = quoted(field+"|"+d.of("gt", "gte", "lt", "lte")) + ": " + quoted(d.number())
		case 4:
			part = quoted(field+"|exists") + ": " + d.of("true", "false")
		case 5:
			part = quoted(field) + ": " + d.of("null", "''", "'@L'", "'*'", "200", "2.5", "[null, x]")
		case 6:
			part = quoted(field+d.of("|cidr", "|cidr", "|cidr|neq")) + ": " + d.of("10.0.0.0/8",
				"'2001:db8::/32'", "[10.0.0.0/9, 192.168.0.0/16]")
		case 7:
			part = quoted(field+"|fieldref"+d.of("", "|contains", "|startswith", "|endswith", "|gt", "|lte",
				"|neq", "|cased")) + ": " + quoted(d.of("a", "b", "x", "took", "service", "user.name"))
		case 8:
			part = quoted(field+d.of("|neq", "|neq", "|contains|neq", "|neq|endswith", "|neq|all")) +
				": " + d.of(quoted(d.mapText()), "["+quoted(d.mapText())+", "+quoted(d.mapText())+"]")
		case 9:
			part = quoted(field+"|cased") + ": " + quoted(d.mapText())
		case 10:
			part = quoted(field+"|word") + ": " + d.of("refused", "ann", "'connection refused'", "hi")
		}
		key, _, _ := strings.Cut(part, "': ")
		if !used[key] {
			used[key] = true
			parts = append(parts, part)
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

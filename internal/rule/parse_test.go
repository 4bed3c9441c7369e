package rule

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// show writes a tree with all of its parentheses.
func show(q Query) string {
	join := func(word string, of []Query) string {
		parts := make([]string, len(of))
		for i, m := range of {
			parts[i] = show(m)
		}
		return word + "(" + strings.Join(parts, ", ") + ")"
	}
	switch q := q.(type) {
	case *And:
		return join("and", q.Of)
	case *Or:
		return join("or", q.Of)
	case *Not:
		return join("not", []Query{q.Of})
	}
	l := q.(*Leaf)
	switch l.Op {
	case OpRange, OpLevel:
		left, right := "[", "]"
		if l.Range.OpenMin {
			left = "("
		}
		if l.Range.OpenMax {
			right = ")"
		}
		return fmt.Sprintf("%s in %s%v %v%s", l.Field, left, l.Range.Min, l.Range.Max, right)
	case OpRegexp:
		return l.Field + " re " + l.Regexp.String()
	}
	op := map[Op]string{
		OpContains: "~",
		OpPrefix:   "^",
		OpSuffix:   "$",
		OpEqual:    "=",
		OpGlob:     "glob",
		OpExists:   "exists",
		OpCIDR:     "cidr",
		OpList:     "list",
	}[l.Op]
	if l.Cased {
		op += "cased"
	}
	return strings.TrimSpace(l.Field + " " + op + " " + l.Text)
}

// What is typed into a search box means what its readers expect.
func TestParseQuery(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		q, err := ParseQuery(text)
		if err != nil {
			t.Errorf("%s: %s", text, err)
		} else if got := show(q); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	f(`a b or not c`, "or(and(~ a, ~ b), not(~ c))")
	f(`-a "b \"c"`, `and(not(~ a), ~ b "c)`)
	f(
		`host:payment* path:*x path:a*b user:Ann`,
		"and(host ^ payment, path $ x, path glob a*b, user = Ann)",
	)
	f(
		`user:=Ann user:("a b" or c) user:*`,
		"and(user =cased Ann, or(user = a b, user = c), user exists)",
	)
	f(
		`level>=WARN level:error level<FATAL`,
		"and(level in [13 +Inf], level in [17 17], level in [-Inf 21))",
	)
	f(
		`size>5KB took:250ms..1s took>=-5`,
		"and(size in (5000 +Inf], took in [250 1000], took in [-5 +Inf])",
	)
	f(
		`ip:10.0.0.0/8 user:@blocked path:/health* x:/a b/i`,
		"and(ip cidr 10.0.0.0/8, user list blocked, path ^ /health, x re (?i)a b)",
	)
	f(`message:foo android`, "and(message ~ foo, ~ android)")
}

// A condition binds as arithmetic does everywhere.
func TestParseCondition(t *testing.T) {
	c, err := ParseCondition(
		`count(http.status>=500) / count() > 5% and not p99.9(duration_ms, path:"/a,b") offset ` +
			`1w <= 1 + 2 * 3`,
	)
	if err != nil {
		t.Fatal(err)
	}
	and := c.(*Binary)
	ratio := and.Left.(*Binary)
	if and.Op != "and" || ratio.Op != ">" || ratio.Left.(*Binary).Op != "/" ||
		ratio.Right.(*Number).Value != 0.05 {
		t.Errorf("ratio is read as %+v", ratio)
	}
	low := and.Right.(*Unary).Of.(*Binary)
	call := low.Left.(*Call)
	if call.Func != "percentile" || call.Quantile < 0.9989 || call.Quantile > 0.9991 ||
		call.Offset != 7*24*time.Hour ||
		show(call.Filter) != "path = /a,b" {
		t.Errorf("percentile is read as %+v", call)
	}
	if sum := low.Right.(*Binary); sum.Op != "+" || sum.Right.(*Binary).Op != "*" {
		t.Errorf("sum is read as %+v", sum)
	}
	if _, err := ParseCondition(
		"count() > 3 * baseline(count(), 4w) and firing(Down) or since(event:end) < 10m"); err != nil {
		t.Error(err)
	}
}

// Whatever is typed, the parsers answer.
func FuzzParse(f *testing.F) {
	f.Add(`service:a* level>=ERROR ("b" or /c/i) not d:1..2`)
	f.Add(`count(a:b) / count() > 5% and p99(x) offset 1w > 3`)
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := ParseQuery(text); (q == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", text, q, err)
		}
		if c, err := ParseCondition(text); (c == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	})
}

// An aggregate may have a window of its own, and a quantile names its share.
func TestWindowsAndQuantiles(t *testing.T) {
	for text, want := range map[string]string{
		"count(a:b) over 5m offset 1h > 0":  "count 0 5m0s 1h0m0s true",
		"quantile(a, 0.9) > 0":              "quantile 0.9 0s 0s false",
		"quantile(a, 95%, x:y) over 1m > 0": "quantile 0.95 1m0s 0s true",
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		call := c.(*Binary).Left.(*Call)
		if got := fmt.Sprint(call.Func, " ", call.Quantile, " ", call.Over, " ", call.Offset, " ",
			call.Filter != nil); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	for _, text := range []string{
		"quantile(a) > 0", "quantile(a, 2) > 0", "quantile(a, x:y) > 0", "count() over x > 0",
		"since(a) over 5m > 1h", "new(a) over 5m > 0", "count() offset 1h over 5m > 0",
		"baseline(count() over 5m) > 0", "quantile(a, 0.5, x:y, z) > 0",
	} {
		if _, err := ParseCondition(text); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

// new takes several fields, and then a filter, which has an operator or quotes.
func TestNewOfSeveralFields(t *testing.T) {
	for text, want := range map[string]string{
		"new(a, b) > 0":                   "a [b] false 0s",
		"new(a, b, c.d, level:ERROR) > 0": "a [b c.d] true 0s",
		`new(a, "b") > 0`:                 "a [] true 0s",
		"changed(a, within 10m) > 0":      "a [] false 10m0s",
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		call := c.(*Binary).Left.(*Call)
		if got := fmt.Sprint(call.Field, " ", call.Also, " ", call.Filter != nil, " ", call.Within); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	for _, text := range []string{
		"new(a, a) > 0", "new(a, x:y, b) > 0", "changed(a, 10m) > 0", "changed(a, within x) > 0",
		"changed(a, b) > 0",
	} {
		if _, err := ParseCondition(text); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

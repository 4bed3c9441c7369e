package window

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

func TestEarlyDecisionsAndEmptyWindows(t *testing.T) {
	f := func(text string, eager, known bool) {
		t.Helper()
		p, err := Compile(ruleOf(t, "match: a, "+text))
		if err != nil {
			t.Fatal(err)
		}
		if p.FiresEarly() != eager || p.HoldsEmpty() != known {
			t.Errorf("%s: eager %v, known %v", text, p.FiresEarly(), p.HoldsEmpty())
		}
	}
	f("window: 5m", true, false)
	f("when: count() > 10", true, false)
	f("when: count() > 10.5", true, false)
	f("when: 'count() > 10', for: 1m", false, false)
	f("when: 'count() > 10', every: 1m", false, false)
	f("when: count() >= 0", true, true)
	f("when: count() == 0", false, true)
	f("when: count() < 5", false, true)
	f("when: not count() >= 5", false, true)
	f("when: not count() < 5", true, false)
	f("when: '10 < count()'", true, false)
	f("when: 'count(x) > 3 and count() < 5'", false, false)
	f("when: 'count(x) > 3 or count() < 5'", false, true)
	f("when: 'count(f:x) / count() > 5%'", false, false)
	f("when: 'count(f:x) - count(f:y) > 5'", false, false)
	f("when: 'count(f:x) + 2 * count(f:y) > 5'", true, false)
	f("when: 'count() / 60 > 5'", true, false)
	f("when: 'max(n) > 5'", true, false)
	f("when: 'not max(n) < 5'", false, true)
	f("when: 'min(n) < 5'", true, false)
	f("when: 'min(n) > 5'", false, false)
	f("when: 'sum(n) > 5'", false, false)
	f("when: 'p99(n) > 5'", false, false)
	f("when: 'new(u) > 0'", false, false)
	f("when: 'changed(u) > 0'", false, false)
	f("when: 'count() > 3 * baseline(count(), 4w) and count() >= 20'", true, false)
	f("when: 'count() < 50% * baseline(count(), 4w)'", false, false)
	f("when: 'zscore(count(), 4w) < -3'", false, false)
	f("when: 'zscore(count(), 4w) > 3'", true, false)
	f("when: 'count() > 3 * count() offset 1h'", true, false)
	f("when: 'count() over 1m > 10'", true, false)
	// the window of a second ago is still open
	f("when: 'count() > 3 * count() offset 1s'", false, false)
	f("when: 'count() < 50% * count() offset 1w'", false, false)
	f("when: 'count() > 10 and since(f:x) < 5m'", true, false)
	f("when: 'count() > 10 and since(f:x) > 5m'", false, false)
	f("when: 'since(f:x) > 5m'", false, true)
	f("when: 'count() > 10 and not firing(A)'", false, false)
	f("when: 'count() > 10 or firing(A)'", false, true)
	f("when: not firing(A)", false, true)
	f("within: 5m, sequence: [{match: 'f:x', times: 5}, {match: 'f:y'}]", true, false)
	f("within: 5m, sequence: [{match: 'f:x', times: 5}, {not: 'f:y'}]", false, false)
}

func TestCompileErrorsAreReported(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Compile(ruleOf(t, "match: a, "+text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	f(
		"when: 'since(f:x) > count()'",
		"since can only be compared with a constant; as in since(event:deploy_end) > 1h",
	)
	f("when: '2 * since(f:x) > 5m'", "since can only be compared with a constant")
	f(
		"when: 'count() > baseline(count(), 2d)'",
		"baseline needs 3 days at least; as in baseline(count(), 4w)",
	)
	f(
		"when: '"+strings.Repeat("count(f:x) > 1 and ", 64)+"count(f:y) > 1'",
		"condition has more than 64 filters; make two rules of it",
	)
}

func TestNumberIsNoCondition(t *testing.T) {
	for _, number := range []rule.Condition{
		&rule.Call{Func: "count"},
		&rule.Binary{Op: "+", Left: &rule.Number{}, Right: &rule.Number{}}, &rule.Number{},
	} {
		if _, err := Compile(&rule.Rule{When: number}); err == nil ||
			!strings.Contains(err.Error(), "the condition is a number") {
			t.Errorf("%#v: %v", number, err)
		}
	}
}

func TestOnlyLogsThatMatterAreEvents(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		p, err := Compile(ruleOf(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if got := show(p.Match()); got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
	f("match: 'f:a', when: 'count() > 1'", "a")
	f("match: 'f:a', when: 'count(f:x) > 1 and count(f:y) > 1'", "(a (x or y))")
	f("when: 'count(f:x) > 1 and count(f:y) > 1', resolve: 'f:z'", "((x or y) or z)")
	f("match: 'f:a', when: 'count(f:x) / count() > 1', resolve: 'f:z'", "(a or z)")
	f("match: 'f:a', when: 'count(f:x) < 1'", "a") // any log makes its key known
	f("within: 5m, sequence: [{match: 'f:x'}, {not: 'f:y'}]", "(x or y)")
}

func show(q rule.Query) string {
	join := func(of []rule.Query, with string) string {
		var texts []string
		for _, member := range of {
			texts = append(texts, show(member))
		}
		return "(" + strings.Join(texts, with) + ")"
	}
	switch q := q.(type) {
	case *rule.And:
		return join(q.Of, " ")
	case *rule.Or:
		return join(q.Of, " or ")
	case *rule.Leaf:
		return q.Text
	}
	return fmt.Sprint(q)
}

func TestRetentionIsHowFarBackEventsMatter(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		p, err := Compile(ruleOf(t, "match: a, "+text))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Lookback(); got < want || got > want+want/10+time.Second {
			t.Errorf("%s: %v", text, got)
		}
	}
	f("window: 5m", 5*time.Minute)
	f("window: 5m, when: 'count() > 3 * count() offset 1h'", 65*time.Minute)
	f("window: 5m, when: 'count() > 3 * count() offset 1w'", 7*24*time.Hour)
	f("window: 5m, when: 'count() > 3 * baseline(count(), 3w)'", 21*24*time.Hour)
	f("window: 5m, when: 'new(u) > 0', learn: 24h", 24*time.Hour)
	f("window: 5m, when: 'count() > 0 and since(f:x) > 2h'", 2*time.Hour)
	f(
		"window: 5m, within: 10m, sequence: [{match: 'f:x'}, {not: 'f:y', within: 3m}]",
		18*time.Minute,
	)
}

func TestFiltersStandInTheirOrder(t *testing.T) {
	r := ruleOf(
		t,
		"match: 'f:a', when: 'count(f:x) / count(f:y) > 1 and distinct(u) > 1 and avg(n, f:z) > "+
			"1', resolve: 'f:r'",
	)
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, q := range p.Filters() {
		texts = append(texts, show(q))
	}
	if want := []string{"r", "a", "x", "y", "z"}; !slices.Equal(texts, want) ||
		!slices.Equal(p.Fields(), []string{"u", "n"}) {
		t.Error(texts, p.Fields())
	}
}

package window

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// story adds events such as 3x:5 (see valueTable.at), sweeping behind each, and tells the edges.
func story(t *testing.T, text, events string, env Env) []string {
	t.Helper()
	r := ruleOf(t, text)
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	g := p.NewGroup(0)
	var got []string
	each := func(e Edge) {
		word := map[bool]string{true: "up", false: "down"}[e.Holds]
		if e.Resolves {
			word = "recovered"
		}
		if e.Level >= 0 {
			word += " " + r.Levels[e.Level].Severity
		}
		got = append(got, fmt.Sprintf("%ds %s: %s", e.At/second, word, e.Reason))
	}
	for i, word := range strings.Fields(events) {
		var at int64
		var kind, text string
		fmt.Sscanf(word, "%d%s", &at, &kind)
		kind, text, _ = strings.Cut(kind, ":")
		s := sample{at: at * second, order: Order{Offset: int64(i)}, own: kind != "z", kind: kind}
		ev := eventOf(p, r, &s)
		ev.Values = slices.Repeat([]Value{textual(text)}, len(p.Fields()))
		g.Add(p, &ev)
		g.Sweep(p, at*second-1, env, each)
	}
	g.Sweep(p, 1000*second, env, each)
	return got
}

func TestStories(t *testing.T) {
	f := func(text, events string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, story(t, text, events, nil)); diff != "" {
			t.Errorf("%s: %s (-want +got)\n%s", text, events, diff)
		}
	}
	// A ratio, and the percentage it is held against.
	f("match: a, window: 10s, when: 'count(f:x) / count() > 5% and count() >= 4'", "1x 2y 3y 4y",
		"4s up: 25% > 5% in 10s", "11s down: 0% in 10s")
	// Silence.
	f("match: a, window: 10s, when: 'count() == 0'", "5x 30x", "15s up: 0 == 0 in 10s",
		"30s down: 1 in 10s", "40s up: 0 == 0 in 10s")
	f("match: a, window: 10s, when: 'not (count() >= 1)'", "5x", "15s up: 0 < 1 in 10s")
	f("match: a, window: 10s, when: 'since(f:x) > 20s'", "5x 10y 20x", "40s up: 20s > 20s in 10s")
	// A tumbling window is judged at its ends.
	f("match: a, window: 10s, every: 10s, when: 'count() > 1'", "1 9 11 12", "10s up: 2 > 1 in 10s",
		"30s down: 0 in 10s")
	// A log that resolves empties the window.
	f("match: a, window: 100s, when: 'count() > 1', resolve: 'f:z'", "1x 2x 3z 4x 5x",
		"2s up: 2 > 1 in 1m40s", "3s recovered: resolved by a log", "5s up: 2 > 1 in 1m40s",
		"104s down: 1 in 1m40s")
	// It resolves at another threshold than it fires.
	f("match: a, window: 10s, when: 'count() > 3', resolve: {when: 'count() < 2'}", "1 2 3 4",
		"4s up: 4 > 3 in 10s", "11s down: 3 in 10s", "13s recovered: 1 < 2 in 10s")
	// A severity that moves with the value.
	f("match: a, window: 10s, when: 'count() > 1', levels: {warning: '> 1', critical: '> 2'}",
		"1 2 3", "2s up warning: 2 > 1 in 10s", "3s up critical: 3 > 1 in 10s",
		"11s up warning: 2 > 1 in 10s", "12s down: 1 in 10s")
	f("match: a, window: 10s, when: 'p90(n) > 250ms'", "1:300ms", "1s up: 300ms > 250ms in 10s",
		"11s down: nothing in 10s")
	f("match: a, window: 10s, when: 'since(f:x) < 1m and count() > 0'", "1x",
		"1s up: 0s < 1m in 10s", "11s down: 0 in 10s")
	f("match: a, window: 10s, when: 'count(f:x) > 2 * count(f:y)'", "1x", "1s up: 1 > 0 in 10s",
		"11s down: 0 in 10s")
}

// neighbour fires from 5 s to 8 s.
type neighbour struct{}

func (neighbour) Firing(alert string, at int64) bool {
	return alert == "A" && at >= 5*second && at < 8*second
}

func (neighbour) Change(alert string, after int64) int64 {
	for _, at := range []int64{5 * second, 8 * second} {
		if at > after {
			return at
		}
	}
	return Never
}

func TestReferencedAlertIsFollowed(t *testing.T) {
	got := story(t, "match: a, window: 10s, when: 'count() > 0 and firing(A)'", "1x", neighbour{})
	if diff := cmp.Diff([]string{"5s up: 1 > 0 in 10s", "8s down: condition no longer holds"},
		got); diff != "" {
		t.Error(diff)
	}
}

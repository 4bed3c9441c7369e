package window

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// happen adds events such as "3x" (an x at 3 s), sweeps, and says when truth changed, in seconds.
func happen(t *testing.T, p *Condition, r *rule.Rule, words string) string {
	t.Helper()
	g := p.NewGroup(0)
	for i, word := range strings.Fields(words) {
		at, err := strconv.Atoi(strings.TrimRight(word, "xyz"))
		if err != nil {
			t.Fatal(err)
		}
		s := sample{
			at:    int64(at) * second,
			order: Order{Offset: int64(i)},
			own:   true,
			kind:  strings.TrimLeft(word, "0123456789"),
		}
		g.Add(p, new(eventOf(p, r, &s)))
	}
	var edges []string
	g.Sweep(p, 1000*second, nil, func(e Edge) { edges = append(edges, fmt.Sprint(e.At/second)) })
	return strings.Join(edges, " ")
}

func TestSequences(t *testing.T) {
	var r *rule.Rule
	var p *Condition
	given := func(text string) {
		t.Helper()
		r = ruleOf(t, "window: 10s, "+text)
		var err error
		if p, err = Compile(r); err != nil {
			t.Fatal(err)
		}
	}
	f := func(words, want string) {
		t.Helper()
		if got := happen(t, p, r, words); got != want {
			t.Errorf("%s: %q, not %q", words, got, want)
		}
	}
	given("within: 20s, sequence: [{match: 'f:x', times: 3}, {match: 'f:y'}]")
	f("1x 2x 3y", "")
	f("1x 2x 3x 4y", "4 14")
	f("3x 4y 1x 2x", "4 14") // whatever the order of arrival
	f("1x 2x 4y 5x 6y", "6 16")
	f("1x 2x 3x 21y", "")         // the first is too old
	f("1x 2x 3x 4x 21y", "21 31") // but not the second
	f("1x 2x 3x 4y 9y", "4 19")
	given("within: 20s, sequence: [{match: 'f:x'}, {match: 'f:y', within: 3s}, {match: 'f:z'}]")
	f("1x 3y 9z", "9 19")
	f("1x 4y 9z", "")
	f("1x 3y 8y 9z", "9 19") // the later y is too late for x, the earlier is not
	given("within: 20s, sequence: [{match: 'f:x'}, {not: 'f:z'}, {match: 'f:y'}]")
	f("1x 3y", "3 13")
	f("1x 2z 3y", "")
	f("1x 2z 3x 4y", "4 14")
	given(
		"within: 20s, sequence: [{match: 'f:x', times: 2}, {match: 'f:y'}, {not: 'f:z', " +
			"within: 5s}]",
	)
	f("1x 2x 3y", "8 18")
	f("1x 2x 3y 7z", "")
	f("7z 3y 2x 1x", "")
	f("1x 2x 3y 8z", "8 18") // when it has ended it has ended
	f("1x 2x 3y 4z 6y", "11 21")
	if p.FiresEarly() {
		t.Error("what must not happen can only be known at the watermark")
	}
}

func TestSequenceFiresAtLastStep(t *testing.T) {
	r := ruleOf(t, "within: 20s, sequence: [{match: 'f:x', times: 2}, {match: 'f:y'}]")
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	g := p.NewGroup(0)
	// the last to arrive is not the last to happen
	for i, s := range []sample{{at: 5, kind: "y"}, {at: 1, kind: "x"}, {at: 3, kind: "x"}} {
		s.at, s.order, s.own = s.at*second, Order{Offset: int64(i)}, true
		g.Add(p, new(eventOf(p, r, &s)))
		e, found := g.Eager(p)
		if found != (i == 2) || found && (e.At != 5*second || e.Reason != completedReason) {
			t.Errorf("after %d events: %+v %v", i+1, e, found)
		}
	}
}

// complete is the completions of a sequence, by trying all choices of events.
func (d *definition) complete() (times []int64) {
	var steps []rule.Step
	nots := map[int][]rule.Step{} // by the number of steps before them
	for _, s := range d.r.Sequence {
		if s.Within == 0 {
			s.Within = d.r.Within
		}
		if s.Not {
			nots[len(steps)] = append(nots[len(steps)], s)
		} else {
			steps = append(steps, s)
		}
	}
	var try func(step, after int, start int64)
	found := map[int64]bool{}
	try = func(step, end int, start int64) {
		if step == len(steps) {
			if at, ok := d.final(nots[step], end); ok {
				found[at] = true
			}
			return
		}
		s := steps[step]
		for last := end + 1; last < len(d.events); last++ {
			if !matches(s.Match, &d.events[last]) ||
				step > 0 && d.events[last].at-d.events[end].at >= int64(s.Within) {
				continue
			}
			// as many as are asked for, the first at begin
			for begin := end + 1; begin <= last; begin++ {
				if n := d.among(s.Match, begin, last); !matches(s.Match, &d.events[begin]) ||
					n < s.Times ||
					s.Times == 1 && begin != last ||
					step > 0 && d.happens(nots[step], end, begin) {
					continue
				}
				from := start
				if step == 0 {
					from = d.events[begin].at
				}
				if d.events[last].at-from < int64(d.r.Within) {
					try(step+1, last, from)
				}
			}
		}
	}
	try(0, -1, 0)
	for at := range found {
		times = append(times, at)
	}
	slices.Sort(times)
	return times
}

// among counts matches from begin to last, both of which are meant.
func (d *definition) among(q rule.Query, begin, last int) (n int) {
	for i := begin; i <= last; i++ {
		if matches(q, &d.events[i]) {
			n++
		}
	}
	return n
}

func (d *definition) happens(nots []rule.Step, end, last int) bool {
	for _, n := range nots {
		for i := end + 1; i < last; i++ {
			if matches(n.Match, &d.events[i]) && d.events[i].at < d.events[end].at+int64(n.Within) {
				return true
			}
		}
	}
	return false
}

// final is when an instance completes whose last step ends with an event, if it does.
func (d *definition) final(nots []rule.Step, end int) (at int64, ok bool) {
	at = d.events[end].at
	for _, n := range nots {
		at = max(at, d.events[end].at+int64(n.Within))
	}
	return at, !d.happens(nots, end, len(d.events))
}

func TestSequencesAgreeWithTryingAllChoices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var steps []string
		for i := range rapid.IntRange(1, 4).Draw(t, "steps") {
			kind := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "kind")
			step := "{match: 'f:" + kind + "', times: " +
				fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "times"))
			if i > 0 && rapid.IntRange(0, 2).Draw(t, "not") == 0 {
				step = "{not: 'f:" + kind + "'"
			}
			if rapid.Bool().Draw(t, "within") {
				step += ", within: " + fmt.Sprint(rapid.IntRange(2, 9).Draw(t, "within")) + "s"
			}
			steps = append(steps, step+"}")
		}
		r := ruleOf(
			t,
			fmt.Sprintf(
				"window: 5s, within: %ds, sequence: [%s]",
				rapid.IntRange(3, 20).Draw(t, "within"),
				strings.Join(steps, ", "),
			),
		)
		p, err := Compile(r)
		if err != nil {
			t.Fatal(err)
		}
		list := drawSamples(t, 12)
		for i := range list {
			list[i].own, list[i].at = true, list[i].at/3/second*second
		}
		var got []string
		each := func(e Edge) { got = append(got, fmt.Sprint(e.At, e.Holds)) }
		lateness, newest := 4*second, int64(0)
		g := p.NewGroup(0)
		g.Sweep(p, -lateness, nil, each)
		var so []sample
		var before []int64
		for _, s := range arrive(t, list, lateness) {
			if g.Add(p, new(eventOf(p, r, &s))) != OnTime {
				t.Fatal("late")
			}
			so = append(so, s)
			e, found := g.Eager(p)
			done := define(r, p, so).complete()
			if found && (!p.FiresEarly() || e.At <= g.SweptTo() || !slices.Contains(done, e.At)) {
				t.Fatalf("eager: %+v, but completions are at %d", e, done)
			}
			completed := func(c int64) bool {
				return c > g.SweptTo() && !slices.Contains(before, c)
			}
			if p.FiresEarly() && !found && slices.ContainsFunc(done, completed) {
				t.Fatalf("an instance has completed, at one of %d, but is not found", done)
			}
			before = done
			newest = max(newest, s.at)
			if rapid.Bool().Draw(t, "sweep") {
				g.Sweep(p, newest-lateness, nil, each)
			}
			if rapid.IntRange(0, 3).Draw(t, "restore") == 0 {
				if g, err = p.Decode(g.Append(nil)); err != nil {
					t.Fatal(err)
				}
			}
		}
		g.Sweep(p, 200*second, nil, each)
		d := define(r, p, list)
		d.known = 0
		completions := d.complete()
		want := d.edges(func(at int64) bool {
			return slices.ContainsFunc(completions, func(c int64) bool {
				return c <= at && at < c+5*second
			})
		}, 100*second, second)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n%s", steps, diff)
		}
		if !g.Empty() {
			t.Fatal("something is kept for ever")
		}
	})
}

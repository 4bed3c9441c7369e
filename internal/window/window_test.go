package window

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

const horizon = 60 // seconds of events in random tests

// drawSamples draws events in order of time.
func drawSamples(t *rapid.T, most int) []sample {
	n := rapid.IntRange(1, most).Draw(t, "n")
	list := make([]sample, n)
	for i := range list {
		s := &list[i]
		s.at = rapid.Int64Range(0, horizon).Draw(t, "at") * second
		s.order = Order{Partition: int32(i % 2), Offset: int64(i)}
		s.own = rapid.IntRange(0, 9).Draw(t, "own") > 0
		s.kind = rapid.SampledFrom([]string{"x", "y", "z", ""}).Draw(t, "kind")
		s.num = rapid.SampledFrom([]float64{-2, 0, 1, 2, 2.5, 4, 8, numberless}).Draw(t, "num")
		s.user = rapid.SampledFrom([][]string{nil, {"a"}, {"b"}, {"c"}, {"a", "b"}}).Draw(t, "user")
	}
	slices.SortStableFunc(list, func(a, b sample) int { return int(min(max(a.at-b.at, -1), 1)) })
	return list
}

func drawNumber(t *rapid.T, depth int) string {
	if depth == 0 {
		return rapid.SampledFrom([]string{
			"count()", "count(f:x)", "count(f:y)", "rate()", "sum(n)", "avg(n)", "min(n)",
			"max(n, f:x)", "stddev(n)", "p50(n)", "p90(n)", "distinct(u)",
			"distinct(u, f:y)", "first(n)", "last(n)", "new(u)", "new(u, f:x)", "changed(u)",
			"count() offset 7s", "distinct(u) offset 3s", "sum(n) offset 5s",
			"count() over 4s", "quantile(n, 0.7)", "max(n) over 3s", "distinct(u) over 6s offset 2s", "1", "2", "3", "1.3",
		}).Draw(t, "call")
	}
	op := rapid.SampledFrom([]string{"+", "-", "*", "/"}).Draw(t, "op")
	return "(" + drawNumber(t, depth-1) + " " + op + " " + drawNumber(t, depth-1) + ")"
}

func drawTruth(t *rapid.T, depth int) string {
	switch rapid.IntRange(0, 2+2*depth).Draw(t, "truth") {
	case 0:
		return "since(f:" + rapid.SampledFrom([]string{"x", "y"}).
			Draw(t, "f") +
			") " + rapid.SampledFrom([]string{"<", "<=", ">", ">=", "=="}).
			Draw(t, "op") +
			" " +
			rapid.SampledFrom([]string{"3s", "9s"}).
				Draw(t, "age")
	case 3:
		return "not (" + drawTruth(t, depth-1) + ")"
	case 4:
		return "(" + drawTruth(
			t,
			depth-1,
		) + " " + rapid.SampledFrom([]string{"and", "or"}).
			Draw(t, "join") +
			" " + drawTruth(
			t,
			depth-1,
		) + ")"
	}
	depthOf := rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "depth")
	return drawNumber(
		t,
		depthOf,
	) + " " + rapid.SampledFrom([]string{"<", "<=", ">", ">=", "==", "!="}).
		Draw(t, "op") +
		" " + drawNumber(
		t,
		rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "depth"),
	)
}

// drawRule draws a rule and its text.
func drawRule(t *rapid.T) string {
	text := fmt.Sprintf(
		"match: boom, window: %ds",
		rapid.SampledFrom([]int{5, 10, 20}).Draw(t, "window"),
	)
	if rapid.IntRange(0, 7).Draw(t, "when") > 0 {
		text += ", when: '" + drawTruth(t, 2) + "'"
	}
	if rapid.IntRange(0, 3).Draw(t, "hops") == 0 {
		text += fmt.Sprintf(", every: %ds", rapid.SampledFrom([]int{1, 2, 5}).Draw(t, "every"))
	}
	if rapid.IntRange(0, 3).Draw(t, "resolves") == 0 {
		text += ", resolve: 'f:z'"
	}
	if rapid.IntRange(0, 2).Draw(t, "learns") == 0 {
		text += ", learn: 5s"
	}
	if rapid.Bool().Draw(t, "remembers") {
		text += ", remember: 10s"
	}
	return text
}

// small draws a condition whose windows are kept as those of a group in flood: with few events in a
// paneLength, or few different values.
func small(t *rapid.T, p *Condition) {
	if p.count == nil && rapid.IntRange(0, 2).Draw(t, "flood") > 0 {
		p.paneLength = rapid.SampledFrom([]int64{2, 3, 5}).Draw(t, "part") * second
		p.paneLimit = rapid.SampledFrom([]int{1, 2, 4, paneLimit}).Draw(t, "crowd")
		p.exactly = rapid.SampledFrom([]int{1, 2, ExactDistinct}).Draw(t, "exactly")
	}
}

func ruleOf(t interface{ Fatal(...any) }, text string) *rule.Rule {
	set, err := rule.Read(
		"test.rules.yml",
		[]byte("groups: [{name: g, lateness: 4s, rules: [{alert: A, "+text+"}]}]"),
	)
	if err != nil {
		t.Fatal(text, err)
	}
	return set.Rules[0]
}

// eventOf is a sample as the engine would hand it in.
// newGroupOf is a group whose first event is given.
func newGroupOf(p *Condition, ev Event) *Group {
	if p.MakesKnown(ev.Bits) {
		return p.NewGroup(ev.Time)
	}
	return p.NewGroup(Unknown)
}

func eventOf(p *Condition, r *rule.Rule, s *sample) Event {
	ev := Event{Time: s.at, Order: s.order}
	for i, q := range p.Filters() {
		if q == r.Match && s.own || q != r.Match && matches(q, s) {
			ev.Bits |= 1 << i
		}
	}
	for _, field := range p.Fields() {
		v := Value{}
		switch {
		case field == "n" && !math.IsNaN(s.num):
			v = Value{Kind: Number, Num: s.num}
		case field == "u" && len(s.user) == 1:
			v = Value{Kind: Text, Text: []byte(s.user[0])}
		case field == "u" && len(s.user) > 1:
			v.Kind = List
			for _, u := range s.user {
				v.List = append(v.List, Value{Kind: Text, Text: []byte(u)})
			}
		}
		ev.Values = append(ev.Values, v)
	}
	return ev
}

// entered is how many events there were until an instant.
func entered(list []sample, at int64) (n int64) {
	for i := range list {
		if list[i].at <= at {
			n++
		}
	}
	return n
}

// before is how many events have left a window that begins after an instant; those of a high-volume
// paneLength leave together.
func before(p *Condition, list []sample, at int64) (n int64) {
	for i := range list {
		begin := Floor(list[i].at-1, p.paneLength)
		leaves := list[i].at
		if entered(list, begin+p.paneLength)-entered(list, begin) > int64(p.paneLimit) {
			for j := range list {
				if list[j].at <= begin+p.paneLength {
					leaves = max(leaves, list[j].at)
				}
			}
		}
		n += one(leaves <= at)
	}
	return n
}

// arrive puts events into an order in which each is less than the lateness out of place.
func arrive(t *rapid.T, list []sample, lateness int64) []sample {
	list = slices.Clone(list)
	arrival := map[Order]int64{}
	for i := range list {
		arrival[list[i].order] = list[i].at + rapid.Int64Range(0, lateness-1).Draw(t, "delay")
	}
	slices.SortStableFunc(
		list,
		func(a, b sample) int { return int(min(max(arrival[a.order]-arrival[b.order], -1), 1)) },
	)
	return list
}

// Whatever the condition and whatever the order of arrival, the sweep finds what the definition
// says, also over saving and restoring.
func TestSweepAgreesWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := ruleOf(t, drawRule(t))
		p, err := Compile(r)
		if err != nil {
			t.Skip(err)
		}
		small(t, p)
		list := drawSamples(t, 24)
		if r.Resolve.Match == nil {
			for i := range list {
				list[i].own = true
			}
		}
		lateness := 4 * second
		restore := rapid.IntRange(0, 3).Draw(t, "restore")
		seen := slices.DeleteFunc(
			ownOnly(r, list),
			func(s sample) bool { return !s.own || !looksAt(p, eventOf(p, r, &s)) },
		)
		var got []string
		var g *Group
		resolved := int64(unswept + 1)
		each := func(e Edge) {
			if !e.Resolves || e.Cut {
				got = append(got, fmt.Sprint(e.At, e.Holds))
			}
			if g.state != nil && len(g.state.resets) > 0 {
				resolved = g.state.resets[len(g.state.resets)-1].at
			}
			if r.Resolve.Match != nil && p.paneLimit != paneLimit {
				return // panes end where a log resolves, but the count does not
			}
			before := max(before(p, seen, e.At-p.window), entered(seen, resolved-1))
			if e.Count != entered(seen, e.At)-before ||
				g.Entered(e.At) != entered(seen, e.At) ||
				g.EnteredBefore(p, e.At) != before {
				t.Fatalf(
					"%d events until %d, not %d; %d in the window; %d before, not %d",
					g.Entered(e.At),
					e.At,
					entered(seen, e.At),
					e.Count,
					g.EnteredBefore(p, e.At),
					before,
				)
			}
		}
		newest := int64(math.MinInt64)
		for i, s := range arrive(t, list, lateness) {
			if s.own || matches(r.Resolve.Match, &s) && r.Resolve.Match != nil {
				if g == nil {
					g = newGroupOf(p, eventOf(p, r, &s))
					g.Sweep(p, max(newest, unswept+lateness)-lateness, nil, each)
				}
				if a := g.Add(p, new(eventOf(p, r, &s))); a != OnTime {
					t.Fatal("in time, but", a)
				}
			}
			newest = max(newest, s.at)
			if g == nil {
				continue
			}
			if rapid.Bool().Draw(t, "sweep") {
				due := g.Due(p)
				before := len(got)
				g.Sweep(p, newest-lateness, nil, each)
				if len(got) > before && due > newest-lateness {
					t.Fatalf("edges %v, but due only at %d", got[before:], due)
				}
			}
			if restore > 0 && i%restore == 0 {
				data := g.Append(nil)
				restored, err := p.Decode(data)
				if err != nil {
					t.Fatal(err)
				}
				if again := restored.Append(nil); !slices.Equal(data, again) {
					t.Fatal("a group is not what it was when saved")
				}
				g = restored
			}
		}
		if g == nil {
			return
		}
		end := 3 * horizon * second
		g.Sweep(p, end, nil, each)
		d := define(r, p, ownOnly(r, list))
		when := r.When
		if when == nil {
			when = &rule.Binary{Op: ">", Left: &rule.Call{Func: "count"}, Right: &rule.Number{}}
		}
		want := d.edges(func(at int64) bool { return d.truth(when, true, at) }, end, second)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n%s", r.WhenText, diff)
		}
		if !p.KeepsKeys() && !g.Empty() && !g.Holds() {
			t.Fatal("a group without events is not empty")
		}
	})
}

// ownOnly drops what neither matches the rule nor resolves it.
func ownOnly(r *rule.Rule, list []sample) (own []sample) {
	for _, s := range list {
		if s.own || r.Resolve.Match != nil && matches(r.Resolve.Match, &s) {
			own = append(own, s)
		}
	}
	return own
}

// What Eager says holds, for the events so far; and with the event that completes a condition in
// order it says so at once.
func TestEagerAgreesWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		when := rapid.SampledFrom([]string{
			"count() > 3", "count() >= 2", "count(f:x) > 1 and count(f:y) > 1", "distinct(u) > 2",
			"max(n) > 4", "min(n) < 0", "rate() >= 0.4", "count() > 3 * count() offset 6s",
			"count(f:x) > 1 and since(f:y) < 4s", "not (count() < 3 or distinct(u) < 2)",
		}).Draw(t, "when")
		r := ruleOf(t, "match: boom, window: 10s, when: '"+when+"'")
		p, err := Compile(r)
		if err != nil {
			t.Fatal(err)
		}
		if !p.FiresEarly() {
			t.Fatal(when, "is not eager")
		}
		small(t, p)
		list := drawSamples(t, 24)
		for i := range list {
			list[i].own = true
		}
		lateness := 4 * second
		var so []sample
		g := p.NewGroup(list[0].at)
		newest := int64(math.MinInt64)
		var said []int64
		var got []string
		each := func(e Edge) { got = append(got, fmt.Sprint(e.At, e.Holds)) }
		opened := int64(Never)
		sweep := func() {
			due, before := g.Due(p), len(got)
			if rapid.Bool().Draw(t, "sweep") {
				g.Sweep(p, newest-lateness, nil, each)
			}
			if len(got) > before && due > newest-lateness {
				t.Fatalf("edges %v, but due only at %d", got[before:], due)
			}
		}
		for _, s := range arrive(t, list, lateness) {
			g.Add(p, new(eventOf(p, r, &s)))
			so = append(so, s)
			d := define(r, p, so)
			newest = max(newest, s.at)
			if g.SweptTo() >= opened && !g.Holds() {
				opened = Never
			}
			if opened != Never { // not evaluated while an alert is active
				sweep()
				continue
			}
			e, found := g.Eager(p)
			if found && rapid.Bool().Draw(t, "open") {
				opened = e.At
			}
			if found && (e.At <= g.SweptTo() || !d.truth(r.When, true, e.At)) {
				t.Fatalf("%s: at %d, swept to %d, it does not hold", when, e.At, g.SweptTo())
			}
			if s.at == newest && !found && d.truth(r.When, true, s.at) {
				t.Fatalf("%s: holds with the event at %d, but is not found", when, s.at)
			}
			if found {
				said = append(said, e.At)
			}
			sweep()
			if rapid.IntRange(0, 3).Draw(t, "restore") == 0 {
				if g, err = p.Decode(g.Append(nil)); err != nil {
					t.Fatal(err)
				}
			}
		}
		g.Sweep(p, 200*second, nil, each)
		d := define(r, p, list)
		if diff := cmp.Diff(d.edges(func(at int64) bool { return d.truth(r.When, true, at) }, 200*second, second), got); diff != "" {
			t.Fatalf("%s\n%s", when, diff)
		}
		for _, at := range said {
			if !d.truth(r.When, true, at) {
				t.Fatalf("%s: what was said of %d is not confirmed", when, at)
			}
		}
	})
}

// An event that comes later than it may counts from the watermark on; what was said before stays
// said.
func TestLateEventsCountFromWatermark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		when := rapid.SampledFrom([]string{
			"count() > 3", "count(f:x) >= 2", "distinct(u) > 1", "max(n) > 4", "min(n) < 0",
			"sum(n) > 6", "avg(n) >= 2", "p50(n) > 1", "first(n) > 1", "last(n) > 1",
			"stddev(n) > 1.3",
			"count(f:x) / count() > 50%", "since(f:y) < 4s", "count() > 2 * count() offset 6s",
			"count() < 2", "not max(n) > 2", "count() over 3s > 2", "quantile(n, 0.9) > 1.2",
		}).Draw(t, "when")
		every := rapid.SampledFrom([]string{"", ", every: 2s"}).Draw(t, "every")
		r := ruleOf(t, "match: boom, window: 10s, when: '"+when+"'"+every)
		p, err := Compile(r)
		if err != nil {
			t.Fatal(err)
		}
		small(t, p)
		// what has left a pane is not there any more to make it high-volume, see
		// TestLateFloodEventsSurviveRestart
		p.paneLimit = paneLimit
		var got []string
		each := func(e Edge) { got = append(got, fmt.Sprint(e.At, e.Holds)) }
		g := p.NewGroup(0)
		g.Sweep(p, -second, nil, each)
		newest := int64(0)
		var taken []sample
		for _, s := range arrive(t, drawSamples(t, 24), 15*second) {
			s.own, s.from = true, g.SweptTo()+1
			if arrival := g.Add(p, new(eventOf(p, r, &s))); arrival != TooLate {
				taken = append(taken, s)
			} else if s.at+int64(p.Lookback()) > g.SweptTo()+1 {
				t.Fatal("an event that still matters is refused")
			}
			g.Eager(p)
			newest = max(newest, s.at)
			if rapid.Bool().Draw(t, "sweep") {
				g.Sweep(p, newest-4*second, nil, each)
			}
			if rapid.IntRange(0, 3).Draw(t, "restore") == 0 {
				if g, err = p.Decode(g.Append(nil)); err != nil {
					t.Fatal(err)
				}
			}
		}
		g.Sweep(p, 200*second, nil, each)
		d := define(r, p, taken)
		d.known = 0
		want := d.edges(
			func(at int64) bool { return d.truth(r.When, true, at) },
			200*second,
			second,
		)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s%s\n%s", when, every, diff)
		}
	})
}

// encodedGroups are conditions, and a group of each as bytes.
func encodedGroups(t testing.TB) (r *rule.Rule, conditions []*Condition, texts [][]byte) {
	r = &rule.Rule{Window: 10 * time.Second, Remember: time.Minute}
	r.When, _ = rule.ParseCondition(
		"new(u) > 0 and avg(n) > 1 and changed(u) > 0 or p90(n) > 3 or distinct(u) > 2 or count() < 3 or first(n) > 2 or count() > 3 * baseline(count())",
	)
	general, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	general.paneLength, general.paneLimit, general.exactly = 3*second, 2, 1
	counting, _ := Compile(&rule.Rule{Window: 10 * time.Second})
	steps := &rule.Rule{
		Window: 10 * time.Second,
		Within: 20 * time.Second,
		Sequence: []rule.Step{
			{Match: &rule.Leaf{Text: "x"}, Times: 2},
			{Match: &rule.Leaf{Text: "z"}, Not: true},
			{Match: &rule.Leaf{Text: "y"}},
		},
	}
	sequence, err := Compile(steps)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Condition{general, counting, sequence} {
		g := p.NewGroup(0)
		for i := range int64(20) {
			s := sample{
				at:    i * second,
				order: Order{Offset: i},
				own:   true,
				kind:  []string{"x", "y", "z"}[i%3],
				num:   float64(i),
				user:  []string{"a", string(rune('b' + i))},
			}
			g.Add(p, new(eventOf(p, r, &s)))
		}
		g.Sweep(p, 15*second, nil, func(Edge) {})
		texts = append(texts, g.Append(nil))
		g.Eager(p)
		texts = append(texts, g.Append(nil))
	}
	return r, []*Condition{general, counting, sequence}, texts
}

// readDamaged reads a group that may be damaged, and goes on with it.
func readDamaged(t *testing.T, r *rule.Rule, p *Condition, data []byte) {
	g, err := p.Decode(data)
	if err != nil {
		return
	}
	s := sample{at: 16 * second, own: true, kind: "x", num: 3, user: []string{"c"}}
	g.Add(p, new(eventOf(p, r, &s)))
	g.Eager(p)
	n := 0
	for at := g.Due(p); at != Never && n < 100; at, n = g.Due(p), n+1 {
		g.Sweep(p, max(at, g.SweptTo()+1), nil, func(Edge) {})
	}
	if _, err := p.Decode(g.Append(nil)); err != nil {
		t.Fatal("what was read cannot be written and read again:", err)
	}
}

func FuzzDecode(f *testing.F) {
	r, conditions, texts := encodedGroups(f)
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range conditions {
			readDamaged(t, r, p, data)
		}
	})
}

// A state with a changed bit, with a byte inserted or cut off, or of another condition, is refused
// or read: anywhere in its head, and here and there in the rest.
func TestDamagedGroups(t *testing.T) {
	r, conditions, texts := encodedGroups(t)
	for _, text := range texts {
		for at := range text {
			if at > 60 && at%31 > 0 {
				continue
			}
			for bit := range 8 {
				changed := slices.Clone(text)
				changed[at] ^= 1 << bit
				for _, p := range conditions {
					readDamaged(t, r, p, changed)
				}
			}
			for _, p := range conditions {
				readDamaged(t, r, p, text[:at])
				readDamaged(t, r, p, slices.Insert(slices.Clone(text), at, byte(at)))
				readDamaged(t, r, p, slices.Delete(slices.Clone(text), at, at+1))
			}
		}
	}
}

// A state with the chain of a sequence is refused where the condition has no sequence.
func TestStateOfAnotherSequence(t *testing.T) {
	r := &rule.Rule{Window: 10 * time.Second}
	r.When, _ = rule.ParseCondition("distinct(u) > 2")
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	g := p.NewGroup(0)
	g.Add(p, new(eventOf(p, r, &sample{at: second, own: true, user: []string{"a"}})))
	if _, err := p.Decode(g.Append(nil)); err != nil {
		t.Fatal(err)
	}
	g.state.steps = stepEvents{[]int64{second}, []Order{{}}, []uint64{1}}
	g.state.early.chain = &chain{}
	if _, err := p.Decode(g.Append(nil)); err == nil {
		t.Error("the state was read")
	}
}

// looksAt says whether any call of a condition is about an event.
func looksAt(p *Condition, ev Event) bool {
	return len(p.series) == 0 ||
		slices.ContainsFunc(
			p.series,
			func(s seriesSpec) bool { return s.filter < 0 || ev.Bits>>s.filter&1 != 0 },
		)
}

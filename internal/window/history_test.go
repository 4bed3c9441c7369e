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

// monday is 00:00 of a Monday.
var monday = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC).UnixNano()

const minute = int64(time.Minute)

// past computes baselines, scores and offsets of days from the whole list of events.
func (d *definition) past(c *rule.Call, at int64) float64 {
	grid := gridOf(int64(d.r.Window))
	now := Floor(at, grid)
	if c.Func == "count" {
		if x := Floor(at-int64(c.Offset), grid); x-int64(d.r.Window) >= d.known {
			return d.number(&rule.Call{Func: "count", Filter: c.Filter}, x)
		}
		return math.NaN()
	}
	var values []float64
	for x := now - day; x >= now-int64(c.Span); x -= day {
		v := d.number(c.Of, x)
		free := func(t int64) bool {
			w := time.Unix(0, t).UTC().Weekday()
			return w == time.Saturday || w == time.Sunday
		}
		if x-int64(d.r.Window) >= d.known && free(x) == free(now) && !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) < 3 {
		return math.NaN()
	}
	n, total, squares := float64(len(values)), 0.0, 0.0
	for _, v := range values {
		total += v
	}
	for _, v := range values {
		squares += (v - total/n) * (v - total/n)
	}
	slices.Sort(values)
	switch {
	case c.Func == "baseline":
		return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	case squares == 0:
		return math.NaN()
	}
	return (d.number(c.Of, at) - total/n) / math.Sqrt(squares/n)
}

func TestBaselinesAgreeWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		when := rapid.SampledFrom([]string{
			"count() > baseline(count(), 5d)", "count() < baseline(count(), 4d)",
			"zscore(count(), 5d) > 1", "zscore(count(), 5d) < -0.7", "count() > count() offset 1d",
			"avg(n) > baseline(avg(n), 5d)",
			"count() > 1 and count(f:x) >= 2 * baseline(count(f:y), 6d)",
		}).Draw(t, "when")
		r := ruleOf(t, "match: boom, window: 1h, when: '"+when+"'")
		p, err := Compile(r)
		if err != nil {
			t.Fatal(err)
		}
		start := monday + int64(rapid.IntRange(0, 6).Draw(t, "weekday"))*day
		var list []sample
		for i := range rapid.IntRange(10, 50).Draw(t, "events") {
			at := int64(rapid.IntRange(0, 7).Draw(t, "day"))*day + int64(rapid.IntRange(0,
				20).Draw(t, "at"))*5*minute
			list = append(
				list,
				sample{
					at:    start + at,
					order: Order{Offset: int64(i)},
					own:   true,
					num:   float64(i % 5),
					kind:  []string{"x", "y"}[i%2],
				},
			)
		}
		slices.SortFunc(list, func(a, b sample) int { return int(min(max(a.at-b.at, -1), 1)) })
		var got []string
		g := p.NewGroup(list[0].at)
		each := func(e Edge) { got = append(got, fmt.Sprint(e.At-start, e.Holds)) }
		for i, s := range list {
			g.Add(p, new(eventOf(p, r, &s)))
			g.Sweep(p, s.at-1, nil, each)
			if i%7 == 3 {
				if g, err = p.Decode(g.Append(nil)); err != nil {
					t.Fatal(err)
				}
			}
		}
		g.Sweep(p, start+9*day, nil, each)
		d := define(r, p, list)
		var want []string
		up := false
		for at := d.known; at <= start+9*day; at += 5 * minute {
			if now := d.truth(r.When, true, at); now != up {
				up = now
				want = append(want, fmt.Sprint(at-start, now))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n%s", when, diff)
		}
	})
}

func TestBaselineNeedsThreeDays(t *testing.T) {
	r := ruleOf(
		t,
		"match: boom, window: 1h, when: 'count() > 3 * baseline(count(), 4w) and count() >= 4'",
	)
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	if !p.FiresEarly() || p.Lookback() < 28*24*time.Hour {
		t.Error("eager:", p.FiresEarly(), "retention:", p.Lookback())
	}
	fires := func(days int) bool {
		g := p.NewGroup(monday)
		for i := range days { // one at noon each day
			g.Add(p, &Event{Time: monday + int64(i)*day + 12*60*minute})
		}
		at := monday + int64(days)*day + 12*60*minute
		g.Sweep(p, at, nil, func(Edge) {})
		for range 4 {
			g.Add(p, &Event{Time: at + minute})
		}
		_, found := g.Eager(p)
		return found
	}
	if fires(2) {
		t.Error("fires with two days")
	}
	if !fires(3) {
		t.Error("does not fire with three days")
	}
}

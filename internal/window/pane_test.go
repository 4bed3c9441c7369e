package window

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var floodConditions = []string{
	"distinct(u) > 4", "distinct(u) < 7", "distinct(u) == 3", "distinct(u, f:x) > 2",
	"distinct(u) > count() / 3", "distinct(u) > 5 and distinct(u) offset 6s <= 6", "sum(n) > 20",
	"avg(n) >= 2",
	"stddev(n) > 2.3", "min(n) < 0", "max(n) <= 4", "first(n) > last(n)", "p50(n) > 1",
	"p90(n, f:x) <= 4", "p90(n) == 8", "p90(n) > 3 * p50(n)", "p90(n) <= 2 * p50(n)", "p90(n) < 4",
	// no pane is longer than a window
	"count() over 6s > 3", "p50(n) over 5s > 1", "quantile(n, 0.9) > 3.1", "distinct(u) over 5s > 4",
	"count() over 5s > 2 * count() over 5s offset 4s", "sum(n) over 7s > sum(n) / 2",
	"quantile(n, 0.5) over 5s < quantile(n, 0.25)", "stddev(n) over 6s > 2.3",
	"distinct(u) over 5s < distinct(u) / 2",
	"p50(n) >= 1", "count(f:x) / count() > 40%", "rate(f:y) > 0.3",
	"sum(n) > sum(n) offset 4s", "count(f:x) > count(f:x) offset 7s", "max(n) - min(n) > 9",
	"since(f:x) > 3s and count() > 4", "avg(n) > avg(n) offset 12s and p50(n) < 3",
}

// In a flood, too, what the sweep finds is what is defined, whatever the order of arrival, the pace
// of the watermark, and wherever the state is saved and restored.
func TestFloodAgreesWithDefinition(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, when := range floodConditions {
			resolve := []string{"", ", resolve: 'f:z'"}[rng.IntN(2)]
			r := ruleOf(t, "match: boom, window: 10s, when: '"+when+"'"+resolve)
			p, err := Compile(r)
			if err != nil {
				t.Fatal(err)
			}
			p.paneLength = int64(1+rng.IntN(5)) * second
			p.paneLimit, p.exactly = 1+rng.IntN(6), 1+rng.IntN(6)
			list := flood(rng, r.Resolve.Match != nil)
			d := define(r, p, list)
			want := d.edges(
				func(at int64) bool { return d.truth(r.When, true, at) },
				90*second,
				second,
			)
			for range 2 {
				f := flooded{
					p:        p,
					lateness: 4 * second,
					still: resolve == "" && !p.undefinedAtFirst &&
						!strings.Contains(when, "since"),
				}
				for _, s := range shuffled(rng, list, f.lateness) {
					f.add(eventOf(p, r, &s), rng)
				}
				f.g.Sweep(p, 200*second, nil, f.each)
				if diff := cmp.Diff(want, f.got); diff != "" {
					t.Fatalf(
						"seed %d: %s%s, panes of %ds, limit %d, exactly %d (-want +got)\n%s",
						seed,
						when,
						resolve,
						p.paneLength/second,
						p.paneLimit,
						p.exactly,
						diff,
					)
				}
				if !p.keepsKeys && !f.g.Empty() {
					t.Fatal("a group without events is not empty")
				}
			}
		}
	}
}

// With events that come too late it does not matter either where the state is saved and restored.
func TestLateFloodEventsSurviveRestart(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 2))
		disorder := int64(10+3*seed) * second
		for _, when := range floodConditions {
			r := ruleOf(t, "match: boom, window: 10s, when: '"+when+"'")
			p, err := Compile(r)
			if err != nil {
				t.Fatal(err)
			}
			p.paneLength = int64(1+rng.IntN(5)) * second
			p.paneLimit, p.exactly = 1+rng.IntN(6), 1+rng.IntN(6)
			list := shuffled(rng, flood(rng, false), disorder)
			live := func(restore bool) []string {
				f, pace := flooded{p: p, lateness: 4 * second}, rand.New(rand.NewPCG(seed, 3))
				for _, s := range list {
					f.take(eventOf(p, r, &s))
					if pace.IntN(3) == 0 {
						f.g.Sweep(p, f.newest-f.lateness, nil, f.each)
					}
					if restore {
						f.restart()
					}
				}
				f.g.Sweep(p, 200*second, nil, f.each)
				return f.got
			}
			if diff := cmp.Diff(live(false), live(true)); diff != "" {
				t.Fatalf(
					"seed %d: %s, panes of %ds, limit %d, exactly %d (-live +restored)\n%s",
					seed,
					when,
					p.paneLength/second,
					p.paneLimit,
					p.exactly,
					diff,
				)
			}
		}
	}
}

// flooded is a group that lives through a flood, with its watermark and interruptions at any time.
type flooded struct {
	p                *Condition
	g                *Group
	newest, lateness int64
	still            bool // only what enters and leaves makes a value another one
	got              []string
}

func (f *flooded) each(e Edge) {
	if !e.Resolves || e.Cut {
		f.got = append(f.got, fmt.Sprint(e.At, e.Holds))
	}
}

func (f *flooded) take(ev Event) {
	if f.g == nil {
		f.g, f.newest = newGroupOf(f.p, ev), math.MinInt64
	}
	f.g.Add(f.p, &ev)
	f.newest = max(f.newest, ev.Time)
}

// restart saves and restores the group.
func (f *flooded) restart() {
	data := f.g.Append(nil)
	g, err := f.p.Decode(data)
	if err != nil {
		panic(err)
	}
	if again := g.Append(nil); !slices.Equal(data, again) {
		panic("a group is not what it was when saved")
	}
	f.g = g
}

func (f *flooded) add(ev Event, rng *rand.Rand) {
	f.take(ev)
	if rng.IntN(5) == 0 {
		f.g.Eager(f.p)
	}
	if rng.IntN(8) == 0 {
		moves, value, held := f.g.NextValueChange(f.p), f.g.Value(
			f.p,
			f.g.SweptTo(),
			nil,
		), f.g.Events(f.p)
		f.g.Sweep(f.p, f.newest-f.lateness, nil, f.each)
		if swept := f.g.SweptTo(); moves > swept && f.still &&
			(held != f.g.Events(f.p) || !same(value, f.g.Value(f.p, swept, nil))) {
			panic(fmt.Sprint(value, " became another value, but nothing moved"))
		}
	}
	if rng.IntN(20) == 0 {
		f.restart()
	}
}

// shuffled puts events into an order in which each is less than the lateness out of place.
func shuffled(rng *rand.Rand, list []sample, lateness int64) []sample {
	list = slices.Clone(list)
	arrival := map[Order]int64{}
	for i := range list {
		arrival[list[i].order] = list[i].at + rng.Int64N(lateness)
	}
	slices.SortStableFunc(
		list,
		func(a, b sample) int { return int(min(max(arrival[a.order]-arrival[b.order], -1), 1)) },
	)
	return list
}

// flood is many events in order of time, in waves.
func flood(rng *rand.Rand, resolved bool) (list []sample) {
	for at := range int64(horizon) {
		for range []int{0, 0, 1, 3, 6}[(int(at)/7+rng.IntN(2))%5] {
			s := sample{
				at:    at * second,
				order: Order{Offset: int64(len(list))},
				own:   true,
				kind:  []string{"x", "y", ""}[rng.IntN(3)],
				num: []float64{
					-2, 0, 0.997, 1, 1.003, 2, 2.5, 3.99, 4, 8, numberless,
				}[rng.IntN(11)],
				user: []string{fmt.Sprint(rng.IntN(1 + int(at)%20))},
			}
			if resolved && rng.IntN(30) == 0 {
				s.own, s.kind = false, "z"
			}
			list = append(list, s)
		}
	}
	return list
}

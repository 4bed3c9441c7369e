package window

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const million = 1_000_000

// pour adds n events to a group, one each millisecond, with a watermark ten seconds behind, and
// calls at now and then.
func pour(
	t testing.TB,
	n int,
	when string,
	of func(i int) (user string, num float64),
	at func(p *Condition, g *Group, i int),
) {
	r := ruleOf(t, "match: a, window: 5m, when: '"+when+"'")
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	g := p.NewGroup(0)
	for i := range n {
		s := sample{
			at:    int64(i) * second / 1000,
			order: Order{Offset: int64(i)},
			kind:  []string{"x", "y"}[i%2],
			num:   numberless,
		}
		user, num := of(i)
		if s.num = num; user != "" {
			s.user = []string{user}
		}
		g.Add(p, new(eventOf(p, r, &s)))
		if i%1000 == 999 {
			g.Sweep(p, s.at-10*second, nil, func(Edge) {})
		}
		if i%35_000 == 34_999 {
			at(p, g, i)
		}
	}
}

func TestManyDistinctValuesAreEstimated(t *testing.T) {
	squares, n := 0.0, 0.0
	pour(
		t,
		million,
		"distinct(u) > 2000000",
		func(i int) (string, float64) { return fmt.Sprint("user-", i*7919), 0 },
		func(p *Condition, g *Group, i int) {
			if got := g.Bytes(); got > 4<<20 {
				t.Fatalf("%d bytes after %d events", got, i)
			}
			at := int64(i) * second / 1000
			got := g.Value(p, at, nil)
			least := float64(min(i+1, 300_000))
			most := min(float64(i+1), least*(1+1.0/panes))
			if got < least*0.94 || got > most*1.06 {
				t.Errorf("at %d: %v of %v to %v values", i, got, least, most)
			}
			truth := min(float64(i+1), 300_000+float64((i+1)%10_000))
			squares, n = squares+(got/truth-1)*(got/truth-1), n+1
		},
	)
	if off := math.Sqrt(squares / n); off > 2*1.04/math.Sqrt(registers) {
		t.Errorf("standard error is %v", off)
	}
}

// With a threshold that is not greater than what is counted exactly, the decision is exact however
// many values there are, and anyone who comes when.
func TestSmallThresholdIsExact(t *testing.T) {
	r := ruleOf(t, "match: a, window: 3s, when: 'distinct(u) > 900'")
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	var list []sample
	for i := range 30_000 { // a wave of very many values every 10 s
		at := int64(i) * int64(second) / 1000
		if wave := i / 1000 % 10; wave > 4 && rng.IntN(20) > 0 {
			continue
		}
		list = append(
			list,
			sample{
				at:    at,
				order: Order{Offset: int64(i)},
				own:   true,
				num:   numberless,
				user:  []string{fmt.Sprint(rng.IntN(1_000_000) >> rng.IntN(12))},
			},
		)
	}
	var want []string
	last, up := map[string]int64{}, false
	edges := func(at int64) {
		maps.DeleteFunc(last, func(_ string, t int64) bool { return t <= at-3*second })
		if len(last) > 900 != up {
			up = !up
			want = append(want, fmt.Sprint(at, up))
		}
	}
	next := 0
	for at := int64(0); at <= 45*second; at += second / 1000 {
		for next < len(list) && list[next].at <= at {
			last[list[next].user[0]] = list[next].at
			next++
		}
		edges(at)
	}
	for range 2 {
		f := flooded{p: p, lateness: second}
		for i, s := range shuffled(rng, list, f.lateness) {
			if f.g == nil {
				f.g = p.NewGroup(0)
			}
			f.g.Add(p, new(eventOf(p, r, &s)))
			if f.newest = max(f.newest, s.at); i%500 == 0 {
				f.g.Sweep(p, f.newest-f.lateness, nil, f.each)
			}
		}
		f.g.Sweep(p, 200*second, nil, f.each)
		if diff := cmp.Diff(want, f.got); diff != "" || len(want) < 4 {
			t.Fatal(diff, want)
		}
	}
}

func TestPercentilesOfManyNumbersAreEstimated(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	nums := make([]float64, 0, 400_000)
	of := func(int) (string, float64) {
		nums = append(nums, math.Round(math.Exp(rng.NormFloat64()*2+4)*100)/100)
		return "", nums[len(nums)-1]
	}
	pour(
		t,
		400_000,
		"p99(n) > 2 * p50(n) and avg(n) > 0 and stddev(n) > 0 and max(n) > 0 and count(f:x) > 0 "+
			"and first(n) > 0",
		of,
		func(p *Condition, g *Group, i int) {
			if got := g.Bytes(); got > 4<<20 {
				t.Fatalf("%d bytes after %d events", got, i)
			}
			at := int64(i) * second / 1000
			x := g.instant(p, at, nil)
			in := nums[max(0, i+1-300_000):]
			if i >= 300_000 {
				// the pane that is leaving is there as a whole
				in = nums[(i-300_000)/10_000*10_000+1:]
			}
			sorted := slices.Sorted(slices.Values(in))
			for _, c := range p.calls {
				if c.of != percentile {
					continue
				}
				want := sorted[c.place(len(sorted))]
				if got := c.value(x); math.Abs(got-want) > accuracy*want {
					t.Errorf("at %d: p%v is %v, not %v", i, 100*c.quantile, got, want)
				}
			}
		},
	)
}

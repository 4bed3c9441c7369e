package window

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

// values is a table of what a function yields over a window of ten seconds.
type valueTable struct {
	t *testing.T
	p *Condition
}

func valuesOf(t *testing.T, call string) valueTable {
	t.Helper()
	r := ruleOf(t, "window: 10s, when: '"+call+" > 0'")
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	return valueTable{t, p}
}

// at adds events such as 3x:250ms (an x at 3 s whose field is 250ms), and compares the value at an
// instant in seconds.
func (v valueTable) at(second float64, events string, want float64) {
	v.t.Helper()
	g := v.p.NewGroup(0)
	for i, word := range strings.Fields(events) {
		when, text, _ := strings.Cut(word, ":")
		at, err := strconv.ParseFloat(strings.TrimRight(when, "xyz"), 64)
		if err != nil {
			v.t.Fatal(err)
		}
		ev := Event{Time: int64(at * 1e9), Order: Order{Offset: int64(i)}}
		for bit, q := range v.p.Filters() {
			if matches(q, &sample{kind: strings.TrimLeft(when, "0123456789.")}) {
				ev.Bits |= 1 << bit
			}
		}
		ev.Values = []Value{textual(text)}
		g.Add(v.p, &ev)
	}
	if got := g.Value(v.p, int64(second*1e9), nil); got != want &&
		!(math.IsNaN(got) && math.IsNaN(want)) {
		v.t.Errorf("%s at %v: %v, not %v", events, second, got, want)
	}
}

// textual is the value of a field that was read from text; members of a list are separated by bars.
func textual(text string) Value {
	if text == "" {
		return Value{}
	}
	if members := strings.Split(text, "|"); len(members) > 1 {
		list := Value{Kind: List}
		for _, m := range members {
			list.List = append(list.List, textual(m))
		}
		return list
	}
	if num, ok := numeric([]byte(text)); ok {
		return Value{Kind: Number, Num: num, Text: []byte(text)}
	}
	return Value{Kind: Text, Text: []byte(text)}
}

var undefined = math.NaN()

func TestCountAndRate(t *testing.T) {
	v := valuesOf(t, "count()")
	v.at(5, "1 2 3", 3)
	v.at(11, "1 2 3", 2) // what entered ten seconds ago has left
	v.at(2, "1 2 3", 2)
	v = valuesOf(t, "count(f:x)")
	v.at(5, "1x 2y 3x 4", 2)
	v = valuesOf(t, "rate(f:x)")
	v.at(5, "1x 2y 3x 4", 0.2)
}

func TestSumAndAverage(t *testing.T) {
	v := valuesOf(t, "sum(n)")
	v.at(5, "1:5 2:-7 3", -2)
	v.at(12, "1:1e15 2:0.1 3:0.2", 0.2) // what has left leaves no trace
	v.at(5, "1 2:abc", undefined)
	v.at(5, "1:250ms 2:1s", 1250)
	v.at(5, "1:0.1 2:0.2 3:0.3 4:1e16 5:-1e16", 0.6)
	v = valuesOf(t, "avg(n)")
	v.at(5, "1:5 2:6 3", 5.5)
	v.at(5, "1", undefined)
	v = valuesOf(t, "avg(n, f:x)")
	v.at(5, "1x:5 2y:6", 5)
}

func TestExtremes(t *testing.T) {
	v := valuesOf(t, "max(n)")
	v.at(5, "1:5 2:9 3:7", 9)
	v.at(12, "1:5 2:9 3:7", 7)
	v.at(12, "3:7 2:9 1:5", 7)
	v.at(20, "1:5", undefined)
	v = valuesOf(t, "min(n)")
	v.at(5, "1:5 2:-9 3:7", -9)
	v.at(12, "1:5 2:-9 3:7 4:8", 7)
}

func TestStandardDeviation(t *testing.T) {
	v := valuesOf(t, "stddev(n)")
	v.at(9, "1:2 2:4 3:4 4:4 5:5 6:5 7:7 8:9", 2)
	v.at(9, "1:1e9 2:1e9", 0)
	v.at(
		9,
		"1:1000000002 2:1000000004 3:1000000004 4:1000000004 5:1000000005 6:1000000005 "+
			"7:1000000007 8:1000000009",
		2,
	)
	v.at(9, "1", undefined)
}

func TestPercentiles(t *testing.T) {
	v := valuesOf(t, "p50(n)")
	v.at(9, "1:3 2:1 3:2", 2)
	v.at(9, "1:3 2:1 3:2 4:4", 2)
	v.at(9, "1", undefined)
	v = valuesOf(t, "p99(n)")
	v.at(9, "1:3 2:1 3:2 4:40", 40)
	v.at(14, "1:3 2:1 3:2 4:40 5:6", 6)
	v = valuesOf(t, "p99.9(n, f:x)")
	v.at(9, "1x:3 2y:10", 3)
}

func TestDistinct(t *testing.T) {
	v := valuesOf(t, "distinct(u)")
	v.at(5, "1:a 2:b 3:a 4", 2)
	v.at(12, "1:a 2:b 3:a", 1)
	v.at(5, "1:a|b 2:b|c", 3)
	v.at(5, "1:500 2:500 3:404", 2)
	v = valuesOf(t, "distinct(u, f:x)")
	v.at(5, "1x:a 2y:b", 1)
}

func TestFirstAndLast(t *testing.T) {
	v := valuesOf(t, "first(n)")
	v.at(5, "2:7 1:5 3:9", 5)
	v.at(11, "2:7 1:5 3:9", 7)
	v.at(5, "1:5 1:6", 5) // of one instant, the one that stands first in the source
	v = valuesOf(t, "last(n)")
	v.at(5, "1:5 3:9 2:7 4", 9)
	v.at(20, "1:5", undefined)
	v = valuesOf(t, "last(n) - first(n)")
	v.at(5, "1:5 2:7 3:9", 4)
}

func TestChanged(t *testing.T) {
	v := valuesOf(t, "changed(u)")
	v.at(5, "1:a 2:a 3:b 4:a", 2)
	v.at(5, "4:a 3:b 2:a 1:a", 2)
	v.at(13.5, "1:a 2:a 3:b 4:a", 1)
	v.at(12, "1:a 11:b", 1) // the one before may have left
	v.at(5, "1:a 2 3:a", 0)
}

func TestOffset(t *testing.T) {
	v := valuesOf(t, "count() offset 20s")
	v.at(35, "1 5 6 7 15 16 25", 3)
	v.at(29, "1 6 7", undefined) // not yet known for that long
}

func TestArithmetic(t *testing.T) {
	v := valuesOf(t, "count(f:x) / count(f:y)")
	v.at(5, "1x 2x 3y 4", 2)
	v.at(5, "1x", undefined)
	v = valuesOf(t, "100 * (count(f:x) - count(f:y)) / count()")
	v.at(5, "1x 2x 3y 4", 25)
}

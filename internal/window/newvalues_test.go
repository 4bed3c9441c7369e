package window

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValueIsNewOnce(t *testing.T) {
	f := func(rest, events string, want ...string) {
		t.Helper()
		r := ruleOf(t, "match: boom, window: 10s, when: 'new(u) > 0'"+rest)
		p, err := Compile(r)
		if err != nil {
			t.Fatal(err)
		}
		g := p.NewGroup(0)
		var at int64
		var value string
		for i := 0; len(events) > 0; i++ {
			n, _ := fmt.Sscanf(events, "%d:%s", &at, &value)
			if n != 2 {
				break
			}
			events = events[len(fmt.Sprintf("%d:%s", at, value)):]
			if len(events) > 0 {
				events = events[1:]
			}
			g.Add(
				p,
				&Event{
					Time:   at * second,
					Order:  Order{Offset: int64(i)},
					Values: []Value{textual(value)},
				},
			)
		}
		var got []string
		g.Sweep(p, 1000*second, nil, func(e Edge) {
			got = append(got, fmt.Sprint(e.At/second, e.Holds))
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", rest, diff)
		}
	}
	f("", "1:a 5:a 30:a", "1 true", "11 false")
	f("", "1:a 40:b", "1 true", "11 false", "40 true", "50 false")
	f("", "40:b 1:b", "1 true", "11 false") // first seen is the earliest, not the first to arrive
	f(", learn: 20s", "1:a 40:a 50:b", "50 true", "60 false")
	f(", remember: 20s", "1:a 20:a 39:a", "1 true", "11 false")
	f(", remember: 20s", "1:a 20:a 41:a", "1 true", "11 false", "41 true", "51 false")
	f(", remember: 20s", "1:a 41:a 20:a", "1 true", "11 false", "41 true", "51 false")
	f("", "1:a|b 5:b|c", "1 true", "15 false")
}

func TestLateEventNeverMakesValueNew(t *testing.T) {
	r := ruleOf(t, "match: boom, window: 10s, when: 'new(u) > 0'")
	p, _ := Compile(r)
	g := p.NewGroup(0)
	var got []string
	each := func(e Edge) { got = append(got, fmt.Sprint(e.At/second, e.Holds, e.Late)) }
	g.Add(p, &Event{Time: 20 * second, Values: []Value{textual("a")}})
	g.Sweep(p, 25*second, nil, each)
	if a := g.Add(p, &Event{Time: 17 * second, Values: []Value{textual("a")}}); a != Late {
		t.Error(a)
	}
	g.Sweep(p, 100*second, nil, each)
	if diff := cmp.Diff([]string{"20 true false", "27 false false"}, got); diff != "" {
		t.Error(diff)
	}
}

// Combinations are new as a whole; a log that lacks a field has none, and no two share a text.
func TestNewCombinations(t *testing.T) {
	r := ruleOf(t, "match: boom, window: 10s, when: 'new(u, v) > 0'")
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) Value {
		if s == "" {
			return Value{}
		}
		return Value{Kind: Text, Text: []byte(s)}
	}
	sp := &p.series[0]
	seen := map[string]bool{}
	for _, pair := range [][2]string{
		{"a", "b"}, {"ab", ""}, {"", "ab"}, {"a", "bc"}, {"ab", "c"}, {"a", "b"},
	} {
		ev := &Event{Values: []Value{text(pair[0]), text(pair[1])}}
		first := ev.value(sp.field).appendText(nil)
		if whole := combination(first, sp, ev); len(first) > 0 && whole != nil {
			seen[string(whole)] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d combinations", len(seen))
	}
}

// A change counts only within its time of the event before.
func TestChangedWithin(t *testing.T) {
	c := &changes{within: 10}
	s := &series{times: []int64{0, 10, 21, 22}, texts: []string{"a", "b", "a", "b"}}
	for i := range s.times {
		c.add(s, i)
	}
	if c.n != 2 {
		t.Error(c.n)
	}
}

// A group remembers as many values as it may, and of more forgets a tenth: those not seen for
// longest.
func TestMostValuesAreRemembered(t *testing.T) {
	n := novelty{seen: make(map[string][]stretch, maxSeen)}
	for i := range int64(maxSeen) {
		n.seen[strconv.FormatInt(i, 10)] = []stretch{{first: i, last: i}}
	}
	if n.purgeSeen(0, 0, maxSeen); len(n.seen) != maxSeen {
		t.Errorf("%d values are remembered", len(n.seen))
	}
	few := novelty{seen: map[string][]stretch{}}
	for i := range int64(20) { // the first is seen again last
		few.seen[strconv.FormatInt(i, 10)] = []stretch{{first: i, last: max(i, 100-100*i)}}
	}
	few.evict()
	var gone []string
	for i := range 20 {
		if name := strconv.Itoa(i); few.seen[name] == nil {
			gone = append(gone, name)
		}
	}
	if diff := cmp.Diff([]string{"1", "2"}, gone); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

package window

import (
	"slices"
	"strings"
)

// kind is what a series keeps of its events beside their times.
type kind uint8

const (
	times   kind = iota
	numbers      // the number of a field
	texts        // the text of a field
	novel        // nothing; its events are the first ones of each text
	derived      // nothing; its events are derived in the sweep
)

// seriesSpec says which events of a rule a series holds: those that satisfy a filter and have a
// field.
type seriesSpec struct {
	kind    kind
	filter  int   // in Condition.filters, -1 for none
	field   int   // in Condition.fields, -1 for none
	also    []int // further fields, whose values make one text with that of field
	keep    int64
	spare   int  // how many more than those younger than keep are kept, however old they are
	ordered bool // events of one instant stand in their order

	lag int64 // by how much the window of a call may be behind
	// what is asked about the numbers: sums, sums of squares, percentiles
	summed, squared, ranked bool
	bounds                  []float64 // constants that percentiles are compared with
}

// series is the events of a group that one or more calls are about, in order.
type series struct {
	times       []int64
	nums        []float64
	texts       []string
	orders      []Order
	aggregates  []*paneAggregate // what stands for several events; nil if there are none
	foldedPanes []foldedPane     // the panes that hold an aggregate, in order

	pruned []prunedPane // by their ends

	checked int // events at the front that were looked at when something was last folded or pruned
	novelty
}

// add adds an event, and returns its place, or -1 if the series does not hold it.
func (s *series) add(p *seriesSpec, ev *Event, v Value) int {
	if p.kind == derived || p.filter >= 0 && ev.Bits>>p.filter&1 == 0 {
		return -1
	}
	at := s.place(p, ev)
	switch p.kind {
	case numbers:
		num, ok := v.number()
		if !ok {
			return -1
		}
		s.nums = slices.Insert(s.nums, at, num)
	case texts:
		text := v.appendText(nil)
		if len(text) == 0 {
			return -1
		}
		s.texts = slices.Insert(s.texts, at, s.shared(at, text))
	}
	s.times = slices.Insert(s.times, at, ev.Time)
	if s.aggregates != nil {
		s.aggregates = slices.Insert(s.aggregates, at, nil)
	}
	if p.ordered {
		s.orders = slices.Insert(s.orders, at, ev.Order)
	}
	return at
}

// value is the value of a field, absent if the event was given fewer.
func (ev *Event) value(field int) Value {
	if field >= 0 && field < len(ev.Values) {
		return ev.Values[field]
	}
	return Value{}
}

func (s *series) place(p *seriesSpec, ev *Event) int {
	at := after(s.times, ev.Time)
	for p.ordered && at > 0 && s.times[at-1] == ev.Time && ev.Order.Compare(s.orders[at-1]) < 0 {
		at--
	}
	return at
}

// shared is a text as a string, that of a neighbour if it is the same.
func (s *series) shared(at int, text []byte) string {
	for _, i := range []int{at - 1, at} {
		if i >= 0 && i < len(s.texts) && s.texts[i] == string(text) {
			return s.texts[i]
		}
	}
	return string(text)
}

// evict drops events that no call will ask about after the watermark: of those gone at the front.
// It returns how many it dropped.
func (s *series) evict(p *seriesSpec, gone int) int {
	gone -= p.spare
	if gone <= 0 || gone < len(s.times)/2 {
		return 0
	}
	s.cut(gone)
	return gone
}

// cut drops the first n events.
func (s *series) cut(n int) {
	s.times = slices.Delete(s.times, 0, n)
	if s.nums != nil {
		s.nums = slices.Delete(s.nums, 0, n)
	}
	if s.texts != nil {
		s.texts = slices.Delete(s.texts, 0, n)
	}
	if s.orders != nil {
		s.orders = slices.Delete(s.orders, 0, n)
	}
	s.checked = max(0, s.checked-n)
	if s.aggregates != nil {
		s.cutAggregates(n)
	}
}

// cutAggregates drops the aggregates among the first n events.
func (s *series) cutAggregates(n int) {
	s.aggregates = slices.Delete(s.aggregates, 0, n)
	oldest := int64(Never)
	filled := func(c *paneAggregate) bool { return c != nil }
	if i := slices.IndexFunc(s.aggregates, filled); i >= 0 {
		oldest = s.times[i]
	}
	marked, _ := slices.BinarySearchFunc(s.foldedPanes, oldest, foldedPane.compare)
	if s.foldedPanes = slices.Delete(s.foldedPanes, 0, marked); len(s.foldedPanes) == 0 {
		s.aggregates, s.foldedPanes = nil, nil
	}
}

func (s *series) bytes() int {
	n := 200 + 8*cap(s.times) + 8*cap(s.nums) + 16*cap(s.texts) + 24*cap(s.orders)
	n += 8*cap(s.aggregates) + 24*cap(s.foldedPanes) + s.novelty.bytes()
	n += len(s.pruned) * (registers + 80)
	for _, c := range s.aggregates {
		if c != nil {
			n += c.bytes()
		}
	}
	for i, text := range s.texts {
		if i == 0 || s.texts[i-1] != text {
			n += len(text)
		}
	}
	return n
}

// members calls f for each text of what appendText wrote.
func members(text string, f func(string)) {
	for member := range strings.SplitSeq(text, string(rune(separator))) {
		f(member)
	}
}

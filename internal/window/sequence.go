package window

import (
	"cmp"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// sequence is the compiled steps of a rule. An instance of it is one choice of events: for every
// step as many as it asks for, in order, all after the events of the step before, the first and the
// last of them less than within apart. It completes with the last event of its last step or, if the
// sequence ends in what must not happen, when the time for that has passed.
type sequence struct {
	within int64
	steps  []step
	final  []absence // must not follow the last step
	decide int64     // how long after the last step the instance is decided
}

// step is events that must happen.
type step struct {
	filter int
	times  int
	within int64     // from the end of the step before to the end of this one
	nots   []absence // must not happen between the two
}

// absence is events that must not happen less than within after a step.
type absence struct {
	filter int
	within int64
}

func (p *Condition) compileSequence(r *rule.Rule, filter func(rule.Query) int) *problem.Error {
	q := &sequence{within: int64(r.Within)}
	var nots []absence
	for i, s := range r.Sequence {
		within := int64(s.Within)
		if within == 0 {
			within = q.within
		}
		switch {
		case s.Not && i == 0:
			return &problem.Error{
				Pos:     r.Pos,
				Problem: "a sequence cannot begin with not",
				Hint:    "begin with what happens first",
			}
		case s.Not:
			nots = append(nots, absence{filter(s.Match), within})
		default:
			q.steps = append(q.steps, step{filter(s.Match), max(1, s.Times), within, nots})
			nots = nil
		}
	}
	q.final = nots
	for _, n := range nots {
		q.decide = max(q.decide, n.within)
	}
	p.sequence = q
	return nil
}

// keep is how long events matter for instances that complete.
func (q *sequence) keep() int64 { return q.within + q.decide }

// filters are those of all steps.
func (q *sequence) filters() (all uint64) {
	for _, n := range q.final {
		all |= 1 << n.filter
	}
	for _, s := range q.steps {
		all |= 1 << s.filter
		for _, n := range s.nots {
			all |= 1 << n.filter
		}
	}
	return all
}

// stepEvents is the events of a group that are steps of the sequence, in order.
type stepEvents struct {
	times  []int64
	orders []Order
	bits   []uint64
}

// add adds an event, and returns its place.
func (h *stepEvents) add(ev *Event) int {
	at := after(h.times, ev.Time)
	for at > 0 && h.times[at-1] == ev.Time && ev.Order.Compare(h.orders[at-1]) < 0 {
		at--
	}
	h.times, h.orders, h.bits = slices.Insert(h.times, at, ev.Time),
		slices.Insert(h.orders, at, ev.Order), slices.Insert(h.bits, at, ev.Bits)
	return at
}

func (h *stepEvents) evict(until int64) int {
	gone := after(h.times, until)
	if gone < (len(h.times)+1)/2 {
		return 0
	}
	h.cut(gone)
	return gone
}

func (h *stepEvents) cut(n int) {
	h.times, h.orders, h.bits = slices.Delete(h.times, 0, n), slices.Delete(h.orders, 0, n),
		slices.Delete(h.bits, 0, n)
}

// chain is how far the instances of a sequence have come. It takes the events in order.
type chain struct {
	hi      int   // events taken
	taken   int64 // events ever taken: the place of the next one
	hits    [][]stepEvent
	ends    [][]end
	nots    map[int][]stepEvent // by filter
	pending []stepEvent         // instances that wait for what must not happen
	cleared reset               // the last reset passed
}

// stepEvent is an event of a step: its time, and its place among all of them.
type stepEvent struct{ time, place int64 }

// end is the completion of a step, and the latest time at which an instance that completes it so
// can have begun.
type end struct {
	stepEvent
	start int64
}

func newChain() *chain { return &chain{cleared: reset{at: unswept}} }

// seek takes all events until at, and calls each with the time at which an instance completes, and
// the place of the event that completes it.
func (c *chain) seek(
	q *sequence, h *stepEvents, resets []reset, at int64, each func(int64, Order),
) {
	for c.hi < len(h.times) && h.times[c.hi] <= at {
		t, o := h.times[c.hi], h.orders[c.hi]
		c.reset(resets, func(r reset) bool { return r.before(t, o) })
		c.decide(q, t, each)
		if c.take(q, stepEvent{t, c.taken}, h.bits[c.hi]) {
			if q.decide > 0 {
				c.pending = append(c.pending, stepEvent{t, c.taken})
			} else {
				each(t, o)
			}
		}
		c.hi++
		c.taken++
	}
	c.reset(resets, func(r reset) bool { return r.at <= at })
	c.decide(q, at, each)
}

// reset forgets everything at the last reset that is passed.
func (c *chain) reset(resets []reset, passed func(reset) bool) {
	for i := len(resets) - 1; i >= 0 && resets[i].compare(c.cleared) > 0; i-- {
		if passed(resets[i]) {
			*c = chain{hi: c.hi, taken: c.taken, cleared: resets[i]}
			return
		}
	}
}

// decide completes the instances for which nothing that must not happen has happened in time.
func (c *chain) decide(q *sequence, at int64, each func(int64, Order)) {
	for len(c.pending) > 0 && c.pending[0].time+q.decide <= at {
		each(c.pending[0].time+q.decide, Order{Partition: -1})
		c.pending = c.pending[1:]
	}
}

// take takes one event, and says whether it completes the last step.
func (c *chain) take(q *sequence, m stepEvent, bits uint64) bool {
	if c.hits == nil {
		c.hits, c.ends, c.nots = make([][]stepEvent, len(q.steps)), make([][]end, len(q.steps)),
			map[int][]stepEvent{}
	}
	for _, n := range q.final {
		if bits>>n.filter&1 != 0 {
			c.pending = slices.DeleteFunc(c.pending, func(p stepEvent) bool {
				return m.time < p.time+n.within
			})
		}
	}
	whole := false
	for i := len(q.steps) - 1; i >= 0; i-- {
		s := &q.steps[i]
		if bits>>s.filter&1 != 0 {
			c.hits[i] = append(young(c.hits[i], m.time-q.within), m)
			if start, ok := c.step(q, i, m); ok {
				c.ends[i] = append(youngEnds(c.ends[i], m.time-q.within), end{m, start})
				whole = whole || i == len(q.steps)-1
			}
		}
	}
	for i := range q.steps {
		for _, n := range q.steps[i].nots {
			if list := c.nots[n.filter]; bits>>n.filter&1 != 0 &&
				(len(list) == 0 || list[len(list)-1] != m) {
				c.nots[n.filter] = append(young(list, m.time-q.within), m)
			}
		}
	}
	return whole
}

// step says whether step i may end with the event, and when an instance that ends it so can have
// begun at the latest. Of the events that a later step asks for, the first one after the step
// before is the best choice: between the two something must not happen.
func (c *chain) step(q *sequence, i int, m stepEvent) (start int64, ok bool) {
	s, hits := &q.steps[i], c.hits[i]
	if len(hits) < s.times {
		return 0, false
	}
	if i == 0 {
		first := hits[len(hits)-s.times]
		return first.time, m.time-first.time < q.within
	}
	start = unswept
	for j := len(c.ends[i-1]) - 1; j >= 0; j-- {
		e := &c.ends[i-1][j]
		if e.time <= start || m.time-e.time >= s.within {
			break // it cannot have begun later than it ended
		}
		first := afterPlace(hits, e.place)
		if s.times == 1 {
			first = len(hits) - 1
		}
		if e.place < hits[len(hits)-1].place && len(hits)-first >= s.times &&
			!c.prevented(s, e.stepEvent, hits[first]) {
			start = max(start, e.start)
		}
	}
	return start, m.time-start < q.within
}

// prevented says whether something that must not happened between the end of a step and the first
// event of the next one.
func (c *chain) prevented(s *step, e, first stepEvent) bool {
	for _, n := range s.nots {
		list := c.nots[n.filter]
		i := afterPlace(list, e.place)
		if i < len(list) && list[i].place < first.place && list[i].time < e.time+n.within {
			return true
		}
	}
	return false
}

// afterPlace is the index of the first event after a place.
func afterPlace(list []stepEvent, place int64) int {
	i, _ := slices.BinarySearchFunc(list, place+1, func(m stepEvent, place int64) int {
		return cmp.Compare(m.place, place)
	})
	return i
}

func young(list []stepEvent, after int64) []stepEvent {
	n := 0
	for n < len(list) && list[n].time <= after {
		n++
	}
	return list[n:]
}

func youngEnds(list []end, after int64) []end {
	n := 0
	for n < len(list) && list[n].time <= after {
		n++
	}
	return list[n:]
}

func (c *chain) clone() *chain {
	d := *c
	d.pending = slices.Clone(c.pending)
	d.hits, d.ends = make([][]stepEvent, len(c.hits)), make([][]end, len(c.ends))
	if c.hits == nil {
		d.hits, d.ends = nil, nil
		return &d
	}
	for i := range c.hits {
		d.hits[i], d.ends[i] = slices.Clone(c.hits[i]), slices.Clone(c.ends[i])
	}
	d.nots = make(map[int][]stepEvent, len(c.nots))
	for filter, list := range c.nots {
		d.nots[filter] = slices.Clone(list)
	}
	return &d
}

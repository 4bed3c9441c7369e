package match

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// Planning decides how each query is found. Its pivot is a set of predicates, one of which must
// hold for the query to hold; the query is looked at only for logs in which one of them does. Of
// all such sets the one is chosen that holds most rarely, as measured on a sample of logs. Up to
// two further predicates that must hold are its guards, asked before the query itself is. A bad
// choice costs time, never a match.

// query is a query and how it is found.
type query struct {
	expr   *expr
	pivot  []int32 // empty: looked at for every log, unless never
	always bool
	guards [2]int32
	freq   float64 // of the pivot
}

// weights of a choice, in the same unit as frequencies: what it costs each log that the scan must
// also look for something of the kind.
const (
	shortPenalty = 0.02 // windows of three bytes at every place
	rangePenalty = 0.01 // a value parsed as a number or an address
)

// rareEnough is how rarely a text must occur for the scan to look for it although no query depends
// on it: it then answers those that ask in no time.
const rareEnough = 0.005

// measure sets how often each predicate holds, and counts the windows of the texts that were looked
// at.
func (c *compiler) measure(sample func(each func(source))) map[decode.FieldID]*gramFreq {
	for i := range c.preds {
		p := &c.preds[i]
		p.freq = p.guess()
		switch p.kind {
		case predSet:
			p.leave(minShort)
		case predRange, predNetwork:
			p.lazily = false
		}
	}
	if sample == nil {
		c.derive()
		return nil
	}
	freqs := map[decode.FieldID]*gramFreq{}
	prog := c.program(c.units(nil), nil)
	for _, u := range prog.units {
		if u.grams4 != nil {
			freqs[u.field] = newGramFreq()
		}
	}
	m := prog.NewMatcher()
	counts := make([]float64, len(c.preds))
	n := 0.0
	sample(func(log source) {
		n++
		m.begin(log)
		for u := range len(prog.units) + 1 {
			m.scanUnit(int32(u))
		}
		for i := range counts {
			if m.state[i] == m.yes {
				counts[i]++
			}
		}
		for field, freq := range freqs {
			if v := log.Value(field); v.Kind == decode.String {
				freq.add(v.Text)
			}
		}
	})
	const prior = 2 // logs that a guess is worth
	for i := range c.preds {
		if p := &c.preds[i]; n > 0 && !p.lazily {
			p.freq = (counts[i] + prior*p.freq) / (n + prior)
		}
	}
	c.derive()
	return freqs
}

// derive sets the frequencies of what was not scanned from what was.
func (c *compiler) derive() {
	for i := range c.preds {
		if p := &c.preds[i]; p.need != none {
			p.freq = min(p.freq, c.preds[p.need].freq)
		}
	}
}

// pivot returns the cheapest set of predicates, one of which holds whenever e does; ok is false
// when there is none.
func (c *compiler) pivot(e *expr) (set []int32, cost float64, ok bool) {
	switch e.op {
	case opPred:
		id := e.pred
		if p := &c.preds[id]; p.need != none {
			id = p.need
		}
		p := &c.preds[id]
		if !p.canPivot() || c.blocked[p.unitKey()] {
			return nil, 0, false
		}
		cost = p.freq
		switch {
		case p.kind == predSet && p.shortest() < minGram:
			cost += shortPenalty
		case p.kind == predRange || p.kind == predNetwork:
			cost += rangePenalty
		}
		return []int32{id}, cost, true
	case opAnd:
		best := math.Inf(1)
		for _, sub := range e.of {
			if s, x, can := c.pivot(sub); can && x < best {
				set, best, ok = s, x, true
			}
		}
		return set, best, ok
	case opOr:
		for _, sub := range e.of {
			s, x, can := c.pivot(sub)
			if !can {
				return nil, 0, false
			}
			set = append(set, s...)
			cost += x
		}
		slices.Sort(set)
		return slices.Compact(set), cost, true
	}
	return nil, 0, false
}

// plan chooses pivots, what is scanned, and guards.
func (c *compiler) plan(exprs []*expr) []query {
	queries := make([]query, len(exprs))
	for i, e := range exprs {
		q := &queries[i]
		var ok bool
		q.expr, q.guards = e, [2]int32{none, none}
		q.pivot, q.freq, ok = c.pivot(e)
		q.always = !ok
		if q.always {
			q.freq = 1
		}
	}
	c.relieve(queries)
	pivots := make([]bool, len(c.preds))
	for i := range queries {
		for _, id := range queries[i].pivot {
			pivots[id] = true
		}
	}
	for i := range c.preds {
		p := &c.preds[i]
		switch p.kind {
		case predSet:
			switch {
			case pivots[i]:
				p.leave(minShort)
			case p.freq < rareEnough:
				p.leave(minGram)
			default:
				p.leave(math.MaxInt)
			}
		case predRange, predNetwork:
			p.lazily = !pivots[i]
		}
	}
	for i := range queries {
		c.guard(&queries[i])
		c.arrange(queries[i].expr)
	}
	return queries
}

// relieved is how much more often queries may be looked at for the sake of one unit less that has
// to be scanned for every log.
const relieved = 0.3

// relieve gives other pivots to the queries of a unit, where these are nearly as rare, so that the
// unit is scanned only for the logs in which somebody asks. Units of texts come first: one may also
// be exchanged for a number, which costs less to look at.
func (c *compiler) relieve(queries []query) {
	c.blocked = map[unitKey]bool{}
	users := map[unitKey][]int32{}
	texts := map[unitKey]int{} // 1 for units that have any
	for i := range queries {
		for _, id := range queries[i].pivot {
			key := c.preds[id].unitKey()
			if !c.preds[id].isNumber() {
				texts[key] = 1
			}
			if list := users[key]; len(list) == 0 || list[len(list)-1] != int32(i) {
				users[key] = append(list, int32(i))
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(users), func(a, b unitKey) int {
		return cmp.Or(
			texts[b]-texts[a],
			cmp.Compare(len(users[a]), len(users[b])),
			cmp.Compare(a, b),
		)
	})
	for _, key := range keys {
		c.blocked[key] = true
		more := 0.0
		opened := map[unitKey]bool{}
		others := make([]query, len(users[key]))
		for j, i := range users[key] {
			set, freq, ok := c.pivot(queries[i].expr)
			if !ok || !c.used(set, users, opened) || len(opened) > texts[key] {
				more = math.Inf(1)
			}
			more += freq - queries[i].freq
			if texts[key] == 1 && len(set) == 1 && c.preds[set[0]].kind == predRange {
				more -= rangePenalty // a number is looked at once for all of them
			}
			others[j] = query{pivot: set, freq: freq}
			if more > relieved {
				break
			}
		}
		if more > relieved {
			c.blocked[key] = false
			continue
		}
		for j, i := range users[key] {
			queries[i].pivot, queries[i].freq = others[j].pivot, others[j].freq
		}
		for other := range opened {
			users[other] = users[key]
		}
	}
}

// used says whether all predicates are of units that are scanned for every log as it is, or of
// numbers, whose units it notes.
func (c *compiler) used(set []int32, users map[unitKey][]int32, opened map[unitKey]bool) bool {
	for _, id := range set {
		p := &c.preds[id]
		if len(users[p.unitKey()]) > 0 {
			continue
		}
		if !p.isNumber() {
			return false
		}
		opened[p.unitKey()] = true
	}
	return true
}

// guard chooses the two rarest predicates beside the pivot that must hold and that the scan
// decides.
func (c *compiler) guard(q *query) {
	if q.expr.op != opAnd {
		return
	}
	for _, sub := range q.expr.of {
		if sub.op != opPred {
			continue
		}
		id := sub.pred
		if need := c.preds[id].need; need != none {
			id = need
		}
		p := &c.preds[id]
		if p.lazily || p.freq > 0.7 || len(q.pivot) == 1 && q.pivot[0] == id || q.guards[0] == id {
			continue
		}
		switch {
		case q.guards[0] == none || p.freq < c.preds[q.guards[0]].freq:
			q.guards[1] = q.guards[0]
			q.guards[0] = id
		case q.guards[1] == none || p.freq < c.preds[q.guards[1]].freq:
			q.guards[1] = id
		}
	}
}

// arrange puts the members of an expression into the order in which they are asked: what is cheap
// and decides most first.
func (c *compiler) arrange(e *expr) {
	for _, sub := range e.of {
		c.arrange(sub)
	}
	if e.op != opAnd && e.op != opOr {
		return
	}
	slices.SortStableFunc(e.of, func(a, b *expr) int {
		switch x, y := c.rank(e.op, a), c.rank(e.op, b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}

func (c *compiler) rank(in exprOp, e *expr) float64 {
	if e.op != opPred && e.op != opNotPred {
		return 5
	}
	p := &c.preds[e.pred]
	decides := p.freq // how often it does not decide
	if (e.op == opNotPred) != (in == opOr) {
		decides = 1 - decides
	}
	switch {
	case !p.lazily:
		return decides
	case p.kind == predRegexp || p.kind == predGlob:
		return 100 + decides
	case p.kind == predSet:
		return 20 + float64(len(p.lazy)) + decides
	}
	return 4 + decides
}

package match

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// The index plan decides how each query is found. Its access predicate is a set of predicates, one
// of which must hold for the query to hold; the query is evaluated only for logs in which one does.
// Of all such sets, the one that holds most rarely in a sample of logs is chosen. Up to two further
// predicates that must hold are guards, evaluated before the query. A bad choice costs time, never
// a match.

// query is a query and how it is found.
type query struct {
	expr   *expr
	access []int32 // empty: evaluated for every log, unless never
	always bool
	guards [2]int32
	freq   float64 // of the access predicate
}

// weights of a choice, in the unit of frequencies: what the scan for such a predicate costs each
// log.
const (
	shortPenalty = 0.02 // windows of three bytes at every place
	rangePenalty = 0.01 // a value parsed as a number or an address
)

// rareEnough is how rare a text must be for the scan to look for it although no access predicate
// needs it.
const rareEnough = 0.005

// measure sets how often each predicate holds, and counts the n-grams of the sampled texts.
func (c *compiler) measure(sample func(each func(source))) map[decode.FieldID]*ngramFreq {
	for i := range c.preds {
		p := &c.preds[i]
		p.freq = p.guess()
		switch p.kind {
		case predSet:
			p.scanLiterals(minShort)
		case predRange, predNetwork:
			p.lazily = false
		}
	}
	if sample == nil {
		c.derive()
		return nil
	}
	freqs := map[decode.FieldID]*ngramFreq{}
	prog := c.index(c.fieldIndexes(nil), nil)
	for _, u := range prog.fieldIndexes {
		if u.prefilter4 != nil {
			freqs[u.field] = newNgramFreq()
		}
	}
	m := prog.NewMatcher()
	counts := make([]float64, len(c.preds))
	n := 0.0
	sample(func(log source) {
		n++
		m.begin(log)
		for u := range len(prog.fieldIndexes) + 1 {
			m.scanField(int32(u))
		}
		for i := range counts {
			if m.state[i] == m.yes {
				counts[i]++
			}
		}
		for field, freq := range freqs {
			if field == anyField {
				field = decode.FieldRaw
			}
			if v := log.Value(field); v.Kind == decode.String {
				freq.add(v.Text)
			}
		}
	})
	const prior = 2 // logs that the guess counts as
	for i := range c.preds {
		if p := &c.preds[i]; n > 0 && !p.lazily {
			p.freq = (counts[i] + prior*p.freq) / (n + prior)
		}
	}
	c.derive()
	return freqs
}

// derive sets the frequencies of predicates that are not scanned from those that are.
func (c *compiler) derive() {
	for i := range c.preds {
		if p := &c.preds[i]; p.need != none {
			p.freq = min(p.freq, c.preds[p.need].freq)
		}
	}
}

// access returns the cheapest set of predicates, one of which holds whenever e does; ok is false
// when there is none.
func (c *compiler) access(e *expr) (set []int32, cost float64, ok bool) {
	switch e.op {
	case opPred:
		id := e.pred
		if p := &c.preds[id]; p.need != none {
			id = p.need
		}
		p := &c.preds[id]
		if !p.canAccess() || c.blocked[p.fieldKey()] {
			return nil, 0, false
		}
		cost = p.freq
		switch {
		case p.kind == predSet && p.shortest() < minNgram:
			cost += shortPenalty
		case p.kind == predRange || p.kind == predNetwork:
			cost += rangePenalty
		}
		return []int32{id}, cost, true
	case opAnd:
		best := math.Inf(1)
		for _, sub := range e.of {
			if s, x, can := c.access(sub); can && x < best {
				set, best, ok = s, x, true
			}
		}
		return set, best, ok
	case opOr:
		for _, sub := range e.of {
			s, x, can := c.access(sub)
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

// plan chooses access predicates, what the scans look for, and guards.
func (c *compiler) plan(exprs []*expr) []query {
	queries := make([]query, len(exprs))
	for i, e := range exprs {
		q := &queries[i]
		var ok bool
		q.expr, q.guards = e, [2]int32{none, none}
		q.access, q.freq, ok = c.access(e)
		q.always = !ok
		if q.always {
			q.freq = 1
		}
	}
	c.avoidFields(queries)
	accesses := make([]bool, len(c.preds))
	for i := range queries {
		for _, id := range queries[i].access {
			accesses[id] = true
		}
	}
	for i := range c.preds {
		p := &c.preds[i]
		switch p.kind {
		case predSet:
			switch {
			case accesses[i]:
				p.scanLiterals(minShort)
			case p.freq < rareEnough:
				p.scanLiterals(minNgram)
			default:
				p.scanLiterals(math.MaxInt)
			}
		case predRange, predNetwork:
			p.lazily = !accesses[i]
		}
	}
	for i := range queries {
		c.guard(&queries[i])
		c.arrange(queries[i].expr)
	}
	return queries
}

// maxExtra is how many more evaluations of queries, per log, the plan accepts to scan one field
// less for every log.
const maxExtra = 0.3

// maxAvoiding bounds the expressions that avoidFields reads: it reads a query once for each of its
// fields.
const maxAvoiding = 1_000_000

// size returns the number of expressions in e, itself included.
func (e *expr) size() int {
	n := 1
	for _, sub := range e.of {
		n += sub.size()
	}
	return n
}

// avoidFields gives the queries of a field other access predicates, where these are nearly as rare,
// so that the field is scanned only for logs in which one of its predicates is needed. Text fields
// come first: one may also be exchanged for a number, which costs less to scan.
func (c *compiler) avoidFields(queries []query) {
	c.blocked = map[fieldKey]bool{}
	users := map[fieldKey][]int32{}
	texts := map[fieldKey]int{} // 1 for fields that have any
	for i := range queries {
		for _, id := range queries[i].access {
			key := c.preds[id].fieldKey()
			if !c.preds[id].isNumber() {
				texts[key] = 1
			}
			if list := users[key]; len(list) == 0 || list[len(list)-1] != int32(i) {
				users[key] = append(list, int32(i))
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(users), func(a, b fieldKey) int {
		return cmp.Or(texts[b]-texts[a], cmp.Compare(len(users[a]), len(users[b])),
			cmp.Compare(a, b))
	})
	looked := 0
	for _, key := range keys {
		for _, i := range users[key] {
			looked += queries[i].expr.size()
		}
		if looked > maxAvoiding {
			return
		}
		c.blocked[key] = true
		more := 0.0
		opened := map[fieldKey]bool{}
		others := make([]query, len(users[key]))
		for j, i := range users[key] {
			set, freq, ok := c.access(queries[i].expr)
			if !ok || !c.used(set, users, opened) || len(opened) > texts[key] {
				more = math.Inf(1)
			}
			more += freq - queries[i].freq
			if texts[key] == 1 && len(set) == 1 && c.preds[set[0]].kind == predRange {
				more -= rangePenalty // a number is parsed once for all of them
			}
			others[j] = query{access: set, freq: freq}
			if more > maxExtra {
				break
			}
		}
		if more > maxExtra {
			c.blocked[key] = false
			continue
		}
		for j, i := range users[key] {
			queries[i].access, queries[i].freq = others[j].access, others[j].freq
		}
		for other := range opened {
			users[other] = users[key]
		}
	}
}

// used says whether all predicates belong to fields that are scanned for every log anyway, or to
// numbers, whose fields it adds to opened.
func (c *compiler) used(set []int32, users map[fieldKey][]int32, opened map[fieldKey]bool) bool {
	for _, id := range set {
		p := &c.preds[id]
		if len(users[p.fieldKey()]) > 0 {
			continue
		}
		if !p.isNumber() {
			return false
		}
		opened[p.fieldKey()] = true
	}
	return true
}

// guard chooses the two rarest predicates beside the access predicate that must hold and that the
// scan decides.
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
		if p.lazily || p.freq > 0.7 || len(q.access) == 1 && q.access[0] == id ||
			q.guards[0] == id {
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

// arrange orders the members of an expression for evaluation: what is cheap and decides most comes
// first.
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
	case p.kind == predRegexp || p.kind == predGlob || p.kind == predWords:
		return 100 + decides
	case p.kind == predSet:
		return 20 + float64(len(p.lazy)) + decides
	}
	return 4 + decides
}

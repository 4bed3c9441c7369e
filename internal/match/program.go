package match

import (
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Options are what Compile needs besides the queries.
type Options struct {
	Fields []string // further paths that rules want to read: group keys, aggregated fields
	Lists  Lists    // the lists that OpList leaves name

	// Sample, when set, calls each for recent logs, decoded with the given fields; a few thousand
	// are enough. How often a part of a query holds for them decides what is looked at first; it
	// never decides what matches.
	Sample func(fields *decode.Fields, each func(*decode.Log))

	// Former, when set, is a program over the same queries; what it has counted is counted on.
	Former *Program

	// Now, when set, is a clock in nanoseconds. With it, one log in 512 is timed for Cost.
	Now func() int64
}

// Program is all queries, compiled into one. Only its counters change; any number of goroutines may
// share it.
type Program struct {
	fields *decode.Fields
	now    func() int64

	preds  []predicate
	units  []*unit
	text   *unit // the unit of message, stack trace and record, among units
	levels [25][]int32
	// the units that are scanned for every log; the others are scanned when somebody asks for one
	// of their predicates
	early []int32
	// by predicate: its unit, if that is scanned late, else none; the level counts as the unit
	// behind the last
	lateOf []int32

	queries []query
	nodes   []node
	roots   []int32  // by query
	entries []entry  // grouped by guard
	groups  []group  // grouped by pivot
	access  []extent // by predicate: its groups
	always  extent   // the groups of the queries without a pivot

	*counts
}

// node is a part of a query, its members standing together.
type node struct {
	op       exprOp
	pred     int32
	from, to int32
}

// group is the queries of one pivot that share their first guard.
type group struct {
	guard int32
	extent
}

type extent struct{ from, to int32 }

type entry struct{ query, guard int32 }

// Compile builds one program over all queries; query i is reported as i. A nil query holds for
// every log. It takes about 20 microseconds a query, and does not keep the sample.
func Compile(queries []rule.Query, opt Options) (*Program, error) {
	paths := append([]string(nil), opt.Fields...)
	for _, q := range queries {
		paths = appendPaths(paths, q)
	}
	fields := decode.NewFields(paths...)
	var sample func(each func(source))
	if opt.Sample != nil {
		sample = func(each func(source)) { opt.Sample(fields, func(log *decode.Log) { each(log) }) }
	}
	return compile(queries, fields, opt, sample)
}

func compile(
	queries []rule.Query,
	fields *decode.Fields,
	opt Options,
	sample func(each func(source)),
) (*Program, error) {
	c := &compiler{fields: fields, lists: opt.Lists, ids: map[string]int32{}}
	exprs := make([]*expr, len(queries))
	for i, q := range queries {
		exprs[i] = c.compile(q, false)
	}
	if c.err != nil {
		return nil, c.err
	}
	freqs := c.measure(sample)
	plan := c.plan(exprs)
	p := c.program(c.units(freqs), plan)
	p.now = opt.Now
	if opt.Former != nil {
		p.counts = opt.Former.counts
	}
	return p, nil
}

func appendPaths(paths []string, q rule.Query) []string {
	switch q := q.(type) {
	case *rule.And:
		for _, sub := range q.Of {
			paths = appendPaths(paths, sub)
		}
	case *rule.Or:
		for _, sub := range q.Of {
			paths = appendPaths(paths, sub)
		}
	case *rule.Not:
		paths = appendPaths(paths, q.Of)
	case *rule.Leaf:
		if q.Field != "" {
			paths = append(paths, q.Field)
		}
	}
	return paths
}

// program lays everything out for matching.
func (c *compiler) program(units []*unit, queries []query) *Program {
	p := &Program{
		fields:  c.fields,
		preds:   c.preds,
		units:   units,
		queries: queries,
		counts:  &counts{counters: make([]counter, len(queries))},
	}
	p.levels = c.levelMarks()
	for _, u := range units {
		if u.field == decode.FieldMessage {
			p.text = u
		}
	}
	byPivot := make([][]int32, len(c.preds))
	var always []int32
	for i := range queries {
		q := &queries[i]
		p.roots = append(p.roots, p.lay(q.expr))
		for _, id := range q.pivot {
			byPivot[id] = append(byPivot[id], int32(i))
		}
		if q.always {
			always = append(always, int32(i))
		}
	}
	p.access = make([]extent, len(c.preds))
	for id, list := range byPivot {
		p.access[id] = p.group(list)
	}
	p.always = p.group(always)
	p.schedule()
	return p
}

// schedule tells the units on which some query pivots from those that can wait until they are asked
// for.
func (p *Program) schedule() {
	unitOf := map[decode.FieldID]int32{}
	for i, u := range p.units {
		unitOf[u.field] = int32(i)
	}
	p.lateOf = make([]int32, len(p.preds))
	early := make([]bool, len(p.units)+1)
	for id := range p.preds {
		pr := &p.preds[id]
		unit := int32(len(p.units))
		if pr.kind != predLevel {
			field, _ := pr.place.unit()
			u, ok := unitOf[field]
			if !ok {
				p.lateOf[id] = none
				continue
			}
			unit = u
		}
		p.lateOf[id] = unit
		if x := p.access[id]; x.from < x.to {
			early[unit] = true
		}
	}
	for id, u := range p.lateOf {
		if u != none && early[u] {
			p.lateOf[id] = none
		}
	}
	for u, is := range early {
		if is {
			p.early = append(p.early, int32(u))
		}
	}
}

// lay lays out an expression as nodes and returns the number of its own.
func (p *Program) lay(e *expr) int32 {
	at := int32(len(p.nodes))
	p.nodes = append(p.nodes, node{})
	p.fill(at, e)
	return at
}

func (p *Program) fill(at int32, e *expr) {
	n := node{op: e.op, pred: e.pred, from: int32(len(p.nodes))}
	p.nodes = append(p.nodes, make([]node, len(e.of))...)
	n.to = int32(len(p.nodes))
	p.nodes[at] = n
	for i, sub := range e.of {
		p.fill(n.from+int32(i), sub)
	}
}

// group lays out the queries of one pivot by their first guard, so that it is asked once for all of
// them.
func (p *Program) group(list []int32) extent {
	slices.SortStableFunc(
		list,
		func(a, b int32) int { return int(p.queries[a].guards[0] - p.queries[b].guards[0]) },
	)
	x := extent{from: int32(len(p.groups))}
	for i, id := range list {
		q := &p.queries[id]
		if i == 0 || q.guards[0] != p.queries[list[i-1]].guards[0] {
			at := int32(len(p.entries))
			p.groups = append(p.groups, group{q.guards[0], extent{at, at}})
		}
		p.entries = append(p.entries, entry{id, q.guards[1]})
		p.groups[len(p.groups)-1].to++
	}
	x.to = int32(len(p.groups))
	return x
}

// Fields is what the decoder has to find for this program.
func (p *Program) Fields() *decode.Fields { return p.fields }

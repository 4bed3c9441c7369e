package match

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Options are what Compile needs besides the queries.
type Options struct {
	Fields []string // further paths that rules want to read: group keys, aggregated fields
	Lists  Lists    // the lists that OpList leaves name

	// Sample, when set, calls each for recent logs, decoded with the given fields; a few thousand
	// are enough. How often a part of a query holds for them decides the order of evaluation, and
	// never what matches.
	Sample func(fields *decode.Fields, each func(*decode.Log))

	// Former, when set, is an index over the same queries; what it has counted is counted on.
	Former *Index

	// Cut, when set, counts the values of which a regular expression read only the beginning.
	Cut *atomic.Int64

	// Now, when set, is a clock in nanoseconds. With it, one log in 512 is timed for Cost.
	Now func() int64
}

// Index is all queries compiled into one. Only its counters change; any number of goroutines may
// share it.
type Index struct {
	fields *decode.Fields
	now    func() int64
	cut    *atomic.Int64 // nil when no one counts

	preds        []predicate
	fieldIndexes []*fieldIndex
	text         *fieldIndex // the field index of message, stack trace and record
	levels       [25][]int32
	// the field indexes that are scanned for every log; the others are scanned when one of their
	// predicates is needed
	early []int32
	// by predicate: its field index, if that is scanned late, else none; the level is the one
	// behind the last
	lateOf []int32

	queries []query
	nodes   []node
	roots   []int32  // by query
	entries []entry  // grouped by guard
	groups  []group  // grouped by access predicate
	access  []extent // by predicate: its groups
	always  extent   // the groups of the queries without an access predicate

	*counts
}

// node is a part of a query, its members standing together.
type node struct {
	op       exprOp
	pred     int32
	from, to int32
}

// group is the queries of one access predicate that share their first guard.
type group struct {
	guard int32
	extent
}

type extent struct{ from, to int32 }

type entry struct{ query, guard int32 }

// Compile builds one index over all queries; query i is reported as i. A nil query holds for
// every log. It takes about 20 microseconds a query, and does not keep the sample.
func Compile(queries []rule.Query, opt Options) (*Index, error) {
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
) (*Index, error) {
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
	p := c.index(c.fieldIndexes(freqs), plan)
	p.now, p.cut = opt.Now, opt.Cut
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
		for _, path := range []string{q.Field, q.Other} {
			if path != "" && path != rule.AnyField {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// index lays out everything for matching.
func (c *compiler) index(indexes []*fieldIndex, queries []query) *Index {
	p := &Index{
		fields:       c.fields,
		preds:        c.preds,
		fieldIndexes: indexes,
		queries:      queries,
		counts:       &counts{counters: make([]counter, len(queries))},
	}
	p.levels = c.levelPostings()
	for _, u := range indexes {
		if u.field == decode.FieldMessage {
			p.text = u
		}
	}
	byAccess := make([][]int32, len(c.preds))
	var always []int32
	for i := range queries {
		q := &queries[i]
		p.roots = append(p.roots, p.lay(q.expr))
		for _, id := range q.access {
			byAccess[id] = append(byAccess[id], int32(i))
		}
		if q.always {
			always = append(always, int32(i))
		}
	}
	p.access = make([]extent, len(c.preds))
	for id, list := range byAccess {
		p.access[id] = p.group(list)
	}
	p.always = p.group(always)
	p.schedule()
	return p
}

// schedule separates the field indexes with access predicates, which are scanned for every log,
// from those that can wait until a predicate is needed.
func (ix *Index) schedule() {
	indexOf := map[decode.FieldID]int32{}
	for i, u := range ix.fieldIndexes {
		indexOf[u.field] = int32(i)
	}
	ix.lateOf = make([]int32, len(ix.preds))
	early := make([]bool, len(ix.fieldIndexes)+1)
	for id := range ix.preds {
		pr := &ix.preds[id]
		at := int32(len(ix.fieldIndexes))
		if pr.kind != predLevel {
			field, _ := pr.place.fieldIndex()
			u, ok := indexOf[field]
			if !ok {
				ix.lateOf[id] = none
				continue
			}
			at = u
		}
		ix.lateOf[id] = at
		if x := ix.access[id]; x.from < x.to {
			early[at] = true
		}
	}
	for id, u := range ix.lateOf {
		if u != none && early[u] {
			ix.lateOf[id] = none
		}
	}
	for u, is := range early {
		if is {
			ix.early = append(ix.early, int32(u))
		}
	}
}

// lay lays out an expression as nodes and returns the number of its own.
func (ix *Index) lay(e *expr) int32 {
	at := int32(len(ix.nodes))
	ix.nodes = append(ix.nodes, node{})
	ix.fill(at, e)
	return at
}

func (ix *Index) fill(at int32, e *expr) {
	n := node{op: e.op, pred: e.pred, from: int32(len(ix.nodes))}
	ix.nodes = append(ix.nodes, make([]node, len(e.of))...)
	n.to = int32(len(ix.nodes))
	ix.nodes[at] = n
	for i, sub := range e.of {
		ix.fill(n.from+int32(i), sub)
	}
}

// group lays out the queries of one access predicate by their first guard, so that it is evaluated
// once for all of them.
func (ix *Index) group(list []int32) extent {
	slices.SortStableFunc(
		list,
		func(a, b int32) int {
			return cmp.Compare(ix.queries[a].guards[0], ix.queries[b].guards[0])
		},
	)
	x := extent{from: int32(len(ix.groups))}
	for i, id := range list {
		q := &ix.queries[id]
		if i == 0 || q.guards[0] != ix.queries[list[i-1]].guards[0] {
			at := int32(len(ix.entries))
			ix.groups = append(ix.groups, group{q.guards[0], extent{at, at}})
		}
		ix.entries = append(ix.entries, entry{id, q.guards[1]})
		ix.groups[len(ix.groups)-1].to++
	}
	x.to = int32(len(ix.groups))
	return x
}

// Fields is what the decoder has to find for this index.
func (p *Index) Fields() *decode.Fields { return p.fields }

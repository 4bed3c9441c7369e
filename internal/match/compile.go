package match

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// compiler turns queries into expressions over shared predicates.
type compiler struct {
	fields *decode.Fields
	lists  Lists
	preds  []predicate
	ids    map[string]int32
	err    error

	blocked map[fieldKey]bool // field indexes that no query may use for its access predicate
}

// expr is a query with its negations moved to the leaves.
type expr struct {
	op   exprOp
	pred int32
	of   []*expr
}

type exprOp uint8

const (
	opPred exprOp = iota
	opNotPred
	opAnd // of nothing: always
	opOr  // of nothing: never
)

// compile reads a query, negated or not.
func (c *compiler) compile(q rule.Query, negated bool) *expr {
	op := opAnd
	switch q := q.(type) {
	case *rule.Not:
		return c.compile(q.Of, !negated)
	case *rule.Leaf:
		if q.Op == rule.OpList {
			if or, ok := c.expandList(q).(*rule.Or); ok {
				return c.compile(or, negated)
			}
		}
		return c.leaf(q, negated)
	case *rule.Or:
		op = opOr
	case nil:
		if negated {
			op = opOr
		}
		return &expr{op: op}
	}
	if negated {
		op = opAnd + opOr - op
	}
	e := &expr{op: op}
	c.gather(e, q, negated)
	return e.tidy()
}

// gather adds the members of a conjunction or disjunction to e, those of nested ones of the same
// kind included. Text leaves of one field that are alternatives of each other become one set: under
// "or" as they are, under "and" when they are negated.
func (c *compiler) gather(e *expr, q rule.Query, negated bool) {
	sets := map[place][]literal{}
	var order []place
	var walk func(q rule.Query, negated bool)
	walk = func(q rule.Query, negated bool) {
		switch q := q.(type) {
		case *rule.Not:
			walk(q.Of, !negated)
			return
		case *rule.And:
			if (e.op == opAnd) != negated {
				for _, sub := range q.Of {
					walk(sub, negated)
				}
				return
			}
		case *rule.Or:
			if (e.op == opOr) != negated {
				for _, sub := range q.Of {
					walk(sub, negated)
				}
				return
			}
		case *rule.Leaf:
			if q.Op == rule.OpList {
				if or, ok := c.expandList(q).(*rule.Or); ok {
					walk(or, negated)
					return
				}
			}
			if negated == (e.op == opAnd) {
				if set := c.literals(q); set != nil {
					at := c.place(q.Field)
					if _, ok := sets[at]; !ok {
						order = append(order, at)
					}
					sets[at] = append(sets[at], set...)
					return
				}
			}
		}
		e.of = append(e.of, c.compile(q, negated))
	}
	walk(q, negated)
	for _, at := range order {
		e.of = append(e.of, predExpr(c.set(at, sets[at]), e.op == opAnd))
	}
}

func predExpr(id int32, negated bool) *expr {
	if negated {
		return &expr{op: opNotPred, pred: id}
	}
	return &expr{op: opPred, pred: id}
}

// tidy drops what changes nothing: members that always or never hold, repeated ones, and the node
// itself when it has a single member.
func (e *expr) tidy() *expr {
	other := opAnd + opOr - e.op
	var of []*expr
	seen := map[[2]int32]bool{}
	for _, sub := range e.of {
		switch {
		case sub.op == e.op:
			of = append(of, sub.of...)
			continue
		case sub.op == other && len(sub.of) == 0:
			return sub
		case sub.op <= opNotPred:
			key := [2]int32{int32(sub.op), sub.pred}
			if seen[key] {
				continue
			}
			seen[key] = true
		}
		of = append(of, sub)
	}
	if len(of) == 1 {
		return of[0]
	}
	e.of = of
	return e
}

func (c *compiler) place(path string) place {
	if path == "" {
		return place{field: textField}
	}
	if path == rule.AnyField {
		return place{field: anyField}
	}
	id, ok := c.fields.ID(path)
	if !ok {
		c.fail(nil, "field %q was not asked for", path)
	}
	if decode.Canonical(path) == "timestamp" {
		return place{field: id, lookup: "timestamp"}
	}
	return place{field: id, extracted: decode.Extracted(path)}
}

func (c *compiler) fail(l *rule.Leaf, format string, args ...any) {
	if c.err != nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	if l != nil && l.Pos.Line > 0 {
		text = fmt.Sprintf("%s:%d:%d: %s", l.Pos.File, l.Pos.Line, l.Pos.Column, text)
	}
	c.err = fmt.Errorf("compile queries: %s", text)
}

// literals returns the literals that a leaf amounts to, nil when it is something else.
func (c *compiler) literals(l *rule.Leaf) []literal {
	if l.Other != "" {
		return nil
	}
	switch l.Op {
	case rule.OpContains, rule.OpPrefix, rule.OpSuffix:
		return []literal{newLiteral(l.Op, l.Text, l.Cased)}
	case rule.OpEqual:
		return equals(nil, l.Text, l.Cased)
	case rule.OpGlob:
		whole, _ := globSet(l.Text, l.Cased)
		return whole
	case rule.OpRegexp:
		return regexpSet(l.Regexp.String())
	case rule.OpList:
		return c.members(l)
	}
	return nil
}

// equals are the literals of an equality: the text, and if it is a number every other spelling of
// it.
func equals(dst []literal, text string, cased bool) []literal {
	dst = append(dst, newLiteral(rule.OpEqual, text, cased))
	if isNumber(text) {
		dst = append(
			dst,
			literal{text: appendCanonical(nil, []byte(text)), op: rule.OpEqual, numeric: true},
		)
	}
	return dst
}

func (c *compiler) members(l *rule.Leaf) []literal {
	names, ok := c.listMembers(l.Text)
	if !ok {
		c.fail(l, "there is no list %q; define it under lists", l.Text)
	}
	set := make([]literal, 0, len(names))
	for _, name := range names {
		set = equals(set, name, l.Cased)
	}
	return set
}

// leaf compiles a leaf that stands for itself.
func (c *compiler) leaf(l *rule.Leaf, negated bool) *expr {
	at := place{}
	if l.Op != rule.OpLevel {
		at = c.place(l.Field)
	}
	if set := c.literals(l); set != nil {
		return predExpr(c.set(at, set), negated)
	}
	p := predicate{place: at, need: none}
	key := ""
	if l.Other != "" {
		other := c.place(l.Other)
		p.kind, p.other, p.leaf, p.lazily = predReference, &other, l, true
		key = fmt.Sprint(l.Op, l.Cased, l.Text, " ", p.other.field)
		return predExpr(c.predicate(fmt.Sprintf("%d %d %s", p.kind, at.field, key), p), negated)
	}
	switch l.Op {
	case rule.OpExists:
		p.kind = predExists
	case rule.OpLevel:
		p.kind = predLevel
		for s := 1; s < 32; s++ {
			if l.Range.Contains(float64(s)) {
				p.levels |= 1 << s
			}
		}
		key = fmt.Sprint(p.levels)
	case rule.OpRange:
		p.kind, p.values = predRange, l.Range
		key = fmt.Sprint(l.Range)
	case rule.OpCIDR:
		p.kind = predNetwork
		network, ok := parseNetwork(l.Text)
		if !ok {
			c.fail(l, "%q is not an IP network; write it as 10.0.0.0/8", l.Text)
		}
		p.network = &network
		key = network.String()
	case rule.OpGlob:
		p.kind = predGlob
		p.pattern = &pattern{glob: []rune(l.Text), cased: l.Cased}
		if _, need := globSet(l.Text, l.Cased); need != nil {
			p.need = c.set(at, need)
		}
		key = fmt.Sprint(l.Cased, l.Text)
	case rule.OpWords:
		p.kind = predWords
		text := []byte(l.Text)
		if !l.Cased {
			text = appendFold(nil, text)
		}
		words := splitWords(text)
		p.pattern = &pattern{words: words, cased: l.Cased}
		var longest []byte
		for _, w := range words {
			if len(w) > len(longest) {
				longest = w
			}
		}
		if len(longest) >= minShort {
			p.need = c.set(at, []literal{newLiteral(rule.OpContains, string(longest), l.Cased)})
		}
		key = fmt.Sprintf("%v %q", l.Cased, words)
	case rule.OpRegexp:
		p.kind = predRegexp
		p.pattern = &pattern{
			regexp:     l.Regexp,
			bytes:      regexpBytes(l.Instructions),
			substrings: regexpSubstrings(l.Regexp.String()),
		}
		for i, need := range regexpNeeds(l.Regexp.String()) {
			id := c.set(at, need)
			if i == 0 {
				p.need = id
			} else {
				p.also = append(p.also, id)
			}
		}
		key = l.Regexp.String()
	default:
		c.fail(l, "operator %d is unknown", l.Op)
	}
	p.lazily = p.kind == predRange || p.kind == predNetwork || p.kind == predGlob ||
		p.kind == predRegexp || p.kind == predWords
	return predExpr(c.predicate(fmt.Sprintf("%d %d %s", p.kind, at.field, key), p), negated)
}

// set returns the predicate that is true when one of the literals holds.
func (c *compiler) set(at place, members []literal) int32 {
	keys := make([]string, len(members))
	for i := range members {
		keys[i] = members[i].key()
	}
	if len(members) > 1 {
		slices.Sort(keys)
		keys = slices.Compact(keys)
	}
	return c.predicate(
		fmt.Sprintf("%d %d ", predSet, at.field)+strings.Join(keys, "\xff\xff"),
		predicate{kind: predSet, place: at, members: members, need: none, scanFrom: minShort},
	)
}

func (c *compiler) predicate(key string, p predicate) int32 {
	id, ok := c.ids[key]
	if !ok {
		id = int32(len(c.preds))
		c.ids[key] = id
		c.preds = append(c.preds, p)
	}
	return id
}

// fieldIndexes builds the indexes that look for everything that the predicates need scanned.
func (c *compiler) fieldIndexes(freqs map[decode.FieldID]*ngramFreq) []*fieldIndex {
	builders := map[decode.FieldID]*fieldIndexBuilder{}
	var order []*fieldIndexBuilder
	for i := range c.preds {
		p := &c.preds[i]
		if p.kind == predLevel {
			continue
		}
		field, sc := p.place.fieldIndex()
		pst := posting{int32(i), sc}
		at := func() *fieldIndexBuilder {
			b := builders[field]
			if b == nil {
				b = newFieldIndexBuilder(field, p.place.lookup)
				b.freq = freqs[field]
				builders[field] = b
				order = append(order, b)
			}
			b.used |= sc
			return b
		}
		switch p.kind {
		case predSet:
			for j := range p.members {
				if !p.skips(&p.members[j]) {
					at().literal(p.members[j], pst)
				}
			}
		case predExists:
			b := at()
			b.exists = append(b.exists, pst)
		case predRange:
			if !p.lazily {
				b := at()
				b.ranges = append(b.ranges, rangePosting{pst, p.values})
			}
		case predNetwork:
			if !p.lazily {
				b := at()
				b.networks = append(b.networks, networkPosting{pst, *p.network})
			}
		}
	}
	indexes := make([]*fieldIndex, len(order))
	for i, b := range order {
		indexes[i] = b.build()
	}
	return indexes
}

// levelPostings lists, for each severity, the predicates that hold for it.
func (c *compiler) levelPostings() (postings [25][]int32) {
	for i := range c.preds {
		if p := &c.preds[i]; p.kind == predLevel {
			for set := p.levels; set != 0; set &= set - 1 {
				if s := bits.TrailingZeros32(set); s < len(postings) {
					postings[s] = append(postings[s], int32(i))
				}
			}
		}
	}
	return postings
}

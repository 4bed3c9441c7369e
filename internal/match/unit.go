package match

import (
	"net/netip"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// scope tells apart the leaves that one unit serves. Message, stack trace and record share a unit,
// so that a message is read once for the leaves that mean the message and for those that mean any
// text.
type scope uint8

const (
	// the field "": message, or the record in its place, and stack trace
	scopeText scope = 1 << iota
	scopeMessage
	scopeStack
	scopeRaw
	scopeOwn = scopeText // of every other unit
)

// unit finds, in the values of one field, everything that is looked for there at once. It is
// immutable.
type unit struct {
	field  decode.FieldID
	lookup string // the path, where the field must be asked for by name
	used   scope  // the scopes for which anything is looked for

	lits  []literal
	first []int32 // by literal, and one more: its marks begin here
	marks []mark

	anchors               *table // whole values, beginnings and ends
	checks                []check
	equals, folded, cased bool
	canonical             bool        // numbers are compared by value
	ends                  []anchorEnd // by ascending size
	grams4, grams3        *grams
	any, exists           []mark
	ranges                []rangeMark // by ascending minimum
	networks              []networkMark
	scalars               bool // anything but exists
	texts                 bool // nothing but literals
}

// anchorEnd is a class of beginnings or ends that some literal of a unit has.
type anchorEnd struct {
	size, class int
	op          rule.Op
}

// check is what is known of a literal among the anchors before it is touched: its length, and four
// bytes of it at its other end.
type check struct {
	window uint32
	n      int32
	op     rule.Op
}

func newCheck(l *literal) check {
	c := check{n: int32(len(l.text)), op: l.op}
	if len(l.text) >= 4 {
		if l.op == rule.OpSuffix {
			c.window = half(l.text) | gramCase
		} else {
			c.window = half(l.text[len(l.text)-4:]) | gramCase
		}
	}
	return c
}

// may says whether a value that begins, or ends, as the literal does may have all of it.
func (c *check) may(b []byte, op rule.Op) bool {
	n := int(c.n)
	if c.op != op || n > len(b) {
		return false
	}
	if n < 4 {
		return true
	}
	if op == rule.OpSuffix {
		return half(b[len(b)-n:])|gramCase == c.window
	}
	return half(b[n-4:])|gramCase == c.window
}

// mark says which predicate becomes true, for values of which scope.
type mark struct {
	pred  int32
	scope scope
}

type rangeMark struct {
	mark
	rule.Range
}

type networkMark struct {
	mark
	netip.Prefix
}

// unitBuilder gathers what a unit looks for.
type unitBuilder struct {
	unit
	ids     map[string]int32
	pending [][]mark // by literal
	freq    *gramFreq
}

func newUnitBuilder(field decode.FieldID, lookup string) *unitBuilder {
	return &unitBuilder{unit: unit{field: field, lookup: lookup}, ids: map[string]int32{}}
}

func (b *unitBuilder) literal(l literal, m mark) {
	b.used |= m.scope
	if len(l.text) == 0 && l.op != rule.OpEqual {
		b.any = append(b.any, m)
		return
	}
	key := l.key()
	id, ok := b.ids[key]
	if !ok {
		id = int32(len(b.lits))
		b.ids[key] = id
		b.lits = append(b.lits, l)
		b.pending = append(b.pending, nil)
	}
	b.pending[id] = append(b.pending[id], m)
}

// minGram is the length from which a literal is found by the filter of four-byte windows, and
// minShort that from which the other filter finds it.
const (
	minGram  = 5
	minShort = 3
)

// build makes the unit.
func (b *unitBuilder) build() *unit {
	u := b.unit
	anchors := map[uint64][]int32{}
	var long, short []int32
	var prefixes, suffixes uint // sets of classes
	for i := range u.lits {
		l, id := &u.lits[i], int32(i)
		u.folded = u.folded || !l.cased
		u.cased = u.cased || l.cased
		u.canonical = u.canonical || l.numeric
		var key uint64
		switch l.op {
		case rule.OpContains:
			if len(l.text) >= minGram {
				long = append(long, id)
			} else {
				short = append(short, id)
			}
			continue
		case rule.OpEqual:
			u.equals = true
			key = equalKey(l.text)
		case rule.OpPrefix:
			c := anchorClass(len(l.text))
			prefixes |= 1 << c
			key = anchorKey(l.text, c, false)
		case rule.OpSuffix:
			c := anchorClass(len(l.text))
			suffixes |= 1 << c
			key = anchorKey(l.text, c, true)
		}
		anchors[key] = append(anchors[key], id)
	}
	if len(anchors) > 0 {
		u.anchors = newTable(anchors)
		for _, id := range u.anchors.list {
			u.checks = append(u.checks, newCheck(&u.lits[id]))
		}
	}
	for c, n := range anchorLengths {
		if prefixes>>c&1 != 0 {
			u.ends = append(u.ends, anchorEnd{n, c, rule.OpPrefix})
		}
		if suffixes>>c&1 != 0 {
			u.ends = append(u.ends, anchorEnd{n, c, rule.OpSuffix})
		}
	}
	if len(long) > 0 {
		u.grams4 = newGrams(4, u.lits, long, b.freq)
	}
	if len(short) > 0 {
		u.grams3 = newGrams(3, u.lits, short, nil)
	}
	u.first = make([]int32, 1, len(u.lits)+1)
	for _, ms := range b.pending {
		u.marks = append(u.marks, ms...)
		u.first = append(u.first, int32(len(u.marks)))
	}
	slices.SortFunc(u.ranges, func(a, b rangeMark) int {
		switch {
		case a.Min < b.Min:
			return -1
		case a.Min > b.Min:
			return 1
		}
		return 0
	})
	u.scalars = len(u.lits) > 0 || len(u.any) > 0 || len(u.ranges) > 0 || len(u.networks) > 0
	u.texts = len(u.lits) > 0 && len(u.any)+len(u.exists)+len(u.ranges)+len(u.networks) == 0
	return &u
}

// scan is one unit looking at one value.
type scan struct {
	unit    *unit
	scope   scope
	numeric bool // the value is a number in its canonical spelling, and nothing else of it counts
	mode    mode
}

// mode says which literals can be compared with the bytes at hand: the value as it is, or folded,
// or both at once where that is the same.
type mode uint8

const (
	modeFolded mode = 1 << iota
	modeCased
)

func (s *scan) wants(l *literal) bool {
	if l.cased {
		return s.mode&modeCased != 0
	}
	return s.mode&modeFolded != 0
}

// scanValue looks at a value of a field, of any kind.
func (m *Matcher) scanValue(u *unit, v decode.Value, sc scope) {
	if v.Kind <= decode.Null {
		return
	}
	if u.texts && v.Kind == decode.String && isASCII(v.Text) { // nearly always
		s := &m.scan
		s.unit, s.scope, s.numeric, s.mode = u, sc, false, modeFolded|modeCased
		m.scanText(s, v.Text)
		return
	}
	for _, e := range u.exists {
		if e.scope&sc != 0 {
			m.mark(e.pred)
		}
	}
	if !u.scalars {
		return
	}
	if v.Kind == decode.Array {
		m.scan.unit, m.scan.scope = u, sc
		v.Each(m.scanMember)
		return
	}
	m.scanScalar(u, v, sc)
}

func (m *Matcher) scanScalar(u *unit, v decode.Value, sc scope) {
	for _, a := range u.any {
		if a.scope&sc != 0 {
			m.mark(a.pred)
		}
	}
	if len(u.ranges) > 0 {
		if n, ok := valueNumber(v); ok {
			for i := range u.ranges {
				r := &u.ranges[i]
				if r.Min > n {
					break
				}
				if r.scope&sc != 0 && r.Contains(n) {
					m.mark(r.pred)
				}
			}
		}
	}
	if len(u.networks) > 0 {
		if addr, ok := parseAddr(v.Text); ok {
			for i := range u.networks {
				if n := &u.networks[i]; n.scope&sc != 0 && n.Contains(addr) {
					m.mark(n.pred)
				}
			}
		}
	}
	if len(u.lits) == 0 {
		return
	}
	s := &m.scan
	s.unit, s.scope, s.numeric = u, sc, false
	if isASCII(v.Text) {
		s.mode = modeFolded | modeCased
		m.scanText(s, v.Text)
	} else {
		m.scanWide(s, v.Text)
	}
	if u.canonical && v.Kind == decode.Number {
		text := v.Text
		if !isCanonical(text) {
			m.canonical = appendCanonical(m.canonical[:0], text)
			text = m.canonical
		}
		s.numeric, s.mode = true, modeFolded|modeCased
		m.scanEqual(s, text)
	}
}

// scanWide looks at a value with bytes beyond ASCII: at its folded form for most literals, and at
// itself for the cased ones.
func (m *Matcher) scanWide(s *scan, v []byte) {
	if s.unit.folded {
		m.folded = appendFold(m.folded[:0], v)
		s.mode = modeFolded
		m.scanText(s, m.folded)
	}
	if s.unit.cased {
		s.mode = modeCased
		m.scanText(s, v)
	}
}

func (m *Matcher) scanText(s *scan, b []byte) {
	u := s.unit
	if u.anchors != nil {
		if u.equals {
			m.scanEqual(s, b)
		}
		for _, e := range u.ends {
			if e.size > len(b) {
				break
			}
			first, end := u.anchors.span(anchorKey(b, e.class, e.op == rule.OpSuffix))
			for n := first; n < end; n++ {
				if !u.checks[n].may(b, e.op) {
					continue
				}
				id := u.anchors.list[n]
				l := &u.lits[id]
				if !s.wants(l) {
					continue
				}
				part := b[:len(l.text)]
				if e.op == rule.OpSuffix {
					part = b[len(b)-len(l.text):]
				}
				if l.is(part) {
					m.found(s, id)
				}
			}
		}
	}
	if u.grams4 != nil {
		u.grams4.scan(m, s, b)
	}
	if u.grams3 != nil {
		u.grams3.scan(m, s, b)
	}
}

func (m *Matcher) scanEqual(s *scan, b []byte) {
	u := s.unit
	for _, id := range u.anchors.find(equalKey(b)) {
		if l := &u.lits[id]; l.op == rule.OpEqual && l.numeric == s.numeric && s.wants(l) &&
			l.is(b) {
			m.found(s, id)
		}
	}
}

// found makes true whatever a literal makes true.
func (m *Matcher) found(s *scan, id int32) {
	u := s.unit
	for _, k := range u.marks[u.first[id]:u.first[id+1]] {
		if k.scope&s.scope != 0 {
			m.mark(k.pred)
		}
	}
}

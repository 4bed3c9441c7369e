package match

import (
	"net/netip"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/jsonscan"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// scope separates the leaves of one field index. Message, stack trace and record share an index,
// so that a message is read once for the leaves that mean the message and for those that mean any
// text.
type scope uint8

const (
	// the field "": message, or the record in its place, and stack trace
	scopeText scope = 1 << iota
	scopeMessage
	scopeStack
	scopeRaw
	scopeOwn = scopeText // of every other field index
)

// fieldIndex finds everything that the queries look for in one field, in one pass over its values.
// It is immutable.
type fieldIndex struct {
	field  decode.FieldID
	lookup string // the path, where the field must be asked for by name
	used   scope  // the scopes for which anything is looked for

	lits     []literal
	first    []int32 // by literal, and one more: its postings begin here
	postings []posting

	anchors                *table // whole values, beginnings and ends
	verify                 []verifyWindow
	equals, folded, cased  bool
	canonical              bool        // numbers are compared by value
	ends                   []anchorEnd // by ascending size
	prefilter4, prefilter3 *prefilter
	any, exists            []posting
	ranges                 []rangePosting // by ascending minimum
	networks               []networkPosting
	scalars                bool // anything but exists
	texts                  bool // nothing but literals
}

// anchorEnd is a class of prefixes or suffixes that the index has.
type anchorEnd struct {
	size, class int
	op          rule.Op
}

// verifyWindow decides about a literal among the anchors without reading it: its length, and the
// four bytes at its other end.
type verifyWindow struct {
	window uint32
	n      int32
	op     rule.Op
}

func newVerifyWindow(l *literal) verifyWindow {
	c := verifyWindow{n: int32(len(l.text)), op: l.op}
	if len(l.text) >= 4 {
		if l.op == rule.OpSuffix {
			c.window = half(l.text) | ngramCase
		} else {
			c.window = half(l.text[len(l.text)-4:]) | ngramCase
		}
	}
	return c
}

// may says whether a value that begins, or ends, as the literal does may have all of it.
func (c *verifyWindow) may(b []byte, op rule.Op) bool {
	n := int(c.n)
	if c.op != op || n > len(b) {
		return false
	}
	if n < 4 {
		return true
	}
	if op == rule.OpSuffix {
		return half(b[len(b)-n:])|ngramCase == c.window
	}
	return half(b[n-4:])|ngramCase == c.window
}

// posting says which predicate becomes true, for values of which scope.
type posting struct {
	pred  int32
	scope scope
}

type rangePosting struct {
	posting
	rule.Range
}

type networkPosting struct {
	posting
	netip.Prefix
}

// fieldIndexBuilder collects what a field index looks for.
type fieldIndexBuilder struct {
	fieldIndex
	ids     map[string]int32
	pending [][]posting // by literal
	freq    *ngramFreq
}

func newFieldIndexBuilder(field decode.FieldID, lookup string) *fieldIndexBuilder {
	return &fieldIndexBuilder{
		fieldIndex: fieldIndex{field: field, lookup: lookup},
		ids:        map[string]int32{},
	}
}

func (b *fieldIndexBuilder) literal(l literal, m posting) {
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
	minNgram = 5
	minShort = 3
)

// build returns the index.
func (b *fieldIndexBuilder) build() *fieldIndex {
	u := b.fieldIndex
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
			if len(l.text) >= minNgram {
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
			u.verify = append(u.verify, newVerifyWindow(&u.lits[id]))
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
		u.prefilter4 = newPrefilter(4, u.lits, long, b.freq)
	}
	if len(short) > 0 {
		u.prefilter3 = newPrefilter(3, u.lits, short, nil)
	}
	u.first = make([]int32, 1, len(u.lits)+1)
	for _, ms := range b.pending {
		u.postings = append(u.postings, ms...)
		u.first = append(u.first, int32(len(u.postings)))
	}
	slices.SortFunc(u.ranges, func(a, b rangePosting) int {
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

// scan is the scan of one value.
type scan struct {
	fieldIndex *fieldIndex
	scope      scope
	// the value is a number in its canonical spelling, and nothing else of it counts
	numeric bool
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
func (m *Matcher) scanValue(u *fieldIndex, v decode.Value, sc scope) {
	if v.Kind <= decode.Null {
		return
	}
	if u.texts && v.Kind == decode.String && jsonscan.IsASCII(v.Text) { // nearly always
		s := &m.scan
		s.fieldIndex, s.scope, s.numeric, s.mode = u, sc, false, modeFolded|modeCased
		m.scanText(s, v.Text)
		return
	}
	for _, e := range u.exists {
		if e.scope&sc != 0 {
			m.setTrue(e.pred)
		}
	}
	if !u.scalars {
		return
	}
	if v.Kind == decode.Array {
		m.scan.fieldIndex, m.scan.scope = u, sc
		v.Each(m.scanMember)
		return
	}
	m.scanScalar(u, v, sc)
}

func (m *Matcher) scanScalar(u *fieldIndex, v decode.Value, sc scope) {
	for _, a := range u.any {
		if a.scope&sc != 0 {
			m.setTrue(a.pred)
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
					m.setTrue(r.pred)
				}
			}
		}
	}
	if len(u.networks) > 0 {
		if addr, ok := parseAddr(v.Text); ok {
			for i := range u.networks {
				if n := &u.networks[i]; n.scope&sc != 0 && n.Contains(addr) {
					m.setTrue(n.pred)
				}
			}
		}
	}
	if len(u.lits) == 0 {
		return
	}
	s := &m.scan
	s.fieldIndex, s.scope, s.numeric = u, sc, false
	if jsonscan.IsASCII(v.Text) {
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
	if s.fieldIndex.folded {
		m.folded = appendFold(m.folded[:0], v)
		s.mode = modeFolded
		m.scanText(s, m.folded)
	}
	if s.fieldIndex.cased {
		s.mode = modeCased
		m.scanText(s, v)
	}
}

func (m *Matcher) scanText(s *scan, b []byte) {
	u := s.fieldIndex
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
				if !u.verify[n].may(b, e.op) {
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
	if u.prefilter4 != nil {
		u.prefilter4.scan(m, s, b)
	}
	if u.prefilter3 != nil {
		u.prefilter3.scan(m, s, b)
	}
}

func (m *Matcher) scanEqual(s *scan, b []byte) {
	u := s.fieldIndex
	for _, id := range u.anchors.find(equalKey(b)) {
		if l := &u.lits[id]; l.op == rule.OpEqual && l.numeric == s.numeric && s.wants(l) &&
			l.is(b) {
			m.found(s, id)
		}
	}
}

// found sets the predicates of a literal.
func (m *Matcher) found(s *scan, id int32) {
	u := s.fieldIndex
	for _, k := range u.postings[u.first[id]:u.first[id+1]] {
		if k.scope&s.scope != 0 {
			m.setTrue(k.pred)
		}
	}
}

package match

import (
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// Matcher evaluates an index. It has scratch memory and is not safe for concurrent use.
type Matcher struct {
	ix  *Index
	log source

	// state says of each predicate its value for the current log: yes, yes-1 for no, anything
	// older for unknown. So nothing is cleared between logs.
	state    []uint32
	yes      uint32   // of the current log: odd, and greater than any before
	seen     []uint32 // by query: the log for which it was last evaluated
	late     []uint32 // by field index: the log for which it was last scanned
	accesses []int32  // the access predicates that hold

	scan      scan
	folded    []byte // scratch for folded text
	canonical []byte // and for numbers

	scanMember func(decode.Value) bool // scans a member of an array
	askMember  func(decode.Value) bool // evaluates asked for a member
	any        *fieldIndex
	scanAny    func(decode.Value) bool // scans a value of any field
	asked      *predicate
	answer     bool
	comparison comparison // of two fields
	otherText  []byte     // memory for its other value

	tally
}

// NewMatcher returns a matcher for one goroutine.
func (ix *Index) NewMatcher() *Matcher {
	m := &Matcher{
		ix:    ix,
		state: make([]uint32, len(ix.preds)),
		seen:  make([]uint32, len(ix.queries)),
		late:  make([]uint32, len(ix.fieldIndexes)+1),
		yes:   1,
	}
	m.scanMember = func(v decode.Value) bool {
		m.scanScalar(m.scan.fieldIndex, v, m.scan.scope)
		return true
	}
	m.scanAny = func(v decode.Value) bool {
		m.scanValue(m.any, v, scopeOwn)
		return true
	}
	m.askMember = func(v decode.Value) bool {
		m.answer = m.test(m.asked, v)
		return !m.answer
	}
	m.tally.init(len(ix.queries))
	return m
}

// Match appends the numbers of the queries that hold for a log, in ascending order. The log must
// come from a decoder that was made with the index's Fields.
func (m *Matcher) Match(log *decode.Log, dst []int32) []int32 { return m.match(log, dst) }

func (m *Matcher) match(log source, dst []int32) []int32 {
	start := len(dst)
	m.begin(log)
	m.scanFields()
	for _, id := range m.accesses {
		dst = m.look(m.ix.access[id], dst)
	}
	dst = m.look(m.ix.always, dst)
	if len(dst)-start > 1 {
		slices.Sort(dst[start:])
	}
	m.log = nil
	m.count(dst[start:])
	return dst
}

// begin makes the values of all predicates unknown.
func (m *Matcher) begin(log source) {
	m.log = log
	m.accesses = m.accesses[:0]
	m.yes += 2
	if m.yes == 1 { // once in two billion logs
		clear(m.state)
		clear(m.seen)
		clear(m.late)
		m.yes = 3
	}
}

// setTrue makes a predicate true.
func (m *Matcher) setTrue(id int32) {
	if m.state[id] == m.yes {
		return
	}
	m.state[id] = m.yes
	if x := m.ix.access[id]; x.from < x.to {
		m.accesses = append(m.accesses, id)
	}
}

// scanFields scans the fields with access predicates.
func (m *Matcher) scanFields() {
	for _, u := range m.ix.early {
		m.scanField(u)
	}
}

// scanField sets the predicates of a field index that its scan decides.
func (m *Matcher) scanField(i int32) {
	ix := m.ix
	if int(i) == len(ix.fieldIndexes) {
		if s := m.log.Severity(); s > 0 && s < len(ix.levels) {
			for _, id := range ix.levels[s] {
				m.setTrue(id)
			}
		}
		return
	}
	u := ix.fieldIndexes[i]
	if u.field == anyField {
		m.any = u
		m.log.EachValue(m.scanAny)
		return
	}
	if u == ix.text {
		m.scanTexts(u)
		return
	}
	m.scanValue(u, m.value(u.field, u.lookup), scopeOwn)
}

// guards says whether a guard holds, or is none.
func (m *Matcher) guards(id int32) bool {
	return id == none || m.state[id] == m.yes || m.ix.lateOf[id] != none && m.scanned(id)
}

// scanned says whether a predicate holds, and scans its field first if necessary.
func (m *Matcher) scanned(id int32) bool {
	if u := m.ix.lateOf[id]; u != none && m.late[u] != m.yes {
		m.late[u] = m.yes
		m.scanField(u)
	}
	return m.state[id] == m.yes
}

// scanTexts scans the message and the stack trace, and the record where a predicate needs it or
// it replaces the message.
func (m *Matcher) scanTexts(u *fieldIndex) {
	raw := u.used & scopeRaw
	if u.used&(scopeText|scopeMessage) != 0 {
		v := m.log.Value(decode.FieldMessage)
		if v.Kind <= decode.Null {
			raw |= u.used & scopeText
		}
		m.scanValue(u, v, u.used&(scopeText|scopeMessage))
	}
	if sc := u.used & (scopeText | scopeStack); sc != 0 {
		m.scanValue(u, m.log.Value(decode.FieldStack), sc)
	}
	if raw != 0 {
		m.scanValue(u, m.log.Value(decode.FieldRaw), raw)
	}
}

func (m *Matcher) value(field decode.FieldID, lookup string) decode.Value {
	if lookup != "" {
		return m.log.Lookup(lookup)
	}
	return m.log.Value(field)
}

// look evaluates the queries of groups whose guards hold.
func (m *Matcher) look(x extent, dst []int32) []int32 {
	ix := m.ix
	for i := x.from; i < x.to; i++ {
		g := &ix.groups[i]
		if !m.guards(g.guard) {
			continue
		}
		for _, e := range ix.entries[g.from:g.to] {
			if m.seen[e.query] == m.yes || !m.guards(e.guard) {
				continue
			}
			m.seen[e.query] = m.yes
			if m.evaluate(e.query) {
				dst = append(dst, e.query)
			}
		}
	}
	return dst
}

// evaluate evaluates a query that is a candidate, and counts it.
func (m *Matcher) evaluate(id int32) bool {
	m.candidate(id)
	if !m.timing {
		return m.node(m.ix.roots[id])
	}
	t := m.ix.now()
	ok := m.node(m.ix.roots[id])
	m.took(id, m.ix.now()-t)
	return ok
}

func (m *Matcher) node(at int32) bool {
	n := &m.ix.nodes[at]
	switch n.op {
	case opPred:
		return m.holds(n.pred)
	case opNotPred:
		return !m.holds(n.pred)
	case opAnd:
		for i := n.from; i < n.to; i++ {
			if !m.node(i) {
				return false
			}
		}
		return true
	}
	for i := n.from; i < n.to; i++ {
		if m.node(i) {
			return true
		}
	}
	return false
}

// holds says whether a predicate holds, and evaluates it if the scan did not decide it.
func (m *Matcher) holds(id int32) bool {
	s := m.state[id]
	if s == m.yes {
		return true
	}
	if s == m.yes-1 {
		return false
	}
	if m.scanned(id) {
		return true
	}
	if !m.ix.preds[id].lazily {
		return false
	}
	if m.ask(id) {
		m.state[id] = m.yes
		return true
	}
	m.state[id] = m.yes - 1
	return false
}

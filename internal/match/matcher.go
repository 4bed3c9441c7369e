package match

import (
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// Matcher evaluates a program. It has scratch of its own: one goroutine uses it at a time.
type Matcher struct {
	p   *Program
	log source

	// state says of each predicate what is known of it for the present log: yes, yes-1 for no,
	// anything older for nothing. So nothing is cleared between logs.
	state  []uint32
	yes    uint32   // of the present log: odd, and greater than any before
	seen   []uint32 // by query: the log for which it was last looked at
	late   []uint32 // by unit: the log for which it was last asked for
	pivots []int32  // the predicates that hold and are a pivot

	scan      scan
	folded    []byte // scratch for folded text
	canonical []byte // and for numbers

	scanMember func(decode.Value) bool // scans a member of an array
	askMember  func(decode.Value) bool // and this answers asked for it
	asked      *predicate
	answer     bool

	tally
}

// NewMatcher returns a matcher for one goroutine.
func (p *Program) NewMatcher() *Matcher {
	m := &Matcher{
		p:     p,
		state: make([]uint32, len(p.preds)),
		seen:  make([]uint32, len(p.queries)),
		late:  make([]uint32, len(p.units)+1),
		yes:   1,
	}
	m.scanMember = func(v decode.Value) bool {
		m.scanScalar(m.scan.unit, v, m.scan.scope)
		return true
	}
	m.askMember = func(v decode.Value) bool {
		m.answer = m.test(m.asked, v)
		return !m.answer
	}
	m.tally.init(len(p.queries))
	return m
}

// Match appends the numbers of the queries that hold for a log, in ascending order. The log must
// come from a decoder that was made with the program's Fields.
func (m *Matcher) Match(log *decode.Log, dst []int32) []int32 { return m.match(log, dst) }

func (m *Matcher) match(log source, dst []int32) []int32 {
	start := len(dst)
	m.begin(log)
	m.scanFields()
	for _, id := range m.pivots {
		dst = m.look(m.p.access[id], dst)
	}
	dst = m.look(m.p.always, dst)
	if len(dst)-start > 1 {
		slices.Sort(dst[start:])
	}
	m.log = nil
	m.count(dst[start:])
	return dst
}

// begin makes everything that is known of predicates outdated.
func (m *Matcher) begin(log source) {
	m.log = log
	m.pivots = m.pivots[:0]
	m.yes += 2
	if m.yes < 2 { // once in two billion logs
		clear(m.state)
		clear(m.seen)
		clear(m.late)
		m.yes = 3
	}
}

// mark makes a predicate true.
func (m *Matcher) mark(id int32) {
	if m.state[id] == m.yes {
		return
	}
	m.state[id] = m.yes
	if x := m.p.access[id]; x.from < x.to {
		m.pivots = append(m.pivots, id)
	}
}

// scanFields marks the predicates of the units on which queries pivot.
func (m *Matcher) scanFields() {
	for _, u := range m.p.early {
		m.scanUnit(u)
	}
}

// scanUnit marks all predicates of a unit that its scan decides.
func (m *Matcher) scanUnit(i int32) {
	p := m.p
	if int(i) == len(p.units) {
		if s := m.log.Severity(); s > 0 && s < len(p.levels) {
			for _, id := range p.levels[s] {
				m.mark(id)
			}
		}
		return
	}
	u := p.units[i]
	if u == p.text {
		m.scanTexts(u)
		return
	}
	m.scanValue(u, m.value(u.field, u.lookup), scopeOwn)
}

// guards says whether a guard, if there is one, lets its queries pass.
func (m *Matcher) guards(id int32) bool {
	return id == none || m.state[id] == m.yes || m.p.lateOf[id] != none && m.scanned(id)
}

// scanned says whether a predicate holds, after its unit was scanned if it was not before.
func (m *Matcher) scanned(id int32) bool {
	if u := m.p.lateOf[id]; u != none && m.late[u] != m.yes {
		m.late[u] = m.yes
		m.scanUnit(u)
	}
	return m.state[id] == m.yes
}

// scanTexts scans the message and the stack trace, and the record where it is wanted or stands for
// the message.
func (m *Matcher) scanTexts(u *unit) {
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

// look evaluates the queries of some groups whose guards hold.
func (m *Matcher) look(x extent, dst []int32) []int32 {
	p := m.p
	for i := x.from; i < x.to; i++ {
		g := &p.groups[i]
		if !m.guards(g.guard) {
			continue
		}
		for _, e := range p.entries[g.from:g.to] {
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

// evaluate answers a query that is a candidate, and counts it.
func (m *Matcher) evaluate(id int32) bool {
	m.candidate(id)
	if !m.timing {
		return m.node(m.p.roots[id])
	}
	t := m.p.now()
	ok := m.node(m.p.roots[id])
	m.took(id, m.p.now()-t)
	return ok
}

func (m *Matcher) node(at int32) bool {
	n := &m.p.nodes[at]
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

// holds says whether a predicate holds, asking for it if the scan did not decide it.
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
	if !m.p.preds[id].lazily {
		return false
	}
	if m.ask(id) {
		m.state[id] = m.yes
		return true
	}
	m.state[id] = m.yes - 1
	return false
}

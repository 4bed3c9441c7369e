package match

import (
	"math/bits"
	"net/netip"
	"regexp"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/jsonscan"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// predicate is a condition on one field, shared by the queries that have it. The scan of the field
// decides most of them; the others are evaluated when a query needs them, once for each log.
type predicate struct {
	kind  predKind
	place place

	members []literal // predSet: true when any of them holds
	lazy    []literal // those of them that the scan does not look for
	values  rule.Range
	network *netip.Prefix // predNetwork
	pattern *pattern      // predGlob, predRegexp, predWords
	other   *place        // predReference: the other field
	leaf    *rule.Leaf
	also    []int32 // further sets like need

	scanFrom int     // predSet: the length from which the scan looks for texts within values
	freq     float64 // how often it holds, measured or guessed
	levels   uint32  // predLevel: a bit for each severity
	need     int32   // a set without which the pattern cannot hold; none if there is none
	lazily   bool    // the scan alone does not decide it
}

// pattern is what a value is compared with by glob, regular expression or words.
type pattern struct {
	glob       []rune
	words      [][]byte // folded, unless cased
	cased      bool
	regexp     *regexp.Regexp
	bytes      int      // of a value that regexp reads at most
	substrings [][]byte // that every match of regexp has, in this order
}

type predKind uint8

const (
	predSet predKind = iota
	predExists
	predLevel
	predRange
	predNetwork
	predGlob
	predRegexp
	predWords
	predReference // a comparison with another field
)

const none = int32(-1)

// place is where a predicate looks: a field, or the texts.
type place struct {
	field  decode.FieldID // textField for the texts
	lookup string
	// the field is extracted from another one, which is done only for logs of which the rest of the
	// query holds
	extracted bool
}

const (
	textField = decode.FieldID(-1)
	anyField  = decode.FieldID(-3) // the values of all fields
)

// fieldIndex is the field whose index serves the place, and the scope in it.
func (p place) fieldIndex() (decode.FieldID, scope) {
	switch p.field {
	case textField:
		return decode.FieldMessage, scopeText
	case decode.FieldMessage:
		return decode.FieldMessage, scopeMessage
	case decode.FieldStack:
		return decode.FieldMessage, scopeStack
	case decode.FieldRaw:
		return decode.FieldMessage, scopeRaw
	}
	return p.field, scopeOwn
}

// fieldKey names the field index of a predicate; the level has one of its own.
type fieldKey decode.FieldID

const levelField = fieldKey(textField) - 1

func (p *predicate) fieldKey() fieldKey {
	if p.kind == predLevel {
		return levelField
	}
	field, _ := p.place.fieldIndex()
	return fieldKey(field)
}

// isNumber says whether the predicate compares a number or the level.
func (p *predicate) isNumber() bool { return p.kind == predRange || p.kind == predLevel }

// shortest is the length of the shortest text that must be found within a value; whole values,
// beginnings and ends are found however short they are.
func (p *predicate) shortest() int {
	n := 1 << 30
	for i := range p.members {
		if l := &p.members[i]; l.op == rule.OpContains && len(l.text) > 0 {
			n = min(n, len(l.text))
		}
	}
	return n
}

// skips says whether the scan leaves a member to be looked for when it is asked for.
func (p *predicate) skips(l *literal) bool {
	return l.op == rule.OpContains && len(l.text) > 0 && len(l.text) < p.scanFrom
}

// scanLiterals makes the scan look only for texts of at least some length.
func (p *predicate) scanLiterals(from int) {
	p.scanFrom, p.lazy = from, nil
	for _, l := range p.members {
		if p.skips(&l) {
			p.lazy = append(p.lazy, l)
		}
	}
	p.lazily = len(p.lazy) > 0
}

// canAccess reports whether the scan can find the predicate.
func (p *predicate) canAccess() bool {
	if p.place.extracted {
		return false
	}
	switch p.kind {
	case predSet:
		return p.shortest() >= minShort
	case predExists, predLevel, predRange, predNetwork:
		return true
	}
	return false
}

// guess is how often a predicate holds, without a sample.
func (p *predicate) guess() float64 {
	f := 0.0
	switch p.kind {
	case predSet:
		for i := range p.members {
			switch l := &p.members[i]; {
			case len(l.text) == 0:
				f += 0.9
			case l.op == rule.OpEqual:
				f += 0.02
			case l.op != rule.OpContains:
				f += 0.03
			case len(l.text) < 3:
				f += 0.5
			default:
				f += 0.1 / float64(len(l.text))
			}
		}
	case predExists:
		f = 0.5
	case predLevel:
		lowest := bits.TrailingZeros32(p.levels)
		f = [...]float64{1, 0.95, 0.9, 0.1, 0.05, 0.005, 0.001}[min(lowest-1, 24)/4]
	case predRange:
		f = 0.3
	case predNetwork:
		f = 0.1
	default:
		f = 0.3
	}
	return min(f, 1)
}

// test evaluates a predicate for one value, which is neither null nor an array.
func (m *Matcher) test(p *predicate, v decode.Value) bool {
	switch p.kind {
	case predSet:
		folded := v.Text
		if !jsonscan.IsASCII(folded) {
			m.folded = appendFold(m.folded[:0], folded)
			folded = m.folded
		}
		for i := range p.lazy {
			if p.lazy[i].in(v.Text, folded) {
				return true
			}
		}
	case predRange:
		n, ok := valueNumber(v)
		return ok && p.values.Contains(n)
	case predNetwork:
		addr, ok := parseAddr(v.Text)
		return ok && p.network.Contains(addr)
	case predGlob:
		return globText(v.Text, p.pattern.glob, p.pattern.cased)
	case predWords:
		if p.pattern.cased {
			return hasWords(v.Text, p.pattern.words, true)
		}
		folded := v.Text
		if !jsonscan.IsASCII(folded) {
			m.folded = appendFold(m.folded[:0], folded)
			folded = m.folded
		}
		return hasFoldedWords(folded, p.pattern.words)
	case predReference:
		return m.comparison.holds(v)
	case predRegexp:
		text, pattern := v.Text, p.pattern
		if len(text) > pattern.bytes {
			m.noteCut()
			text = text[:pattern.bytes]
		}
		if !hasSubstrings(text, pattern.substrings) {
			return false
		}
		m.regexps++
		return pattern.regexp.Match(text)
	}
	return false
}

// ask evaluates a predicate that the scan did not decide.
func (m *Matcher) ask(id int32) bool {
	p := &m.ix.preds[id]
	if p.need != none && !m.holds(p.need) {
		return false
	}
	for _, id := range p.also {
		if !m.holds(id) {
			return false
		}
	}
	if p.kind != predReference {
		return m.askPlace(p)
	}
	m.beginComparison(p)
	found := m.askPlace(p)
	m.noteComparison()
	return found
}

// beginComparison prepares the comparison of two fields.
func (m *Matcher) beginComparison(p *predicate) {
	o := m.value(p.other.field, p.other.lookup)
	m.otherText = append(m.otherText[:0], o.Text...)
	m.comparison.leaf = p.leaf
	m.comparison.other = decode.Value{Kind: o.Kind, Text: m.otherText}
	m.comparison.begin()
}

// askPlace evaluates a predicate for the values of its field.
func (m *Matcher) askPlace(p *predicate) bool {
	if p.place.field == anyField {
		m.asked, m.answer = p, false
		m.log.EachValue(m.askMember)
		return m.answer
	}
	if p.place.field != textField {
		v := m.value(p.place.field, p.place.lookup)
		return m.askValue(p, v)
	}
	text := m.log.Value(decode.FieldMessage)
	if text.Kind <= decode.Null {
		text = m.log.Value(decode.FieldRaw)
	}
	return m.askValue(p, text) || m.askValue(p, m.log.Value(decode.FieldStack))
}

func (m *Matcher) askValue(p *predicate, v decode.Value) bool {
	if v.Kind <= decode.Null {
		return false
	}
	if v.Kind != decode.Array {
		return m.test(p, v)
	}
	m.asked, m.answer = p, false
	v.Each(m.askMember)
	return m.answer
}

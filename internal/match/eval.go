package match

import (
	"bytes"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Lists finds the members of a named list; ok is false when there is no list of that name. A nil
// Lists knows none.
type Lists func(name string) (members []string, ok bool)

// source is what the matcher asks of a log; decode.Log is one.
type source interface {
	Value(id decode.FieldID) decode.Value
	Lookup(path string) decode.Value
	Severity() int
	EachValue(f func(decode.Value) bool)
}

// Eval says whether a query holds for a log. It is the definition of what queries mean, written to
// be read: an Index gives the same answers faster.
//
//   - A nil query always holds.
//   - A leaf whose field is absent or null is false; a Not over it is true.
//   - An array satisfies a leaf when one of its members does. Text operators compare an object with
//     its JSON.
//   - The field AnyField is the values of all fields, nested ones too.
//   - OpWords compares whole words, which are runs of letters, digits and "_".
//   - A leaf with Other compares the values of two fields, of long lists only the first: see
//     comparison.
//   - The field "" is the message and the stack trace; where there is no message, the record's
//     bytes stand for it.
//   - Text that is not Cased compares by Unicode simple folding: K (Kelvin) equals k, and ſ equals
//     s. A byte that is no UTF-8 equals U+FFFD.
//   - OpEqual and OpList compare text; and a number in the record also equals a number in the query
//     of the same value, whatever its spelling: 200.0 is 200.
//   - OpRegexp reads a value up to a bound that only very large expressions have: see
//     maxRegexpSteps.
//   - OpRange reads numbers, and texts that are a number with a unit. OpLevel is false when the
//     severity is unknown.
func Eval(q rule.Query, log *decode.Log, lists Lists) bool { return eval(q, log, lists) }

func eval(q rule.Query, log source, lists Lists) bool {
	switch q := q.(type) {
	case *rule.And:
		for _, sub := range q.Of {
			if !eval(sub, log, lists) {
				return false
			}
		}
		return true
	case *rule.Or:
		for _, sub := range q.Of {
			if eval(sub, log, lists) {
				return true
			}
		}
		return false
	case *rule.Not:
		return !eval(q.Of, log, lists)
	case *rule.Leaf:
		return evalLeaf(q, log, lists)
	}
	return true
}

func evalLeaf(l *rule.Leaf, log source, lists Lists) bool {
	if l.Op == rule.OpLevel {
		s := log.Severity()
		return s > 0 && l.Range.Contains(float64(s))
	}
	if l.Other != "" {
		return evalReference(l, log)
	}
	for _, v := range leafValues(l, log) {
		if l.Op == rule.OpExists {
			if v.Kind > decode.Null {
				return true
			}
			continue
		}
		found := false
		v.Each(func(v decode.Value) bool {
			found = valueHolds(l, v, lists)
			return !found
		})
		if found {
			return true
		}
	}
	return false
}

// leafValues are the values that a leaf compares. They are copies: one value may be overwritten
// when the next is looked up.
func leafValues(l *rule.Leaf, log source) []decode.Value {
	look := func(path string) decode.Value {
		v := log.Lookup(path)
		v.Text = bytes.Clone(v.Text)
		return v
	}
	if l.Field == rule.AnyField {
		var all []decode.Value
		log.EachValue(func(v decode.Value) bool {
			v.Text = bytes.Clone(v.Text)
			all = append(all, v)
			return true
		})
		return all
	}
	if l.Field != "" {
		return []decode.Value{look(l.Field)}
	}
	text := look("message")
	if text.Kind <= decode.Null {
		text = look("raw")
	}
	return []decode.Value{text, look("stack")}
}

// evalReference compares the values of two fields.
func evalReference(l *rule.Leaf, log source) bool {
	look := log.Lookup(l.Other)
	c := comparison{leaf: l, other: decode.Value{Kind: look.Kind, Text: bytes.Clone(look.Text)}}
	c.begin()
	for _, v := range leafValues(l, log) {
		found := false
		v.Each(func(v decode.Value) bool {
			found = c.holds(v)
			return !found
		})
		if found {
			return true
		}
	}
	return false
}

// comparison compares values of a field with those of another one. Both may be lists, so its steps
// are bounded: a record of two long lists must not take time by the product of their lengths.
type comparison struct {
	leaf  *rule.Leaf
	other decode.Value
	left  int // steps
	cut   bool
}

// Members of two lists of a hundred short ones are all compared.
const (
	leastSteps   = 1 << 14
	stepsPerByte = 16
)

func (c *comparison) begin() {
	c.left, c.cut = leastSteps+stepsPerByte*len(c.other.Text), false
}

// holds says whether a value, which is no array, stands in the relation to one of the other's.
func (c *comparison) holds(v decode.Value) (found bool) {
	c.left += stepsPerByte * len(v.Text)
	c.other.Each(func(o decode.Value) bool {
		steps := 1 + len(v.Text) + len(o.Text)
		if c.leaf.Op == rule.OpEqual || c.leaf.Op == rule.OpPrefix {
			steps = 1 + min(len(v.Text), len(o.Text))
		}
		if c.left -= steps; c.left < 0 {
			c.cut = true
			return false
		}
		found = referenceHolds(c.leaf, v, o)
		return !found
	})
	return found
}

// referenceHolds compares one value with another.
func referenceHolds(l *rule.Leaf, v, other decode.Value) bool {
	if l.Op != rule.OpRange {
		one := rule.Leaf{Op: l.Op, Text: string(other.Text), Cased: l.Cased}
		return valueHolds(&one, v, nil)
	}
	a, okA := valueNumber(v)
	b, okB := valueNumber(other)
	if !okA || !okB {
		return false
	}
	switch l.Text {
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	}
	return a <= b
}

// valueHolds says whether a leaf holds for one value, which is neither null nor an array.
func valueHolds(l *rule.Leaf, v decode.Value, lists Lists) bool {
	switch l.Op {
	case rule.OpContains:
		return containsText(v.Text, l.Text, l.Cased)
	case rule.OpPrefix:
		_, ok := cutText(v.Text, l.Text, l.Cased)
		return ok
	case rule.OpSuffix:
		return hasSuffixText(v.Text, l.Text, l.Cased)
	case rule.OpEqual:
		return equalValue(v, l.Text, l.Cased)
	case rule.OpGlob:
		return globText(v.Text, []rune(l.Text), l.Cased)
	case rule.OpRegexp:
		return l.Regexp.Match(v.Text[:min(len(v.Text), regexpBytes(l.Instructions))])
	case rule.OpRange:
		n, ok := valueNumber(v)
		return ok && l.Range.Contains(n)
	case rule.OpCIDR:
		network, ok := parseNetwork(l.Text)
		if !ok {
			return false
		}
		addr, ok := parseAddr(v.Text)
		return ok && network.Contains(addr)
	case rule.OpWords:
		return hasWords(v.Text, splitWords([]byte(l.Text)), l.Cased)
	case rule.OpList:
		if lists == nil {
			return false
		}
		members, _ := lists(l.Text)
		for _, m := range members {
			if memberHolds(v, m, l.Cased) {
				return true
			}
		}
	}
	return false
}

// maxRegexpSteps bounds the time of one regular expression on one value, which is that of its
// instructions times the bytes. It is about a second; a common expression of 100 instructions reads
// values of a megabyte whole.
const maxRegexpSteps = 1 << 27

// regexpBytes is how much of a value an expression reads.
func regexpBytes(instructions int) int { return maxRegexpSteps / max(instructions, 1) }

func equalValue(v decode.Value, text string, cased bool) bool {
	if rest, ok := cutText(v.Text, text, cased); ok && len(rest) == 0 {
		return true
	}
	if v.Kind != decode.Number || !isNumber(text) {
		return false
	}
	return string(appendCanonical(nil, v.Text)) == string(appendCanonical(nil, []byte(text)))
}

func containsText(v []byte, text string, cased bool) bool {
	if cased {
		return bytes.Contains(v, []byte(text))
	}
	return bytes.Contains(appendFold(nil, v), appendFold(nil, []byte(text)))
}

func hasSuffixText(v []byte, text string, cased bool) bool {
	if cased {
		return bytes.HasSuffix(v, []byte(text))
	}
	return bytes.HasSuffix(appendFold(nil, v), appendFold(nil, []byte(text)))
}

// cutText cuts a text from the beginning of a value.
func cutText(v []byte, text string, cased bool) (rest []byte, ok bool) {
	if cased {
		return bytes.CutPrefix(v, []byte(text))
	}
	for _, want := range text {
		r, n := utf8.DecodeRune(v)
		if n == 0 || !equalRune(r, want) {
			return nil, false
		}
		v = v[n:]
	}
	return v, true
}

// equalRune compares by Unicode simple folding.
func equalRune(a, b rune) bool {
	if a == b {
		return true
	}
	for r := unicode.SimpleFold(a); r != a; r = unicode.SimpleFold(r) {
		if r == b {
			return true
		}
	}
	return false
}

// globText matches a whole value with a pattern: * is any run of characters, ? any one, and \ makes
// the next character ordinary. Only the last star is tried again at a later place, so the time is
// at most that of the value times the pattern.
func globText(v []byte, pattern []rune, cased bool) bool {
	at, star := 0, -1 // where in the pattern; after the last star, -1 for none
	var next []byte   // the part of the value that the last star is tried with
	for {
		if at < len(pattern) && pattern[at] == '*' {
			at++
			if at == len(pattern) {
				return true
			}
			star, next = at, v
			continue
		}
		if at == len(pattern) && len(v) == 0 {
			return true
		}
		if at < len(pattern) && len(v) > 0 {
			r, n := utf8.DecodeRune(v)
			want, width := pattern[at], 1
			switch {
			case want == '?':
				want = r
			case want == '\\' && at+1 < len(pattern):
				want, width = pattern[at+1], 2
			}
			if r == want || !cased && equalRune(r, want) {
				at, v = at+width, v[n:]
				continue
			}
		}
		if star < 0 || len(next) == 0 {
			return false
		}
		_, n := utf8.DecodeRune(next)
		next = next[n:]
		at, v = star, next
	}
}

// parseNetwork reads a network, or an address as the network of itself.
func parseNetwork(text string) (netip.Prefix, bool) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err == nil && p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Masked(), err == nil
	}
	a, err := netip.ParseAddr(text)
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), err == nil
}

// ListsOf are the lists of a rule set.
func ListsOf(set *rule.Set) Lists {
	return func(name string) ([]string, bool) {
		list, ok := set.Lists[name]
		if !ok {
			return nil, false
		}
		return list.Values, true
	}
}

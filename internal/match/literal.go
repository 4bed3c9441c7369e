package match

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// literal is one text to be found in the values of a field.
type literal struct {
	text    []byte  // folded, unless cased
	op      rule.Op // OpContains, OpPrefix, OpSuffix or OpEqual
	cased   bool
	numeric bool // the canonical spelling of a number: it equals numbers only
}

func newLiteral(op rule.Op, text string, cased bool) literal {
	l := literal{text: []byte(text), op: op, cased: cased}
	if !cased {
		l.text = appendFold(nil, l.text)
	}
	return l
}

// key identifies a literal.
func (l *literal) key() string {
	flags := byte(l.op) << 2
	if l.cased {
		flags |= 1
	}
	if l.numeric {
		flags |= 2
	}
	return string(flags) + string(l.text)
}

// is says whether a part of a value is the literal. Unless it is cased, the part is ASCII or
// folded.
func (l *literal) is(part []byte) bool {
	if l.cased {
		return string(part) == string(l.text)
	}
	return equalFold(part, l.text)
}

// in says whether the literal holds for a whole value; folded is the value itself when that is
// ASCII, else its folded form.
func (l *literal) in(value, folded []byte) bool {
	v := folded
	if l.cased {
		v = value
	}
	n := len(l.text)
	switch l.op {
	case rule.OpEqual:
		return l.is(v)
	case rule.OpPrefix:
		return n <= len(v) && l.is(v[:n])
	case rule.OpSuffix:
		return n <= len(v) && l.is(v[len(v)-n:])
	}
	if l.cased {
		return bytes.Contains(v, l.text)
	}
	return containsFold(v, l.text)
}

package logprofile

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// Asked is a field that a rule asks for, or several of which any will do, and whether some log of
// the sample has it.
type Asked struct {
	Rule   string
	Fields string
	Seen   bool
	Read   bool // the rule has read logs of the sample
}

// Asked returns the fields that the rules ask for, in the order of the rules.
func (p *Profile) Asked() (list []Asked) {
	for _, w := range p.rules {
		for _, u := range w.uses {
			names := make([]string, len(u.Fields))
			for i, f := range u.Fields {
				names[i] = decode.FieldName(f)
			}
			list = append(list, Asked{
				Rule: w.rule.ID(), Fields: strings.Join(names, ", "), Seen: u.seen, Read: w.logs > 0,
			})
		}
	}
	return list
}

// Unasked is a field that no rule asks for, and how many logs of the sample have it.
type Unasked struct {
	Field string
	Logs  int
}

// Unasked returns the fields that no rule asks for, the most frequent first.
func (p *Profile) Unasked() (list []Unasked) {
	asked := map[string]bool{}
	for _, w := range p.rules {
		for _, u := range w.uses {
			for _, f := range u.Fields {
				asked[decode.FieldName(f)] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.names)) {
		if !covered(name, asked) {
			list = append(list, Unasked{name, p.names[name]})
		}
	}
	slices.SortStableFunc(list, func(a, b Unasked) int { return cmp.Compare(b.Logs, a.Logs) })
	return list
}

// covered says whether a rule asks for a field, or for what it is a part of. Every rule shows the
// message.
func covered(name string, asked map[string]bool) bool {
	if asked[name] || name == "message" || asked["*"] {
		return true
	}
	for at, c := range name {
		if c == '.' && (asked[name[:at]] || asked[name[:at]+".*"]) {
			return true
		}
	}
	return false
}

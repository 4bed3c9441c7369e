package logprofile

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// Referenced is a field that a rule references, or several of which any will do, and whether some
// log of the sample has it.
type Referenced struct {
	Rule   string
	Fields string
	Seen   bool
	Read   bool // the rule has read logs of the sample
}

// Referenced returns the fields that the rules reference, in the order of the rules.
func (p *Profile) Referenced() (list []Referenced) {
	for _, w := range p.rules {
		for _, u := range w.uses {
			names := make([]string, len(u.Fields))
			for i, f := range u.Fields {
				names[i] = decode.FieldName(f)
			}
			list = append(list, Referenced{
				Rule: w.rule.ID(), Fields: strings.Join(names, ", "), Seen: u.seen, Read: w.logs > 0,
			})
		}
	}
	return list
}

// Unreferenced is a field that no rule references.
type Unreferenced struct {
	Field   string
	Percent int // of the logs of the sample have it
}

// Unreferenced returns the fields that no rule references, the most frequent first.
func (p *Profile) Unreferenced() (list []Unreferenced) {
	referenced := map[string]bool{}
	for _, w := range p.rules {
		for _, u := range w.uses {
			for _, f := range u.Fields {
				referenced[decode.FieldName(f)] = true
			}
		}
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(p.names)), func(name string) bool {
		return covered(name, referenced)
	})
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(p.names[b], p.names[a])
	})
	for _, name := range names {
		list = append(list, Unreferenced{name, 100 * p.names[name] / p.named})
	}
	return list
}

// covered reports whether a rule references a field, or what it is a part of. Every rule shows the
// message.
func covered(name string, referenced map[string]bool) bool {
	if referenced[name] || name == "message" || referenced["*"] {
		return true
	}
	for at, c := range name {
		if c == '.' && (referenced[name[:at]] || referenced[name[:at]+".*"]) {
			return true
		}
	}
	return false
}

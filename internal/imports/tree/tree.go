// Package tree writes conditions on a log as the match of a rule: maps of fields where they say it,
// and named selections with a condition over them where they do not.
package tree

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
)

// Node is a condition on a log.
type Node interface{ isNode() }

// And holds when all of its members hold, Or when one does, and Not when Of does not. An And of
// nothing always holds, and an Or of nothing never.
type (
	And struct{ Of []Node }
	Or  struct{ Of []Node }
	Not struct{ Of Node }
)

// Leaf is a field with modifiers, and the values of which one must hold.
type Leaf struct {
	Field  string
	Mods   string // as in contains|cased
	Values []string
	Null   bool // the field must be absent
}

func (And) isNode()  {}
func (Or) isNode()   {}
func (Not) isNode()  {}
func (Leaf) isNode() {}

// All joins conditions that must all hold, Any those of which one must, and Negate turns one
// around.
func All(of ...Node) Node { return join(of, true) }
func Any(of ...Node) Node { return join(of, false) }

func join(of []Node, and bool) Node {
	var list []Node
	for _, n := range of {
		switch m := n.(type) {
		case nil:
			continue
		case And:
			if and {
				list = append(list, m.Of...)
				continue
			}
			if len(m.Of) == 0 {
				return m // always
			}
		case Or:
			if !and {
				list = append(list, m.Of...)
				continue
			}
			if len(m.Of) == 0 {
				return m // never
			}
		}
		list = append(list, n)
	}
	switch {
	case len(list) == 1:
		return list[0]
	case and:
		return And{list}
	}
	return Or{list}
}

// Negate is the opposite of a condition.
func Negate(n Node) Node {
	switch m := n.(type) {
	case Not:
		return m.Of
	case And:
		if len(m.Of) == 0 {
			return Or{}
		}
	case Or:
		if len(m.Of) == 0 {
			return And{}
		}
	}
	return Not{n}
}

// Always reports whether a condition holds for every log.
func Always(n Node) bool { m, ok := n.(And); return ok && len(m.Of) == 0 || n == nil }

// Key identifies a condition.
func Key(n Node) string {
	list := func(word string, of []Node) string {
		var b strings.Builder
		b.WriteString(word)
		for _, m := range of {
			b.WriteString(Key(m))
			b.WriteByte(' ')
		}
		return b.String() + ")"
	}
	switch m := n.(type) {
	case And:
		return list("and(", m.Of)
	case Or:
		return list("or(", m.Of)
	case Not:
		return list("not(", []Node{m.Of})
	case Leaf:
		return fmt.Sprintf("%q %s %t %q", m.Field, m.Mods, m.Null, m.Values)
	}
	return ""
}

// Escape is a text as a value without wildcards.
func Escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(text)
}

// Named is a condition with the name that counts use.
type Named struct {
	Name string
	Node Node
}

// Match is the match of a rule of which each log satisfies one of the conditions; nil for every
// log. Conditions are selections of it if there are several.
func Match(conditions ...Named) *yaml.Node {
	if len(conditions) == 1 {
		n := conditions[0].Node
		if Always(n) {
			return nil
		}
		if m := plain(n); m != nil && safe(n) {
			return m
		}
		return selections(n)
	}
	m := imports.Map()
	var names []string
	for _, c := range conditions {
		imports.Set(m, c.Name, value(c.Node))
		names = append(names, c.Name)
	}
	imports.Set(m, "condition", imports.Text(strings.Join(names, " or ")))
	return m
}

// MatchOf is the match of a rule about some logs, with further selections that counts name.
func MatchOf(logs Node, more []Named) *yaml.Node {
	if len(more) == 0 {
		return Match(Named{"logs", logs})
	}
	m := imports.Map()
	w := &writer{m: m}
	text := w.condition(logs, true)
	for _, c := range more {
		imports.Set(m, c.Name, value(c.Node))
	}
	imports.Set(m, "condition", imports.Text(text))
	return m
}

// safeValue is a value that means the same in a map of its own and in a selection: no list, no
// range, no network.
var safeValue = regexp.MustCompile(
	`^[A-Za-z0-9_][A-Za-z0-9_ :,;=()\[\]'"-]*(\.[A-Za-z0-9_ :,;=()\[\]'"-]+)*$`,
)

func safe(n Node) bool {
	switch m := n.(type) {
	case And:
		return !slices.ContainsFunc(m.Of, func(n Node) bool { return !safe(n) })
	case Leaf:
		if strings.Trim(strings.ReplaceAll(m.Mods, "cased", ""), "|") != "" {
			return true
		}
		return m.Field != "level" && !slices.ContainsFunc(m.Values, func(v string) bool {
			return v != "?*" && !safeValue.MatchString(v)
		})
	}
	return false
}

func (l Leaf) key() string {
	if l.Mods == "" {
		return l.Field
	}
	return l.Field + "|" + l.Mods
}

func (l Leaf) value() *yaml.Node {
	switch {
	case l.Null:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case len(l.Values) == 1:
		return scalar(l.Values[0])
	}
	list := imports.List()
	list.Style = yaml.FlowStyle
	for _, v := range l.Values {
		list.Content = append(list.Content, scalar(v))
		if len(list.Content) > 4 {
			list.Style = 0
		}
	}
	return list
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if strings.ContainsAny(text, "\"\\|{}[]#&*!%@`'") {
		n.Style = yaml.SingleQuotedStyle
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// plain is a condition as one map of fields; nil if it is more than that.
func plain(n Node) *yaml.Node {
	var leaves []Leaf
	switch m := n.(type) {
	case Leaf:
		leaves = []Leaf{m}
	case And:
		for _, one := range m.Of {
			l, ok := one.(Leaf)
			if !ok {
				return nil
			}
			leaves = append(leaves, l)
		}
	}
	return fields(leaves)
}

// fields is a map of leaves that must all hold; nil when two of them have one key. Single values of
// one key that must all hold are joined.
func fields(leaves []Leaf) *yaml.Node {
	if len(leaves) == 0 {
		return nil
	}
	type joined struct {
		Leaf
		single, added bool
	}
	of := make(map[string]int, len(leaves))
	var list []joined
	for _, l := range leaves {
		single := len(l.Values) == 1 && !l.Null
		at, ok := of[l.key()]
		if !ok {
			of[l.key()] = len(list)
			list = append(list, joined{Leaf: l, single: single})
			continue
		}
		first := &list[at]
		if !first.single || !single || !joins(l.Mods) {
			return nil
		}
		if !first.added {
			first.Values, first.added = slices.Clone(first.Values), true
		}
		first.Values = append(first.Values, l.Values...)
	}
	m := imports.Map()
	for _, l := range list {
		if l.added {
			l.Mods += "|all"
			if _, other := of[l.key()]; other {
				return nil
			}
		}
		imports.Set(m, l.key(), l.value())
	}
	return m
}

// joins reports whether several values of one key may be written as a list with all.
func joins(mods string) bool {
	return strings.HasPrefix(mods, "contains") || strings.HasPrefix(mods, "re") ||
		strings.HasPrefix(mods, "word")
}

// value is a condition as a selection.
func value(n Node) *yaml.Node {
	if m := plain(n); m != nil {
		return m
	}
	if or, ok := n.(Or); ok {
		if list := alternatives(or); list != nil {
			return list
		}
	}
	return selections(n)
}

// alternatives is a list of maps, nil if the members are more than maps.
func alternatives(or Or) *yaml.Node {
	list := imports.List()
	for _, one := range or.Of {
		m := plain(one)
		if m == nil {
			return nil
		}
		list.Content = append(list.Content, m)
	}
	if len(list.Content) == 0 {
		return nil
	}
	return list
}

// selections is a condition as a map of selections and a condition over them.
func selections(n Node) *yaml.Node {
	w := &writer{m: imports.Map()}
	text := w.condition(n, true)
	imports.Set(w.m, "condition", imports.Text(text))
	return w.m
}

type writer struct {
	m      *yaml.Node
	counts map[string]int
}

// add adds a selection, named after its content.
func (w *writer) add(base string, v *yaml.Node) string {
	if w.counts == nil {
		w.counts = map[string]int{}
	}
	w.counts[base]++
	name := base
	if n := w.counts[base]; n > 1 {
		name += "_" + strconv.Itoa(n)
	}
	imports.Set(w.m, name, v)
	return name
}

// condition adds the selections of a condition, and returns the expression over them.
func (w *writer) condition(n Node, outer bool) string {
	if v := plain(n); v != nil {
		return w.add("selection", v)
	}
	paren := func(text string) string {
		if outer {
			return text
		}
		return "(" + text + ")"
	}
	switch m := n.(type) {
	case Not:
		if v := plain(m.Of); v != nil {
			return "not " + w.add("filter", v)
		}
		return "not " + w.condition(m.Of, false)
	case Or:
		if v := alternatives(m); v != nil {
			return w.add("selection", v)
		}
		if len(m.Of) == 0 {
			return w.add("never", imports.Map("message|re", imports.Text(`[^\x00-\x{10FFFF}]`)))
		}
		var parts []string
		for _, one := range m.Of {
			parts = append(parts, w.condition(one, false))
		}
		return paren(strings.Join(parts, " or "))
	case And:
		var leaves []Leaf
		var parts []string
		var rest []Node
		for _, one := range m.Of {
			if l, ok := one.(Leaf); ok {
				leaves = append(leaves, l)
				continue
			}
			rest = append(rest, one)
		}
		if v := fields(leaves); v != nil {
			parts = append(parts, w.add("selection", v))
		} else {
			for _, l := range leaves {
				parts = append(parts, w.add("selection", fields([]Leaf{l})))
			}
		}
		if len(m.Of) == 0 {
			return w.add("always", imports.Map("line|exists", imports.Text("true")))
		}
		slices.SortStableFunc(rest, func(a, b Node) int { return cmp.Compare(rank(a), rank(b)) })
		for _, one := range rest {
			parts = append(parts, w.condition(one, false))
		}
		return paren(strings.Join(parts, " and "))
	}
	return w.add("always", imports.Map("line|exists", imports.Text("true")))
}

// rank puts what must hold before what must not.
func rank(n Node) int {
	if _, ok := n.(Not); ok {
		return 1
	}
	return 0
}

package evaluator

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func isNetwork(text string) bool {
	_, err := netip.ParsePrefix(text)
	return err == nil
}

// ReadSearchYAML reads a query as it is the value of match: a text, a map or a list.
func ReadSearchYAML(text string, lists Lists) (Search, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	n := doc.Content[0]
	if n.Kind == yaml.ScalarNode {
		return ReadSearch(n.Value, lists)
	}
	return searchMap{lists: lists}.read(n)
}

// searchMap reads queries that are written as maps and lists.
type searchMap struct {
	lists Lists
	sigma bool // within a detection, whose values are texts alone
}

func (s searchMap) read(n *yaml.Node) (Search, error) {
	if n.Kind != yaml.MappingNode {
		return s.oneOf(n)
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == "condition" {
			return s.detection(n)
		}
	}
	return s.fields(n)
}

// oneOf is a list of maps and keywords.
func (s searchMap) oneOf(n *yaml.Node) (Search, error) {
	if n.Kind != yaml.SequenceNode {
		return of("*", occurs(mapPattern(n.Value), false)), nil
	}
	var list []Search
	for _, m := range n.Content {
		one, err := s.read(m)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return anyOf(list), nil
}

// fields is a map, all of whose fields must hold.
func (s searchMap) fields(n *yaml.Node) (Search, error) {
	var list []Search
	for i := 0; i < len(n.Content); i += 2 {
		one, err := s.field(n.Content[i].Value, n.Content[i+1])
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return allOf(list), nil
}

func (s searchMap) field(key string, value *yaml.Node) (Search, error) {
	parts := strings.Split(key, "|")
	name, mods := parts[0], parts[1:]
	values := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		values = value.Content
	}
	var list []Search
	for _, v := range values {
		one, err := s.value(name, mods, v)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	holds := anyOf(list)
	if slices.Contains(mods, "all") {
		holds = allOf(list)
	}
	if slices.Contains(mods, "neq") { // that does not hold
		return not(holds), nil
	}
	return holds, nil
}

func (s searchMap) value(field string, mods []string, n *yaml.Node) (Search, error) {
	has := func(mod string) bool { return slices.Contains(mods, mod) }
	cased, text, null := has("cased"), n.Value, n.Tag == "!!null"
	own := slices.DeleteFunc(slices.Clone(mods), func(m string) bool {
		return m == "all" || m == "cased"
	})
	if field == "" {
		return of("*", occurs(mapPattern(text), cased)), nil
	}
	for mod, op := range map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="} {
		if has(mod) && !has("fieldref") {
			return comparison(field, op, text)
		}
	}
	switch {
	case has("exists"):
		if text == "false" {
			return not(there(field)), nil
		}
		return there(field), nil
	case null:
		return not(there(field)), nil
	case has("re"):
		flags := ""
		for _, f := range []string{"i", "m", "s"} {
			if has(f) {
				flags += f
			}
		}
		if flags != "" {
			flags = "(?" + flags + ")"
		}
		holds, err := matchesRegexp(flags + text)
		return of(field, holds), err
	case has("cidr"):
		return of(field, inside(text)), nil
	case has("word"):
		return of(field, hasWords(text)), nil
	case has("fieldref"):
		return s.other(field, text, has, cased), nil
	case has("contains"):
		return of(field, occurs(mapPattern(text), cased)), nil
	case has("startswith"):
		r := patternOf("^", mapPattern(text), "", cased)
		return of(field, func(n node) bool { return r.MatchString(n.text) }), nil
	case has("endswith"):
		r := patternOf("", mapPattern(text), "$", cased)
		return of(field, func(n node) bool { return r.MatchString(n.text) }), nil
	case has("neq"):
		return of(field, equals(mapPattern(text), cased)), nil
	case len(own) > 0:
		return nil, fmt.Errorf("the modifiers %q are left out", own)
	case text == "":
		return of(field, func(n node) bool { return n.text == "" }), nil
	case s.sigma && field != "level":
		return of(field, equals(mapPattern(text), cased)), nil
	case cased && isTextField(field):
		return of(field, occurs(mapPattern(text), true)), nil
	case cased && field != "level":
		return of(field, equals(mapPattern(text), true)), nil
	}
	return plainValue(field, text, mapPattern, s.lists)
}

// other compares the values of a field with those of another.
func (s searchMap) other(field, other string, has func(string) bool, cased bool) Search {
	holds := func(own, other node) bool {
		for mod, op := range map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="} {
			if has(mod) {
				a, ok := own.number()
				b, ok2 := other.number()
				return ok && ok2 && compare(op, a, b)
			}
		}
		text := ordinary(other.text)
		before, after := "^", "$"
		if has("contains") || has("startswith") {
			after = ""
		}
		if has("contains") || has("endswith") {
			before = ""
		}
		return patternOf(before, text, after, cased).MatchString(own.text) ||
			before+after == "^$" && sameNumber(own, other.text)
	}
	return func(d *Document) bool {
		return slices.ContainsFunc(d.values(field), func(own node) bool {
			return slices.ContainsFunc(d.values(other), func(n node) bool { return holds(own, n) })
		})
	}
}

// detection is named selections, and an expression over them.
func (s searchMap) detection(n *yaml.Node) (Search, error) {
	s.sigma = true
	names, condition, selections := []string{}, "", map[string]Search{}
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i].Value
		if name == "condition" {
			condition = n.Content[i+1].Value
			continue
		}
		one, err := s.read(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		names, selections[name] = append(names, name), one
	}
	d := detection{strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(condition)),
		names, selections}
	return d.either(), nil
}

// detection is the words of the expression that are left.
type detection struct {
	words      []string
	names      []string
	selections map[string]Search
}

func (d *detection) take(word string) bool {
	if len(d.words) == 0 || d.words[0] != word {
		return false
	}
	d.words = d.words[1:]
	return true
}

func (d *detection) either() Search {
	list := []Search{d.both()}
	for d.take("or") {
		list = append(list, d.both())
	}
	return anyOf(list)
}

func (d *detection) both() Search {
	list := []Search{d.one()}
	for d.take("and") {
		list = append(list, d.one())
	}
	return allOf(list)
}

func (d *detection) one() Search {
	if d.take("not") {
		return not(d.one())
	}
	if d.take("(") {
		s := d.either()
		d.take(")")
		return s
	}
	first := d.words[0]
	d.words = d.words[1:]
	if !d.take("of") {
		return d.selections[first]
	}
	which := d.words[0]
	d.words = d.words[1:]
	var list []Search
	for _, name := range d.names {
		if which == "them" || patternOf("^", which, "$", true).MatchString(name) {
			list = append(list, d.selections[name])
		}
	}
	if first == "all" {
		return allOf(list)
	}
	least, _ := strconv.Atoi(first)
	return func(d *Document) bool {
		n := 0
		for _, s := range list {
			if s(d) {
				n++
			}
		}
		return n >= least
	}
}

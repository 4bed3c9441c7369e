package rule

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/strictyaml"
)

// mapReader reads queries that are written as maps: fields with modifiers, lists of alternatives,
// keywords, and Sigma's detections.
type mapReader struct {
	*strictyaml.Reader
	regexps   *regexpBudget
	rewritten *rewriteBudget
	list      func(pos Pos, name string) // notes a reference to a list
	members   func(name string) []string // of a list that is known while reading
	keywords  map[*Leaf]bool

	// fields returns what a field's name stands for; several are alternatives.
	fields func(name string) []string
	// sigma is set within a detection, whose values are only texts and numbers.
	sigma bool
	// of the detection that was read
	selections map[string]Query
}

func (r *reader) maps() *mapReader {
	return &mapReader{
		Reader:    &r.Reader,
		regexps:   &r.regexps,
		rewritten: &r.rewritten,
		list: func(pos Pos, name string) {
			r.refs = append(r.refs, reference{pos, "list", name, 0})
		},
		members: func(name string) []string {
			if l := r.set.Lists[name]; l != nil {
				return l.Values
			}
			return nil
		},
		keywords: r.set.keywords,
		fields:   alternatives,
	}
}

// alternatives are the fields of "a or b", one of which must hold.
func alternatives(name string) []string {
	fields := strings.Split(name, " or ")
	for i, f := range fields {
		fields[i] = decode.Canonical(strings.TrimSpace(f))
	}
	return fields
}

// query reads a map or a list. A map with a condition is a detection.
func (r *mapReader) query(n *yaml.Node) Query {
	switch {
	case n.Kind == yaml.SequenceNode:
		return r.alternatives(n)
	case n.Kind == yaml.MappingNode && key(n, "condition") != nil:
		return r.detection(n)
	case n.Kind == yaml.MappingNode:
		return r.allFields(n)
	}
	return r.keyword(n)
}

// alternatives reads a list, one of whose members must hold: each is a map of fields, or a keyword,
// a text that must occur in any field.
func (r *mapReader) alternatives(n *yaml.Node) Query {
	if len(n.Content) == 0 {
		r.Fail(n, "leave the key out to match every log", "match is empty")
	}
	or := &Or{}
	for _, m := range r.Sequence(n) {
		var q Query
		if m.Kind == yaml.MappingNode {
			q = r.allFields(m)
		} else {
			q = r.keyword(m)
		}
		if q != nil {
			or.Of = append(or.Of, q)
		}
	}
	if len(or.Of) == 1 {
		return or.Of[0]
	}
	return or
}

// keyword reads a text that must occur in any field, with wildcards; nil when it was reported.
func (r *mapReader) keyword(n *yaml.Node) Query {
	if n.Kind != yaml.ScalarNode {
		r.Fail(n, "write texts, and maps of fields, one below the other",
			"a list of lists is not a query")
		return nil
	}
	if !r.Whole(n, "write a text that must occur") {
		return nil
	}
	leaf := &Leaf{Field: AnyField, Pos: r.Pos(n)}
	setPattern(leaf, toPattern(n.Value, patternEscapes))
	if r.keywords != nil {
		r.keywords[leaf] = true
	}
	return leaf
}

// allFields reads a map of field|modifier to a value or a list of values: all fields must hold, and
// one value of each list.
func (r *mapReader) allFields(n *yaml.Node) Query {
	and := &And{}
	values := r.Mapping(n)
	if len(n.Content) == 0 {
		r.Fail(n, "", "match is empty")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], values[n.Content[i].Value]
		if value == nil {
			continue // reported
		}
		if strictyaml.IsNull(value) && value.Value == "" && !r.sigma &&
			strings.ContainsAny(key.Value, ": <>=\"()") {
			r.Fail(key, quoteHint, "YAML takes the braces for a mapping, and this text for its key")
			continue
		}
		if q := r.field(key, value); q != nil {
			and.Of = append(and.Of, q)
		}
	}
	if len(and.Of) == 1 {
		return and.Of[0]
	}
	return and
}

// field reads one field of a map.
func (r *mapReader) field(key, value *yaml.Node) Query {
	name, mods, ok := r.modifiers(key)
	if !ok {
		return nil
	}
	members := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		members = value.Content
	}
	fields := []string{AnyField}
	if name != "" {
		fields = r.fields(name)
	}
	var of []Query
	for _, m := range members {
		if name == "" && len(mods.list) == 0 {
			if q := r.keyword(m); q != nil {
				of = append(of, q)
			}
			continue
		}
		var alternatives []Query
		for _, f := range fields {
			if q := r.value(Leaf{Field: f, Pos: r.Pos(m), Cased: mods.cased}, mods, m); q != nil {
				alternatives = append(alternatives, q)
			}
		}
		if q := r.anyOf(alternatives, m); q != nil {
			of = append(of, q)
		}
	}
	var q Query = &Or{of}
	switch {
	case len(of) == 1:
		q = of[0]
	case mods.all:
		q = &And{of}
	}
	if mods.neq { // none of a list
		return &Not{q}
	}
	return q
}

// anyOf joins what one value means for each of several fields. A value that says that the field is
// absent must hold for all of them.
func (r *mapReader) anyOf(of []Query, value *yaml.Node) Query {
	switch {
	case len(of) == 0:
		return nil
	case len(of) == 1:
		return of[0]
	case strictyaml.IsNull(value):
		return &And{of}
	}
	return &Or{of}
}

// modifiers are those of a field, as they are applied.
type modifiers struct {
	list            []string // in their order, without those that follow
	all, cased, neq bool
}

var knownModifiers = []string{
	"contains", "startswith", "endswith", "all", "re", "i", "m", "s", "cidr", "cased",
	"exists", "gt",
	"gte", "lt", "lte", "neq", "word", "fieldref", "windash", "base64", "base64offset", "wide",
	"utf16", "utf16le", "utf16be", "expand",
}

func (r *mapReader) modifiers(key *yaml.Node) (name string, mods modifiers, ok bool) {
	parts := strings.Split(key.Value, "|")
	ok = true
	for _, mod := range parts[1:] {
		switch {
		case !slices.Contains(knownModifiers, mod):
			r.Fail(key, problem.DidYouMean(mod, knownModifiers), "unknown modifier %q", mod)
			ok = false
		case mod == "all":
			mods.all = true
		case mod == "cased":
			mods.cased = true
		case mod == "neq":
			mods.neq = true
		default:
			mods.list = append(mods.list, mod)
		}
	}
	return strings.TrimSpace(parts[0]), mods, ok
}

func (m modifiers) has(mod string) bool { return slices.Contains(m.list, mod) }

// value reads what one field is compared with; nil when it was reported.
func (r *mapReader) value(leaf Leaf, mods modifiers, n *yaml.Node) Query {
	text := r.Text(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		return nil // reported
	case mods.has("exists"):
		return exists(leaf, text != "false")
	case strictyaml.IsNull(n):
		return exists(leaf, false)
	case mods.has("re"):
		return r.regexp(leaf, mods, n, text)
	case mods.has("cidr"):
		return r.network(leaf, n, text)
	case mods.has("fieldref"):
		return r.reference(leaf, mods, n, text)
	case mods.has("word"):
		leaf.Op, leaf.Text = OpWords, text
		if words(text) == 0 {
			r.Fail(n, "write letters or digits", "%q has no word", text)
			return nil
		}
		return known(&leaf)
	}
	for _, mod := range []string{"gt", "gte", "lt", "lte"} {
		if mods.has(mod) {
			q, err := compareLeaf(&leaf, comparisonOf[mod], text, 0)
			return r.checked(n, q, err)
		}
	}
	if r.sigma && leaf.Field != "level" || len(mods.list) > 0 || mods.neq {
		return r.text(leaf, mods, n, text)
	}
	if text == "" {
		leaf.Op = OpEqual
		return &leaf
	}
	q, err := fieldLeaf(&leaf, text, patternEscapes, 0)
	if leaf.Op == OpList {
		r.list(leaf.Pos, leaf.Text)
	}
	return r.checked(n, q, err)
}

var comparisonOf = map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

// checked is a query without its mistake, which it reports.
func (r *mapReader) checked(n *yaml.Node, q Query, err error) Query {
	if err == nil {
		return q
	}
	if e, ok := err.(*syntaxError); ok {
		r.Add(r.Inside(n, e.at), e.hint, "%s", e.problem)
	} else {
		r.Fail(n, "", "%s", err)
	}
	return nil
}

// exists asks whether a field is there. The level of a log without one is not.
func exists(leaf Leaf, there bool) Query {
	var q Query
	if leaf.Field == "level" {
		leaf.Op, leaf.Text, leaf.Cased, leaf.Regexp = OpEqual, "UNKNOWN", true, nil
		q, there = &leaf, !there
	} else {
		leaf.Op = OpExists
		q = &leaf
	}
	if there {
		return q
	}
	return &Not{q}
}

func (r *mapReader) regexp(leaf Leaf, mods modifiers, n *yaml.Node, text string) Query {
	flags := ""
	for _, flag := range []string{"i", "m", "s"} {
		if mods.has(flag) {
			flags += flag
		}
	}
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	if err := r.regexps.compile(&leaf, text); err != nil {
		r.Fail(n, "the syntax is RE2", "%s", err)
		return nil
	}
	return known(&leaf)
}

func (r *mapReader) network(leaf Leaf, n *yaml.Node, text string) Query {
	if !isNetwork(text) {
		r.Fail(n, "write it like 10.0.0.0/8", "%q is not a network", text)
		return nil
	}
	leaf.Op, leaf.Text = OpCIDR, text
	return &leaf
}

// reference compares the field with another one.
func (r *mapReader) reference(leaf Leaf, mods modifiers, n *yaml.Node, other string) Query {
	if other == "" {
		r.Fail(n, "name the field", "fieldref has no field")
		return nil
	}
	leaf.Op, leaf.Other = OpEqual, r.fields(other)[0]
	for mod, op := range map[string]Op{
		"contains":   OpContains,
		"startswith": OpPrefix,
		"endswith":   OpSuffix,
	} {
		if mods.has(mod) {
			leaf.Op = op
		}
	}
	for mod, op := range comparisonOf {
		if mods.has(mod) {
			leaf.Op, leaf.Text = OpRange, op
		}
	}
	return known(&leaf)
}

// text reads a text with wildcards and the modifiers that rewrite it.
func (r *mapReader) text(leaf Leaf, mods modifiers, n *yaml.Node, text string) Query {
	if r.rewritten.used > maxRewritten {
		return nil // reported, and the file is refused
	}
	patterns, err := r.patterns(leaf, mods, text)
	if err != nil {
		r.Fail(n, "", "%s", err)
		return nil
	}
	or := &Or{}
	for _, p := range patterns {
		one := leaf
		setWhole(&one, p)
		or.Of = append(or.Of, known(&one))
	}
	if len(or.Of) == 1 {
		return or.Of[0]
	}
	return or
}

// setWhole is setPattern for a pattern of the whole value, also of text fields.
func setWhole(leaf *Leaf, pattern string) {
	field := leaf.Field
	leaf.Field = "whole"
	setPattern(leaf, pattern)
	leaf.Field = field
	if field == AnyField && leaf.Op == OpEqual {
		leaf.Op = OpContains // a keyword
	}
}

// patterns applies the modifiers to a text, one after the other.
func (r *mapReader) patterns(leaf Leaf, mods modifiers, text string) ([]string, error) {
	patterns := []string{toPattern(text, patternEscapes)}
	for _, mod := range mods.list {
		var next []string
		size := 0
		for _, p := range patterns {
			list, err := r.rewrite(mod, p)
			if err != nil {
				return nil, err
			}
			for _, one := range list {
				size += len(one)
			}
			if next = append(next, list...); size > maxPatternBytes {
				return nil, fmt.Errorf("%q stands for texts of more than %d bytes together",
					clipped(text), maxPatternBytes)
			}
		}
		if len(next) > maxPatterns {
			return nil, fmt.Errorf("%q stands for more than %d texts", clipped(text), maxPatterns)
		}
		patterns = next
	}
	return patterns, r.rewritten.take(text, patterns)
}

// clipped is the beginning of a text, for a message.
func clipped(text string) string { return safetext.Clip(text, 100) }

// What rewriting may make of a value, and of all values of a file together: a small file could
// otherwise stand for gigabytes.
const (
	maxPatterns     = 4000
	maxPatternBytes = 4 << 20
	maxRewritten    = 32 << 20 // beyond the values themselves
	patternCost     = 256      // of a pattern besides its text
)

// rewriteBudget is what rewriting has added to the values of a file.
type rewriteBudget struct{ used int }

func (b *rewriteBudget) take(text string, patterns []string) error {
	added := patternCost * (len(patterns) - 1)
	for _, p := range patterns {
		added += len(p)
	}
	if b.used += max(added-len(text), 0); b.used > maxRewritten {
		return fmt.Errorf("the values of the file stand for too many texts together: more than "+
			"%d bytes of them", maxRewritten)
	}
	return nil
}

// rewrite applies one modifier to a pattern.
func (r *mapReader) rewrite(mod, p string) ([]string, error) {
	switch mod {
	case "contains":
		return []string{withStar(p, true, true)}, nil
	case "startswith":
		return []string{withStar(p, false, true)}, nil
	case "endswith":
		return []string{withStar(p, true, false)}, nil
	case "windash":
		return windash(p), nil
	case "expand":
		return r.expand(p)
	case "wide", "utf16", "utf16le", "utf16be", "base64", "base64offset":
		if hasWildcard(p) {
			return nil, fmt.Errorf("%s does not go with wildcards", mod)
		}
		return encodings(mod, unescape(p)), nil
	}
	return []string{p}, nil
}

// withStar adds wildcards at the ends of a pattern that has none there.
func withStar(p string, before, after bool) string {
	if before && !strings.HasPrefix(p, "*") {
		p = "*" + p
	}
	if after && (!strings.HasSuffix(p, "*") || escaped(p, len(p)-1)) {
		p += "*"
	}
	return p
}

// expand replaces placeholders %name% by the members of the lists.
func (r *mapReader) expand(p string) ([]string, error) {
	list := [][]byte{nil}
	for {
		before, rest, found := strings.Cut(p, "%")
		name, after, closed := strings.Cut(rest, "%")
		if !found || !closed || name == "" {
			return endWith(list, p), nil
		}
		members := r.members(name)
		if members == nil {
			return nil, fmt.Errorf("placeholder %%%s%% needs a list %q, which is not defined",
				name, name)
		}
		if len(list)*len(members) > maxPatterns {
			return nil, fmt.Errorf("list %q has more than %d members", name, maxPatterns)
		}
		var size int
		if list, size = expandBy(list, before, members); size > maxPatternBytes {
			return nil, fmt.Errorf("placeholder %%%s%% makes texts of more than %d bytes together",
				name, maxPatternBytes)
		}
		p = after
	}
}

// expandBy adds a text and each of the members to each of a list. It returns the list and its size.
func expandBy(list [][]byte, before string, members []string) (longer [][]byte, size int) {
	for _, b := range list {
		b = append(b, before...)
		for i, m := range members {
			one := b
			if i+1 < len(members) { // the last one goes on with the memory
				one = slices.Clone(b)
			}
			one = append(one, quotePattern(m)...)
			longer = append(longer, one)
			if size += len(one); size > maxPatternBytes {
				return longer, size // refused by the caller
			}
		}
	}
	return longer, size
}

// endWith adds an end to each text of a list, up to the bound of their size.
func endWith(list [][]byte, end string) []string {
	var texts []string
	size := 0
	for _, b := range list {
		texts = append(texts, string(b)+end)
		if size += len(b) + len(end); size > maxPatternBytes {
			break // refused by the caller
		}
	}
	return texts
}

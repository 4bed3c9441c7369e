package rule

import (
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/problem"
)

var modifiers = []string{
	"contains",
	"startswith",
	"endswith",
	"all",
	"re",
	"cidr",
	"cased",
	"exists",
	"gt",
	"gte",
	"lt",
	"lte",
}

// alternatives reads a list, one of whose members must hold, as in Sigma: each is a mapping of
// fields, or a keyword, a text that must occur.
func (r *reader) alternatives(n *yaml.Node) Query {
	if len(n.Content) == 0 {
		r.Fail(n, "leave the key out to match every log", "match is empty")
	}
	or := &Or{}
	for _, m := range r.Sequence(n) {
		if m.Kind == yaml.MappingNode {
			or.Of = append(or.Of, r.sigma(m))
		} else if leaf := r.keyword(m); leaf != nil {
			or.Of = append(or.Of, leaf)
		}
	}
	if len(or.Of) == 1 {
		return or.Of[0]
	}
	return or
}

// keyword reads a text that must occur, with wildcards; nil when it was reported.
func (r *reader) keyword(n *yaml.Node) Query {
	if n.Kind != yaml.ScalarNode {
		r.Fail(
			n,
			"write texts, and mappings of fields, one below the other",
			"a list of lists is no query",
		)
		return nil
	}
	if !r.Whole(n, "write a text that must occur") {
		return nil
	}
	leaf := &Leaf{Pos: r.Pos(n)}
	setPattern(leaf, n.Value)
	r.set.keywords[leaf] = true
	return leaf
}

// sigma reads a mapping of field|modifier to a value or a list of values, as in Sigma: all fields
// must hold, and one of each list.
func (r *reader) sigma(n *yaml.Node) Query {
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
		if value.Tag == "!!null" && value.Value == "" &&
			strings.ContainsAny(key.Value, ": <>=\"()") {
			r.Fail(key, quoteHint, "YAML takes the braces for a mapping, and this text for its key")
			continue
		}
		parts := strings.Split(key.Value, "|")
		for _, mod := range parts[1:] {
			if !slices.Contains(modifiers, mod) {
				r.Fail(
					key,
					problem.DidYouMean(mod, modifiers),
					"unknown modifier %q",
					mod,
				)
			}
		}
		members := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			members = value.Content
		}
		var of []Query
		for _, m := range members {
			// '|all': [keywords]
			if parts[0] == "" && len(parts) <= 2 && (len(parts) == 1 || parts[1] == "all") {
				if q := r.keyword(m); q != nil {
					of = append(of, q)
				}
				continue
			}
			leaf := &Leaf{Field: decode.Canonical(parts[0]), Pos: r.Pos(m)}
			if q := r.modified(leaf, parts[1:], m); q != nil {
				if leaf.Op == OpList {
					r.refs = append(r.refs, reference{leaf.Pos, "list", leaf.Text})
				}
				of = append(of, q)
			}
		}
		switch {
		case len(of) == 1:
			and.Of = append(and.Of, of[0])
		case slices.Contains(parts, "all"):
			and.Of = append(and.Of, of...)
		default:
			and.Of = append(and.Of, &Or{of})
		}
	}
	if len(and.Of) == 1 {
		return and.Of[0]
	}
	return and
}

// modified reads one value; nil when it was reported.
func (r *reader) modified(leaf *Leaf, mods []string, n *yaml.Node) Query {
	text := r.Text(n)
	leaf.Cased = slices.Contains(mods, "cased")
	for _, mod := range mods {
		switch mod {
		case "contains", "startswith", "endswith":
			if hasWildcard(text) {
				before, after := "*", "*"
				if mod == "startswith" {
					before = ""
				} else if mod == "endswith" {
					after = ""
				}
				leaf.Op, leaf.Text = OpGlob, before+text+after
				return leaf
			}
			leaf.Op = map[string]Op{"contains": OpContains, "startswith": OpPrefix, "endswith": OpSuffix}[mod]
			leaf.Text = unescape(text)
			return leaf
		case "re":
			if err := r.regexps.compile(leaf, text); err != nil {
				r.Fail(n, "the syntax is RE2", "%s", err)
				return nil
			}
			return leaf
		case "cidr":
			if _, err := netip.ParsePrefix(text); err != nil {
				r.Fail(n, "write it like 10.0.0.0/8", "%q is not a network", text)
				return nil
			}
			leaf.Op, leaf.Text = OpCIDR, text
			return leaf
		case "exists":
			leaf.Op = OpExists
			if text == "false" {
				return &Not{leaf}
			}
			return leaf
		case "gt", "gte", "lt", "lte":
			q, err := compareLeaf(
				leaf,
				map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[mod],
				text,
				0,
			)
			if err != nil {
				r.syntax(n, err)
				return nil
			}
			return q
		}
	}
	if n.Tag == "!!null" {
		leaf.Op = OpExists
		return &Not{leaf}
	}
	if text == "" {
		leaf.Op = OpEqual
		return leaf
	}
	q, err := fieldLeaf(leaf, text, 0)
	if err != nil {
		r.syntax(n, err)
		return nil
	}
	return q
}

package imports

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Finish gives rules of one identity names of their own, and lets them ignore what check would say
// of rules that users write: a translated rule does what the original does.
func Finish(r Result) error {
	Distinct(r)
	set, err := rule.LoadDocuments(slices.Values(r.Documents), nil)
	if err != nil {
		return err
	}
	found := rule.Lint(set)
	costs, err := match.Lint(set)
	if err != nil {
		return err
	}
	ignored := map[string][]string{}
	for _, f := range append(found, costs...) {
		if !slices.Contains(ignored[f.Rule], f.Name) {
			ignored[f.Rule] = append(ignored[f.Rule], f.Name)
		}
	}
	eachRule(r.Documents, func(_ rule.Document, group string, one *yaml.Node) {
		if names := ignored[identity(group, one)]; len(names) > 0 &&
			Get(one, "lint_ignore") == nil {
			Set(one, "lint_ignore", Place(Texts(names...), one.Line, 1))
		}
	})
	return nil
}

// eachRule calls f for every rule of some files.
func eachRule(documents []rule.Document, f func(d rule.Document, group string, one *yaml.Node)) {
	for _, d := range documents {
		groups := Get(d.Root, "groups")
		if groups == nil {
			continue
		}
		for _, group := range groups.Content {
			for _, one := range Get(group, "rules").Content {
				f(d, Value(group, "name"), one)
			}
		}
	}
}

// identity identifies a rule.
func identity(group string, one *yaml.Node) string {
	if uid := Value(one, "uid"); uid != "" {
		return uid
	}
	return group + "/" + Value(one, "alert") + Value(one, "record")
}

// Distinct renames rules whose identity another one has, with a remark, so that all files of a
// result can be loaded together.
func Distinct(r Result) {
	seen, last := map[string]bool{}, map[string]int{}
	eachRule(r.Documents, func(d rule.Document, group string, one *yaml.Node) {
		distinct(r.Report, d.File, group, one, seen, last)
	})
}

// distinct renames a rule. last is the number that was last given to each identity.
func distinct(
	report *Report, file, group string, one *yaml.Node, seen map[string]bool, last map[string]int,
) {
	id := func() string { return identity(group, one) }
	given := Get(one, "alert")
	if given == nil {
		given = Get(one, "record")
	}
	if given == nil || !seen[id()] {
		seen[id()] = true
		return
	}
	old, first := given.Value, id()
	if uid := Get(one, "uid"); uid != nil {
		uid.Value += "-2"
	}
	for n := max(2, last[first]+1); seen[id()]; n++ {
		last[first] = n
		given.Value = fmt.Sprintf("%s %d", old, n)
		if uid := Get(one, "uid"); uid != nil {
			uid.Value = fmt.Sprintf("%s-%d", old, n)
		}
	}
	seen[id()] = true
	report.Add(Remark{
		File:    file,
		Line:    one.Line,
		Rule:    old,
		Verdict: Differs,
		Code:    "same-name",
		Text:    fmt.Sprintf("another rule has the same identity; this one is now %q", given.Value),
	})
}

// Merge joins rule files to one. Groups of one name become one.
func Merge(documents []rule.Document) *yaml.Node {
	groups := List()
	of := map[string]*yaml.Node{}
	for _, d := range documents {
		list := Get(d.Root, "groups")
		if list == nil {
			continue
		}
		for _, g := range list.Content {
			name := Value(g, "name")
			if first := of[name]; first != nil && len(g.Content) == len(first.Content) {
				rules := Get(first, "rules")
				rules.Content = append(rules.Content, Get(g, "rules").Content...)
				continue
			}
			own := *g // the documents stay as they are
			own.Content = slices.Clone(g.Content)
			for i := 1; i < len(own.Content); i += 2 {
				if own.Content[i-1].Value == "rules" {
					rules := *own.Content[i]
					rules.Content = slices.Clone(rules.Content)
					own.Content[i] = &rules
				}
			}
			of[name] = &own
			groups.Content = append(groups.Content, &own)
		}
	}
	return Map("version", Text("1"), "groups", groups)
}

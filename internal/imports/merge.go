package imports

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Distinct renames rules whose identity another one has, with a remark, so that all files of a
// result can be loaded together.
func Distinct(r Result) {
	seen := map[string]bool{}
	for _, d := range r.Documents {
		groups := Get(d.Root, "groups")
		if groups == nil {
			continue
		}
		for _, group := range groups.Content {
			name := Value(group, "name")
			for _, one := range Get(group, "rules").Content {
				distinct(r.Report, d.File, name, one, seen)
			}
		}
	}
}

func distinct(report *Report, file, group string, one *yaml.Node, seen map[string]bool) {
	id := func() string {
		if uid := Value(one, "uid"); uid != "" {
			return uid
		}
		return group + "/" + Value(one, "alert") + Value(one, "record")
	}
	given := Get(one, "alert")
	if given == nil {
		given = Get(one, "record")
	}
	if given == nil || !seen[id()] {
		seen[id()] = true
		return
	}
	old := given.Value
	if uid := Get(one, "uid"); uid != nil {
		uid.Value += "-2"
	}
	for n := 2; seen[id()]; n++ {
		given.Value = fmt.Sprintf("%s %d", old, n)
		if uid := Get(one, "uid"); uid != nil {
			uid.Value = fmt.Sprintf("%s-%d", old, n)
		}
	}
	seen[id()] = true
	report.Add(Remark{
		File: file, Line: one.Line, Rule: old, Verdict: Differs, Code: "same-name",
		Text: fmt.Sprintf("another rule has the same identity; this one is now %q", given.Value),
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
			of[name] = g
			groups.Content = append(groups.Content, g)
		}
	}
	return Map("version", Text("1"), "groups", groups)
}

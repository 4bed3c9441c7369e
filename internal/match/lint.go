package match

import "github.com/log-monitoring/alert-engine/internal/rule"

// Lint finds the queries that cost much because nothing in them must be there. It completes
// rule.Lint.
func Lint(set *rule.Set) ([]rule.Finding, error) {
	var queries []rule.Query
	type place struct {
		rule *rule.Rule
		key  string
	}
	var places []place
	add := func(r *rule.Rule, key string, q rule.Query) {
		if q != nil {
			queries, places = append(queries, q), append(places, place{r, key})
		}
	}
	for _, r := range set.Rules {
		add(r, "match", r.Match)
		add(r, "resolve", r.Resolve.Match)
		for _, s := range r.Sequence {
			if r.Match == nil {
				add(r, "sequence", s.Match)
			}
		}
	}
	p, err := Compile(queries, Options{Lists: func(name string) ([]string, bool) {
		l, ok := set.Lists[name]
		if !ok {
			return nil, false
		}
		return l.Values, true
	}})
	if err != nil {
		return nil, err
	}
	var found []rule.Finding
	for i := range queries {
		cost := p.Cost(i)
		name := rule.NoAnchor
		switch {
		case cost.Hint == "":
			continue
		case cost.Unfiltered > 0:
			name = rule.CostlyRegexp
		}
		r := places[i].rule
		found = append(
			found,
			rule.Finding{
				Name: name,
				Rule: r.ID(),
				Pos:  set.Place(r, places[i].key),
				Text: cost.Hint,
			},
		)
	}
	return set.NotIgnored(found), nil
}

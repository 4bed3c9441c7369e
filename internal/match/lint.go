package match

import (
	"slices"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// lintBatch is how many queries Lint compiles at a time: what it says of a query does not depend on
// others, and an index over all of them would take memory for nothing.
const lintBatch = 256

// Lint finds the queries that cost much because nothing in them must be there. It completes
// rule.Lint.
func Lint(set *rule.Set) ([]rule.Finding, error) {
	type place struct {
		rule  *rule.Rule
		key   string
		query rule.Query
	}
	var places []place
	add := func(r *rule.Rule, key string, q rule.Query) {
		if q != nil {
			places = append(places, place{r, key, q})
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
	var found []rule.Finding
	for batch := range slices.Chunk(places, lintBatch) {
		queries := make([]rule.Query, len(batch))
		for i, p := range batch {
			queries[i] = p.query
		}
		ix, err := Compile(queries, Options{Lists: ListsOf(set)})
		if err != nil {
			return nil, err
		}
		for i, p := range batch {
			cost := ix.Cost(i)
			name := rule.NoAnchor
			switch {
			case cost.Hint == "":
				continue
			case cost.Unfiltered > 0:
				name = rule.CostlyRegexp
			}
			found = append(found, rule.Finding{
				Name: name,
				Rule: p.rule.ID(),
				Pos:  set.Place(p.rule, p.key),
				Text: cost.Hint,
			})
		}
	}
	return set.NotIgnored(found), nil
}

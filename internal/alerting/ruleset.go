package alerting

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// ruleSet is all rules of a set, compiled: one index over their matches and over every query that
// their conditions hold against single logs. Scanners share it; only the plan of the index changes.
type ruleSet struct {
	set          *rule.Set
	rules        []*compiledRule // those that others ask about with firing() before those that ask
	suppressions []*compiledSuppression
	match        atomic.Pointer[match.Index]
	queries      []rule.Query
	paths        []string     // of the fields that rules and suppressions ask for
	queryOwners  []queryOwner // by query
	generation   int64        // of the set, from 1; greater for newer ones
	readsAlerts  bool         // some rule reads alerts
}

// queryOwner says whose query one is, and which of it.
type queryOwner struct {
	rule        *compiledRule        // one of the two
	suppression *compiledSuppression // is nil
	// of a rule: roleMatch, the number of the filter, or roleLabel and more for a selection that
	// a label names; of a suppression: 0 for its start, 1 for its end
	role int
}

const (
	roleMatch = -1
	roleLabel = 64
)

// compile compiles a set. The error names every rule that cannot be.
func (ss *scanners) compile(set *rule.Set) (*ruleSet, error) {
	p := &ruleSet{set: set}
	var errs []error
	for _, r := range set.Rules {
		if r.Mode == rule.Off {
			continue
		}
		c, err := ss.compileRule(set, r)
		if err != nil {
			errs = append(
				errs,
				fmt.Errorf("%s:%d: rule %s: %w", r.Pos.File, r.Pos.Line, r.ID(), err),
			)
			continue
		}
		p.rules = append(p.rules, c)
	}
	for i, s := range set.Suppressions {
		p.suppressions = append(
			p.suppressions,
			&compiledSuppression{index: i, rule: s, fingerprint: fingerprintOf(*s)},
		)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.rules = inOrder(p.rules)
	p.number()
	p.delayReaders(ss.opts.recordedTopic)
	return p, p.index(ss.opts.clock, ss.recent(), &ss.regexpsCut)
}

// number gives rules their places, and notes which others ask about.
func (p *ruleSet) number() {
	asked := make(map[string]bool)
	for i, c := range p.rules {
		c.index = i
		p.readsAlerts = p.readsAlerts || c.readsAlerts
		maps.Copy(asked, c.observes)
	}
	for _, c := range p.rules {
		c.observed = asked[c.rule.Name]
	}
}

// index compiles the queries, and finds the places of the fields that rules and suppressions ask
// for.
func (p *ruleSet) index(
	clock func() int64,
	sample func(*decode.Fields, func(*decode.Log)),
	cut *atomic.Int64,
) error {
	var queries []rule.Query
	var fields []string
	for _, c := range p.rules {
		matches := c.query()
		queries, p.queryOwners = append(queries, matches),
			append(p.queryOwners, queryOwner{rule: c, role: roleMatch})
		for i, q := range c.condition.Filters() {
			// it is only asked of logs that match, so it may be looked for where they are
			if matches != nil {
				q = &rule.And{Of: []rule.Query{matches, q}}
			}
			queries, p.queryOwners = append(queries, q),
				append(p.queryOwners, queryOwner{rule: c, role: i})
		}
		for i, q := range c.labelQueries() {
			queries, p.queryOwners = append(queries, q),
				append(p.queryOwners, queryOwner{rule: c, role: roleLabel + i})
		}
		fields = append(fields, c.fieldPaths()...)
	}
	for _, s := range p.suppressions {
		queries = append(queries, s.rule.Start, s.rule.End)
		p.queryOwners = append(p.queryOwners, queryOwner{suppression: s, role: 0},
			queryOwner{suppression: s, role: 1})
		for _, l := range s.rule.By {
			fields = append(fields, l.Fields...)
		}
	}
	compiled, err := match.Compile(
		queries,
		match.Options{
			Fields: fields, Lists: match.ListsOf(p.set), Now: clock, Sample: sample, Cut: cut,
		},
	)
	if err != nil {
		return err
	}
	p.match.Store(compiled)
	p.queries, p.paths = queries, fields
	for _, c := range p.rules {
		c.locateFields(compiled.Fields())
	}
	for _, s := range p.suppressions {
		s.by = labelFields(s.rule.By, compiled.Fields())
	}
	return nil
}

// byLabel is a member of a group key, and where its value stands.
type byLabel struct {
	name   string
	fields []decode.FieldID
	all    bool               // it stands for the labels of the envelope
	of     [][]decode.FieldID // the fields of each selection; nil for fields
	first  int                // the number of its first selection
}

func labelFields(by []rule.Label, fields *decode.Fields) []byLabel {
	located := make([]byLabel, len(by))
	selections := 0
	for i, l := range by {
		located[i] = byLabel{
			name: l.Name, fields: fieldIDs(l.Fields, fields), all: decode.IsStream(l.Fields[0]),
			first: selections,
		}
		for _, of := range l.Of {
			located[i].of = append(located[i].of, fieldIDs(of.Fields, fields))
			selections++
		}
	}
	return located
}

// templateField is the field that is the masked message.
const templateField = "@template"

// masked stands for the field "@template", which no log has.
const masked decode.FieldID = -1

func fieldIDs(paths []string, fields *decode.Fields) []decode.FieldID {
	ids := make([]decode.FieldID, len(paths))
	for i, path := range paths {
		if path == templateField {
			ids[i] = masked
			continue
		}
		ids[i], _ = fields.ID(path)
	}
	return ids
}

// inOrder sorts rules so that those whose alerts others ask about come first, and those that read
// alerts last. Units that ask about each other stay as they are: one of them then sees the other as
// it was at the last watermark.
func inOrder(units []*compiledRule) []*compiledRule {
	byName := make(map[string][]*compiledRule)
	for _, c := range units {
		byName[c.rule.Name] = append(byName[c.rule.Name], c)
	}
	var sorted []*compiledRule
	visited := make(map[*compiledRule]bool)
	var visit func(c *compiledRule)
	visit = func(c *compiledRule) {
		if visited[c] {
			return
		}
		visited[c] = true
		for _, name := range slices.Sorted(maps.Keys(c.observes)) {
			for _, other := range byName[name] {
				visit(other)
			}
		}
		sorted = append(sorted, c)
	}
	for _, c := range units {
		visit(c)
	}
	slices.SortStableFunc(sorted, func(a, b *compiledRule) int {
		switch {
		case a.readsAlerts == b.readsAlerts:
			return 0
		case b.readsAlerts:
			return -1
		}
		return 1
	})
	return sorted
}

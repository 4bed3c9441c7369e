package match

import (
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Options are what Compile needs besides the queries.
type Options struct {
	Fields []string // further paths that rules want to read: group keys, aggregated fields
	Lists  Lists    // the lists that OpList leaves name

	// Sample, when set, calls each for recent logs, decoded with the given fields. How often a part of a query holds for them decides what is looked at first;
	// it never decides what matches.
	Sample func(fields *decode.Fields, each func(*decode.Log))
}

// Program is all queries, compiled into one. It is immutable, and any number of goroutines may share it.
type Program struct {
	queries []rule.Query
	fields  *decode.Fields
	lists   Lists
}

// Compile builds one program over all queries; query i is reported as i. A nil query holds for every log.
func Compile(queries []rule.Query, opt Options) (*Program, error) {
	paths := append([]string(nil), opt.Fields...)
	for _, q := range queries {
		paths = appendPaths(paths, q)
	}
	return &Program{queries: queries, fields: decode.NewFields(paths...), lists: opt.Lists}, nil
}

func appendPaths(paths []string, q rule.Query) []string {
	switch q := q.(type) {
	case *rule.And:
		for _, sub := range q.Of {
			paths = appendPaths(paths, sub)
		}
	case *rule.Or:
		for _, sub := range q.Of {
			paths = appendPaths(paths, sub)
		}
	case *rule.Not:
		paths = appendPaths(paths, q.Of)
	case *rule.Leaf:
		if q.Field != "" {
			paths = append(paths, q.Field)
		}
	}
	return paths
}

// Fields is what the decoder has to find for this program.
func (p *Program) Fields() *decode.Fields { return p.fields }

// Matcher evaluates a program. It has scratch of its own: one goroutine uses it at a time.
type Matcher struct{ p *Program }

// NewMatcher returns a matcher for one goroutine.
func (p *Program) NewMatcher() *Matcher { return &Matcher{p} }

// Match appends the numbers of the queries that hold for a log, in ascending order. The log must come from a decoder that was made with the program's Fields.
func (m *Matcher) Match(log *decode.Log, dst []int32) []int32 { return m.match(log, dst) }

func (m *Matcher) match(log source, dst []int32) []int32 {
	for i, q := range m.p.queries {
		if eval(q, log, m.p.lists) {
			dst = append(dst, int32(i))
		}
	}
	return dst
}

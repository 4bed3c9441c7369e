package match

import "github.com/log-monitoring/alert-engine/internal/rule"

// Finding is something about a query that makes it dear: it is allowed, but whoever wrote it should
// know.
type Finding struct {
	Query int         // its number
	Kind  FindingKind // a constant word
	// the part of the query that it is about, nearly as the rule has it; "" for the whole
	Subject string
	Hint    string // what is wrong and how to improve it, a sentence for people
}

// FindingKind tells findings apart.
type FindingKind string

const (
	EveryLog FindingKind = "every_log" // the query holds for every log
	// nothing in it must be present, so that it is looked at for every log
	NoPivot FindingKind = "no_pivot"
	// and a regular expression runs for every log
	RegexpEveryLog FindingKind = "regexp_every_log"
	// a regular expression runs wherever the rest of the query holds, for no text spares it
	RegexpUnfiltered FindingKind = "regexp_unfiltered"
)

// Findings compiles queries and says which of them will be dear whatever the logs are like. A query
// that is fine has no finding.
func Findings(queries []rule.Query, opt Options) ([]Finding, error) {
	p, err := Compile(queries, opt)
	if err != nil {
		return nil, err
	}
	return p.Findings(), nil
}

// Findings says which queries of the program are dear.
func (p *Program) Findings() []Finding {
	var all []Finding
	for i := range p.queries {
		c := p.Cost(i)
		if c.Hint == "" {
			continue
		}
		f := Finding{Query: i, Subject: c.HintSubject, Hint: c.Hint}
		q := &p.queries[i]
		switch {
		case q.always && len(q.expr.of) == 0 && q.expr.op >= opAnd:
			f.Kind = EveryLog
		case q.always && c.Unfiltered > 0:
			f.Kind = RegexpEveryLog
		case q.always:
			f.Kind = NoPivot
		default:
			f.Kind = RegexpUnfiltered
		}
		all = append(all, f)
	}
	return all
}

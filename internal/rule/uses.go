package rule

import (
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// Use is a field that a rule reads, or the first of several that a log has.
type Use struct {
	Fields []string // canonical paths
	Pos    Pos
}

// Uses are the fields that a rule reads, each at its first place. Fields that every log has are not
// among them: its time, its text and the whole record.
func (s *Set) Uses(r *Rule) []Use {
	u := uses{}
	u.query(r.Match, s.Place(r, "match"))
	u.condition(r.When, s.Place(r, "when"))
	for _, step := range r.Sequence {
		u.query(step.Match, s.Place(r, "sequence"))
	}
	u.query(r.Resolve.Match, s.Place(r, "resolve"))
	u.condition(r.Resolve.When, s.Place(r, "resolve"))
	for _, label := range r.By {
		u.add(s.Place(r, "by"), label.Fields...)
	}
	u.each(s.Place(r, "samples"), r.Samples.Fields)
	u.each(s.Place(r, "top"), r.Top)
	return u.list
}

// Wanted are the comparisons that make logs match: those of match and of the steps of a sequence
// that are not negated.
func Wanted(r *Rule) (list []*Leaf) {
	var walk func(q Query)
	walk = func(q Query) {
		switch q := q.(type) {
		case *And:
			for _, of := range q.Of {
				walk(of)
			}
		case *Or:
			for _, of := range q.Of {
				walk(of)
			}
		case *Leaf:
			list = append(list, q)
		}
	}
	walk(r.Match)
	for _, s := range r.Sequence {
		walk(s.Match)
	}
	return list
}

// uses collects.
type uses struct{ list []Use }

func (u *uses) add(pos Pos, fields ...string) {
	for _, f := range fields {
		if decode.Extracted(f) || decode.IsStream(f) || f == "" || f == AnyField || f == "line" ||
			f[0] == '@' ||
			f == "timestamp" ||
			f == "raw" ||
			f == "message" {
			return
		}
	}
	if !slices.ContainsFunc(
		u.list,
		func(other Use) bool { return slices.Equal(other.Fields, fields) },
	) {
		u.list = append(u.list, Use{fields, pos})
	}
}

func (u *uses) each(pos Pos, fields []string) {
	for _, f := range fields {
		u.add(pos, f)
	}
}

// query adds the fields of a query; a leaf without a place has that of the query.
func (u *uses) query(q Query, otherwise Pos) {
	eachLeaf(q, func(l *Leaf) {
		if l.Pos.File == "" {
			u.add(otherwise, l.Field)
			u.add(otherwise, l.Other)
			return
		}
		u.add(l.Pos, l.Field)
		u.add(l.Pos, l.Other)
	})
}

func (u *uses) condition(c Condition, otherwise Pos) {
	for _, call := range calls(c) {
		pos := call.Pos
		if pos.File == "" {
			pos = otherwise
		}
		u.query(call.Filter, pos)
		u.add(pos, call.Field)
		u.each(pos, call.Also)
	}
}

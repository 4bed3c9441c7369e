package survey

import (
	"fmt"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

const (
	fewLogs  = 1000 // matches from which the number of groups says something
	moreHint = "if such logs are rare, look at more of them"
)

// of is what is found about one rule.
func (s *Survey) of(w *watched) (found []rule.Finding) {
	tell := func(name string, pos rule.Pos, hint, format string, args ...any) {
		found = append(
			found,
			rule.Finding{
				Name: name,
				Rule: w.rule.ID(),
				Pos:  pos,
				Text: fmt.Sprintf(format, args...),
				Hint: hint,
			},
		)
	}
	for _, u := range w.uses {
		if !u.seen {
			tell(
				rule.UnknownField,
				u.Pos,
				s.hint(u.Fields),
				"no log of the sample has %s",
				either(u.Fields),
			)
		}
	}
	s.unmatched(w, tell)
	s.groups(w, tell)
	return found
}

// hint names the nearest field that occurs.
func (s *Survey) hint(fields []string) string {
	for _, f := range fields {
		if name := s.names.nearest(f); name != "" {
			return fmt.Sprintf("did you mean %q?", name)
		}
	}
	return moreHint
}

func either(fields []string) string {
	if len(fields) == 1 {
		return "the field " + fields[0]
	}
	return "any of the fields " + strings.Join(fields, ", ")
}

// unmatched: a rule, or a step of a sequence, that no log satisfies.
func (s *Survey) unmatched(
	w *watched,
	tell func(name string, pos rule.Pos, hint, format string, args ...any),
) {
	if w.matches == 0 {
		pos := s.set.Place(w.rule, "match")
		if w.rule.Match == nil {
			pos = s.set.Place(w.rule, "when")
		}
		if len(w.steps) > 0 {
			pos = s.set.Place(w.rule, "sequence")
		}
		tell(rule.NeverMatches, pos, w.wholeHint(), "none of %d logs matches", w.logs)
		return
	}
	for i, step := range w.steps {
		if step >= 0 && w.stepped[i] == 0 {
			tell(
				rule.NeverMatches,
				s.set.Place(w.rule, "sequence"),
				moreHint,
				"none of %d logs matches step %d of the sequence",
				w.logs,
				i+1,
			)
		}
	}
}

// wholeHint says that a field is compared with its whole value, where that may be what nobody
// meant.
func (w *watched) wholeHint() string {
	for _, o := range w.wholes {
		if o.in != "" {
			return fmt.Sprintf(
				"%s:%s is the whole value, and there is %q; write %s:*%s* for a part of it",
				o.leaf.Field,
				o.leaf.Text,
				o.in,
				o.leaf.Field,
				o.leaf.Text,
			)
		}
	}
	return moreHint
}

// groups: labels that matches lack, so that all are one group, and labels of which nearly every
// match has its own.
func (s *Survey) groups(
	w *watched,
	tell func(name string, pos rule.Pos, hint, format string, args ...any),
) {
	by := s.set.Place(w.rule, "by")
	for i, label := range w.rule.By {
		if w.matches > 0 && w.grouped[i] == 0 && w.occurs(label.Fields) {
			tell(
				rule.AbsentGroup,
				by,
				"group by a field that these logs have",
				"none of the %d logs that match has %s, so all of them are one group",
				w.matches,
				either(label.Fields),
			)
		}
	}
	switch {
	case w.many:
		tell(
			rule.TooManyGroups,
			by,
			"group by something that a person could list, such as a service or a host, or raise limit",
			"%d logs that match have more than %d groups, the rule's limit; further groups would be refused",
			w.matches,
			w.rule.Limit,
		)
	case w.matches >= fewLogs && int64(len(w.groups)) > w.matches/2:
		tell(
			rule.UnboundedGroup,
			by,
			"group by something that a person could list, such as a service or a host",
			"%d logs that match have %d groups, so nearly every log is a group of its own",
			w.matches,
			len(w.groups),
		)
	}
}

// occurs says whether some log, though none that matches, has one of the fields.
func (w *watched) occurs(fields []string) bool {
	return slices.ContainsFunc(
		w.uses,
		func(u use) bool { return u.seen && slices.Equal(u.Fields, fields) },
	)
}

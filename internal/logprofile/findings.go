package logprofile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

const (
	fewLogs  = 1000 // matches from which the number of groups is significant
	moreHint = "if such logs are rare, use a larger sample"
)

// of returns the findings of one rule.
func (p *Profile) of(w *ruleProfile) (found []rule.Finding) {
	report := func(name string, pos rule.Pos, hint, format string, args ...any) {
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
			report(rule.UnknownField, u.Pos, p.hint(u.Fields), "no log of the sample has %s",
				either(u.Fields))
		}
	}
	p.unmatched(w, report)
	p.groups(w, report)
	return found
}

// hint names the nearest field that exists.
func (p *Profile) hint(fields []string) string {
	for _, f := range fields {
		if name := p.names.nearest(f); name != "" {
			return fmt.Sprintf("did you mean %q?", name)
		}
	}
	return moreHint
}

func either(fields []string) string {
	fields = slices.Clone(fields)
	for i, f := range fields {
		fields[i] = decode.FieldName(f)
	}
	if len(fields) == 1 {
		return "the field " + fields[0]
	}
	return "any of the fields " + strings.Join(fields, ", ")
}

// unmatched reports a rule, or a step of a sequence, that no log matches.
func (p *Profile) unmatched(
	w *ruleProfile,
	report func(name string, pos rule.Pos, hint, format string, args ...any),
) {
	if w.matches == 0 {
		pos := p.set.Place(w.rule, "match")
		if w.rule.Match == nil {
			pos = p.set.Place(w.rule, "when")
		}
		if len(w.steps) > 0 {
			pos = p.set.Place(w.rule, "sequence")
		}
		report(rule.NeverMatches, pos, w.partialHint(), "none of %d logs matches", w.logs)
		return
	}
	for i, step := range w.steps {
		if step >= 0 && w.stepped[i] == 0 {
			report(rule.NeverMatches, p.set.Place(w.rule, "sequence"), moreHint,
				"none of %d logs matches step %d of the sequence", w.logs, i+1)
		}
	}
}

// partialHint explains that a field is compared with its whole value, where a part of it matches.
func (w *ruleProfile) partialHint() string {
	for _, o := range w.partials {
		if o.in != "" {
			return fmt.Sprintf(
				"%s:%s is the whole value, and there is %q; write %s:*%s* for a part of it",
				decode.FieldName(o.leaf.Field), o.leaf.Text, o.in, decode.FieldName(o.leaf.Field),
				o.leaf.Text)
		}
	}
	return moreHint
}

// groups reports labels that no match has, and labels with a value of its own in nearly every
// match.
func (p *Profile) groups(
	w *ruleProfile,
	report func(name string, pos rule.Pos, hint, format string, args ...any),
) {
	by := p.set.Place(w.rule, "by")
	for i, label := range w.rule.By {
		if w.matches > 0 && w.grouped[i] == 0 && w.occurs(label.Fields) {
			report(rule.AbsentGroup, by, "group by a field that these logs have",
				"none of the %d logs that match has %s, so all of them are one group", w.matches,
				either(label.Fields))
		}
	}
	switch {
	case w.overLimit:
		report(
			rule.TooManyGroups,
			by,
			"group by a field with few values, such as a service or a host, or raise limit",
			"%d logs that match have more than %d groups, the rule's limit; further groups are "+
				"refused",
			w.matches,
			w.rule.Limit,
		)
	case w.matches >= fewLogs && int64(len(w.groups)) > w.matches/2:
		report(rule.UnboundedGroup, by,
			"group by a field with few values, such as a service or a host",
			"%d logs that match have %d groups, nearly every log is a group of its own", w.matches,
			len(w.groups))
	}
}

// occurs reports whether any log has one of the fields.
func (w *ruleProfile) occurs(fields []string) bool {
	return slices.ContainsFunc(
		w.uses,
		func(u use) bool { return u.seen && slices.Equal(u.Fields, fields) },
	)
}

// Package sentence describes rules in plain English, so that their authors can check them.
package sentence

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
)

// Of describes a rule in one sentence. It holds text of the rule file as it is.
func Of(r *rule.Rule) string {
	var b strings.Builder
	each := "Fires"
	if len(r.By) > 0 {
		var names []string
		for _, by := range r.By {
			names = append(names, by.Name)
		}
		each = "For each " + join(names, "and") + ": fires"
	}
	logs := queryWords(r.Match)
	switch {
	case len(r.Sequence) > 0:
		fmt.Fprintf(
			&b,
			"%s when, within %s, %s",
			each,
			duration.Format(r.Within),
			sequenceWords(r.Sequence),
		)
	case r.When == nil:
		fmt.Fprintf(&b, "%s as soon as there is a log %s", each, logs)
	default:
		fmt.Fprintf(
			&b,
			"%s when, within %s, %s",
			each,
			windowWords(r),
			conditionWords(r.When, logs),
		)
	}
	if r.For > 0 {
		fmt.Fprintf(&b, ", and that holds for %s", duration.Format(r.For))
	}
	text := b.String() + "."
	if r.Record {
		text = strings.Replace(text, "Fires", "Records a value", 1)
		return strings.Replace(text, "fires", "records a value", 1) + modeWords(r)
	}
	return text + resolveWords(r) + modeWords(r)
}

func windowWords(r *rule.Rule) string {
	switch {
	case r.Every > 0 && r.Every == r.Window:
		return "each " + duration.Format(r.Window)
	case r.Every > 0:
		return fmt.Sprintf(
			"%s (evaluated every %s)",
			duration.Format(r.Window),
			duration.Format(r.Every),
		)
	}
	return duration.Format(r.Window)
}

func resolveWords(r *rule.Rule) string {
	var ends []string
	if r.Resolve.Match != nil {
		ends = append(ends, "a log "+queryWords(r.Resolve.Match))
	}
	if r.Resolve.When != nil {
		ends = append(ends, conditionWords(r.Resolve.When, "of any kind"))
	}
	if r.Resolve.After > 0 {
		ends = append(ends, "the end of "+duration.Format(r.Resolve.After))
	}
	switch {
	case r.Resolve.Manual:
		return " Resolves manually."
	case len(ends) > 0:
		return " Resolves on " + join(ends, "or") + "."
	case r.When == nil && len(r.Sequence) == 0:
		return fmt.Sprintf(" Resolves after %s without one.", duration.Format(r.Window))
	case r.KeepFiringFor > 0:
		return fmt.Sprintf(
			" Resolves when that has been false for %s.",
			duration.Format(r.KeepFiringFor),
		)
	}
	return ""
}

func modeWords(r *rule.Rule) string {
	text := ""
	if len(r.Active) > 0 {
		var names []string
		for _, a := range r.Active {
			name := a.Interval
			if a.Not {
				name = "not " + name
			}
			names = append(names, name)
		}
		text += " Only during " + join(names, "and") + "."
	}
	if len(r.SuppressedBy) > 0 {
		text += " Muted during " + join(r.SuppressedBy, "and") + "."
	}
	switch r.Mode {
	case rule.Signal:
		text += " Signal mode: no notifications; other rules use its alerts."
	case rule.Shadow:
		text += " Shadow mode: no notifications."
	case rule.Off:
		text += " Off."
	}
	return text
}

func sequenceWords(steps []rule.Step) string {
	var parts []string
	for i, step := range steps {
		text := "a log " + queryWords(step.Match)
		if step.Times > 1 {
			text = fmt.Sprintf("%d logs %s", step.Times, queryWords(step.Match))
		}
		if step.Not {
			text = "no log " + queryWords(step.Match)
		}
		if i > 0 {
			text = "then " + text
		}
		if step.Within > 0 {
			text += " within " + duration.Format(step.Within)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// queryWords describes a query, to follow "a log" or "logs".
func queryWords(q rule.Query) string {
	if q == nil {
		return "of any kind"
	}
	return "with " + queryClause(q, false)
}

func queryClause(q rule.Query, nested bool) string {
	var text string
	switch q := q.(type) {
	case *rule.And:
		if len(q.Of) == 0 {
			return "anything"
		}
		text = join(clauses(q.Of), "and")
		nested = nested && len(q.Of) > 1
	case *rule.Or:
		text = join(clauses(q.Of), "or")
		nested = nested && len(q.Of) > 1
	case *rule.Not:
		return "not " + queryClause(q.Of, true)
	case *rule.Leaf:
		return leafWords(q)
	}
	if nested {
		return "(" + text + ")"
	}
	return text
}

func clauses(qs []rule.Query) []string {
	list := make([]string, len(qs))
	for i, q := range qs {
		list[i] = queryClause(q, true)
	}
	return list
}

// leafWords describes a leaf of a query, including how a text is compared.
func leafWords(l *rule.Leaf) string {
	switch {
	case l.Other != "":
		return match.Describe(l)
	case l.Field == "" && l.Op == rule.OpContains:
		return fmt.Sprintf("%q in the message", l.Text)
	case l.Field == rule.AnyField && l.Op == rule.OpContains:
		return fmt.Sprintf("%q in any field", l.Text)
	}
	switch l.Op {
	case rule.OpExists:
		return "any " + decode.FieldName(l.Field)
	case rule.OpLevel:
		return strings.NewReplacer(
			"level>=", "level at least ", "level<=", "level at most ", "level=", "level ",
		).Replace(match.Describe(l))
	case rule.OpCIDR:
		return fmt.Sprintf("%s within %s", decode.FieldName(l.Field), l.Text)
	case rule.OpList:
		return fmt.Sprintf("%s on the list %s", decode.FieldName(l.Field), l.Text)
	}
	return match.Describe(l)
}

var comparisons = map[string]string{
	">":  "more than",
	">=": "at least",
	"<":  "less than",
	"<=": "at most",
	"==": "exactly",
	"!=": "other than",
}

// conditionWords describes a condition; logs describes the logs it counts.
func conditionWords(c rule.Condition, logs string) string {
	switch c := c.(type) {
	case *rule.Binary:
		if word, is := comparisons[c.Op]; is {
			return comparisonWords(c, word, logs)
		}
		if c.Op == "and" || c.Op == "or" {
			return conditionWords(c.Left, logs) + " " + c.Op + " " + conditionWords(c.Right, logs)
		}
		left, right := conditionWords(c.Left, logs), conditionWords(c.Right, logs)
		return fmt.Sprintf("%s %s %s", left, c.Op, right)
	case *rule.Unary:
		return c.Op + " " + conditionWords(c.Of, logs)
	case *rule.Number:
		if c.Text != "" {
			return c.Text
		}
		return strconv.FormatFloat(c.Value, 'g', -1, 64)
	case *rule.Call:
		return callWords(c, logs)
	}
	return ""
}

func comparisonWords(c *rule.Binary, word, logs string) string {
	call, isCall := c.Left.(*rule.Call)
	n, isNumber := c.Right.(*rule.Number)
	if isCall && isNumber && call.Func == "count" && call.Offset == 0 && call.Over == 0 {
		return fmt.Sprintf("there are %s %s", countWords(c.Op, word, n), logsOf(call, logs))
	}
	if isCall && isNumber && call.Func == "distinct" && n.Value > window.ExactDistinct {
		word = "(estimated) " + word
	}
	return fmt.Sprintf(
		"%s is %s %s",
		conditionWords(c.Left, logs),
		word,
		conditionWords(c.Right, logs),
	)
}

func countWords(op, word string, n *rule.Number) string {
	if n.Value == 0 && (op == "==" || op == "<=") {
		return "no"
	}
	if n.Value == 0 && op == ">" {
		return "any"
	}
	return word + " " + conditionWords(n, "")
}

func logsOf(c *rule.Call, logs string) string {
	if c.Filter != nil {
		return "logs " + queryWords(c.Filter)
	}
	return "logs " + logs
}

var aggregates = map[string]string{
	"rate":     "the rate per second of",
	"sum":      "the sum of",
	"avg":      "the average of",
	"min":      "the minimum of",
	"max":      "the maximum of",
	"stddev":   "the standard deviation of",
	"distinct": "the number of distinct values of",
	"first":    "the first",
	"last":     "the last",
	"new":      "the number of new values of",
	"changed":  "the number of changes of",
}

func callWords(c *rule.Call, logs string) string {
	text := ""
	switch c.Func {
	case "count":
		text = "the number of " + logsOf(c, logs)
	case "rate":
		text = "the number per second of " + logsOf(c, logs)
	case "percentile":
		text = fmt.Sprintf("the %s percentile of %s", ordinal(c.Quantile*100), c.Field)
	case "quantile":
		text = fmt.Sprintf("the interpolated %s percentile of %s", ordinal(c.Quantile*100), c.Field)
	case "since":
		text = "the time since the last log " + queryWords(c.Filter)
	case "firing":
		return c.Alert + " is firing"
	case "baseline":
		return "the baseline of " + conditionWords(c.Of, logs)
	case "zscore":
		return "the z-score of " + conditionWords(c.Of, logs)
	default:
		field := c.Field
		if field == "@template" {
			field = "the message template"
		}
		text = aggregates[c.Func] + " " + field
		if len(c.Also) > 0 {
			text = "the number of new combinations of " + strings.Join(
				append([]string{field}, c.Also...),
				", ",
			)
		}
		if c.Within > 0 {
			text += " within " + duration.Format(c.Within)
		}
		if c.Filter != nil {
			text += " of " + logsOf(c, logs)
		}
	}
	if (c.Func == "percentile" || c.Func == "quantile") && c.Filter != nil {
		text += " of " + logsOf(c, logs)
	}
	if c.Over > 0 {
		text += " within " + duration.Format(c.Over)
	}
	if c.Offset > 0 {
		text += " " + duration.Format(c.Offset) + " before"
	}
	return text
}

func ordinal(v float64) string {
	text := strconv.FormatFloat(math.Round(v*100)/100, 'g', -1, 64)
	switch {
	case strings.HasSuffix(text, "1") && !strings.HasSuffix(text, "11"):
		return text + "st"
	case strings.HasSuffix(text, "2") && !strings.HasSuffix(text, "12"):
		return text + "nd"
	case strings.HasSuffix(text, "3") && !strings.HasSuffix(text, "13"):
		return text + "rd"
	}
	return text + "th"
}

// join formats a list as "a, b and c".
func join(list []string, word string) string {
	switch n := len(list); n {
	case 0:
		return ""
	case 1:
		return list[0]
	default:
		return strings.Join(list[:n-1], ", ") + " " + word + " " + list[n-1]
	}
}

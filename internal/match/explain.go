package match

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Tree says of a query and all its parts whether they hold for a log, and why.
type Tree struct {
	Pass bool `json:"pass"`
	// "all of", "any of", "not", or the leaf as a rule would write it
	What  string `json:"what"`
	Value string `json:"value,omitempty"` // of a leaf: what the log has, bounded in length
	Of    []Tree `json:"of,omitempty"`
}

// Explain evaluates a query as Eval does, but all of it, and keeps what it saw.
func Explain(q rule.Query, log *decode.Log, lists Lists) Tree { return explain(q, log, lists) }

func explain(q rule.Query, log source, lists Lists) Tree {
	all := func(what string, qs ...rule.Query) Tree {
		t := Tree{Pass: eval(q, log, lists), What: what}
		for _, sub := range qs {
			t.Of = append(t.Of, explain(sub, log, lists))
		}
		return t
	}
	switch q := q.(type) {
	case *rule.And:
		return all("all of", q.Of...)
	case *rule.Or:
		return all("any of", q.Of...)
	case *rule.Not:
		return all("not", q.Of)
	case *rule.Leaf:
		return Tree{Pass: evalLeaf(q, log, lists), What: Describe(q), Value: actual(q, log)}
	}
	return Tree{Pass: true, What: "every log"}
}

// String is the tree as indented text, one line for each part.
func (t Tree) String() string {
	var b strings.Builder
	t.write(&b, 0)
	return b.String()
}

func (t Tree) write(b *strings.Builder, depth int) {
	word := "FAIL"
	if t.Pass {
		word = "PASS"
	}
	fmt.Fprintf(b, "%s%s %s", strings.Repeat("  ", depth), word, t.What)
	if t.Value != "" {
		fmt.Fprintf(b, "   (%s)", t.Value)
	}
	b.WriteByte('\n')
	for _, sub := range t.Of {
		sub.write(b, depth+1)
	}
}

// Describe writes a leaf nearly as a rule would.
func Describe(l *rule.Leaf) string {
	field, other := decode.FieldName(l.Field), decode.FieldName(l.Other)
	if field == "" {
		field = "text"
	}
	op := map[rule.Op]string{
		rule.OpContains: " contains ", rule.OpPrefix: " begins with ", rule.OpSuffix: " ends with ",
		rule.OpEqual: " is ", rule.OpGlob: " matches ",
	}[l.Op]
	if l.Field == rule.AnyField {
		field = "any field"
	}
	if l.Other != "" {
		if l.Op == rule.OpRange {
			return field + " " + l.Text + " the field " + other
		}
		return field + op + "what the field " + other + " is"
	}
	switch l.Op {
	case rule.OpWords:
		return field + " has the words " + strconv.Quote(l.Text)
	case rule.OpRegexp:
		return fmt.Sprintf("%s:/%s/", field, l.Regexp)
	case rule.OpExists:
		return field + ":*"
	case rule.OpRange:
		return field + rangeText(
			l.Range,
			func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) },
		)
	case rule.OpLevel:
		return "level" + rangeText(l.Range, severityText)
	case rule.OpCIDR:
		return field + ":" + l.Text
	case rule.OpList:
		return field + ":@" + l.Text
	}
	if l.Cased {
		return field + op + strconv.Quote(l.Text) + " (in this case)"
	}
	return field + op + strconv.Quote(l.Text)
}

func rangeText(r rule.Range, number func(float64) string) string {
	more, less := ">=", "<="
	if r.OpenMin {
		more = ">"
	}
	if r.OpenMax {
		less = "<"
	}
	switch noMin, noMax := math.IsInf(r.Min, -1), math.IsInf(r.Max, 1); {
	case noMin && noMax:
		return " is a number"
	case noMin:
		return less + number(r.Max)
	case noMax:
		return more + number(r.Min)
	case r.Min == r.Max:
		return "=" + number(r.Min)
	default:
		return more + number(r.Min) + " and " + less + number(r.Max)
	}
}

func severityText(v float64) string {
	if n := int(v); float64(n) == v && n >= 1 && n <= 24 {
		word := [...]string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}[(n-1)/4]
		if step := (n - 1) % 4; step > 0 {
			word += strconv.Itoa(step + 1)
		}
		return word
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

const shownBytes = 120 // of a value

// actual is what the log has where a leaf looks.
func actual(l *rule.Leaf, log source) string {
	if l.Op == rule.OpLevel {
		if s := log.Severity(); s > 0 {
			return fmt.Sprintf("%s, severity %d", log.Lookup("level").Text, s)
		}
		return "severity unknown"
	}
	var parts []string
	for i, v := range leafValues(l, log) {
		switch {
		case v.Kind == decode.Absent && i == 0:
			parts = append(parts, "absent")
		case v.Kind == decode.Absent:
		case v.Kind == decode.Null:
			parts = append(parts, "null")
		case v.Kind == decode.String:
			parts = append(parts, strconv.Quote(shorten(v.Text)))
		default:
			parts = append(parts, strings.ToValidUTF8(shorten(v.Text), "\uFFFD"))
		}
	}
	return strings.Join(parts, ", ")
}

func shorten(t []byte) string {
	if len(t) <= shownBytes {
		return string(t)
	}
	n := shownBytes
	for n > 0 && !utf8.RuneStart(t[n]) {
		n--
	}
	return string(t[:n]) + "…"
}

// levelsText writes a set of severities as the range it was.
func levelsText(set uint32) string {
	low, high := 0, 0
	for s := 1; s <= 24; s++ {
		if set>>s&1 != 0 {
			if low == 0 {
				low = s
			}
			high = s
		}
	}
	switch {
	case low == 0:
		return " never"
	case high == 24:
		return ">=" + severityText(float64(low))
	case low <= 1:
		return "<=" + severityText(float64(high))
	}
	return ">=" + severityText(float64(low)) + " and <=" + severityText(float64(high))
}

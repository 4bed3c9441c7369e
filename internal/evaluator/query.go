package evaluator

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// matches reports whether a log satisfies a query.
func (s *Rules) matches(q rule.Query, l *Log) bool {
	switch q := q.(type) {
	case nil:
		return true
	case *rule.And:
		return !slices.ContainsFunc(q.Of, func(of rule.Query) bool { return !s.matches(of, l) })
	case *rule.Or:
		return slices.ContainsFunc(q.Of, func(of rule.Query) bool { return s.matches(of, l) })
	case *rule.Not:
		return !s.matches(q.Of, l)
	}
	leaf := q.(*rule.Leaf)
	if leaf.Op == rule.OpExists && l.present[leaf.Field] {
		return true
	}
	if leaf.Op == rule.OpLevel {
		return l.severity > 0 && leaf.Range.Contains(float64(l.severity))
	}
	if leaf.Field == rule.AnyField {
		return slices.ContainsFunc(l.any, func(text string) bool { return s.holds(leaf, text) })
	}
	if leaf.Other != "" {
		return slices.ContainsFunc(l.texts(leaf.Field), func(text string) bool {
			return slices.ContainsFunc(l.texts(leaf.Other), func(other string) bool {
				with := *leaf
				with.Text = other
				return s.holds(&with, text)
			})
		})
	}
	fields := []string{leaf.Field}
	if leaf.Field == "" {
		fields = []string{"message", "stack_trace"}
		if _, ok := l.text("message"); !ok {
			fields = []string{"raw"}
		}
	}
	for _, field := range fields {
		if slices.ContainsFunc(l.fields[field], func(v value) bool {
			return s.holds(leaf, v.text)
		}) {
			return true
		}
	}
	return false
}

// holds reports whether one value satisfies a leaf.
func (s *Rules) holds(leaf *rule.Leaf, text string) bool {
	fold := func(t string) string {
		if leaf.Cased {
			return t
		}
		return strings.ToLower(t)
	}
	switch leaf.Op {
	case rule.OpExists:
		return true
	case rule.OpContains:
		return strings.Contains(fold(text), fold(leaf.Text))
	case rule.OpPrefix:
		return strings.HasPrefix(fold(text), fold(leaf.Text))
	case rule.OpSuffix:
		return strings.HasSuffix(fold(text), fold(leaf.Text))
	case rule.OpEqual:
		return fold(text) == fold(leaf.Text)
	case rule.OpGlob:
		return globRegexp(leaf.Text, leaf.Cased).MatchString(text)
	case rule.OpRegexp:
		return leaf.Regexp.MatchString(text)
	case rule.OpRange:
		n, ok := readNumber(text)
		return ok && leaf.Range.Contains(n.Float())
	case rule.OpCIDR:
		return inNetwork(leaf.Text, text)
	case rule.OpList:
		return slices.ContainsFunc(s.Lists[leaf.Text].Values, func(m string) bool {
			return strings.EqualFold(m, text) || inNetwork(m, text) ||
				globRegexp(m, false).MatchString(text)
		})
	case rule.OpWords:
		var words []string
		for _, w := range word.FindAllString(leaf.Text, -1) {
			words = append(words, regexp.QuoteMeta(w))
		}
		return expression(`(?i)(^|[^\pL\pN_])` + strings.Join(words, `[^\pL\pN_]+`) +
			`($|[^\pL\pN_])`).MatchString(text)
	}
	return false
}

var word = regexp.MustCompile(`[\pL\pN_]+`)

// inNetwork reports whether a text is an address in a network.
func inNetwork(text, address string) bool {
	network, err := netip.ParsePrefix(text)
	a, err2 := netip.ParseAddr(address)
	return err == nil && err2 == nil && network.Contains(a.Unmap())
}

// globRegexp is the regular expression of a text with wildcards.
func globRegexp(glob string, cased bool) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("(?s")
	if !cased {
		b.WriteString("i")
	}
	b.WriteString(")^")
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteString(".")
		case c == '\\' && i+1 < len(glob):
			i++
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	return expression(b.String() + "$")
}

var expressions sync.Map

// expression compiles a regular expression once.
func expression(text string) *regexp.Regexp {
	if r, ok := expressions.Load(text); ok {
		return r.(*regexp.Regexp)
	}
	r := regexp.MustCompile(text)
	expressions.Store(text, r)
	return r
}

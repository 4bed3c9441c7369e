package elastalert

import (
	"fmt"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// The parser of Lucene's query strings. It follows Lucene's classic parser, whose and and or are
// not operators with a precedence: they say of the clauses beside them whether these must hold.

// maxDepth bounds the nesting of filters and query strings.
const maxDepth = 80

type occur uint8

const (
	should occur = iota
	must
	mustNot
)

type clause struct {
	occur occur
	query rule.Query
}

// luceneParser reads one query string.
type luceneParser struct {
	f        *filters
	text     string
	i        int
	and      bool     // the default operator
	defaults []string // the fields of terms without one; none for all fields
	nameless int      // no name of a field begins before it, unless a backslash does
}

// queryString reads a query string.
func (f *filters) queryString(text string, and bool, defaults []string) (rule.Query, error) {
	p := &luceneParser{f: f, text: text, and: and, defaults: defaults}
	q, err := p.clauses("", 0)
	if err == nil && p.i < len(p.text) {
		err = fmt.Errorf("the query string has a %q too many", p.text[p.i])
	}
	return q, err
}

func (p *luceneParser) space() {
	for p.i < len(p.text) && strings.IndexByte(" \t\r\n\u3000", p.text[p.i]) >= 0 {
		p.i++
	}
}

// word takes an operator that stands on its own.
func (p *luceneParser) word(names ...string) bool {
	for _, name := range names {
		rest, ok := strings.CutPrefix(p.text[p.i:], name)
		if !ok {
			continue
		}
		letters := name[0] >= 'A' && name[0] <= 'Z'
		if letters && rest != "" && strings.IndexByte(" \t\r\n()\"", rest[0]) < 0 {
			continue
		}
		p.i += len(name)
		p.space()
		return true
	}
	return false
}

// clauses reads clauses up to the end or a closing parenthesis. field is what they are about, ""
// for what they say themselves.
func (p *luceneParser) clauses(field string, depth int) (rule.Query, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the query string is nested too deeply")
	}
	var list []clause
	for {
		p.space()
		if p.i == len(p.text) || p.text[p.i] == ')' {
			break
		}
		and, or := false, false
		if len(list) > 0 {
			and = p.word("AND", "&&")
			or = !and && p.word("OR", "||")
		}
		c := clause{occur: should}
		switch {
		case p.word("NOT", "!"), p.prefix('-'):
			c.occur = mustNot
		case p.prefix('+'):
			c.occur = must
		}
		if p.i == len(p.text) || p.text[p.i] == ')' {
			return nil, fmt.Errorf("the query string ends where a term is missing")
		}
		q, err := p.clause(field, depth)
		if err != nil {
			return nil, err
		}
		c.query = q
		list = p.joined(list, c, and, or)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the query string has no term")
	}
	return combined(list), nil
}

// joined adds a clause. An operator also says of the clause before it what must hold.
func (p *luceneParser) joined(list []clause, c clause, and, or bool) []clause {
	if n := len(list); n > 0 && list[n-1].occur != mustNot {
		switch {
		case and:
			list[n-1].occur = must
		case or && p.and:
			list[n-1].occur = should
		}
	}
	if c.occur == should && (and || p.and && !or) {
		c.occur = must
	}
	return append(list, c)
}

// combined is what clauses say together.
func combined(list []clause) rule.Query {
	var musts, shoulds []rule.Query
	required := false
	for _, c := range list {
		switch c.occur {
		case must:
			required = true
			musts = append(musts, c.query)
		case mustNot:
			musts = append(musts, not(c.query))
		default:
			shoulds = append(shoulds, c.query)
		}
	}
	if !required && len(shoulds) > 0 { // where something must hold, the others are optional
		musts = append(musts, anyOf(shoulds...))
	}
	return all(musts...)
}

func (p *luceneParser) prefix(c byte) bool {
	if p.i+1 >= len(p.text) || p.text[p.i] != c ||
		strings.IndexByte(" \t\r\n", p.text[p.i+1]) >= 0 {
		return false
	}
	p.i++
	return true
}

// clause reads field:value, a value, or a group.
func (p *luceneParser) clause(field string, depth int) (rule.Query, error) {
	if p.text[p.i] == '(' {
		p.i++
		q, err := p.clauses(field, depth+1)
		if err == nil && (p.i == len(p.text) || p.text[p.i] != ')') {
			err = fmt.Errorf(`the query string has a "(" that is never closed`)
		}
		p.i++
		p.boost()
		return q, err
	}
	start := p.i
	if name, ok := p.name(); ok {
		field = name
		p.space()
		if p.i < len(p.text) && p.text[p.i] == '(' {
			return p.clause(field, depth+1)
		}
	} else {
		p.i = start
	}
	return p.value(field)
}

// name reads a field's name and its colon.
func (p *luceneParser) name() (string, bool) {
	start := p.i
	if start < p.nameless && start > 0 && p.text[start-1] != '\\' {
		return "", false
	}
	text, _ := p.term(":")
	p.nameless = p.i
	p.space() // Lucene skips it between any two tokens
	if text == "" || p.i == len(p.text) || p.text[p.i] != ':' {
		return "", false
	}
	p.i++
	if text == `\*` {
		text = "*"
	}
	return strings.ReplaceAll(text, `\`, ""), true
}

// term takes an unquoted term, with its escapes. wild reports whether it has wildcards.
func (p *luceneParser) term(stop string) (text string, wild bool) {
	start := p.i
	for p.i < len(p.text) {
		c := p.text[p.i]
		if strings.IndexByte(" \t\r\n()\"[]{}", c) >= 0 || strings.IndexByte(stop, c) >= 0 {
			break
		}
		if c == '*' || c == '?' {
			wild = true
		}
		if c == '\\' && p.i+1 < len(p.text) {
			p.i++
		}
		p.i++
	}
	return p.text[start:p.i], wild
}

// value reads what a field is compared with.
func (p *luceneParser) value(field string) (rule.Query, error) {
	if p.i == len(p.text) {
		return nil, fmt.Errorf("the query string ends where a value is missing")
	}
	switch c := p.text[p.i]; {
	case c == '"':
		text, err := p.quoted('"')
		if err != nil {
			return nil, err
		}
		p.boost()
		return p.each(field, func(name string) (rule.Query, error) {
			return p.f.words(name, unescaped(text), phrase)
		})
	case c == '/':
		text, err := p.quoted('/')
		if err != nil {
			return nil, err
		}
		p.boost()
		return p.each(
			field,
			func(name string) (rule.Query, error) { return p.f.regexp(name, text) },
		)
	case c == '[' || c == '{':
		return p.interval(field)
	case field != "" && (c == '>' || c == '<'):
		return p.comparison(field)
	}
	text, wild := p.term("")
	if text == "" {
		return nil, fmt.Errorf("the query string has an unexpected %q", p.text[p.i])
	}
	text, fuzzy := cutSuffixes(text)
	if fuzzy {
		return nil, fmt.Errorf("%s~ is a fuzzy search, which rules do not have", text)
	}
	if field == "_exists_" {
		return p.f.exists(unescaped(text)), nil
	}
	if field == "*" && text == "*" {
		return nil, nil
	}
	if field == "" && (text == "or" || text == "and" || text == "not") {
		p.f.remark(
			"lower-case",
			text+" in lower case is a word to search for there, and no operator; so it is here",
		)
	}
	return p.each(field, func(name string) (rule.Query, error) {
		if wild {
			return p.f.wildcard(name, text, true, false)
		}
		how := anyWord
		if p.and {
			how = everyWord
		}
		return p.f.words(name, unescaped(text), how)
	})
}

// each is what holds for one of the fields that a name stands for.
func (p *luceneParser) each(
	field string,
	of func(name string) (rule.Query, error),
) (rule.Query, error) {
	names := []string{field}
	if field == "" && len(p.defaults) > 0 {
		names = p.defaults
	}
	var list []rule.Query
	for _, name := range names {
		q, err := of(name)
		if err != nil {
			return nil, err
		}
		list = append(list, q)
	}
	return anyOf(list...), nil
}

// cutSuffixes cuts a boost from a term, and reports whether it is a fuzzy one.
func cutSuffixes(text string) (string, bool) {
	if i := strings.LastIndexByte(text, '^'); i > 0 && text[i-1] != '\\' {
		text = text[:i]
	}
	if i := strings.LastIndexByte(text, '~'); i > 0 && text[i-1] != '\\' {
		return text[:i], true
	}
	return text, false
}

// boost skips what only changes the score, and the slop of a phrase.
func (p *luceneParser) boost() {
	for p.i < len(p.text) && (p.text[p.i] == '^' || p.text[p.i] == '~') {
		if p.text[p.i] == '~' && p.i+1 < len(p.text) && p.text[p.i+1] > '0' &&
			p.text[p.i+1] <= '9' {
			p.f.remark(
				"slop",
				"words of a phrase may be some words apart there; here they are in a row",
			)
		}
		inNumber := func(c byte) bool { return c == '.' || c >= '0' && c <= '9' }
		for p.i++; p.i < len(p.text) && inNumber(p.text[p.i]); {
			p.i++
		}
	}
}

// quoted takes what is between two delimiters, with its escapes but those of the delimiter.
func (p *luceneParser) quoted(delimiter byte) (string, error) {
	var b strings.Builder
	for p.i++; p.i < len(p.text); p.i++ {
		c := p.text[p.i]
		if c == delimiter {
			p.i++
			return b.String(), nil
		}
		if c == '\\' && p.i+1 < len(p.text) {
			if p.i++; p.text[p.i] != delimiter {
				b.WriteByte('\\')
			}
			c = p.text[p.i]
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("the query string has a %q that is never closed", delimiter)
}

// interval reads [a TO b], with either kind of bracket on either side.
func (p *luceneParser) interval(field string) (rule.Query, error) {
	b := bounds{openMin: p.text[p.i] == '{'}
	p.i++
	var parts [2]string
	for i := range parts {
		p.space()
		if p.i < len(p.text) && p.text[p.i] == '"' {
			text, err := p.quoted('"')
			if err != nil {
				return nil, err
			}
			parts[i] = text
		} else {
			parts[i], _ = p.term("")
		}
		p.space()
		if i == 0 && !p.word("TO") {
			return nil, fmt.Errorf("the query string has a range without TO")
		}
	}
	if p.i == len(p.text) || p.text[p.i] != ']' && p.text[p.i] != '}' {
		return nil, fmt.Errorf("the query string has a range that is never closed")
	}
	b.openMax = p.text[p.i] == '}'
	p.i++
	p.boost()
	b.min, b.max = unescaped(parts[0]), unescaped(parts[1])
	if field == "" {
		return nil, fmt.Errorf("the query string has a range of no field")
	}
	return p.f.interval(field, b)
}

// comparison reads >5, >=5, <5 and <=5.
func (p *luceneParser) comparison(field string) (rule.Query, error) {
	greater := p.text[p.i] == '>'
	p.i++
	open := true
	if p.i < len(p.text) && p.text[p.i] == '=' {
		open = false
		p.i++
	}
	p.space()
	text, _ := p.term("")
	if p.i < len(p.text) && p.text[p.i] == '"' && text == "" {
		var err error
		if text, err = p.quoted('"'); err != nil {
			return nil, err
		}
	}
	b := bounds{min: unescaped(text), max: "*", openMin: open}
	if !greater {
		b = bounds{min: "*", max: unescaped(text), openMax: open}
	}
	return p.f.interval(field, b)
}

// unescaped is a term without the backslashes of escapes.
func unescaped(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

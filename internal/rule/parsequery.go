package rule

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/number"
	"github.com/log-monitoring/alert-engine/internal/problem"
)

// maxDepth bounds the nesting of queries and conditions.
const maxDepth = 100

// ParseQuery reads a query as it is typed into a search box. Positions in the tree count bytes from
// column 1 of line 1.
//
// It bounds the size of what it compiles, so texts may come from untrusted users.
func ParseQuery(text string) (Query, error) {
	if len(text) > maxQuery {
		return nil, &syntaxError{
			maxQuery, "query is longer than 4,096 bytes", "put long lists of values under lists",
		}
	}
	return parseQuery(text, &regexpBudget{})
}

// maxQuery bounds the queries that ParseQuery reads; those of rule files may be longer.
const maxQuery = 4096

func parseQuery(text string, budget *regexpBudget) (Query, error) {
	return parseQueryOver(text, budget, nil)
}

// parseQueryOver reads a query that may name selections, as in $login.
func parseQueryOver(text string, budget *regexpBudget, selections map[string]Query) (Query, error) {
	p := &queryParser{text: text, budget: budget, selections: selections}
	q, err := p.or("", 0)
	if err != nil {
		return nil, err
	}
	if p.i < len(p.text) {
		return nil, p.fail(p.i, `unexpected ")"`, "quote it to search for it")
	}
	return q, nil
}

type queryParser struct {
	text   string
	i      int
	budget *regexpBudget

	selections map[string]Query
}

func (p *queryParser) fail(at int, problem, hint string) error {
	return &syntaxError{at, problem, hint}
}

func (p *queryParser) space() {
	for p.i < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.i]) >= 0 {
		p.i++
	}
}

func (p *queryParser) end() bool {
	p.space()
	return p.i == len(p.text) || p.text[p.i] == ')'
}

// keyword takes the word when it comes next on its own.
func (p *queryParser) keyword(word string) bool {
	p.space()
	rest := p.text[p.i:]
	if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
		return false
	}
	if len(rest) > len(word) && strings.IndexByte(" \t\r\n()\"", rest[len(word)]) < 0 {
		return false
	}
	p.i += len(word)
	return true
}

func (p *queryParser) or(field string, depth int) (Query, error) {
	if depth > maxDepth {
		return nil, p.fail(p.i, "query is nested too deeply", "")
	}
	var of []Query
	for {
		q, err := p.and(field, depth)
		if err != nil {
			return nil, err
		}
		of = append(of, q)
		if !p.keyword("or") {
			break
		}
	}
	if len(of) == 1 {
		return of[0], nil
	}
	return &Or{of}, nil
}

func (p *queryParser) and(field string, depth int) (Query, error) {
	var of []Query
	for {
		q, err := p.not(field, depth)
		if err != nil {
			return nil, err
		}
		of = append(of, q)
		if p.keyword("and") {
			continue
		}
		at := p.i
		if p.end() || p.keyword("or") {
			p.i = at
			break
		}
	}
	if len(of) == 1 {
		return of[0], nil
	}
	return &And{of}, nil
}

func (p *queryParser) not(field string, depth int) (Query, error) {
	if depth > maxDepth {
		return nil, p.fail(p.i, "query is nested too deeply", "")
	}
	if p.end() {
		return nil, p.fail(p.i, "a search term is missing here", "")
	}
	minus := p.text[p.i] == '-' && p.i+1 < len(p.text) &&
		strings.IndexByte(" \t)", p.text[p.i+1]) < 0
	if field != "" && minus && p.i+1 < len(p.text) && p.text[p.i+1] >= '0' && p.text[p.i+1] <= '9' {
		minus = false // a negative number among values
	}
	if minus {
		p.i++
	}
	if minus || p.keyword("not") {
		q, err := p.not(field, depth+1)
		if err != nil {
			return nil, err
		}
		return &Not{q}, nil
	}
	at := p.i
	for _, word := range []string{"and", "or"} {
		if p.keyword(word) {
			return nil, p.fail(
				at,
				fmt.Sprintf("%q joins two terms, and one is missing", word),
				"put it in double quotes to search for the word",
			)
		}
	}
	return p.primary(field, depth)
}

func (p *queryParser) primary(field string, depth int) (Query, error) {
	at := p.i
	if p.text[p.i] == '(' {
		p.i++
		q, err := p.or(field, depth+1)
		if err != nil {
			return nil, err
		}
		p.space()
		if p.i == len(p.text) {
			return nil, p.fail(at, `"(" is never closed`, `add ")"`)
		}
		p.i++
		return q, nil
	}
	if field != "" {
		return p.value(field, at)
	}
	if p.text[p.i] == '$' && p.selections != nil {
		p.i++
		name := p.word("")
		if q, ok := p.selections[name]; ok {
			return cloneQuery(q), nil
		}
		return nil, p.fail(at, fmt.Sprintf("selection %q is not defined", name),
			problem.DidYouMean(name, slices.Sorted(maps.Keys(p.selections))))
	}
	switch p.text[p.i] {
	case '"', '/':
		return p.value("", at)
	}
	name := p.word(":<>~")
	if p.wordsFollow(name) {
		p.i++
		return p.words(decode.Canonical(name), at)
	}
	if p.i < len(p.text) && p.text[p.i] == '~' {
		name += p.word(":<>")
	}
	if p.i == len(p.text) || strings.IndexByte(":<>", p.text[p.i]) < 0 {
		if name == "" {
			return nil, p.fail(at, "a search term is missing here", "")
		}
		return wordLeaf("", name, at), nil
	}
	if name == "" {
		return nil, p.fail(at, "a field is missing before the operator", "")
	}
	name = decode.Canonical(name)
	if p.text[p.i] == ':' {
		p.i++
		if p.i < len(p.text) && p.text[p.i] == '(' {
			return p.primary(name, depth+1)
		}
	}
	return p.value(name, at)
}

// wordsFollow reports whether field~words comes next.
func (p *queryParser) wordsFollow(name string) bool {
	if name == "" || strings.ContainsAny(name, "=!") || p.i+1 >= len(p.text) || p.text[p.i] != '~' {
		return false
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.i+1:])
	return r == '"' || isWord(r)
}

// words reads the words of field~words.
func (p *queryParser) words(field string, at int) (Query, error) {
	start := p.i
	var text string
	if p.text[p.i] == '"' {
		var err error
		if text, err = p.quoted('"'); err != nil {
			return nil, err
		}
	} else {
		text = unescape(toPattern(p.word(""), queryEscapes))
	}
	if words(text) == 0 {
		return nil, p.fail(start, fmt.Sprintf("%q has no word", text), "write letters or digits")
	}
	return known(
		&Leaf{Field: field, Op: OpWords, Text: text, Pos: Pos{Line: 1, Column: at + 1}},
	), nil
}

// known makes a comparison of the text of the level one of logs that have a level: the text of the
// others is UNKNOWN.
func known(leaf *Leaf) Query {
	if leaf.Field != "level" || leaf.Op == OpLevel {
		return leaf
	}
	return &And{[]Query{exists(*leaf, true), leaf}}
}

// cloneQuery copies a query, whose leaves get places of their own.
func cloneQuery(q Query) Query {
	clones := func(of []Query) []Query {
		list := make([]Query, len(of))
		for i, m := range of {
			list[i] = cloneQuery(m)
		}
		return list
	}
	switch q := q.(type) {
	case *And:
		return &And{clones(q.Of)}
	case *Or:
		return &Or{clones(q.Of)}
	case *Not:
		return &Not{cloneQuery(q.Of)}
	case *Leaf:
		leaf := *q
		return &leaf
	}
	return q
}

// word takes characters up to a space, a parenthesis, a quote or one of stop. Backslashes are kept.
func (p *queryParser) word(stop string) string {
	start := p.i
	for p.i < len(p.text) {
		c := p.text[p.i]
		if strings.IndexByte(" \t\r\n()\"", c) >= 0 || strings.IndexByte(stop, c) >= 0 {
			break
		}
		if c == '\\' && p.i+1 < len(p.text) {
			p.i++
		}
		p.i++
	}
	return p.text[start:p.i]
}

// quoted takes what stands between two delimiters, in which a backslash escapes the delimiter.
func (p *queryParser) quoted(delim byte) (string, error) {
	at := p.i
	var b strings.Builder
	for p.i++; p.i < len(p.text); p.i++ {
		c := p.text[p.i]
		if c == delim {
			p.i++
			return b.String(), nil
		}
		if c == '\\' && p.i+1 < len(p.text) {
			switch next := p.text[p.i+1]; {
			case next == delim || delim == '"' && next == '\\':
				p.i++
				c = next
			case next == '\\': // of a regular expression: an escaped backslash escapes no delimiter
				b.WriteByte(c)
				p.i++
			}
		}
		b.WriteByte(c)
	}
	return "", p.fail(at, fmt.Sprintf("%q is never closed", delim), "")
}

// closed reports whether the delimiter that comes next is closed.
func (p *queryParser) closed(delim byte) bool {
	rest := *p
	_, err := rest.quoted(delim)
	return err == nil
}

// value reads what a field is compared with, and its operator.
func (p *queryParser) value(field string, at int) (Query, error) {
	op := ""
	for _, o := range []string{">=", "<=", ">", "<", "="} {
		if strings.HasPrefix(p.text[p.i:], o) {
			op, p.i = o, p.i+len(o)
			break
		}
	}
	start := p.i
	if p.i == len(p.text) {
		return nil, p.fail(p.i, fmt.Sprintf("a value for %s is missing", field),
			"write "+field+":* for any value")
	}
	leaf := &Leaf{Field: field, Pos: Pos{Line: 1, Column: at + 1}}
	switch {
	case p.text[p.i] == '"':
		text, err := p.quoted('"')
		if err != nil {
			return nil, err
		}
		if op != "" && op != "=" {
			return compareLeaf(leaf, op, text, start)
		}
		leaf.Op, leaf.Text = OpEqual, text
		if op == "=" {
			leaf.Cased = true
		} else if isText(field) {
			leaf.Op = OpContains
		} else if field == "level" {
			return compareLeaf(leaf, "", text, start)
		}
		return known(leaf), nil
	case p.text[p.i] == '/' && op == "":
		if field != "" && !p.closed('/') {
			break // a path
		}
		return p.regexp(leaf)
	}
	text := p.word("")
	if text == "" {
		return nil, p.fail(
			start,
			fmt.Sprintf("a value for %s is missing", field),
			"write "+field+":* for any value, with no space after the operator",
		)
	}
	switch op {
	case "":
		return fieldLeaf(leaf, text, queryEscapes, start)
	case "=":
		leaf.Op, leaf.Text, leaf.Cased = OpEqual, unescape(toPattern(text, queryEscapes)), true
		return known(leaf), nil
	}
	return compareLeaf(leaf, op, text, start)
}

// regexp reads /re/ or /re/i. In a field, something like /a/b that continues after its flags is a
// path.
func (p *queryParser) regexp(leaf *Leaf) (Query, error) {
	start := p.i
	text, err := p.quoted('/')
	if err != nil {
		return nil, err
	}
	flags := p.word("")
	if flags != "" && flags != "i" {
		if leaf.Field == "" {
			return nil, p.fail(
				start,
				fmt.Sprintf("unknown flag %q after a regular expression", flags),
				`only i is known; a path goes in double quotes`,
			)
		}
		p.i = start
		return fieldLeaf(leaf, p.word(""), queryEscapes, start)
	}
	if flags == "i" {
		text = "(?i)" + text
	} else if !isText(leaf.Field) && plainPath.MatchString(text) {
		leaf.Slashes = true
		if pathField.MatchString(leaf.Field) {
			leaf.Op, leaf.Text = OpEqual, "/"+text+"/"
			return leaf, nil
		}
	}
	if err := p.budget.compile(leaf, text); err != nil {
		return nil, p.fail(start, err.Error(), "the syntax is RE2")
	}
	return known(leaf), nil
}

var (
	// plainPath is a text that says the same as an expression and as a part of a path.
	plainPath = regexp.MustCompile(`^[A-Za-z0-9_/-]+$`)
	// pathField is a field in which /api/ is a path and not an expression.
	pathField = regexp.MustCompile(
		`(?i)path|ur[il]|route|endpoint|file|dir|target|mount|resource|location`)
)

// isText reports whether a field is one of the text fields, in which a value need only occur.
func isText(field string) bool {
	switch field {
	case "", AnyField, "message", "raw", "line", "stack":
		return true
	}
	return false
}

func wordLeaf(field, text string, at int) Query {
	leaf := &Leaf{Field: field, Pos: Pos{Line: 1, Column: at + 1}}
	setPattern(leaf, toPattern(text, queryEscapes))
	return leaf
}

// setPattern chooses the operator for a pattern, in which * and ? are wildcards and a backslash
// makes them, and itself, ordinary.
func setPattern(leaf *Leaf, pattern string) {
	bare := strings.TrimLeft(pattern, "*")
	left, right := bare != pattern, false
	for strings.HasSuffix(bare, "*") && !escaped(bare, len(bare)-1) {
		bare, right = bare[:len(bare)-1], true
	}
	plain := !hasWildcard(bare)
	switch {
	case isText(leaf.Field) && plain && bare != "":
		leaf.Op, leaf.Text = OpContains, unescape(bare)
	case isText(leaf.Field) && !hasWildcard(pattern):
		leaf.Op, leaf.Text = OpContains, unescape(pattern)
	case isText(leaf.Field):
		leaf.Op, leaf.Text = OpGlob, "*"+pattern+"*"
	case !hasWildcard(pattern):
		leaf.Op, leaf.Text = OpEqual, unescape(pattern)
	case plain && left && right:
		leaf.Op, leaf.Text = OpContains, unescape(bare)
	case plain && right:
		leaf.Op, leaf.Text = OpPrefix, unescape(bare)
	case plain && left:
		leaf.Op, leaf.Text = OpSuffix, unescape(bare)
	default:
		leaf.Op, leaf.Text = OpGlob, pattern
	}
}

// escaped reports whether an odd number of backslashes is before a byte.
func escaped(text string, at int) bool {
	n := 0
	for n < at && text[at-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// The characters before which a backslash is an escape, and not itself: so a Windows path may be
// written as it is.
const (
	queryEscapes   = "*?\\ \t()\":<>=~@/-"
	patternEscapes = "*?\\" // of maps, as in Sigma
)

// toPattern turns a text with escapes into a pattern, in which a backslash is before *, ? and \
// only.
func toPattern(text, escapes string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(text) && strings.IndexByte(escapes, text[i+1]) >= 0:
			i++
			if strings.IndexByte(patternEscapes, text[i]) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(text[i])
		default:
			b.WriteString(`\\`)
		}
	}
	return b.String()
}

// MemberPattern is the pattern of a member of a list that has wildcards; ok is false for others.
func MemberPattern(member string) (pattern string, ok bool) {
	if !strings.ContainsAny(member, "*?") {
		return "", false
	}
	pattern = toPattern(member, patternEscapes)
	return pattern, hasWildcard(pattern)
}

// quotePattern is the pattern that a text matches alone.
func quotePattern(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(text)
}

// hasWildcard reports whether a pattern is more than a text.
func hasWildcard(pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '*', '?':
			return true
		}
	}
	return false
}

// unescape is the text of a pattern without wildcards.
func unescape(pattern string) string {
	if strings.IndexByte(pattern, '\\') < 0 {
		return pattern
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

// fieldLeaf reads the value of field:value.
func fieldLeaf(leaf *Leaf, text, escapes string, at int) (Query, error) {
	if text == "*" {
		return exists(*leaf, true), nil
	}
	if text[0] == '@' && len(text) > 1 {
		leaf.Op, leaf.Text = OpList, text[1:]
		return known(leaf), nil
	}
	if leaf.Field == "level" && !hasWildcard(text) {
		return compareLeaf(leaf, "", text, at)
	}
	if low, high, ok := strings.Cut(text, ".."); ok {
		l, okLow := number.Parse([]byte(low))
		h, okHigh := number.Parse([]byte(high))
		if okLow && okHigh {
			if l > h {
				return nil, &syntaxError{
					at,
					fmt.Sprintf("range %s is empty", text),
					"write the smaller bound first",
				}
			}
			leaf.Op, leaf.Range = OpRange, Range{Min: l, Max: h}
			return leaf, nil
		}
	}
	if isNetwork(text) && !isText(leaf.Field) {
		leaf.Op, leaf.Text = OpCIDR, text
		return leaf, nil
	}
	setPattern(leaf, toPattern(text, escapes))
	return known(leaf), nil
}

// levels are the named levels in the order of their severity. Each has the severity numbers up to
// the next one: NOTICE has 10 to 12. EMERGENCY is FATAL.
var levels = []float64{1, 5, 9, 10, 13, 17, 18, 19, 21, 25}

func isNetwork(text string) bool {
	_, err := netip.ParsePrefix(text)
	return err == nil
}

func levelHint(text string) string {
	if _, err := strconv.Atoi(text); err == nil {
		return "write fields.Level to compare a field of the log with a number"
	}
	return "levels are TRACE, DEBUG, INFO, NOTICE, WARN, ERROR, CRITICAL, ALERT and FATAL"
}

// levelRange returns the severity numbers of a level.
func levelRange(word string) (low, high float64, ok bool) {
	_, severity := decode.ParseLevel(word)
	if severity == 0 {
		return 0, 0, false
	}
	i, exact := slices.BinarySearch(levels, float64(severity))
	if !exact {
		i--
	}
	return levels[i], levels[i+1] - 1, true
}

// compareLeaf reads a level or a number after a comparison; op "" is a level on its own.
func compareLeaf(leaf *Leaf, op, text string, at int) (Query, error) {
	r := Range{Min: math.Inf(-1), Max: math.Inf(1)}
	low, high, ok := 0.0, 0.0, false
	leaf.Op = OpRange
	if leaf.Field == "level" {
		leaf.Op = OpLevel
		low, high, ok = levelRange(text)
		if !ok {
			return nil, &syntaxError{
				at,
				fmt.Sprintf("unknown level %q", text),
				levelHint(text),
			}
		}
	} else {
		low, ok = number.Parse([]byte(text))
		high = low
		if !ok {
			return nil, &syntaxError{
				at, fmt.Sprintf("%q is not a number", text),
				"numbers are like 5, 250ms, 5MB or 5%",
			}
		}
	}
	switch op {
	case "":
		r.Min, r.Max = low, high
	case ">=":
		r.Min = low
	case ">":
		r.Min, r.OpenMin = high, true
	case "<=":
		r.Max = high
	case "<":
		r.Max, r.OpenMax = low, true
	}
	leaf.Range = r
	return leaf, nil
}

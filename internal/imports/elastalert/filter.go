package elastalert

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/tree"
	"github.com/log-monitoring/alert-engine/internal/number"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// filters translates the filters of one rule, which are queries of Elasticsearch.
//
// A query is nil when it always holds, and never when it never does.
type filters struct {
	types  *types
	remark func(code, text string) // says a difference
	// names of fields whose type decides what the rule matches, and is not known
	guessed []string
	why     string // why a part never holds
	// A term of several words, or with capitals, never holds for a text. Where such a term is about
	// a field whose type is not known, doubts has its name, and doubt says why.
	doubts []string
	doubt  string
	// names of fields that are taken for keywords
	keywords []string
	worded   bool // it looks for words of texts
}

// never is the query that no log satisfies.
var never rule.Query = &rule.Or{}

func isNever(q rule.Query) bool {
	or, ok := q.(*rule.Or)
	return ok && len(or.Of) == 0
}

func all(of ...rule.Query) rule.Query {
	if slices.ContainsFunc(of, isNever) {
		return never
	}
	return rule.All(of...)
}

func anyOf(of ...rule.Query) rule.Query {
	of = slices.DeleteFunc(slices.Clone(of), isNever)
	if len(of) == 0 {
		return never
	}
	return rule.Any(of...)
}

func not(q rule.Query) rule.Query {
	switch {
	case q == nil:
		return never
	case isNever(q):
		return nil
	}
	if n, ok := q.(*rule.Not); ok {
		return n.Of
	}
	return &rule.Not{Of: q}
}

// impossible is never, with the reason.
func (f *filters) impossible(format string, args ...any) rule.Query {
	f.why = fmt.Sprintf(format, args...)
	return never
}

// list translates filters that must all hold.
func (f *filters) list(n *yaml.Node) (rule.Query, error) {
	if n == nil {
		return nil, nil
	}
	members := n.Content
	if n.Kind == yaml.MappingNode {
		members = []*yaml.Node{n}
	}
	return f.every(members, 0)
}

func (f *filters) every(nodes []*yaml.Node, depth int) (rule.Query, error) {
	var of []rule.Query
	for _, n := range nodes {
		q, err := f.query(n, depth)
		if err != nil {
			return nil, err
		}
		of = append(of, q)
	}
	return all(of...), nil
}

func (f *filters) either(nodes []*yaml.Node, depth int) (rule.Query, error) {
	var of []rule.Query
	for _, n := range nodes {
		q, err := f.query(n, depth)
		if err != nil {
			return nil, err
		}
		of = append(of, q)
	}
	return anyOf(of...), nil
}

// members are the nodes of a list, or the one node.
func members(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	}
	return []*yaml.Node{n}
}

// query translates one query.
func (f *filters) query(n *yaml.Node, depth int) (rule.Query, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("line %d: filters are nested too deeply", n.Line)
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return nil, fmt.Errorf("line %d: a filter is not a query", n.Line)
	}
	var of []rule.Query
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		if strings.HasPrefix(name, "_") || name == "boost" {
			continue
		}
		q, err := f.one(name, value, depth+1)
		if err != nil {
			return nil, err
		}
		of = append(of, q)
	}
	return all(of...), nil
}

// one translates the query of a name.
func (f *filters) one(name string, n *yaml.Node, depth int) (rule.Query, error) {
	switch name {
	case "query", "filter", "and", "must":
		return f.every(inner(n), depth)
	case "constant_score":
		return f.query(n, depth)
	case "or":
		return f.either(inner(n), depth)
	case "dis_max":
		return f.either(members(imports.Get(n, "queries")), depth)
	case "not":
		q, err := f.every(inner(n), depth)
		return not(q), err
	case "bool":
		return f.boolean(n, depth)
	case "query_string":
		return f.queryStringOf(n)
	case "match_all":
		return nil, nil
	case "match_none":
		return f.impossible("match_none matches nothing"), nil
	case "exists":
		return f.exists(imports.Value(n, "field")), nil
	case "missing":
		return not(f.exists(imports.Value(n, "field"))), nil
	case "multi_match":
		return f.multiMatch(n)
	case "type":
		f.meta("_type")
		return nil, nil
	case "term", "terms", "match", "match_phrase", "match_phrase_prefix", "wildcard", "regexp",
		"prefix", "range":
		return f.fields(name, n)
	}
	return nil, fmt.Errorf("line %d: filter %s has no counterpart", n.Line, name)
}

// inner are the queries that old filters have below another name.
func inner(n *yaml.Node) []*yaml.Node {
	for _, name := range []string{"filters", "filter"} {
		if m := imports.Get(n, name); m != nil && len(n.Content) == 2 {
			return members(m)
		}
	}
	return members(n)
}

func (f *filters) boolean(n *yaml.Node, depth int) (rule.Query, error) {
	var of []rule.Query
	required := false
	for _, name := range []string{"must", "filter"} {
		if m := imports.Get(n, name); m != nil {
			required = required || len(members(m)) > 0
			q, err := f.every(members(m), depth)
			if err != nil {
				return nil, err
			}
			of = append(of, q)
		}
	}
	for _, m := range members(imports.Get(n, "must_not")) {
		q, err := f.query(m, depth)
		if err != nil {
			return nil, err
		}
		of = append(of, not(q))
	}
	shoulds := members(imports.Get(n, "should"))
	least := 0
	if len(shoulds) > 0 && !required {
		least = 1
	}
	if text := imports.Value(n, "minimum_should_match"); text != "" {
		var err error
		if least, err = strconv.Atoi(text); err != nil || least < 0 {
			return nil, fmt.Errorf(
				"line %d: minimum_should_match %q has no counterpart",
				n.Line,
				text,
			)
		}
	}
	if imports.Get(n, "must") == nil && imports.Get(n, "filter") == nil &&
		imports.Get(n, "must_not") == nil && shoulds == nil {
		return nil, fmt.Errorf("line %d: bool has no queries", n.Line)
	}
	switch {
	case least == 0:
		return all(of...), nil
	case least > 1 && least < len(shoulds):
		if len(shoulds) > maxShoulds {
			return nil, fmt.Errorf("line %d: minimum_should_match of %d among %d queries has no "+
				"counterpart", n.Line, least, len(shoulds))
		}
		var queries []rule.Query
		for _, m := range shoulds {
			q, err := f.query(m, depth)
			if err != nil {
				return nil, err
			}
			queries = append(queries, q)
		}
		return all(append(of, some(least, queries))...), nil
	case least > 1:
		q, err := f.every(shoulds, depth)
		return all(append(of, q)...), err
	}
	q, err := f.either(shoulds, depth)
	return all(append(of, q)...), err
}

// maxShoulds bounds the queries of which some must hold, whose combinations are written out.
const maxShoulds = 8

// some holds when n of the queries do.
func some(n int, queries []rule.Query) rule.Query {
	if n == 1 {
		return anyOf(queries...)
	}
	var of []rule.Query
	for i := range len(queries) - n + 1 {
		of = append(of, all(queries[i], some(n-1, queries[i+1:])))
	}
	return anyOf(of...)
}

func (f *filters) queryStringOf(n *yaml.Node) (rule.Query, error) {
	text, and := n.Value, false
	var defaults []string
	if n.Kind == yaml.MappingNode {
		text = imports.Value(n, "query")
		and = strings.EqualFold(imports.Value(n, "default_operator"), "and")
		if field := imports.Value(n, "default_field"); field != "" && field != "*" {
			defaults = []string{field}
		}
		for _, field := range imports.Values(n, "fields") {
			name, _, _ := strings.Cut(field, "^")
			defaults = append(defaults, name)
		}
	}
	q, err := f.queryString(text, and, defaults)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", n.Line, err)
	}
	if trimmed := strings.Trim(text, " ()"); q == nil && trimmed != "*" && trimmed != "*:*" {
		f.remark(
			"matches-all",
			"its query string holds for every log, there and here: a * beside other words will do",
		)
	}
	return q, nil
}

func (f *filters) multiMatch(n *yaml.Node) (rule.Query, error) {
	names := imports.Values(n, "fields")
	if len(names) == 0 {
		names = []string{""}
	}
	how := anyWord
	switch {
	case strings.HasPrefix(imports.Value(n, "type"), "phrase"):
		how = phrase
	case strings.EqualFold(imports.Value(n, "operator"), "and"):
		how = everyWord
	}
	var of []rule.Query
	for _, name := range names {
		name, _, _ = strings.Cut(name, "^")
		q, err := f.words(name, imports.Value(n, "query"), how)
		if err != nil {
			return nil, err
		}
		of = append(of, q)
	}
	return anyOf(of...), nil
}

// fields translates {field: value}, or {field: {value: ...}}.
func (f *filters) fields(kind string, n *yaml.Node) (rule.Query, error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: %s names no field", n.Line, kind)
	}
	var of []rule.Query
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		if name == "boost" || name == "_name" || name == "minimum_should_match" {
			continue
		}
		q, err := f.field(kind, name, value)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", value.Line, err)
		}
		of = append(of, q)
	}
	if len(of) == 0 {
		return nil, fmt.Errorf("line %d: %s names no field", n.Line, kind)
	}
	return all(of...), nil
}

// given is a value that may be below value, or a name of its kind.
func given(n *yaml.Node, names ...string) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	for _, name := range names {
		if v := imports.Get(n, name); v != nil {
			return v.Value
		}
	}
	return ""
}

func (f *filters) field(kind, name string, n *yaml.Node) (rule.Query, error) {
	anyCase := imports.Value(n, "case_insensitive") == "true"
	switch kind {
	case "term":
		return f.term(name, given(n, "value", "term"), anyCase)
	case "terms":
		if n.Kind == yaml.MappingNode {
			return nil, fmt.Errorf("terms of another index have no counterpart")
		}
		var of []rule.Query
		for _, m := range members(n) {
			q, err := f.term(name, m.Value, false)
			if err != nil {
				return nil, err
			}
			of = append(of, q)
		}
		return anyOf(of...), nil
	case "match":
		how := anyWord
		switch {
		case imports.Value(n, "type") == "phrase":
			how = phrase
		case strings.EqualFold(imports.Value(n, "operator"), "and"):
			how = everyWord
		case imports.Value(n, "minimum_should_match") != "" || imports.Value(n, "fuzziness") != "":
			return nil, fmt.Errorf(
				"match with minimum_should_match or fuzziness has no counterpart",
			)
		}
		return f.words(name, given(n, "query"), how)
	case "match_phrase":
		return f.words(name, given(n, "query"), phrase)
	case "match_phrase_prefix":
		return f.phrasePrefix(name, given(n, "query"))
	case "wildcard":
		return f.wildcard(name, given(n, "value", "wildcard"), anyCase, anyCase)
	case "regexp":
		return f.regexp(name, given(n, "value"))
	case "prefix":
		return f.wildcard(name, escapeWildcards(given(n, "value", "prefix"))+"*", anyCase, anyCase)
	}
	return f.rangeOf(name, n)
}

var escapeWildcards = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace

// how says how the words of a value must occur.
type how uint8

const (
	anyWord how = iota
	everyWord
	phrase
)

func leaf(field string, op rule.Op, text string) rule.Query {
	return &rule.Leaf{Field: field, Op: op, Text: text}
}

func equal(field, text string) rule.Query {
	return &rule.Leaf{Field: field, Op: rule.OpEqual, Text: text, Cased: true}
}

// words translates a value that Elasticsearch analyzes.
func (f *filters) words(name, text string, how how) (rule.Query, error) {
	if name == "" {
		return f.inAny(text, how)
	}
	if f.meta(name) {
		return nil, nil
	}
	t := f.resolve(name)
	switch t.kind {
	case numeric:
		v, ok := number.Parse([]byte(text))
		if !ok {
			return f.impossible("%s is a number, and never %q", name, text), nil
		}
		return &rule.Leaf{Field: t.name, Op: rule.OpRange, Range: rule.Range{Min: v, Max: v}}, nil
	case keyword:
		return equal(t.name, text), nil
	case anyCaseKeyword, boolean:
		return leaf(t.name, rule.OpEqual, text), nil
	case ip:
		return address(t.name, text), nil
	case date:
		return nil, fmt.Errorf("field %s is a date, which rules do not compare", name)
	case unknown:
		f.guess(name)
		if isNetwork(text) {
			return address(t.name, text), nil
		}
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return equal(t.name, text), nil
		}
		if how != everyWord {
			how = phrase // a value is seldom meant as any of its words
		}
	}
	return f.tokens(t.name, text, how)
}

// tokens translates words of a text field.
func (f *filters) tokens(field, text string, how how) (rule.Query, error) {
	list := split(text)
	if len(list) == 0 {
		return nil, fmt.Errorf("%q has no word to search for", text)
	}
	f.worded = true
	if how == phrase || len(list) == 1 {
		return leaf(field, rule.OpWords, strings.Join(list, " ")), nil
	}
	var of []rule.Query
	for _, term := range terms(text) {
		of = append(of, leaf(field, rule.OpWords, strings.Join(split(term), " ")))
	}
	if how == everyWord {
		return all(of...), nil
	}
	return anyOf(of...), nil
}

// inAny translates words without a field: those of any field count.
func (f *filters) inAny(text string, how how) (rule.Query, error) {
	f.remark("any-field", "words without a field are searched for in every field; there a keyword "+
		"is its whole value")
	return f.tokens(rule.AnyField, text, how)
}

func address(field, text string) rule.Query {
	if isNetwork(text) {
		return leaf(field, rule.OpCIDR, text)
	}
	return equal(field, text)
}

// split are the words of a text.
func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !isWordRune(r) })
}

// terms are what Elasticsearch's standard analyzer makes of a text. A point, an apostrophe or a
// colon between letters joins these, as a point, an apostrophe, a comma or a semicolon joins
// digits.
func terms(text string) (list []string) {
	runes := []rune(text)
	start := -1
	for i, r := range runes {
		inside := isWordRune(r)
		if !inside && start >= 0 && i > 0 && i+1 < len(runes) {
			before, after := runes[i-1], runes[i+1]
			inside = strings.ContainsRune(".':", r) && unicode.IsLetter(before) &&
				unicode.IsLetter(after) ||
				strings.ContainsRune(".',;", r) && unicode.IsDigit(before) && unicode.IsDigit(after)
		}
		switch {
		case inside && start < 0:
			start = i
		case !inside && start >= 0:
			list, start = append(list, string(runes[start:i])), -1
		}
	}
	if start >= 0 {
		list = append(list, string(runes[start:]))
	}
	return list
}

func isWordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func escapeExpression(text string) string { return regexp.QuoteMeta(text) }

// token reports whether a text is one word as an index has it: in lower case.
func token(text string) bool {
	list := terms(text)
	return len(list) == 1 && list[0] == text && strings.ToLower(text) == text
}

// meta reports whether a field is one of the index and not of the log, with a remark that it is
// left out.
func (f *filters) meta(name string) bool {
	if name != "_type" && name != "_index" && name != "_id" {
		return false
	}
	f.remark("meta-field", "the filter of "+name+" is left out: a log has none")
	return true
}

// term translates a value that Elasticsearch does not analyze.
func (f *filters) term(name, text string, anyCase bool) (rule.Query, error) {
	if f.meta(name) {
		return nil, nil
	}
	t := f.resolve(name)
	if t.kind == keyword && anyCase {
		return leaf(t.name, rule.OpEqual, text), nil
	}
	if t.kind != text_ && t.kind != unknown {
		return f.words(name, text, phrase)
	}
	_, err := strconv.ParseFloat(text, 64)
	switch {
	case t.kind == unknown && (err == nil || isNetwork(text) || text == "true" || text == "false"):
		return f.words(name, text, phrase)
	case token(text) || anyCase && token(strings.ToLower(text)):
		if t.kind == unknown {
			f.guess(name)
		}
		return f.tokens(t.name, text, phrase)
	}
	q := f.impossible(
		"term %q never matches the text field %s, whose terms are single words in lower case",
		text,
		name,
	)
	if t.kind == unknown && !slices.Contains(f.doubts, name) {
		f.doubts, f.doubt = append(f.doubts, name), cmp.Or(f.doubt, f.why)
	}
	return q, nil
}

func (f *filters) exists(name string) rule.Query {
	return leaf(f.types.own(name), rule.OpExists, "")
}

// The borders of a word, for expressions that look at single words of a text.
const (
	wordBegins = `(?:^|[^\pL\pN_])`
	wordEnds   = `(?:$|[^\pL\pN_])`
	wordRune   = `[\pL\pN_]`
)

// wildcard translates a pattern. lowered says that it is compared in lower case with texts, and
// anyCase that its case does not matter anywhere.
func (f *filters) wildcard(name, pattern string, lowered, anyCase bool) (rule.Query, error) {
	if strings.Trim(pattern, "*") == "" {
		if name == "" {
			return nil, nil
		}
		return f.exists(name), nil
	}
	t := field{name: rule.AnyField, kind: text_}
	if name != "" {
		t = f.resolve(name)
	}
	core := unescaped(strings.Trim(pattern, "*"))
	left, right := strings.HasPrefix(pattern, "*"), endsWithWildcard(pattern)
	plain := !strings.ContainsAny(strings.Trim(pattern, "*"), `*?\`)
	single := !strings.ContainsFunc(core, func(r rune) bool {
		return r != '*' && r != '?' && !isWordRune(r)
	})
	if t.kind == unknown {
		f.guess(name)
	}
	switch t.kind {
	case text_, unknown:
		if t.kind == text_ && !lowered && strings.ToLower(core) != core {
			return f.impossible(
				"pattern %q never matches the text field %s, whose terms are in lower case",
				pattern,
				name,
			), nil
		}
		if single && plain && left && right {
			return leaf(t.name, rule.OpContains, core), nil
		}
		if single {
			return expression(t.name, "(?i)"+wordBegins+globExpression(pattern, wordRune)+wordEnds)
		}
		if t.kind == text_ && name != "" {
			return f.impossible(
				"pattern %q never matches a single word of the text field %s",
				pattern,
				name,
			), nil
		}
	case numeric, date:
		return nil, fmt.Errorf("field %s is not a text, and has no patterns", name)
	}
	if t.kind == keyword && !anyCase {
		return expression(t.name, "(?s)^"+globExpression(pattern, ".")+"$")
	}
	switch {
	case plain && left && right:
		return leaf(t.name, rule.OpContains, core), nil
	case plain && right && !left:
		return leaf(t.name, rule.OpPrefix, core), nil
	case plain && left && !right:
		return leaf(t.name, rule.OpSuffix, core), nil
	}
	return leaf(t.name, rule.OpGlob, pattern), nil
}

func endsWithWildcard(pattern string) bool {
	return strings.HasSuffix(pattern, "*") && !strings.HasSuffix(pattern, `\*`)
}

// globExpression is a pattern as a regular expression; any is what a wildcard stands for.
func globExpression(pattern, anyRune string) string {
	var b strings.Builder
	literal := ""
	flush := func() { b.WriteString(regexp.QuoteMeta(literal)); literal = "" }
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			literal += pattern[i : i+1]
		case c == '*':
			flush()
			b.WriteString(anyRune + "*")
		case c == '?':
			flush()
			b.WriteString(anyRune)
		default:
			literal += pattern[i : i+1]
		}
	}
	flush()
	return b.String()
}

// expression is a leaf with a regular expression.
func expression(field, text string) (rule.Query, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%w; rules have the syntax of RE2", err)
	}
	return &rule.Leaf{Field: field, Op: rule.OpRegexp, Regexp: re}, nil
}

// regexp translates an expression of Lucene, which must match the whole value, or a whole word of a
// text.
func (f *filters) regexp(name, text string) (rule.Query, error) {
	re, err := luceneExpression(text)
	if err != nil {
		return nil, err
	}
	if name == "" {
		f.remark(
			"any-field",
			"an expression without a field is searched for in every field, between the borders of "+
				"words; there it matches a keyword as a whole, or one word of a text in lower case",
		)
		return expression(rule.AnyField, "(?s)"+wordBegins+"(?:"+re+")"+wordEnds)
	}
	t := f.resolve(name)
	if t.kind == unknown {
		f.remark(
			"field-type",
			"text or keyword? expressions of "+name+" match its whole value, as that of a keyword; "+
				"of a text they match one word in lower case, so give --mapping or --against",
		)
	}
	if t.kind != text_ {
		return expression(t.name, "(?s)^(?:"+re+")$")
	}
	core := strings.TrimSuffix(strings.TrimPrefix(re, ".*"), ".*")
	switch {
	case strings.ContainsAny(core, " \t") || strings.Contains(core, `\s`):
		return f.impossible(
			"expression /%s/ never matches a single word of the text field %s",
			text,
			name,
		), nil
	case strings.ContainsFunc(withoutEscapes(core), unicode.IsUpper):
		return f.impossible(
			"expression /%s/ never matches the text field %s, whose terms are in lower case",
			text,
			name,
		), nil
	}
	begins, ends := wordBegins, wordEnds
	if strings.HasPrefix(re, ".*") {
		begins = ""
	}
	if strings.HasSuffix(re, ".*") && !strings.HasSuffix(re, `\.*`) {
		ends = ""
	}
	return expression(t.name, "(?i)"+begins+"(?:"+core+")"+ends)
}

// withoutEscapes is an expression without classes such as \W.
func withoutEscapes(re string) string {
	var b strings.Builder
	for i := 0; i < len(re); i++ {
		if re[i] == '\\' {
			i++
			continue
		}
		b.WriteByte(re[i])
	}
	return b.String()
}

// luceneExpression is an expression of Lucene as one of RE2.
func luceneExpression(text string) (string, error) {
	var b strings.Builder
	class := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			i++
			if strings.IndexByte("dDwWsS", text[i]) >= 0 ||
				strings.IndexByte(`.+*?()|[]{}^$-\`, text[i]) >= 0 {
				b.WriteByte('\\')
				b.WriteByte(text[i])
			} else {
				b.WriteString(regexp.QuoteMeta(text[i : i+1]))
			}
		case class:
			class = c != ']'
			b.WriteByte(c)
		case c == '[':
			class = true
			b.WriteByte(c)
			if i+1 < len(text) && text[i+1] == '^' {
				i++
				b.WriteByte('^')
			}
		case c == '"':
			end := strings.IndexByte(text[i+1:], '"')
			if end < 0 {
				return "", fmt.Errorf("expression /%s/ has a quote that is never closed", text)
			}
			b.WriteString(regexp.QuoteMeta(text[i+1 : i+1+end]))
			i += 1 + end
		case c == '@':
			b.WriteString(".*")
		case strings.IndexByte("~&<#", c) >= 0:
			return "", fmt.Errorf(
				"expression /%s/ has %c, an operator of Lucene that RE2 lacks",
				text,
				c,
			)
		case c == '(' && i+1 < len(text) && text[i+1] == '?':
			return "", fmt.Errorf("expression /%s/ has (?, which Lucene does not have", text)
		case c == '^' || c == '$': // ordinary characters there
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

func (f *filters) phrasePrefix(name, text string) (rule.Query, error) {
	list := split(text)
	if len(list) == 0 {
		return nil, fmt.Errorf("%q has no word to search for", text)
	}
	t := f.resolve(name)
	if t.kind == unknown {
		f.guess(name)
	}
	for i, w := range list {
		list[i] = regexp.QuoteMeta(w)
	}
	return expression(t.name, "(?i)"+wordBegins+strings.Join(list, `[^\pL\pN_]+`))
}

// bounds are those of a range, as written; "*" and "" are open.
type bounds struct {
	min, max         string
	openMin, openMax bool
}

func (f *filters) rangeOf(name string, n *yaml.Node) (rule.Query, error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("range of %s has no bounds", name)
	}
	var b bounds
	for i := 0; i+1 < len(n.Content); i += 2 {
		value := n.Content[i+1].Value
		switch n.Content[i].Value {
		case "gte":
			b.min = value
		case "gt":
			b.min, b.openMin = value, true
		case "lte":
			b.max = value
		case "lt":
			b.max, b.openMax = value, true
		case "from":
			b.min, b.openMin = value, imports.Value(n, "include_lower") == "false"
		case "to":
			b.max, b.openMax = value, imports.Value(n, "include_upper") == "false"
		}
	}
	return f.interval(name, b)
}

// interval translates a range.
func (f *filters) interval(name string, b bounds) (rule.Query, error) {
	t := f.resolve(name)
	if t.kind == date || name == f.types.time {
		if name == f.types.time || name == "@timestamp" || name == "timestamp" {
			f.remark(
				"time-range",
				"the range of "+name+" is left out; windows are about event time",
			)
			return nil, nil
		}
		return nil, fmt.Errorf("field %s is a date, which rules do not compare", name)
	}
	if q, ok, err := addressRange(t, b); ok || err != nil {
		return q, err
	}
	r := rule.Range{Min: math.Inf(-1), Max: math.Inf(1)}
	for _, side := range []struct {
		text string
		to   *float64
	}{{b.min, &r.Min}, {b.max, &r.Max}} {
		if side.text == "" || side.text == "*" || side.text == "null" {
			continue
		}
		v, err := strconv.ParseFloat(side.text, 64)
		if err != nil {
			return nil, fmt.Errorf(
				"range of %s: %q is not a number, and rules compare numbers alone",
				name,
				side.text,
			)
		}
		*side.to = v
	}
	r.OpenMin, r.OpenMax = b.openMin && !math.IsInf(r.Min, -1), b.openMax && !math.IsInf(r.Max, 1)
	one := func(r rule.Range) rule.Query {
		return &rule.Leaf{
			Field: t.name,
			Op:    rule.OpRange,
			Range: r,
		}
	}
	switch {
	case math.IsInf(r.Min, -1) && math.IsInf(r.Max, 1):
		return f.exists(name), nil
	case r.Min > r.Max:
		return f.impossible("the range of %s is empty", name), nil
	case math.IsInf(r.Min, -1), math.IsInf(r.Max, 1), !r.OpenMin && !r.OpenMax:
		return one(r), nil
	}
	return all(
		one(rule.Range{Min: r.Min, Max: math.Inf(1), OpenMin: r.OpenMin}),
		one(rule.Range{Min: math.Inf(-1), Max: r.Max, OpenMax: r.OpenMax}),
	), nil
}

// addressRange translates a range of addresses into the networks that it consists of.
func addressRange(t field, b bounds) (q rule.Query, ok bool, err error) {
	from, err1 := netip.ParseAddr(b.min)
	to, err2 := netip.ParseAddr(b.max)
	if t.kind != ip && (err1 != nil || err2 != nil) {
		return nil, false, nil
	}
	if b.min == "*" || b.min == "" {
		from, err1 = netip.IPv4Unspecified(), nil
	}
	if b.max == "*" || b.max == "" {
		to, err2 = netip.AddrFrom4([4]byte{255, 255, 255, 255}), nil
	}
	if err1 != nil || err2 != nil {
		return nil, true, fmt.Errorf("%s to %s is not a range of addresses", b.min, b.max)
	}
	if b.openMin {
		from = from.Next()
	}
	if b.openMax {
		to = to.Prev()
	}
	networks, err := tree.Networks(from.String(), to.String())
	if err != nil {
		return nil, true, err
	}
	var of []rule.Query
	for _, n := range networks {
		of = append(of, leaf(t.name, rule.OpCIDR, n))
	}
	return anyOf(of...), true, nil
}

func (f *filters) resolve(name string) field {
	t := f.types.resolve(name)
	if t.kind == unknown && slices.Contains(f.keywords, name) {
		t.kind = keyword
	}
	return t
}

// guess notes a field whose type is not known.
func (f *filters) guess(name string) {
	if name != "" && !slices.Contains(f.guessed, name) {
		f.guessed = append(f.guessed, name)
	}
}

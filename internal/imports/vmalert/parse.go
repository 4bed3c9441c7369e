package vmalert

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports/tree"
)

// mistake is a place in a query that is not understood, or not translated.
type mistake struct {
	at   int
	text string
}

func (m *mistake) Error() string { return m.text }

const maxDepth = 100

// scanner reads a query from left to right.
type scanner struct {
	text string
	i    int
}

func (s *scanner) fail(format string, args ...any) error {
	return &mistake{s.i, fmt.Sprintf(format, args...)}
}

func (s *scanner) space() {
	for s.i < len(s.text) {
		switch c := s.text[s.i]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			s.i++
		case c == '#':
			for s.i < len(s.text) && s.text[s.i] != '\n' {
				s.i++
			}
		default:
			return
		}
	}
}

// is reports whether some text comes next, and take also takes it.
func (s *scanner) is(text string) bool {
	s.space()
	return strings.HasPrefix(s.text[s.i:], text)
}

func (s *scanner) take(text string) bool {
	if s.is(text) {
		s.i += len(text)
		return true
	}
	return false
}

// keyword takes a word that stands alone, in any case.
func (s *scanner) keyword(words ...string) bool {
	s.space()
	for _, word := range words {
		rest := s.text[s.i:]
		if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
			continue
		}
		after, _ := utf8.DecodeRuneInString(rest[len(word):])
		if len(rest) > len(word) && (inWord(after) || after == ':') {
			continue
		}
		s.i += len(word)
		return true
	}
	return false
}

func inWord(r rune) bool {
	return strings.ContainsRune("_.-/$@", r) || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// word takes an unquoted word, "" if there is none.
func (s *scanner) word() string {
	s.space()
	start := s.i
	for s.i < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.i:])
		if !inWord(r) || r == '-' && s.i == start {
			break
		}
		s.i += n
	}
	return s.text[start:s.i]
}

// token takes a word or a text in quotes.
func (s *scanner) token() (text string, quoted bool, err error) {
	s.space()
	if s.i == len(s.text) {
		return "", false, s.fail("the query ends too early")
	}
	switch c := s.text[s.i]; c {
	case '"', '\'', '`':
		e := s.i + 1
		for e < len(s.text) && s.text[e] != c {
			if s.text[e] == '\\' && c != '`' {
				e++
			}
			e++
		}
		if e >= len(s.text) {
			return "", false, s.fail("the text is never closed")
		}
		raw := s.text[s.i+1 : e]
		if c != '`' {
			if c == '\'' {
				raw = strings.ReplaceAll(strings.ReplaceAll(raw, `\'`, `'`), `"`, `\"`)
			}
			raw, err = strconv.Unquote(`"` + strings.ReplaceAll(raw, "\n", `\n`) + `"`)
			if err != nil {
				return "", false, s.fail("the text has an escape that is not known")
			}
		}
		s.i = e + 1
		return raw, true, nil
	}
	if text = s.word(); text == "" {
		return "", false, s.fail("unexpected %q", s.text[s.i:s.i+1])
	}
	return text, false, nil
}

// query is what a query says, up to its translation.
type query struct {
	scanner
	names *names
	// of _time, once it has been seen; 0 for none
	window  durationText
	remarks []remark
}

// remark is a difference that the report names.
type remark struct{ code, text string }

func (q *query) remark(code, text string) {
	if !slices.Contains(q.remarks, remark{code, text}) {
		q.remarks = append(q.remarks, remark{code, text})
	}
}

type durationText struct {
	text  string
	given bool
}

// filter reads a filter of logs.
func (q *query) filter(field string, depth int) (tree.Node, error) {
	return q.or(field, depth)
}

func (q *query) or(field string, depth int) (tree.Node, error) {
	if depth > maxDepth {
		return nil, q.fail("the query is nested too deeply")
	}
	var of []tree.Node
	given := q.window.given
	for {
		n, err := q.and(field, depth)
		if err != nil {
			return nil, err
		}
		of = append(of, n)
		if !q.keyword("or") {
			if len(of) > 1 && q.window.given && !given {
				q.remark("time-or", "_time stands on one side of or, so there the other side "+
					"reads logs of any time; here both read those of the window. "+
					"Write _time:"+q.window.text+" (... or ...)")
			}
			return tree.Any(of...), nil
		}
	}
}

func (q *query) and(field string, depth int) (tree.Node, error) {
	var of []tree.Node
	for {
		n, err := q.not(field, depth)
		if err != nil {
			return nil, err
		}
		of = append(of, n)
		if q.keyword("and") {
			continue
		}
		at := q.i
		q.space()
		if q.i == len(q.text) || strings.IndexByte(")|,]", q.text[q.i]) >= 0 || q.keyword("or") {
			q.i = at
			return tree.All(of...), nil
		}
	}
}

func (q *query) not(field string, depth int) (tree.Node, error) {
	if depth > maxDepth {
		return nil, q.fail("the query is nested too deeply")
	}
	if q.take("!") || q.keyword("not") || q.take("-") {
		given := q.window.given
		n, err := q.not(field, depth+1)
		if err != nil {
			return nil, err
		}
		if q.window.given && !given {
			return nil, q.fail("the opposite of _time is not translated")
		}
		return tree.Negate(n), nil
	}
	return q.inParentheses(field, depth)
}

// inParentheses reads a query in parentheses, or a leaf.
func (q *query) inParentheses(field string, depth int) (tree.Node, error) {
	if q.take("(") {
		n, err := q.or(field, depth+1)
		if err == nil && !q.take(")") {
			err = q.fail(") is expected")
		}
		return n, err
	}
	return q.leaf(field, depth)
}

var functions = regexp.MustCompile(`^[a-zA-Z_0-9]+\(`)

// leaf reads one comparison; field is "" for the message.
func (q *query) leaf(field string, depth int) (tree.Node, error) {
	q.space()
	if q.is("{") && field == "" {
		return q.streams()
	}
	for _, op := range []string{"!=", "!~", "=~", "=", "~", ">=", "<=", ">", "<"} {
		if q.take(op) {
			return q.compare(field, op)
		}
	}
	if field != "" && interval.MatchString(q.text[q.i:]) {
		return q.between(q.names.field(field))
	}
	if functions.MatchString(q.text[q.i:]) {
		return q.call(field)
	}
	if q.take("*") {
		if field == "" {
			return tree.And{}, nil
		}
		return q.names.present(field), nil
	}
	if q.is("[") || q.is("(") {
		return nil, q.fail("ranges in brackets are not translated")
	}
	text, quoted, err := q.token()
	if err != nil {
		return nil, err
	}
	if field == "" && q.i < len(q.text) && q.text[q.i] == ':' {
		q.i++
		return q.of(text, depth)
	}
	prefix := q.i < len(q.text) && q.text[q.i] == '*'
	if prefix {
		q.i++
	}
	return q.names.words(field, text, quoted, prefix, false)
}

// of reads what stands behind field:.
func (q *query) of(field string, depth int) (tree.Node, error) {
	switch field {
	case "_time":
		return q.time()
	case "_stream":
		return q.streams()
	case "_stream_id":
		return nil, q.fail("_stream_id is known to VictoriaLogs alone")
	}
	if q.take("!") {
		n, err := q.of(field, depth)
		if err != nil {
			return nil, err
		}
		return tree.Negate(n), nil
	}
	return q.inParentheses(field, depth)
}

// time reads _time:5m.
func (q *query) time() (tree.Node, error) {
	text := q.word()
	if d, err := duration.Parse(text); err != nil || d <= 0 {
		return nil, q.fail("_time is translated for durations such as _time:5m")
	}
	if q.window.given {
		return nil, q.fail("_time is given twice")
	}
	q.window = durationText{text, true}
	if q.keyword("offset") {
		return nil, q.fail("an offset of _time is not translated")
	}
	return tree.And{}, nil
}

// streams reads {app="a",pod=~"b"}.
func (q *query) streams() (tree.Node, error) {
	if !q.take("{") {
		return nil, q.fail("{ is expected")
	}
	var all, alternatives []tree.Node
	for !q.take("}") {
		name, _, err := q.token()
		if err != nil {
			return nil, err
		}
		field := q.names.field(name)
		switch {
		case q.keyword("in"), q.keyword("not_in"):
			n, err := q.streamList(field, q.text[q.i-len("not_in"):q.i] == "not_in")
			if err != nil {
				return nil, err
			}
			all = append(all, n)
			if q.keyword("or") {
				alternatives, all = append(alternatives, tree.All(all...)), nil
			} else if !q.take(",") && !q.is("}") {
				return nil, q.fail("} is expected")
			}
			continue
		}
		var op string
		for _, o := range []string{"=~", "!=", "!~", "="} {
			if q.take(o) {
				op = o
				break
			}
		}
		text, _, err := q.token()
		if err != nil {
			return nil, err
		}
		n, err := streamMatch(field, op, text)
		if err != nil {
			return nil, q.fail("%s", err)
		}
		all = append(all, n)
		if q.keyword("or") {
			alternatives, all = append(alternatives, tree.All(all...)), nil
		} else if !q.take(",") && !q.is("}") {
			return nil, q.fail("} is expected")
		}
	}
	return tree.Any(append(alternatives, tree.All(all...))...), nil
}

// streamList reads ("a", "b") of in and not_in.
func (q *query) streamList(field string, negate bool) (tree.Node, error) {
	if !q.take("(") {
		return nil, q.fail("( is expected")
	}
	var values []string
	for !q.take(")") {
		text, _, err := q.token()
		if err != nil {
			return nil, err
		}
		if values = append(values, text); !q.take(",") && !q.is(")") {
			return nil, q.fail(") is expected")
		}
	}
	if len(values) == 0 {
		return nil, q.fail("the list is empty")
	}
	n := oneOf(field, values)
	if negate {
		n = tree.Negate(n)
	}
	return n, nil
}

func streamMatch(field, op, text string) (tree.Node, error) {
	switch op {
	case "=":
		return equal(field, text), nil
	case "!=":
		return tree.Negate(equal(field, text)), nil
	case "=~", "!~":
		n, err := tree.Whole(field, text, absent(field))
		if op == "!~" && err == nil {
			n = tree.Negate(n)
		}
		return n, err
	}
	return nil, errors.New("= != =~ or !~ is expected")
}

// compare reads what follows an operator.
func (q *query) compare(field, op string) (tree.Node, error) {
	name := q.names.field(field)
	minus := strings.HasPrefix(q.text[q.i:], "-")
	if minus {
		q.i++
	}
	text, err := q.operandText(op)
	if err != nil {
		return nil, err
	}
	if minus {
		text = "-" + text
	}
	switch op {
	case "=", "!=":
		n := equal(name, text)
		if q.i < len(q.text) && q.text[q.i] == '*' {
			q.i++
			n = beginsWith(name, text)
		}
		if op == "!=" {
			n = tree.Negate(n)
		}
		return n, nil
	case "~", "=~", "!~":
		n, err := found(name, text)
		if err != nil {
			return nil, q.fail("%s", err)
		}
		if op == "!~" {
			n = tree.Negate(n)
		}
		return n, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		if !q.names.number(text) {
			return nil, q.fail("%s%s compares texts, which is not translated", op, text)
		}
		if _, err := duration.Parse(text); err == nil {
			q.remark("units", "there a number without a unit counts as nanoseconds beside "+
				text+"; here as milliseconds")
		}
	}
	mod := map[string]string{">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}[op]
	return tree.Leaf{Field: name, Mods: mod, Values: []string{text}}, nil
}

// operandText reads what an operator compares with; an expression without quotes goes to the next
// blank or parenthesis.
func (q *query) operandText(op string) (string, error) {
	q.space()
	if !strings.HasSuffix(op, "~") || q.i == len(q.text) ||
		strings.IndexByte("\"'`", q.text[q.i]) >= 0 {
		text, _, err := q.token()
		return text, err
	}
	start := q.i
	for q.i < len(q.text) && strings.IndexByte(" \t\r\n()|,", q.text[q.i]) < 0 {
		q.i++
	}
	if q.i == start {
		return "", q.fail("a regular expression is expected")
	}
	return q.text[start:q.i], nil
}

func found(field, expr string) (tree.Node, error) {
	n, err := tree.Find(field, expr)
	if err != nil {
		return nil, err
	}
	if re, err := regexp.Compile(expr); err == nil && re.MatchString("") {
		return tree.Any(n, absent(field)), nil
	}
	return n, nil
}

// call reads a function such as in(a, b).
func (q *query) call(field string) (tree.Node, error) {
	start := q.i
	name := strings.ToLower(q.word())
	q.take("(")
	var args []string
	var wild []bool
	for !q.take(")") {
		if q.is("|") || q.is(":") {
			return nil, q.fail("%s of another query is not translated", name)
		}
		text, _, err := q.token()
		if err != nil {
			return nil, err
		}
		args = append(args, text)
		wild = append(wild, q.take("*"))
		if !q.is(")") && !q.take(",") {
			return nil, q.fail("%s of another query is not translated", name)
		}
	}
	own := q.names.field(field)
	words := func() ([]tree.Node, error) {
		var of []tree.Node
		for i, a := range args {
			n, err := q.names.words(field, a, true, wild[i], false)
			if err != nil {
				return nil, err
			}
			of = append(of, n)
		}
		return of, nil
	}
	switch name {
	case "in":
		return oneOf(own, args), nil
	case "exact", "eq":
		if len(args) == 1 && wild[0] {
			return beginsWith(own, args[0]), nil
		}
		if len(args) == 1 {
			return equal(own, args[0]), nil
		}
	case "eq_field":
		if len(args) == 1 {
			other := q.names.field(args[0])
			return tree.Any(
				tree.Leaf{Field: own, Mods: "fieldref|cased", Values: []string{other}},
				tree.All(absent(own), absent(other)),
			), nil
		}
	case "seq":
		if len(args) > 0 && !slices.Contains(args, "") && !slices.Contains(wild, true) {
			return sequence(own, args), nil
		}
	case "len_range":
		if len(args) == 2 {
			return q.length(own, args)
		}
	case "i":
		if len(args) == 1 {
			return q.names.words(field, args[0], true, wild[0], true)
		}
	case "re":
		if len(args) == 1 {
			n, err := found(own, args[0])
			if err != nil {
				return nil, q.fail("%s", err)
			}
			return n, nil
		}
	case "contains_any":
		of, err := words()
		return tree.Any(of...), err
	case "contains_all":
		of, err := words()
		return tree.All(of...), err
	case "ipv4_range":
		return q.addresses(own, args)
	}
	q.i = start
	return nil, q.fail("%s() is not translated", name)
}

func beginsWith(field, text string) tree.Node {
	return tree.Leaf{Field: field, Mods: "startswith|cased", Values: []string{tree.Escape(text)}}
}

// sequence is the condition that phrases of whole words occur one after the other.
func sequence(field string, phrases []string) tree.Node {
	var parts []string
	for _, p := range phrases {
		before, after := "", ""
		if r, _ := utf8.DecodeRuneInString(p); isTokenRune(r) {
			before = `(?:^|[^\pL\pN_])`
		}
		if r, _ := utf8.DecodeLastRuneInString(p); isTokenRune(r) {
			after = `(?:$|[^\pL\pN_])`
		}
		parts = append(parts, before+regexp.QuoteMeta(p)+after)
	}
	// the border of a word may be that of the next one, too
	expr := "(?s)" + strings.Join(parts, `(?:.*[^\pL\pN_])?`)
	expr = strings.ReplaceAll(expr, `(?:$|[^\pL\pN_])(?:.*[^\pL\pN_])?(?:^|[^\pL\pN_])`,
		`(?:[^\pL\pN_]|[^\pL\pN_].*[^\pL\pN_])`)
	return tree.Leaf{Field: field, Mods: "re", Values: []string{expr}}
}

// maxRepeat is the largest number of repetitions in an expression.
const maxRepeat = 1000

// length is len_range(a, b), in characters.
func (q *query) length(field string, args []string) (tree.Node, error) {
	var ends [2]int
	for i, a := range args {
		n, err := strconv.Atoi(a)
		if i == 1 && strings.EqualFold(strings.TrimLeft(a, "+"), "inf") {
			n, err = -1, nil
		}
		if err != nil || n > maxRepeat || n < 0 && i == 0 {
			return nil, q.fail("len_range is translated for lengths up to %d", maxRepeat)
		}
		ends[i] = n
	}
	upper := ""
	if ends[1] >= 0 {
		upper = strconv.Itoa(ends[1])
	}
	if ends[1] >= 0 && ends[1] < ends[0] {
		return nil, q.fail("len_range is empty")
	}
	expr := `^(?s:.{` + strconv.Itoa(ends[0]) + `,` + upper + `})$`
	n := tree.Node(tree.Leaf{Field: field, Mods: "re", Values: []string{expr}})
	if ends[0] == 0 {
		n = tree.Any(n, absent(field))
	}
	return n, nil
}

func escaped(texts []string) []string {
	list := make([]string, len(texts))
	for i, t := range texts {
		list[i] = tree.Escape(t)
	}
	return list
}

var interval = regexp.MustCompile(`^(?i:range)\s*([\[(])\s*([^\s,]+)\s*,\s*([^\s,)\]]+)\s*([\])])`)

// between reads range(a, b], whose brackets include and whose parentheses exclude.
func (q *query) between(field string) (tree.Node, error) {
	m := interval.FindStringSubmatch(q.text[q.i:])
	mods := map[string]string{"(": "gt", "[": "gte", ")": "lt", "]": "lte"}
	var all []tree.Node
	for _, side := range [][2]string{{m[1], m[2]}, {m[4], m[3]}} {
		if strings.EqualFold(strings.TrimLeft(side[1], "+-"), "inf") {
			continue
		}
		if !q.names.number(side[1]) {
			return nil, q.fail("a range of texts is not translated")
		}
		all = append(all, tree.Leaf{Field: field, Mods: mods[side[0]], Values: []string{side[1]}})
	}
	q.i += len(m[0])
	if len(all) == 0 {
		return nil, q.fail("a range without ends is not translated")
	}
	return tree.All(all...), nil
}

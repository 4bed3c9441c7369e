package logql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

const (
	maxQuery = 64 << 10
	maxDepth = 100
)

// Parse reads a metric query. The error is an *Error.
func Parse(query string) (e Expr, err error) {
	if len(query) > maxQuery {
		return nil, &Error{1, 1, "the query is longer than 64 KiB"}
	}
	tokens, err := lex(query)
	if err != nil {
		return nil, err
	}
	p := &parser{query: query, tokens: tokens}
	defer func() {
		if r := recover(); r != nil {
			failed, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			e, err = nil, failed
		}
	}()
	e = p.binary(0, 0)
	if t := p.peek(); t.kind != end {
		p.fail(t, "unexpected %q", t.text)
	}
	return e, nil
}

type parser struct {
	query  string
	tokens []token
	i      int
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if t.kind != end {
		p.i++
	}
	return t
}

// fail ends the reading with a mistake, which Parse returns.
func (p *parser) fail(t token, format string, args ...any) {
	panic(placed(p.query, t.at, fmt.Sprintf(format, args...)))
}

func (p *parser) is(texts ...string) bool {
	t := p.peek()
	return (t.kind == sign || t.kind == word) && slices.Contains(texts, t.text)
}

func (p *parser) take(text string) bool {
	if p.is(text) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(texts ...string) string {
	t := p.next()
	if t.kind != sign && t.kind != word || !slices.Contains(texts, t.text) {
		p.fail(t, "%s is expected, not %q", strings.Join(texts, " or "), t.text)
	}
	return t.text
}

func (p *parser) text() string {
	t := p.next()
	if t.kind != text {
		p.fail(t, "a text in quotes is expected, not %q", t.text)
	}
	return t.text
}

func (p *parser) word() string {
	t := p.next()
	if t.kind != word {
		p.fail(t, "a name is expected, not %q", t.text)
	}
	return t.text
}

// precedence lists the operators from the loosest to the tightest.
var precedence = [][]string{
	{
		"or",
	}, {"and", "unless"}, {"==", "!=", "<=", "<", ">=", ">"}, {"+", "-"}, {"*", "/", "%"}, {"^"},
}

func (p *parser) binary(level, depth int) Expr {
	if depth > maxDepth {
		p.fail(p.peek(), "the query is nested too deeply")
	}
	if level == len(precedence) {
		return p.operand(depth)
	}
	left := p.binary(level+1, depth)
	for n := 0; p.is(precedence[level]...); n++ {
		if n > maxDepth {
			p.fail(p.peek(), "the query is nested too deeply")
		}
		b := &Binary{Op: p.next().text, Left: left}
		b.Bool = p.take("bool")
		if p.is("on", "ignoring") {
			list := &b.On
			if p.next().text == "ignoring" {
				list = &b.Ignoring
			}
			*list, b.Joined = p.labels(), true
		}
		if p.is("group_left", "group_right") {
			p.next()
			b.Group = true
			if p.is("(") {
				p.labels()
			}
		}
		if level == 5 {
			b.Right = p.binary(level, depth+1) // ^ goes from right to left
		} else {
			b.Right = p.binary(level+1, depth+1)
		}
		left = b
	}
	return left
}

func (p *parser) labels() (names []string) {
	p.expect("(")
	for !p.take(")") {
		names = append(names, p.word())
		if !p.is(")") {
			p.expect(",")
		}
	}
	return names
}

var aggregates = []string{
	"sum", "avg", "count", "min", "max", "stddev", "stdvar", "topk", "bottomk", "sort", "sort_desc",
	"approx_topk",
}

var ranges = []string{
	"count_over_time", "rate", "rate_counter", "bytes_over_time", "bytes_rate", "absent_over_time",
	"sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "first_over_time",
	"last_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time",
}

func (p *parser) operand(depth int) Expr {
	t := p.next()
	switch {
	case t.kind == sign && (t.text == "-" || t.text == "+"):
		e := p.operand(depth + 1)
		if n, ok := e.(*Number); ok && t.text == "-" {
			return &Number{-n.Value}
		}
		if t.text == "-" {
			return &Binary{Op: "*", Left: &Number{-1}, Right: e}
		}
		return e
	case t.kind == sign && t.text == "(":
		if depth > maxDepth {
			p.fail(t, "the query is nested too deeply")
		}
		e := p.binary(0, depth+1)
		p.expect(")")
		return e
	case t.kind == number:
		return &Number{p.number(t)}
	case t.kind != word:
		p.fail(t, "a function or a number is expected, not %q", t.text)
	case t.text == "vector":
		p.expect("(")
		n := p.signed()
		p.expect(")")
		return &Vector{n}
	case t.text == "label_replace":
		p.expect("(")
		e := p.binary(0, depth+1)
		for p.take(",") {
			p.text()
		}
		p.expect(")")
		return &Replace{e}
	case slices.Contains(aggregates, t.text):
		return p.aggregate(t.text, depth)
	case slices.Contains(ranges, t.text):
		return p.rangeOf(t.text)
	}
	p.fail(t, "%q is not a function of LogQL", t.text)
	return nil
}

func (p *parser) signed() float64 {
	minus := p.take("-")
	t := p.next()
	if t.kind != number {
		p.fail(t, "a number is expected, not %q", t.text)
	}
	n := p.number(t)
	if minus {
		return -n
	}
	return n
}

func (p *parser) number(t token) float64 {
	n, err := strconv.ParseFloat(t.text, 64)
	if err != nil {
		p.fail(t, "%q is not a number", t.text)
	}
	return n
}

func (p *parser) grouping() *Grouping {
	if !p.is("by", "without") {
		return nil
	}
	without := p.next().text == "without"
	return &Grouping{without, p.labels()}
}

func (p *parser) aggregate(name string, depth int) Expr {
	a := &Aggregate{Func: name, Grouping: p.grouping()}
	p.expect("(")
	if slices.Contains([]string{"topk", "bottomk", "approx_topk"}, name) {
		a.Param = p.signed()
		p.expect(",")
	}
	a.Of = p.binary(0, depth+1)
	p.expect(")")
	if a.Grouping == nil {
		a.Grouping = p.grouping()
	}
	return a
}

// rangeOf reads what follows the name of a function over a range. The range stands behind the
// selector or behind the pipeline.
func (p *parser) rangeOf(name string) Expr {
	r := &Range{Func: name}
	p.expect("(")
	if name == "quantile_over_time" {
		r.Param = p.signed()
		p.expect(",")
	}
	brackets := 0
	for p.is("(") { // around the selector
		p.next()
		brackets++
	}
	r.Selector = p.selector()
	if p.is("[") {
		p.duration(r)
	}
	p.pipeline(r)
	for ; brackets > 0; brackets-- {
		p.expect(")")
	}
	if p.is("[") && r.Range == 0 {
		p.duration(r)
		p.pipeline(r)
	}
	if r.Range == 0 {
		p.fail(p.peek(), "a range such as [5m] is expected, not %q", p.peek().text)
	}
	p.offset(r)
	p.expect(")")
	r.Grouping = p.grouping()
	return r
}

func (p *parser) duration(r *Range) {
	p.expect("[")
	r.Range = p.time()
	p.expect("]")
	p.offset(r)
}

func (p *parser) offset(r *Range) {
	if p.take("offset") {
		r.Offset = p.time()
	}
}

func (p *parser) time() time.Duration {
	t := p.next()
	d, err := duration.Parse(t.text)
	if t.kind != number || err != nil || d <= 0 {
		p.fail(t, "a duration such as 5m is expected, not %q", t.text)
	}
	return d
}

func (p *parser) selector() (matchers []Matcher) {
	p.expect("{")
	for !p.take("}") {
		name := p.word()
		op := p.expect("=", "!=", "=~", "!~")
		matchers = append(matchers, Matcher{name, op, p.text()})
		if !p.is("}") {
			p.expect(",")
		}
	}
	return matchers
}

func (p *parser) pipeline(r *Range) {
	for {
		switch {
		case p.is("|=", "|~", "|>", "!=", "!~", "!>"):
			r.Stages = append(r.Stages, p.lineFilter())
		case p.take("|"):
			if p.take("unwrap") {
				r.Unwrap = p.unwrap()
				continue
			}
			r.Stages = append(r.Stages, p.stage())
		default:
			return
		}
	}
}

func (p *parser) lineFilter() Stage {
	f := &LineFilter{Op: p.next().text}
	for {
		if p.take("ip") {
			p.expect("(")
			f.Texts = append(f.Texts, Text{p.text(), true})
			p.expect(")")
		} else {
			f.Texts = append(f.Texts, Text{Value: p.text()})
		}
		if !p.take("or") {
			return f
		}
	}
}

func (p *parser) unwrap() *Unwrap {
	name := p.word()
	if !p.take("(") {
		return &Unwrap{Label: name}
	}
	u := &Unwrap{p.word(), name}
	p.expect(")")
	return u
}

func (p *parser) stage() Stage {
	t := p.peek()
	if t.kind == sign && t.text == "(" {
		return &LabelFilter{p.predicate(0, 0)}
	}
	name := p.word()
	// behind a parser != and !~ are filters of lines
	parser := slices.Contains([]string{"json", "logfmt", "unpack", "decolorize"}, name)
	if !(parser && p.is("!=", "!~")) &&
		p.is("=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=") {
		p.i--
		return &LabelFilter{p.predicate(0, 0)}
	}
	switch name {
	case "json", "logfmt":
		return p.members(name)
	case "unpack":
		return &Parser{Kind: name}
	case "pattern", "regexp":
		return &Parser{Kind: name, Text: p.text()}
	case "line_format":
		return &LineFormat{p.text()}
	case "label_format":
		return p.labelFormat()
	case "decolorize":
		return &Other{Kind: name}
	case "drop", "keep":
		return p.dropped(name)
	}
	p.fail(t, "%q is not a stage of a pipeline", name)
	return nil
}

func (p *parser) members(kind string) Stage {
	s := &Parser{Kind: kind}
	for p.take("-") { // flags of logfmt
		for p.take("-") {
		}
		p.word()
		if p.take("-") {
			p.word()
		}
	}
	for p.peek().kind == word {
		name := p.word()
		path := name
		if p.take("=") {
			path = p.text()
		}
		s.Params = append(s.Params, Param{name, path})
		if !p.take(",") {
			break
		}
	}
	return s
}

func (p *parser) labelFormat() Stage {
	f := &LabelFormat{}
	for {
		name := p.word()
		p.expect("=")
		if p.peek().kind == text {
			f.Templates = append(f.Templates, Param{name, p.text()})
		} else {
			f.Renames = append(f.Renames, Param{name, p.word()})
		}
		if !p.take(",") {
			return f
		}
	}
}

func (p *parser) dropped(kind string) Stage {
	o := &Other{Kind: kind}
	for {
		o.Labels = append(o.Labels, p.word())
		if p.is("=", "!=", "=~", "!~") {
			p.next()
			p.text()
			o.Kind = kind + " with a value"
		}
		if !p.take(",") {
			return o
		}
	}
}

// predicate reads or, then and, a comma or a blank, then single comparisons.
func (p *parser) predicate(level, depth int) Predicate {
	if depth > maxDepth {
		p.fail(p.peek(), "the query is nested too deeply")
	}
	if level == 2 {
		if p.take("(") {
			of := p.predicate(0, depth+1)
			p.expect(")")
			return of
		}
		return p.compare()
	}
	left := p.predicate(level+1, depth+1)
	for {
		op := "or"
		switch {
		case level == 0 && p.take("or"):
		case level == 1 && (p.take("and") || p.take(",")):
			op = "and"
		case level == 1 && (p.peek().kind == word && !p.is("or") && p.tokens[p.i+1].kind == sign &&
			slices.Contains(comparisons, p.tokens[p.i+1].text) || p.is("(")):
			op = "and"
		default:
			return left
		}
		left = &Joint{op, left, p.predicate(level+1, depth+1)}
	}
}

var comparisons = []string{"=", "==", "!=", "=~", "!~", ">", ">=", "<", "<="}

func (p *parser) compare() Predicate {
	c := &Compare{Name: p.word()}
	c.Op = p.expect(comparisons...)
	minus := p.take("-")
	t := p.next()
	switch {
	case t.kind == text && !minus:
		c.Text = t.text
		if c.Op == "==" {
			c.Op = "="
		}
	case t.kind == number:
		c.Text, c.Number = t.text, true
		if minus {
			c.Text = "-" + c.Text
		}
	case t.kind == word && t.text == "ip" && !minus:
		p.expect("(")
		c.Text, c.IP = p.text(), true
		p.expect(")")
	default:
		p.fail(t, "a text or a number is expected, not %q", t.text)
	}
	return c
}

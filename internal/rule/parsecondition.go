package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/number"
	"github.com/log-monitoring/alert-engine/internal/problem"
)

// ParseCondition reads a when expression. Positions in the tree count bytes from column 1 of line
// 1.
func ParseCondition(text string) (Condition, error) {
	return parseCondition(text, false, &regexpBudget{})
}

// maxCondition bounds the length of a condition.
const maxCondition = 16 << 10

// parseCondition reads a condition, or a number when that is what is asked for.
func parseCondition(text string, number bool, budget *regexpBudget) (Condition, error) {
	return parseConditionOver(text, number, budget, nil)
}

// parseConditionOver reads a condition whose filters may name selections, as in count($login).
func parseConditionOver(
	text string, number bool, budget *regexpBudget, selections map[string]Query,
) (Condition, error) {
	if len(text) > maxCondition {
		return nil, &syntaxError{
			maxCondition,
			"condition is longer than 16 KiB",
			"make two rules of it",
		}
	}
	p := &conditionParser{queryParser{text: text, budget: budget, selections: selections}}
	c, err := p.binary(0, 0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.i < len(text) {
		return nil, p.fail(p.i, fmt.Sprintf("unexpected %q", text[p.i:]), operatorHint(text[p.i:]))
	}
	switch {
	case isTruth(c) && number:
		return nil, p.fail(
			0,
			"a record is a number, and this is a comparison",
			"write its left side alone, as in count()",
		)
	case !isTruth(c) && !number:
		return nil, p.fail(0, "the condition is a number", "compare it, as in count() > 10")
	}
	return c, nil
}

// isTruth reports whether a condition yields truth rather than a number.
func isTruth(c Condition) bool {
	switch c := c.(type) {
	case *Binary:
		return !strings.Contains("+-*/", c.Op)
	case *Unary:
		return c.Op == "not"
	case *Call:
		return c.Func == "firing"
	}
	return false
}

// inFieldUnits gives constants that are held against the values of a field the unit in which fields
// are read: a duration is in milliseconds there, and a percentage is the plain number, as in a
// query.
func inFieldUnits(left, right Condition) (Condition, Condition) {
	if n, ok := right.(*Number); ok && ofField(left) {
		return left, fieldUnit(n)
	}
	if n, ok := left.(*Number); ok && ofField(right) {
		return fieldUnit(n), right
	}
	return left, right
}

func fieldUnit(n *Number) *Number {
	value, _ := number.Parse([]byte(n.Text))
	return &Number{value, n.Text}
}

// ofField reports whether a number has the unit of a field's values.
func ofField(c Condition) bool {
	switch c := c.(type) {
	case *Call:
		return slices.Contains([]string{
			"sum", "avg", "min", "max", "stddev", "percentile", "quantile", "first", "last",
		}, c.Func) || c.Func == "baseline" && ofField(c.Of)
	case *Unary:
		return ofField(c.Of)
	case *Binary:
		if c.Op == "/" {
			return ofField(c.Left) && !ofField(c.Right)
		}
		return strings.Contains("+-*", c.Op) && (ofField(c.Left) || ofField(c.Right))
	}
	return false
}

// leftSide is the left side of the first comparison of a condition, the number that an alert shows.
func leftSide(c Condition) Condition {
	switch b := c.(type) {
	case *Binary:
		if b.Op == "and" || b.Op == "or" {
			return leftSide(b.Left)
		}
		return b.Left
	case *Unary:
		return leftSide(b.Of)
	}
	return nil
}

type conditionParser struct{ queryParser }

// precedence lists the operators from the loosest to the tightest; "not" stands between and and the
// comparisons.
var precedence = [][]string{
	{"or"},
	{"and"},
	{"==", "!=", "<=", ">=", "<", ">"},
	{"+", "-"},
	{"*", "/"},
}

func (p *conditionParser) operator(ops []string) string {
	p.space()
	for _, op := range ops {
		if op == "or" || op == "and" {
			if p.keyword(op) {
				return op
			}
		} else if strings.HasPrefix(p.text[p.i:], op) {
			p.i += len(op)
			return op
		}
	}
	return ""
}

func (p *conditionParser) binary(level, depth int) (Condition, error) {
	if depth > maxDepth {
		return nil, p.fail(p.i, "condition is nested too deeply", "")
	}
	if level == len(precedence) {
		return p.operand(depth)
	}
	if level == 2 && p.keyword("not") {
		at := p.i
		of, err := p.binary(level, depth+1)
		if err != nil {
			return nil, err
		}
		if !isTruth(of) {
			return nil, p.fail(at, "not needs a comparison", "")
		}
		return &Unary{"not", of}, nil
	}
	left, err := p.binary(level+1, depth)
	for err == nil {
		op := p.operator(precedence[level])
		if op == "" {
			return left, nil
		}
		at := p.i - len(op)
		right, rightErr := p.binary(level+1, depth)
		if rightErr != nil {
			return nil, rightErr
		}
		if truth := level < 2; isTruth(left) != truth || isTruth(right) != truth {
			if truth {
				return nil, p.fail(
					at,
					op+" joins comparisons, not numbers",
					"compare both sides, as in count() > 10 and rate() > 1",
				)
			}
			return nil, p.fail(at, op+" needs a number on both sides", "join comparisons with and")
		}
		if level == 2 {
			left, right = inFieldUnits(left, right)
		}
		left = &Binary{op, left, right}
	}
	return nil, err
}

func (p *conditionParser) operand(depth int) (Condition, error) {
	p.space()
	at := p.i
	if p.i == len(p.text) {
		return nil, p.fail(at, "the condition ends too early", "")
	}
	switch c := p.text[p.i]; {
	case c == '(':
		p.i++
		inner, err := p.binary(0, depth+1)
		if err != nil {
			return nil, err
		}
		p.space()
		if p.i == len(p.text) || p.text[p.i] != ')' {
			return nil, p.fail(at, `"(" is never closed`, `add ")"`)
		}
		p.i++
		return inner, nil
	case c == '-':
		p.i++
		of, err := p.binary(len(precedence), depth+1)
		if err != nil {
			return nil, err
		}
		if isTruth(of) {
			return nil, p.fail(at, "- needs a number", "")
		}
		return &Unary{"-", of}, nil
	case c >= '0' && c <= '9' || c == '.':
		return p.number()
	}
	name := p.word("+-*/<>=!,")
	p.space()
	if name == "" {
		return nil, p.fail(
			at,
			"a number is missing here",
			"write one, such as 10, or a function, such as count()",
		)
	}
	if p.i == len(p.text) || p.text[p.i] != '(' {
		return nil, p.fail(
			at,
			fmt.Sprintf("%q is neither a number nor a function", name),
			"functions are called as in count()",
		)
	}
	return p.call(name, at, depth)
}

// number reads a constant: durations in seconds, percentages as fractions, sizes in bytes.
func (p *conditionParser) number() (Condition, error) {
	at := p.i
	text := p.word("+-*/<>=!,")
	n, ok := number.ParseConstant([]byte(text))
	if !ok {
		return nil, p.fail(
			at,
			fmt.Sprintf("%q is not a number", text),
			"numbers are like 5, 250ms, 5MB or 5%",
		)
	}
	return &Number{n.Value, text}, nil
}

var percentile = regexp.MustCompile(`^p(\d{1,2}(\.\d+)?)$`)

// functions says what each function takes, whether a field and how many arguments at most, and
// whether it can be asked about the past, by offset or baseline.
var functions = map[string]struct {
	field bool
	most  int
	past  bool
}{
	"count": {
		false,
		1,
		true,
	},
	"rate": {false, 1, true}, "since": {false, 1, false}, "firing": {false, 1, false},
	"baseline": {false, 2, false},
	"zscore": {
		false,
		2,
		false,
	},
	"sum": {true, 2, true}, "avg": {true, 2, true}, "min": {true, 2, true}, "max": {true, 2, true},
	"stddev": {true, 2, true},
	"percentile": {
		true,
		2,
		true,
	},
	"quantile": {true, 3, true},
	"distinct": {true, 2, true}, "first": {true, 1, true}, "last": {true, 1, true},
	"new":     {true, maxNewFields + 1, false},
	"changed": {true, 2, false},
}

// maxNewFields bounds the fields that new() takes together.
const maxNewFields = 8

// fieldName is an argument that is a field and no filter.
var fieldName = regexp.MustCompile(`^[\pL_@][\pL\pN_.@-]*$`)

func (p *conditionParser) call(name string, at, depth int) (Condition, error) {
	c := &Call{Func: name, Pos: Pos{Line: 1, Column: at + 1}}
	if m := percentile.FindStringSubmatch(name); m != nil {
		q, _ := strconv.ParseFloat(m[1], 64)
		c.Func, c.Quantile = "percentile", q/100
	}
	f, known := functions[c.Func]
	if !known || name == "percentile" {
		return nil, p.fail(
			at,
			fmt.Sprintf("unknown function %q", name),
			problem.DidYouMean(name, FunctionNames()),
		)
	}
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if len(args) > f.most {
		return nil, p.fail(
			args[f.most].at,
			fmt.Sprintf("%s takes at most %d argument(s)", name, f.most),
			"",
		)
	}
	if f.field {
		if len(args) == 0 {
			return nil, p.fail(at, name+" needs a field", "as in "+name+"(duration_ms)")
		}
		if strings.ContainsAny(args[0].text, " \t:<>=\"()") {
			return nil, p.fail(
				args[0].at,
				fmt.Sprintf("%q is not a field", args[0].text),
				"write "+name+"(field, filter)",
			)
		}
		c.Field, args = decode.Canonical(args[0].text), args[1:]
	}
	for c.Func == "new" && len(args) > 0 && fieldName.MatchString(args[0].text) {
		field := decode.Canonical(args[0].text)
		if field == c.Field || slices.Contains(c.Also, field) {
			return nil, p.fail(args[0].at, fmt.Sprintf("field %s is given twice", field), "")
		}
		c.Also, args = append(c.Also, field), args[1:]
	}
	if len(args) > 1 && c.Func == "new" {
		return nil, p.fail(args[1].at, "new takes fields and then one filter",
			"write new(field, field, filter)")
	}
	if c.Func == "quantile" {
		if args, err = p.quantile(c, args, at); err != nil {
			return nil, err
		}
	}
	switch c.Func {
	case "firing":
		if len(args) == 0 {
			return nil, p.fail(at, "firing needs the name of an alert", "")
		}
		c.Alert = strings.Trim(args[0].text, `"`)
	case "changed":
		if len(args) > 0 {
			text, ok := strings.CutPrefix(args[0].text, "within ")
			if c.Within, err = duration.Parse(strings.TrimSpace(text)); !ok || err != nil ||
				c.Within <= 0 {
				return nil, p.fail(args[0].at, fmt.Sprintf("%q is not a time", args[0].text),
					"as in changed(leader, within 10m)")
			}
		}
	case "baseline", "zscore":
		if err := p.history(c, args, at, depth); err != nil {
			return nil, err
		}
	default:
		if len(args) > 0 {
			if c.Filter, err = parseQueryOver(args[0].text, p.budget, p.selections); err != nil {
				return nil, shifted(err, args[0].at)
			}
			movePositions(c.Filter, args[0].at)
		} else if c.Func == "since" {
			return nil, p.fail(at, "since needs a filter", "as in since(event:deploy_end)")
		}
	}
	if p.keyword("over") {
		if !f.past {
			return nil, p.fail(at, name+" has no window of its own",
				"over goes with count, rate and the aggregates, as in count() over 5m")
		}
		p.space()
		at := p.i
		if c.Over, err = duration.Parse(p.word("+-*/<>=!,")); err != nil || c.Over <= 0 {
			return nil, p.fail(at, "over needs a duration", "as in count() over 5m")
		}
	}
	if p.keyword("offset") {
		if !f.past {
			return nil, p.fail(
				at,
				name+" has no offset",
				"offset goes with count, rate and the aggregates, as in count() offset 1w",
			)
		}
		p.space()
		at := p.i
		if c.Offset, err = duration.Parse(p.word("+-*/<>=!,")); err != nil || c.Offset == 0 {
			return nil, p.fail(at, "offset needs a duration", "as in count() offset 1w")
		}
	}
	return c, nil
}

// quantile reads the share that quantile() is about, and returns the arguments that follow it.
func (p *conditionParser) quantile(c *Call, args []argument, at int) ([]argument, error) {
	const hint = "as in quantile(duration_ms, 0.9)"
	if len(args) == 0 {
		return nil, p.fail(at, "quantile needs a share between 0 and 1", hint)
	}
	n, ok := number.ParseConstant([]byte(args[0].text))
	if !ok || n.Value < 0 || n.Value > 1 {
		return nil, p.fail(args[0].at,
			fmt.Sprintf("%q is not a share between 0 and 1", args[0].text), hint)
	}
	c.Quantile = n.Value
	return args[1:], nil
}

// history reads the arguments of baseline and zscore.
func (p *conditionParser) history(c *Call, args []argument, at, depth int) error {
	if len(args) == 0 {
		return p.fail(at, c.Func+" needs an aggregate", "as in "+c.Func+"(count(), 4w)")
	}
	inner := &conditionParser{
		queryParser{
			text:       p.text[:args[0].at+len(args[0].text)],
			i:          args[0].at,
			budget:     p.budget,
			selections: p.selections,
		},
	}
	of, err := inner.binary(0, depth+1)
	if err != nil {
		return err
	}
	inner.space()
	if agg, ok := of.(*Call); inner.i < len(inner.text) || !ok || !functions[agg.Func].past ||
		agg.Offset != 0 || agg.Over != 0 {
		return p.fail(args[0].at, c.Func+" needs one aggregate", "as in "+c.Func+"(count(), 4w)")
	}
	c.Of = of
	if len(args) == 2 {
		if c.Span, err = duration.Parse(args[1].text); err != nil {
			return p.fail(args[1].at, err.Error(), "as in "+c.Func+"(count(), 4w)")
		}
	}
	return nil
}

type argument struct {
	text string
	at   int
}

// arguments splits what stands in parentheses at its commas, but not inside quotes, inner
// parentheses or regular expressions.
func (p *conditionParser) arguments() ([]argument, error) {
	open, start, depth := p.i, p.i+1, 0
	var args []argument
	for p.i < len(p.text) {
		switch c := p.text[p.i]; {
		case c == '"', c == '/' && p.regexpBegins():
			if _, err := p.quoted(c); err != nil {
				return nil, err
			}
			continue
		case c == '\\':
			p.i++
		case c == '(':
			depth++
		case c == ')' || c == ',' && depth == 1:
			if c == ')' {
				depth--
			}
			if depth == 0 || c == ',' {
				raw := p.text[start:p.i]
				text := strings.TrimSpace(raw)
				if at := start + strings.Index(raw, text); text != "" {
					args = append(args, argument{text, at})
				} else if c == ',' || len(args) > 0 {
					return nil, p.fail(p.i, "an argument is missing", "")
				}
				start = p.i + 1
			}
			if depth == 0 {
				p.i++
				return args, nil
			}
		}
		p.i++
	}
	p.i = len(p.text)
	return nil, p.fail(open, `"(" is never closed`, `add ")"`)
}

// regexpBegins reports whether a slash begins a regular expression: at the start of a term, or
// right after its field. The slash of an IPv6 network comes after another colon.
func (p *conditionParser) regexpBegins() bool {
	start := strings.LastIndexAny(p.text[:p.i], "( \t\r\n,") + 1
	term := p.text[start:p.i]
	return (term == "" || term == "-" || strings.IndexByte(term, ':') == len(term)-1) &&
		strings.IndexByte(p.text[p.i+1:], '/') >= 0
}

// shifted moves a mistake by some bytes.
func shifted(err error, by int) error {
	if e, ok := err.(*syntaxError); ok {
		return &syntaxError{e.at + by, e.problem, e.hint}
	}
	return err
}

func movePositions(q Query, by int) {
	eachLeaf(q, func(l *Leaf) { l.Pos.Column += by })
}

func eachLeaf(q Query, each func(*Leaf)) {
	switch q := q.(type) {
	case *And:
		for _, of := range q.Of {
			eachLeaf(of, each)
		}
	case *Or:
		for _, of := range q.Of {
			eachLeaf(of, each)
		}
	case *Not:
		eachLeaf(q.Of, each)
	case *Leaf:
		each(q)
	}
}

// FunctionNames are the functions of conditions, with p99 for all percentiles.
func FunctionNames() []string {
	names := []string{"p99"}
	for name := range functions {
		if name != "percentile" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// operatorHint says how operators of other languages are written here.
func operatorHint(text string) string {
	for _, o := range []struct{ theirs, ours string }{
		{"&&", "and"}, {"||", "or"}, {"=>", ">="}, {"=<", "<="}, {"<>", "!="}, {"==", ""},
		{"=", "=="}, {"!", "not"},
	} {
		if strings.HasPrefix(text, o.theirs) && o.ours != "" {
			return "write " + o.ours
		}
	}
	return ""
}

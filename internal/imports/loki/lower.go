package loki

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/logql"
	"github.com/log-monitoring/alert-engine/internal/imports/ruler"
	"github.com/log-monitoring/alert-engine/internal/imports/tree"
)

// lowering translates one query.
type lowering struct {
	t        *ruler.Translation
	rule     ruler.Rule
	labels   ruler.Labels
	sample   *imports.Sample
	reported []string

	conditions  []tree.Named      // of logs, in their order
	names       map[string]string // of conditions, by their keys
	extractions []decode.Extraction
	members     map[string][]string // of json and logfmt
	window      time.Duration       // the longest range
	by          []string            // of all ranges, once one has been seen
	grouped     bool
	absence     bool
	offsets     bool
	joins       []*logql.Binary // of numbers and conditions
}

// once adds a remark that the rule does not have yet.
func (l *lowering) once(v imports.Verdict, code, text string) {
	if !slices.ContainsFunc(l.t.Remarks, func(m imports.Remark) bool { return m.Code == code }) {
		l.t.Remark(v, code, "%s", text)
	}
}

// number is a translated number.
type number struct {
	text string
	// the counts that it is made of; those of other functions are undefined without logs by
	// themselves
	counts []count
	atom   bool     // it needs no parentheses
	fixed  *float64 // a constant
	zero   bool     // it is 0, and not nothing, without logs: or vector(0)
	eval   func(values []float64) float64
}

// count is a count of logs within a number.
type count struct {
	text    string
	divides bool // only a denominator, so that 0 makes the number undefined
}

// lower translates the query of a rule.
func (l *lowering) lower(e logql.Expr) error {
	var when string
	logql.Ranges(e, func(r *logql.Range) { l.window = max(l.window, r.Range) })
	if l.rule.Record {
		n, err := l.number(e)
		if err != nil {
			return err
		}
		if n.fixed != nil {
			return errors.New("it is a constant")
		}
		when = n.text
	} else {
		c, err := l.truth(e)
		if err != nil {
			return err
		}
		if c.always != nil {
			return fmt.Errorf("it is a constant, which is %v", *c.always)
		}
		when = c.text
	}
	if err := l.clashes(); err != nil {
		return err
	}
	l.joined()
	l.t.When, l.t.Window = l.nameless(when), l.window
	l.t.Extract = l.extract()
	l.t.Match = tree.Match(l.conditions...)
	if !l.absence {
		l.t.By = l.by
	}
	if l.offsets {
		l.once(imports.Differs, "offset",
			"here the past is unknown until the group has been known for so long; in Loki it "+
				"counts as nothing or as missing")
	}
	return nil
}

// nameless writes the counts of a single condition without a filter.
func (l *lowering) nameless(when string) string {
	if len(l.conditions) != 1 {
		return when
	}
	name := "$" + l.conditions[0].Name
	return strings.NewReplacer("("+name+")", "()", ", "+name+")", ")").Replace(when)
}

// joined says where sides are joined otherwise than by their groups, which all have the same
// labels.
func (l *lowering) joined() {
	var names []string
	for _, by := range l.by {
		name, _, _ := strings.Cut(by, "=")
		names = append(names, name)
	}
	for _, b := range l.joins {
		on := slices.Sorted(slices.Values(b.On))
		same := b.Joined && len(b.Ignoring) == 0 && slices.Equal(slices.Compact(on), names)
		if b.Group || b.Joined && !same && len(b.On)+len(b.Ignoring) > 0 {
			l.once(imports.Differs, "joined",
				"sides are joined by their groups, not by on, ignoring or group_left")
		}
	}
}

// clashes reports extractions of different pipelines that name the same field.
func (l *lowering) clashes() error {
	seen := map[string]bool{}
	for _, x := range l.extractions {
		names, _ := x.Names()
		for _, name := range names {
			if seen[name] {
				return fmt.Errorf(
					"two parsers give the field %s, and a rule has one of each name", name)
			}
			seen[name] = true
		}
	}
	return nil
}

// truth is a translated condition.
type truth struct {
	text   string
	atom   bool
	always *bool // a constant
	// what it is the opposite of, as a condition that also needs a log of the rule; "" if it cannot
	// be turned around
	opposite string
}

func constant(v bool) truth { return truth{always: &v} }

// truth translates a query whose series fire.
func (l *lowering) truth(e logql.Expr) (truth, error) {
	b, ok := e.(*logql.Binary)
	if !ok {
		return l.present(e)
	}
	switch b.Op {
	case "and", "or", "unless":
		return l.joint(b)
	case ">", ">=", "<", "<=", "==", "!=":
		if b.Bool {
			return truth{}, errors.New(
				"a comparison with bool is a number that is always there, so the rule fires " +
					"on every series")
		}
		return l.compare(b)
	}
	return l.present(e)
}

// present is the condition that a number has a value at all.
func (l *lowering) present(e logql.Expr) (truth, error) {
	if r, named, ok := absentOf(e); ok {
		return l.absent(r, named)
	}
	n, err := l.number(e)
	switch {
	case err != nil:
		return truth{}, err
	case n.fixed != nil:
		return constant(true), nil
	case n.zero:
		return truth{}, errors.New("with vector(0) it always has a value, so it always fires")
	}
	l.once(imports.Exact, "no-threshold",
		"it compares with nothing, so it fires on any line, there and here")
	var parts []string
	for _, c := range n.counts {
		parts = append(parts, c.text+" > 0")
	}
	if len(parts) == 0 {
		parts = []string{"count() > 0"}
	}
	return truth{
		text: strings.Join(parts, " and "), atom: len(parts) == 1,
		opposite: n.counts0() + " == 0 + 0 / count()",
	}, nil
}

func (n number) counts0() string {
	if len(n.counts) == 0 {
		return "count()"
	}
	return n.counts[0].text
}

func (l *lowering) joint(b *logql.Binary) (truth, error) {
	l.joins = append(l.joins, b)
	left, err := l.truth(b.Left)
	if err != nil {
		return truth{}, err
	}
	if _, ok := b.Right.(*logql.Vector); ok && b.Op == "or" {
		return truth{}, errors.New("or vector() always has a value, so the rule always fires")
	}
	absence := l.absence
	right, err := l.truth(b.Right)
	if err != nil {
		return truth{}, err
	}
	if l.absence != absence && !absence || l.absence && absence {
		if len(l.by) > 0 {
			return truth{}, errors.New(
				"absent_over_time is joined with groups, which have other labels")
		}
	}
	switch {
	case left.always != nil || right.always != nil:
		return folded(b.Op, left, right)
	case b.Op == "or":
		if l.valueShown() {
			l.once(imports.Differs, "value",
				"the value is that of the first side, also where the other one fires")
		}
		return truth{text: left.text + " or " + right.text}, nil
	case b.Op == "unless":
		if right.opposite == "" {
			return truth{}, errors.New("what stands behind unless is more than a comparison")
		}
		return truth{text: side(left) + " and " + right.opposite}, nil
	}
	return truth{text: side(left) + " and " + side(right)}, nil
}

// side is a side of and: only one with or needs parentheses.
func side(t truth) string {
	if strings.Contains(t.text, " or ") {
		return "(" + t.text + ")"
	}
	return t.text
}

// folded joins a constant with a condition.
func folded(op string, left, right truth) (truth, error) {
	c, other := left, right
	if left.always == nil {
		c, other = right, left
	}
	if other.always != nil {
		return truth{}, errors.New("it is a constant")
	}
	switch {
	case op == "or" && !*c.always, op == "and" && *c.always:
		return other, nil
	case op == "unless" && left.always == nil && !*c.always:
		return other, nil
	case op == "or":
		return truth{}, errors.New("a side of or is always there, so the rule always fires")
	}
	return truth{}, errors.New("a side is a constant, so the rule never fires")
}

// valueShown reports whether a text of the rule shows the value.
func (l *lowering) valueShown() bool {
	for _, n := range []interface{ contains(string) bool }{
		node{l.rule.Annotations}, node{l.rule.Labels},
	} {
		if n.contains("$value") || n.contains(".Value") {
			return true
		}
	}
	return false
}

var flipped = map[string]string{">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}

var opposites = map[string]string{
	">":  "<=",
	">=": "<",
	"<":  ">=",
	"<=": ">",
	"==": "!=",
	"!=": "==",
}

// compare translates a comparison of which one side is a number of logs. A series is there only
// with logs, which conditions here must be made to ask.
func (l *lowering) compare(b *logql.Binary) (truth, error) {
	l.joins = append(l.joins, b)
	if r, named, ok := absentOf(b.Left); ok {
		if n, isNumber := b.Right.(*logql.Number); isNumber {
			if !holds(b.Op, 1, n.Value) {
				return truth{}, errors.New("absent_over_time is 1 or nothing, so it never fires")
			}
			return l.absent(r, named)
		}
	}
	if t, ok, err := l.twice(b); ok || err != nil {
		return t, err
	}
	left, err := l.number(b.Left)
	if err != nil {
		return truth{}, err
	}
	right, err := l.number(b.Right)
	if err != nil {
		return truth{}, err
	}
	op := b.Op
	if left.fixed != nil {
		if right.fixed != nil {
			return constant(holds(op, *left.fixed, *right.fixed)), nil
		}
		left, right, op = right, left, flipped[op]
	}
	return l.comparison(left, right, op), nil
}

func holds(op string, a, b float64) bool {
	switch op {
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case "==":
		return a == b
	}
	return a != b
}

func (l *lowering) comparison(left, right number, op string) truth {
	text := left.text + " " + op + " " + right.text
	counts := slices.Concat(left.counts, right.counts)
	zero := left.zero || right.zero
	t := truth{text: text, atom: true}
	back := left.text + " " + opposites[op] + " " + right.text
	values := func(empty int, rest float64) []float64 {
		v := make([]float64, len(counts))
		for i := range v {
			if v[i] = rest; i == empty || empty < 0 {
				v[i] = 0
			}
		}
		return v
	}
	at := func(values []float64) bool {
		a, b := left.eval(values[:len(left.counts)]), right.eval(values[len(left.counts):])
		return holds(op, a, b) && !math.IsNaN(a) && !math.IsNaN(b) && !math.IsInf(a, 0) &&
			!math.IsInf(b, 0)
	}
	if len(counts) == 0 {
		t.opposite = back
		return t
	}
	anything := " + 0 / count()" // undefined unless the rule has any log
	if t.opposite = back + anything; at(values(-1, 0)) {
		t.opposite = "(" + back + " or " + counts[0].text + " == 0" + anything + ")"
	}
	if zero {
		l.t.Silence = l.t.Silence || at(values(-1, 0))
		return t
	}
	switch {
	case !at(values(-1, 0)):
	case len(counts) == 1:
		text += " + 0 / " + strings.Replace(counts[0].text, "rate(", "count(", 1)
	default:
		text += anything
	}
	var guards []string
	for i, c := range counts {
		if c.divides || len(counts) == 1 && text != t.text {
			continue
		}
		needed := false
		for _, rest := range []float64{1e-9, 0.5, 1, 3, 1e3, 1e9} {
			needed = needed || at(values(i, rest))
		}
		if guard := c.text + " > 0"; needed && !slices.Contains(guards, guard) {
			guards = append(guards, guard)
		}
	}
	if op == "==" && right.fixed != nil && *right.fixed == 0 {
		l.once(imports.Differs, "never-fires",
			"== 0 never fires in Loki, where a count without lines is nothing and not 0; "+
				"imported as it is written. To fire on silence write absent_over_time, or when: "+
				"count() == 0")
	}
	t.text = strings.Join(append([]string{text}, guards...), " and ")
	t.atom = len(guards) == 0
	return t
}

// number translates a query that is a number.
func (l *lowering) number(e logql.Expr) (number, error) {
	switch e := e.(type) {
	case *logql.Number:
		return fixed(e.Value), nil
	case *logql.Vector:
		return fixed(e.Value), nil
	case *logql.Replace:
		return number{}, errors.New("label_replace is not translated")
	case *logql.Range:
		return l.rangeOf(e, nil, false)
	case *logql.Aggregate:
		return l.aggregate(e)
	case *logql.Binary:
		return l.arithmetic(e)
	}
	return number{}, errors.New("the query is not understood")
}

func fixed(v float64) number {
	return number{
		text: strconv.FormatFloat(v, 'f', -1, 64), fixed: &v, atom: v >= 0,
		eval: func([]float64) float64 { return v },
	}
}

func (l *lowering) arithmetic(b *logql.Binary) (number, error) {
	if b.Op == "or" {
		v, ok := b.Right.(*logql.Vector)
		if !ok || v.Value != 0 {
			return number{}, errors.New("a number with or is translated for or vector(0) only")
		}
		n, err := l.number(b.Left)
		if len(l.by) > 0 && err == nil {
			l.once(imports.Differs, "vector",
				"vector(0) is a series of its own without labels there; here a group without "+
					"lines is 0")
		}
		n.zero = true
		return n, err
	}
	if !slices.Contains([]string{"+", "-", "*", "/"}, b.Op) {
		return number{}, fmt.Errorf("%s within a number is not translated", b.Op)
	}
	l.joins = append(l.joins, b)
	left, err := l.number(b.Left)
	if err != nil {
		return number{}, err
	}
	right, err := l.number(b.Right)
	if err != nil {
		return number{}, err
	}
	calculate := map[string]func(a, b float64) float64{
		"+": func(a, b float64) float64 { return a + b },
		"-": func(a, b float64) float64 { return a - b },
		"*": func(a, b float64) float64 { return a * b },
		"/": func(a, b float64) float64 {
			if b == 0 {
				return math.NaN()
			}
			return a / b
		},
	}[b.Op]
	if left.fixed != nil && right.fixed != nil {
		return fixed(calculate(*left.fixed, *right.fixed)), nil
	}
	wrap := func(n number) string {
		if n.atom {
			return n.text
		}
		return "(" + n.text + ")"
	}
	n := number{text: wrap(left) + " " + b.Op + " " + wrap(right), zero: left.zero || right.zero}
	split := len(left.counts)
	n.eval = func(v []float64) float64 {
		return calculate(left.eval(v[:split]), right.eval(v[split:]))
	}
	n.counts = slices.Clone(left.counts)
	for _, c := range right.counts {
		c.divides = c.divides || b.Op == "/" && len(right.counts) == 1
		n.counts = append(n.counts, c)
	}
	return n, nil
}

// aggregate translates an aggregation over series. One of ranges is a group by; what is more than
// that has no rule here.
func (l *lowering) aggregate(a *logql.Aggregate) (number, error) {
	switch a.Func {
	case "sort", "sort_desc":
		return l.number(a.Of)
	case "topk", "bottomk", "approx_topk":
		return number{}, fmt.Errorf(
			"%s compares groups with each other, which rules here do not; without it each "+
				"group fires for itself", a.Func)
	}
	switch of := a.Of.(type) {
	case *logql.Range:
		if a.Func == "count" && counted(of.Func) && !hasUnwrap(of) {
			return number{}, errors.New("count() of series is the number of streams; write " +
				"count(count by (label) (...)) with the label that tells them apart, or sum()")
		}
		if !agrees(a.Func, of.Func) {
			return number{}, fmt.Errorf(
				"%s() over %s() looks at each stream first; rules here look at the lines of a "+
					"group", a.Func, of.Func)
		}
		grouping := a.Grouping
		if grouping == nil {
			grouping = &logql.Grouping{}
		}
		return l.rangeOf(of, grouping, true)
	case *logql.Aggregate:
		if n, ok, err := l.nested(a, of); ok {
			return n, err
		}
	case *logql.Binary:
		// a count is above 0 wherever it is at all
		if r, ok := of.Left.(*logql.Range); ok && of.Op == ">" && zeroOf(of.Right) &&
			counted(r.Func) && !of.Bool {
			return l.aggregate(&logql.Aggregate{Func: a.Func, Grouping: a.Grouping, Of: r})
		}
		// sum(a + b), sum(2 * a): an aggregation over a quotient is of each series first
		if a.Func == "sum" && (of.Op == "*" || of.Op == "/") && isNumber(of.Right) {
			inner := &logql.Aggregate{Func: a.Func, Grouping: a.Grouping, Of: of.Left}
			return l.arithmetic(&logql.Binary{Op: of.Op, Left: inner, Right: of.Right})
		}
		if slices.Contains([]string{
			">", ">=", "<", "<=", "==", "!=", "and", "or", "unless",
		}, of.Op) {
			return number{}, fmt.Errorf(
				"%s() over a comparison counts groups, which rules here do not", a.Func)
		}
	}
	return number{}, fmt.Errorf("%s() over other aggregations is not translated", a.Func)
}

// zeroOf reports whether a query is the constant 0.
func zeroOf(e logql.Expr) bool {
	n, ok := e.(*logql.Number)
	return ok && n.Value == 0
}

func isNumber(e logql.Expr) bool { _, ok := e.(*logql.Number); return ok }

func counted(name string) bool {
	return slices.Contains(
		[]string{"count_over_time", "rate", "bytes_over_time", "bytes_rate"},
		name,
	)
}

func hasUnwrap(r *logql.Range) bool { return r.Unwrap != nil }

// agrees reports whether an aggregation of a function of each stream is the function of all lines.
func agrees(outer, inner string) bool {
	switch outer {
	case "sum":
		return counted(inner) ||
			slices.Contains([]string{"sum_over_time", "rate_counter", "absent_over_time"}, inner)
	case "max":
		return inner == "max_over_time"
	case "min":
		return inner == "min_over_time"
	}
	return false
}

// nested translates an aggregation of one that only sums up again, or that counts the values of one
// label.
func (l *lowering) nested(a, of *logql.Aggregate) (number, bool, error) {
	r, ok := of.Of.(*logql.Range)
	outer := labelsOf(a.Grouping)
	if !ok || a.Grouping != nil && a.Grouping.Without || of.Grouping == nil ||
		of.Grouping.Without ||
		slices.ContainsFunc(
			outer,
			func(name string) bool { return !slices.Contains(of.Grouping.Labels, name) },
		) {
		return number{}, false, nil
	}
	switch {
	case a.Func == of.Func && agrees(a.Func, r.Func):
		n, err := l.rangeOf(r, &logql.Grouping{Labels: outer}, true)
		return n, true, err
	case a.Func == "count" && counted(r.Func) && len(of.Grouping.Labels) == len(outer)+1:
		var label string
		for _, name := range of.Grouping.Labels {
			if !slices.Contains(outer, name) {
				label = name
			}
		}
		l.once(imports.Differs, "distinct", "lines without the label "+label+
			" are one more group there, and count for nothing here")
		n, err := l.distinct(r, outer, label)
		return n, true, err
	}
	return number{}, false, nil
}

func labelsOf(g *logql.Grouping) []string {
	if g == nil {
		return nil
	}
	return g.Labels
}

func (l *lowering) distinct(r *logql.Range, outer []string, label string) (number, error) {
	name, p, err := l.logs(r, &logql.Grouping{Labels: outer}, true)
	if err != nil {
		return number{}, err
	}
	text := "distinct(" + p.field(label) + ", $" + name + ")"
	return single(text), nil
}

// single is a number that is one count.
func single(text string) number {
	return number{
		text: text, atom: true, counts: []count{{text: text}},
		eval: func(v []float64) float64 { return v[0] },
	}
}

// logs adds the condition, the window and the groups of a range.
func (l *lowering) logs(
	r *logql.Range, g *logql.Grouping, aggregated bool,
) (name string, p *pipeline, err error) {
	switch {
	case r.Range < l.window/100:
		return "", nil, fmt.Errorf("it has ranges of %s and %s, and one of a rule here is at least "+
			"a hundredth of the longest", duration.Format(l.window), duration.Format(r.Range))
	case r.Range < l.window && r.Offset >= 24*time.Hour:
		return "", nil, fmt.Errorf("it has a range of %s beside one of %s, with an offset of a day "+
			"or more", duration.Format(r.Range), duration.Format(l.window))
	}
	n, p, err := l.condition(r)
	if err != nil {
		return "", nil, err
	}
	if r.Unwrap != nil && r.Func == "absent_over_time" { // a line without the label has no value
		n = tree.All(n, present(p.field(r.Unwrap.Label)))
	}
	key := tree.Key(n)
	if name = l.names[key]; name == "" {
		name = "logs"
		if len(l.conditions) > 0 {
			name = "logs_" + strconv.Itoa(len(l.conditions)+1)
		}
		l.names[key] = name
		l.conditions = append(l.conditions, tree.Named{Name: name, Node: n})
	}
	grouping := cmp.Or(g, r.Grouping)
	if p.partial && (aggregated || grouping != nil) && (grouping == nil || !grouping.Without) {
		l.once(imports.Differs, "logfmt-names",
			"in an aggregation Loki 3 leaves labels empty that logfmt is asked for by name, all "+
				"with another name and most behind the first on a line, so the rule may never "+
				"fire there; here they have their values. Plain | logfmt reads all")
	}
	by, err := l.groups(r, p, g, aggregated)
	if err != nil {
		return "", nil, err
	}
	if l.grouped {
		if by = l.common(by); by == nil && len(l.by) > 0 {
			return "", nil, errors.New("it joins groups of different labels")
		}
	}
	l.by, l.grouped = by, true
	return name, p, nil
}

// common are the groups of two ranges that are joined, nil if they have different labels. Where one
// of them takes a label from the stream, and a parser of the other may have found one of this name,
// it is that of the stream, which comes first in Loki as well.
func (l *lowering) common(by []string) (both []string) {
	if len(by) != len(l.by) {
		return nil
	}
	for i, a := range l.by {
		b := by[i]
		name, of, _ := strings.Cut(a, "=")
		other, ofOther, _ := strings.Cut(b, "=")
		switch {
		case a == b || name == other && l.ofStream(name, of):
			both = append(both, a)
		case name == other && l.ofStream(name, ofOther):
			both = append(both, b)
		default:
			return nil
		}
	}
	return both
}

func (l *lowering) ofStream(name, field string) bool {
	return field != "" && (field == "stream."+name || field == l.labels.Fields[name])
}

// groups are the groups of a range: those of its aggregation, or each stream.
func (l *lowering) groups(
	r *logql.Range, p *pipeline, g *logql.Grouping, aggregated bool,
) (by []string, err error) {
	if g == nil {
		g, aggregated = r.Grouping, r.Grouping != nil
	}
	if aggregated && !g.Without {
		for _, name := range g.Labels {
			if name == "__error__" {
				continue
			}
			if p.gone(name) {
				return nil, fmt.Errorf("it groups by %s, which drop or keep has removed", name)
			}
			by = append(by, ruler.ByName(name, p.field(name)))
		}
		slices.Sort(by)
		return slices.Compact(by), nil
	}
	without := slices.Clone(p.dropped)
	if aggregated {
		without = append(without, g.Labels...)
	}
	if p.kept != nil {
		for _, name := range p.kept {
			if !slices.Contains(without, name) {
				by = append(by, ruler.ByName(name, p.field(name)))
			}
		}
		slices.Sort(by)
		return slices.Compact(by), nil
	}
	if len(l.labels.Stream) > 0 {
		for _, name := range l.labels.Stream {
			if !slices.Contains(without, name) {
				by = append(by, ruler.ByName(name, p.stream(name)))
			}
		}
	} else {
		all := "stream.*"
		slices.Sort(without)
		if without = slices.Compact(without); len(without) > 0 {
			all += " without " + strings.Join(without, ", ")
		}
		by = append(by, all)
	}
	for _, name := range p.known {
		if !slices.Contains(without, name) && (r.Unwrap == nil || r.Unwrap.Label != name) {
			by = append(by, ruler.ByName(name, own(name)))
		}
	}
	if p.open != "" {
		by = append(by, "line")
		l.once(imports.Differs, "all-labels",
			"without an aggregation Loki counts each set of the labels that "+p.open+" finds for "+
				"itself, and so hardly ever more than one line; here each different line is a "+
				"group. Write sum(...), or sum by (...)")
	}
	return by, nil
}

// invalid is what Loki itself refuses of a range.
func invalid(r *logql.Range) error {
	grouped := []string{
		"avg_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time",
		"max_over_time", "min_over_time", "first_over_time", "last_over_time",
	}
	switch {
	case r.Grouping != nil && !slices.Contains(grouped, r.Func):
		return fmt.Errorf("%s has a grouping of its own, which Loki refuses; write sum by (...)",
			r.Func)
	case r.Unwrap != nil && slices.Contains([]string{
		"count_over_time", "bytes_over_time", "bytes_rate",
	}, r.Func):
		return fmt.Errorf("%s with unwrap is refused by Loki", r.Func)
	}
	for _, m := range r.Selector {
		if m.Op == "=" && m.Value != "" {
			return nil
		}
		if m.Op == "=~" {
			re, err := regexp.Compile("^(?:" + m.Value + ")$")
			if err != nil || !re.MatchString("") {
				return nil // the error is found later
			}
		}
	}
	return errors.New("its selector may match any stream, which Loki refuses")
}

// rangeOf translates a function over a range.
func (l *lowering) rangeOf(r *logql.Range, g *logql.Grouping, aggregated bool) (number, error) {
	if r.Func == "bytes_over_time" || r.Func == "bytes_rate" {
		return number{}, fmt.Errorf("%s counts the bytes of lines, which rules here do not", r.Func)
	}
	if err := invalid(r); err != nil {
		return number{}, err
	}
	if r.Func == "absent_over_time" {
		return number{}, errors.New("absent_over_time within a calculation is not translated")
	}
	if (r.Func == "rate_counter") || r.Func == "stdvar_over_time" {
		return number{}, fmt.Errorf("%s is not translated", r.Func)
	}
	name, p, err := l.logs(r, g, aggregated)
	if err != nil {
		return number{}, err
	}
	filter := "$" + name
	offset := l.over(r)
	seconds := r.Range.Seconds()
	if r.Unwrap == nil {
		switch r.Func {
		case "count_over_time":
			return single("count(" + filter + ")" + offset), nil
		case "rate":
			return single("rate(" + filter + ")" + offset), nil
		}
		return number{}, fmt.Errorf("%s needs unwrap", r.Func)
	}
	field := p.field(r.Unwrap.Label)
	scale := ""
	switch r.Unwrap.Conversion {
	case "", "bytes":
	case "duration", "duration_seconds":
		scale = " / 1000" // numbers with a unit of time are milliseconds here
	default:
		return number{}, fmt.Errorf("unwrap %s() is not known", r.Unwrap.Conversion)
	}
	function := map[string]string{
		"sum_over_time": "sum", "avg_over_time": "avg", "min_over_time": "min",
		"max_over_time":   "max",
		"first_over_time": "first", "last_over_time": "last", "stddev_over_time": "stddev",
		"rate": "sum",
	}[r.Func]
	call := func(f string) string {
		if f == "first" || f == "last" {
			return f + "(" + field + ")" // of all logs, see below
		}
		return f + "(" + field + ", " + filter + ")"
	}
	switch {
	case r.Func == "count_over_time":
		text := "count(" + filter + ")" + offset
		return single(text), nil
	case (function == "first" || function == "last") && len(l.conditions) > 1:
		return number{}, fmt.Errorf("%s beside other queries is not translated", r.Func)
	case r.Func == "quantile_over_time":
		if r.Param < 0 || r.Param > 1 {
			return number{}, errors.New("its quantile is not between 0 and 1")
		}
		call = func(string) string {
			return "quantile(" + field + ", " + strconv.FormatFloat(r.Param, 'f', -1, 64) + ", " +
				filter + ")"
		}
	case function == "":
		return number{}, fmt.Errorf("%s does not go with unwrap", r.Func)
	}
	text := call(function) + offset + scale
	if r.Func == "rate" {
		text += " / " + strconv.FormatFloat(seconds, 'f', -1, 64)
	}
	return number{
		text: text, atom: !strings.Contains(text, " / "),
		eval: func([]float64) float64 { return math.NaN() },
	}, nil
}

// over is what says which time an aggregate is about, where it is not the window of the rule.
func (l *lowering) over(r *logql.Range) (text string) {
	if r.Range < l.window {
		text = " over " + duration.Format(r.Range)
	}
	if r.Offset > 0 {
		l.offsets = true
		text += " offset " + duration.Format(r.Offset)
	}
	return text
}

// twice translates a comparison of a comparison: of one that filters, both must hold; of one with
// bool, which is 0 or 1, it is the comparison itself.
func (l *lowering) twice(b *logql.Binary) (t truth, ok bool, err error) {
	inner, isBinary := b.Left.(*logql.Binary)
	if !isBinary || flipped[inner.Op] == "" {
		return truth{}, false, nil
	}
	if !inner.Bool {
		left, err := l.compare(inner)
		if err != nil || left.always != nil {
			return left, true, cmp.Or(err, errors.New("a side of it is a constant"))
		}
		number := inner.Left
		if _, fixed := number.(*logql.Number); fixed {
			return truth{}, true, errors.New("it compares a constant twice")
		}
		for { // down to the number that is compared
			deeper, is := number.(*logql.Binary)
			if !is || flipped[deeper.Op] == "" {
				break
			}
			number = deeper.Left
		}
		right, err := l.compare(&logql.Binary{Op: b.Op, Left: number, Right: b.Right})
		if err != nil {
			return truth{}, true, err
		}
		return truth{text: side(left) + " and " + side(right)}, true, nil
	}
	n, isNumber := b.Right.(*logql.Number)
	if !isNumber || holds(b.Op, 1, n.Value) == holds(b.Op, 0, n.Value) ||
		holds(b.Op, 0, n.Value) {
		return truth{}, false, nil
	}
	plain := *inner
	plain.Bool = false
	t, err = l.compare(&plain)
	return t, true, err
}

// absentOf is absent_over_time, which may stand in a sum, whose result has no labels.
func absentOf(e logql.Expr) (r *logql.Range, named, ok bool) {
	a, ok := e.(*logql.Aggregate)
	named = true
	if ok && a.Grouping == nil && slices.Contains([]string{"sum", "max", "min", "count"}, a.Func) {
		e, named = a.Of, false
	}
	r, ok = e.(*logql.Range)
	return r, named, ok && r.Func == "absent_over_time"
}

// absent is the condition that there is no line. The alert has the labels that the selector gives a
// value, if they are named.
func (l *lowering) absent(r *logql.Range, named bool) (truth, error) {
	if l.grouped && len(l.by) > 0 {
		return truth{}, errors.New(
			"absent_over_time is joined with groups, which have other labels")
	}
	name, _, err := l.logs(r, &logql.Grouping{}, true)
	if err != nil {
		return truth{}, err
	}
	offset := l.over(r)
	l.absence, l.t.Silence = true, true
	seen := map[string]int{}
	for _, m := range r.Selector {
		seen[m.Name]++
		if named && m.Op == "=" && m.Value != "" {
			l.t.Labels[m.Name] = m.Value
		}
	}
	for name, n := range seen {
		if n > 1 {
			delete(l.t.Labels, name)
		}
	}
	if l.valueShown() {
		l.once(imports.Differs, "value", "the value is 0 here and 1 there")
	}
	call := "count($" + name + ")" + offset
	return truth{text: call + " == 0", atom: true, opposite: call + " > 0"}, nil
}

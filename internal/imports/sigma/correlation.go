package sigma

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
)

var timespan = regexp.MustCompile(`^[1-9]\d{0,5}[smhdwy]$`)

var comparisons = map[string]string{
	"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "==", "neq": "!=",
}

// maxRefers bounds the rules that one correlation refers to.
const maxRefers = 50

// correlation is a correlation that is being translated.
type correlation struct {
	t       *Translation
	d       *document
	node    *yaml.Node
	kind    string
	span    string
	rules   []*document
	aliases *yaml.Node
	folds   map[*document]fold
}

// fold is a chained event_count as what it counts: so many events of a rule.
type fold struct {
	times int
	of    *document
}

// correlation translates a correlation into the condition of a rule.
func (t *Translation) correlation(d *document, node, n *yaml.Node) error {
	c := t.correlationOf(d, node)
	switch {
	case strings.HasSuffix(c.span, "M"):
		return fmt.Errorf("timespan %q: months differ in length; write days", c.span)
	case !timespan.MatchString(c.span):
		return fmt.Errorf("timespan %q is not a duration", c.span)
	}
	names := referred(node)
	if len(names) == 0 || len(names) > maxRefers {
		return fmt.Errorf("it names %d rules; 1 to %d are possible", len(names), maxRefers)
	}
	chained := 0
	for _, name := range names {
		r := t.byName[name]
		if r == nil {
			return fmt.Errorf("rule %q, which it refers to, is not among the files", name)
		}
		if t.circular(r, []*document{d}) {
			return fmt.Errorf("rule %q, which it refers to, refers back to it", name)
		}
		if r.correlation != nil {
			chained++
		}
		c.rules = append(c.rules, r)
	}
	if topics := c.topics(); len(topics) > 0 {
		imports.Set(n, "source", imports.Texts(topics...))
	}
	c.fold()
	switch {
	case chained == len(c.rules) && len(c.folds) == 0:
		return c.overAlerts(n)
	case c.kind == "temporal_ordered":
		return c.ordered(n)
	case chained > 0 && c.kind != "temporal":
		return fmt.Errorf("it counts a correlation together with events, which is not supported")
	}
	return c.overEvents(n)
}

func (t *Translation) correlationOf(d *document, node *yaml.Node) *correlation {
	return &correlation{
		t: t, d: d, node: node, aliases: imports.Get(node, "aliases"),
		kind: imports.Value(node, "type"), span: imports.Value(node, "timespan"),
	}
}

// referred are the names of the rules that a correlation refers to. An extended condition names
// rules that the list may leave out.
func referred(node *yaml.Node) []string {
	names := imports.Values(node, "rules")
	for _, name := range conditionNames(imports.Get(node, "condition")) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// fold finds the chained rules that need no alert of their own, since their events can be counted
// instead.
func (c *correlation) fold() {
	c.folds = map[*document]fold{}
	chained := 0
	for _, r := range c.rules {
		if r.correlation == nil {
			continue
		}
		chained++
		f, ok := c.counted(r)
		same := imports.Value(r.correlation, "timespan") == c.span
		if ok && (c.kind == "temporal_ordered" || c.kind == "temporal" && same) {
			c.folds[r] = f
		}
	}
	if chained == len(c.rules) && len(c.folds) < chained {
		c.folds = nil // it is about alerts
	}
}

// counted is a chained event_count with a lower bound alone, and with the groups of this
// correlation.
func (c *correlation) counted(r *document) (fold, bool) {
	condition := imports.Get(r.correlation, "condition")
	names := imports.Values(r.correlation, "rules")
	if imports.Value(r.correlation, "type") != "event_count" || len(names) != 1 ||
		condition == nil || condition.Kind != yaml.MappingNode || len(condition.Content) != 2 ||
		!slices.Equal(imports.Values(r.correlation, "group-by"), c.groupBy()) ||
		c.aliases != nil || imports.Get(r.correlation, "aliases") != nil {
		return fold{}, false
	}
	f := fold{of: c.t.byName[names[0]]}
	if least, err := strconv.Atoi(imports.Value(condition, "gte")); err == nil {
		f.times = least
	}
	if more, err := strconv.Atoi(imports.Value(condition, "gt")); err == nil {
		f.times = more + 1
	}
	return f, f.times >= 1 && f.of != nil && f.of.correlation == nil
}

// folded reports whether all correlations that refer to a chained one count its events instead of
// its alerts.
func (t *Translation) folded(d *document) bool {
	for _, above := range d.above {
		c := t.correlationOf(above, above.correlation)
		for _, name := range referred(above.correlation) {
			if r := t.byName[name]; r != nil {
				c.rules = append(c.rules, r)
			}
		}
		c.fold()
		if _, ok := c.folds[d]; !ok {
			return false
		}
	}
	return true
}

// circular reports whether a correlation refers to one of those above it.
func (t *Translation) circular(d *document, above []*document) bool {
	if slices.Contains(above, d) {
		return true
	}
	return slices.ContainsFunc(imports.Values(d.correlation, "rules"), func(name string) bool {
		r := t.byName[name]
		return r != nil && len(above) < maxRefers && t.circular(r, append(slices.Clone(above), d))
	})
}

// topics are the sources of the rules that a correlation counts.
func (c *correlation) topics() (topics []string) {
	for _, r := range c.rules {
		for _, topic := range c.t.topics(r) {
			if !slices.Contains(topics, topic) {
				topics = append(topics, topic)
			}
		}
	}
	return topics
}

// ruleName is the name of the selection of a rule.
func ruleName(i int) string { return "rule_" + strconv.Itoa(i+1) }

// groupBy are the fields that the correlation groups by.
func (c *correlation) groupBy() []string { return imports.Values(c.node, "group-by") }

// fields are the names of a field of group-by in the events of a rule.
func (c *correlation) fields(field string, r *document) []string {
	if alias := imports.Get(c.aliases, field); alias != nil {
		own := ""
		for i := 0; i+1 < len(alias.Content); i += 2 {
			if c.t.byName[alias.Content[i].Value] == r {
				own = alias.Content[i+1].Value
			}
		}
		field = own
	}
	if field == "" {
		return nil
	}
	names := c.t.mapped(field, c.t.logsource(r))
	for i := range names {
		names[i] = "fields." + names[i]
	}
	return names
}

// exist is the selection of the events of a rule that have all fields of group-by; nil when there
// are none.
func (c *correlation) exist(r *document) *yaml.Node {
	selection := imports.Map()
	for _, field := range c.groupBy() {
		if names := c.fields(field, r); len(names) > 0 {
			put(selection, strings.Join(names, " or ")+"|exists", imports.Text("true"))
		}
	}
	if len(selection.Content) == 0 {
		return nil
	}
	return selection
}

// detection is the detection of a rule of events, without those that lack a field of group-by:
// they do not take part.
func (c *correlation) detection(r *document) (*yaml.Node, error) {
	det, err := c.t.detection(r)
	if err != nil {
		return nil, fmt.Errorf("rule %q, which it refers to: %w", r.title, err)
	}
	if exist := c.exist(r); exist != nil {
		det = imports.Map("rule", det, "group_by", exist,
			"condition", imports.Text("rule and group_by"))
	}
	return det, nil
}

// by writes the groups. A field that is not the same in the events of all rules is one for each
// selection.
func (c *correlation) by(n *yaml.Node, rules map[string]*document) {
	list := imports.List()
	for _, field := range c.groupBy() {
		label := strings.NewReplacer("=", "_", "|", "_", " ", "_").Replace(field)
		same, first := true, ""
		of := imports.Map()
		for _, name := range slices.Sorted(maps.Keys(rules)) {
			text := strings.Join(c.fields(field, rules[name]), "|")
			if first == "" {
				first = text
			}
			same = same && text == first
			if text != "" {
				imports.Set(of, name, imports.Text(text))
			}
		}
		switch {
		case same && first != "":
			list.Content = append(list.Content, imports.Text(label+"="+first))
		case len(of.Content) > 0:
			list.Content = append(list.Content, imports.Map(label, of))
		}
	}
	if len(list.Content) > 0 {
		imports.Set(n, "by", list)
	}
}

// overEvents translates a correlation of rules over events; a temporal one may also ask whether
// others fire.
func (c *correlation) overEvents(n *yaml.Node) error {
	match := imports.Map()
	selections, terms := map[string]*document{}, map[*document]string{}
	for i, r := range c.rules {
		if f, ok := c.folds[r]; ok {
			det, err := c.detection(f.of)
			if err != nil {
				return err
			}
			imports.Set(match, ruleName(i), det)
			selections[ruleName(i)] = f.of
			terms[r] = fmt.Sprintf("count($%s) >= %d", ruleName(i), f.times)
			c.together(r)
			continue
		}
		if r.correlation != nil {
			if strings.ContainsAny(r.title, "\"\\") {
				return fmt.Errorf("the title of %q has a quote or a backslash", r.title)
			}
			terms[r] = "firing(\"" + r.title + "\")"
			c.t.remark(c.d, imports.Differs, "chain", "%q counts for as long as its alert fires",
				r.title)
			continue
		}
		det, err := c.detection(r)
		if err != nil {
			return err
		}
		imports.Set(match, ruleName(i), det)
		selections[ruleName(i)] = r
		terms[r] = "count($" + ruleName(i) + ") > 0"
	}
	if len(selections) == 0 {
		return fmt.Errorf("it refers to no rule over events")
	}
	imports.Set(match, "condition", imports.Text("1 of rule_*"))
	when, err := c.when(terms)
	if err != nil {
		return err
	}
	imports.Set(n, "match", match)
	imports.Set(n, "when", imports.Text(when))
	imports.Set(n, "window", imports.Text(c.span))
	c.by(n, selections)
	return nil
}

// overAlerts translates a correlation of correlations: it counts their alerts, by the labels that
// these have. An alert that lasts counts once.
func (c *correlation) overAlerts(n *yaml.Node) error {
	match := imports.Map()
	terms := map[*document]string{}
	steps := imports.List()
	list := imports.List()
	exist := imports.Map()
	for _, field := range c.groupBy() {
		label := strings.NewReplacer("=", "_", "|", "_", " ", "_").Replace(field)
		list.Content = append(list.Content, imports.Text(label+"=fields."+label))
		put(exist, "fields."+label+"|exists", imports.Text("true"))
	}
	for i, r := range c.rules {
		selection := imports.Map("alertname|cased", imports.Text(r.title),
			"state", imports.Text("firing"))
		one := imports.Map("alert", selection, "condition", imports.Text("alert"))
		if len(exist.Content) > 0 {
			one = imports.Map("alert", selection, "group_by", exist,
				"condition", imports.Text("alert and group_by"))
		}
		imports.Set(match, ruleName(i), one)
		terms[r] = "count($" + ruleName(i) + ") > 0"
		steps.Content = append(steps.Content, imports.Map("match", one))
	}
	put(n, "source", imports.Text("alerts"))
	if len(list.Content) > 0 {
		imports.Set(n, "by", list)
	}
	c.t.remark(c.d, imports.Differs, "chain", "it counts the alerts of the correlations that it "+
		"refers to, of which one that lasts counts once")
	if c.kind == "temporal_ordered" {
		imports.Set(n, "sequence", steps)
		imports.Set(n, "within", imports.Text(c.span))
		return nil
	}
	when, err := c.when(terms)
	if err != nil {
		return err
	}
	imports.Set(match, "condition", imports.Text("1 of rule_*"))
	imports.Set(n, "match", match)
	imports.Set(n, "when", imports.Text(when))
	imports.Set(n, "window", imports.Text(c.span))
	return nil
}

// ordered translates temporal_ordered into a sequence. A chained event_count is a step that happens
// several times.
func (c *correlation) ordered(n *yaml.Node) error {
	if condition := imports.Get(c.node, "condition"); condition != nil &&
		condition.Kind == yaml.ScalarNode {
		return fmt.Errorf("temporal_ordered with a condition of its own is not supported")
	}
	steps := imports.List()
	selections := map[string]*document{}
	for i, r := range c.rules {
		name := ruleName(i)
		times, of, err := c.step(r)
		if err != nil {
			return err
		}
		det, err := c.detection(of)
		if err != nil {
			return err
		}
		selections[name] = of
		step := imports.Map("match", imports.Map(name, det, "condition", imports.Text(name)))
		if times > 1 {
			imports.Set(step, "times", imports.Number(times))
		}
		steps.Content = append(steps.Content, step)
	}
	imports.Set(n, "sequence", steps)
	imports.Set(n, "within", imports.Text(c.span))
	c.by(n, selections)
	return nil
}

// step is how often the events of a rule must happen for a step, and the rule of these events.
func (c *correlation) step(r *document) (times int, of *document, err error) {
	chained := r.correlation
	if chained == nil {
		return 1, r, nil
	}
	f, ok := c.folds[r]
	if !ok {
		return 0, nil, fmt.Errorf("of a chain, temporal_ordered takes an event_count of one rule "+
			"with gte and the same group-by, and %q is none", r.title)
	}
	c.together(r)
	return f.times, f.of, nil
}

// together says how the events of a folded rule count.
func (c *correlation) together(r *document) {
	own := ""
	if span := imports.Value(r.correlation, "timespan"); span != c.span {
		own = ", its own timespan being " + span
	}
	c.t.remark(c.d, imports.Differs, "chain", "the events of %q count within the same %s as "+
		"those of the others%s", r.title, c.span, own)
}

// when is the condition over the rules, each of which has a term that says that it happened.
func (c *correlation) when(terms map[*document]string) (string, error) {
	condition := imports.Get(c.node, "condition")
	if c.kind == "temporal" {
		return c.temporal(condition, terms)
	}
	number, err := c.number(condition)
	if err != nil {
		return "", err
	}
	var parts []string
	for i := 0; condition != nil && i+1 < len(condition.Content); i += 2 {
		op := comparisons[condition.Content[i].Value]
		if op == "" {
			continue
		}
		value := condition.Content[i+1].Value
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return "", fmt.Errorf("%q is not a number to compare with", value)
		}
		if op[0] != '>' {
			c.t.remark(c.d, imports.Differs, "below", "%s %s also holds in silence and as events "+
				"leave the timespan; pySigma's backends compare when an event comes",
				condition.Content[i].Value, value)
		}
		parts = append(parts, number+" "+op+" "+value)
	}
	if len(parts) == 0 {
		return "", fmt.Errorf("its condition has no threshold")
	}
	return strings.Join(parts, " and "), nil
}

// number is what the correlation compares.
func (c *correlation) number(condition *yaml.Node) (string, error) {
	fields := imports.Values(condition, "field")
	if c.kind == "event_count" {
		return "count()", nil
	}
	function := map[string]string{
		"value_count": "distinct", "value_sum": "sum", "value_avg": "avg", "value_median": "quantile",
	}[c.kind]
	if c.kind == "value_percentile" {
		p := imports.Value(condition, "percentile")
		if n, err := strconv.Atoi(p); p != "" && (err != nil || n < 1 || n > 99) {
			return "", fmt.Errorf("percentile %q is none from 1 to 99", p)
		}
		function = "p" + cmp.Or(p, "95")
	}
	switch {
	case function == "":
		return "", fmt.Errorf("correlations of type %q are not supported", c.kind)
	case len(fields) == 0:
		return "", fmt.Errorf("correlations of type %s need condition.field", c.kind)
	case len(fields) > 1:
		return "", fmt.Errorf("a correlation over several fields is not supported")
	}
	names := c.fields(fields[0], c.rules[0])
	if c.rules[0].correlation != nil {
		names = []string{"fields." + fields[0]}
	}
	for _, r := range c.rules[1:] {
		if r.correlation == nil && !slices.Equal(names, c.fields(fields[0], r)) {
			return "", fmt.Errorf("field %q has different names in the events of its rules",
				fields[0])
		}
	}
	if len(names) != 1 {
		return "", fmt.Errorf("field %q has several names, and one is compared", fields[0])
	}
	switch c.kind { // interpolated, as by pySigma; a median of an even number is a mean
	case "value_median":
		return "quantile(" + names[0] + ", 0.5)", nil
	case "value_percentile":
		return "quantile(" + names[0] + ", " + function[1:] + "%)", nil
	}
	return function + "(" + names[0] + ")", nil
}

// temporal is the condition of a temporal correlation: that all rules happened, or so many of them,
// or what an expression over them says.
func (c *correlation) temporal(condition *yaml.Node, terms map[*document]string) (string, error) {
	var list []string
	for _, r := range c.rules {
		list = append(list, terms[r])
	}
	switch {
	case condition == nil:
		return strings.Join(list, " and "), nil
	case condition.Kind == yaml.ScalarNode:
		return c.expression(condition.Value, terms)
	}
	least, err := strconv.Atoi(imports.Value(condition, "gte"))
	if err != nil {
		more, err := strconv.Atoi(imports.Value(condition, "gt"))
		if err != nil {
			return "", fmt.Errorf("the condition of a temporal correlation needs gte or gt")
		}
		least = more + 1
	}
	if least >= len(list) {
		return strings.Join(list, " and "), nil
	}
	if least < 1 || len(list) > 8 {
		return "", fmt.Errorf("%d of %d rules cannot be written as a condition", least, len(list))
	}
	return some(least, list), nil
}

// some says that n of the terms hold.
func some(n int, terms []string) string {
	if n == 1 {
		return "(" + strings.Join(terms, " or ") + ")"
	}
	var of []string
	for i := range len(terms) - n + 1 {
		of = append(of, "("+terms[i]+" and "+some(n-1, terms[i+1:])+")")
	}
	return "(" + strings.Join(of, " or ") + ")"
}

var expressionWord = regexp.MustCompile(`[()]|[^\s()]+`)

// expression translates an expression over the names of rules.
func (c *correlation) expression(text string, terms map[*document]string) (string, error) {
	p := &expression{c: c, words: expressionWord.FindAllString(text, -1), terms: terms}
	when, err := p.or(0)
	switch {
	case err != nil:
		return "", err
	case len(p.words) > 0:
		return "", fmt.Errorf("its condition has a %q too many", p.words[0])
	}
	if p.negated {
		c.t.remark(c.d, imports.Differs, "not", "a rule behind not counts as absent until it "+
			"happens, so an event of it that comes later does not take the alert back")
	}
	return when, nil
}

// expression is an expression that is being read.
type expression struct {
	c       *correlation
	words   []string // that are left
	terms   map[*document]string
	not     bool // what is read is the opposite
	negated bool // a rule stands behind not
}

// maxExpression bounds the nesting of an expression.
const maxExpression = 50

func (p *expression) next(word string) bool {
	if len(p.words) == 0 || !strings.EqualFold(p.words[0], word) {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *expression) or(depth int) (string, error) {
	join := " or "
	if p.not {
		join = " and "
	}
	return p.list("or", join, depth, p.and)
}

func (p *expression) and(depth int) (string, error) {
	join := " and "
	if p.not {
		join = " or "
	}
	return p.list("and", join, depth, p.one)
}

// list reads parts with a word between them. What joins them is in parentheses where it is or.
func (p *expression) list(
	word, join string, depth int, part func(depth int) (string, error),
) (string, error) {
	var of []string
	for {
		text, err := part(depth)
		if err != nil {
			return "", err
		}
		of = append(of, text)
		if p.next(word) {
			continue
		}
		if len(of) == 1 {
			return of[0], nil
		}
		if join == " or " && (depth > 0 || word == "and") {
			return "(" + strings.Join(of, join) + ")", nil
		}
		return strings.Join(of, join), nil
	}
}

func (p *expression) one(depth int) (string, error) {
	switch {
	case depth > maxExpression:
		return "", fmt.Errorf("its condition is nested too deeply")
	case p.next("not"):
		p.not = !p.not
		text, err := p.one(depth + 1)
		p.not = !p.not
		return text, err
	case p.next("("):
		text, err := p.or(depth + 1)
		if err == nil && !p.next(")") {
			err = fmt.Errorf("its condition has a parenthesis that is never closed")
		}
		return text, err
	case len(p.words) == 0:
		return "", fmt.Errorf("its condition ends where a rule is missing")
	}
	name := p.words[0]
	p.words = p.words[1:]
	term, ok := p.terms[p.c.t.byName[name]]
	if !ok {
		return "", fmt.Errorf("its condition names %q, which is not a rule", name)
	}
	if !p.not {
		return term, nil
	}
	p.negated = true
	left, right, ok := strings.Cut(term, " > ")
	op := " <= "
	if !ok {
		left, right, ok = strings.Cut(term, " >= ")
		op = " < "
	}
	if !ok || !strings.HasPrefix(term, "count(") {
		return "not " + term, nil
	}
	// a count that may be none is known only after a window; a number of nothing is added so that
	// it is known at once
	return left + op + right + " + 0 / count()", nil
}

// conditionNames are the rules that an extended condition names.
func conditionNames(condition *yaml.Node) (names []string) {
	if condition == nil || condition.Kind != yaml.ScalarNode {
		return nil
	}
	for _, word := range expressionWord.FindAllString(condition.Value, -1) {
		if !slices.Contains([]string{"and", "or", "not", "(", ")"}, strings.ToLower(word)) {
			names = append(names, word)
		}
	}
	return names
}

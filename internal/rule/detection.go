package rule

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/problem"
)

// detection reads Sigma's form of a query: named selections, and a condition over them.
func (r *mapReader) detection(n *yaml.Node) Query {
	d := &detection{selections: map[string]Query{}}
	outer := r.sigma
	r.sigma = true
	values := r.Mapping(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		value := values[name]
		if value == nil || name == "condition" || name == "timeframe" {
			continue
		}
		before := len(r.Problems)
		q := r.query(value)
		if q == nil && len(r.Problems) == before {
			r.Fail(value, "", "selection %q is empty", name)
		}
		d.names = append(d.names, name)
		d.selections[name] = q
	}
	r.sigma = outer
	r.selections = d.selections
	conditions := []*yaml.Node{values["condition"]}
	if c := values["condition"]; c == nil {
		return nil
	} else if c.Kind == yaml.SequenceNode {
		conditions = c.Content
	}
	or := &Or{}
	for _, c := range conditions {
		q, err := d.condition(r.Text(c))
		if q = r.checked(c, q, err); q != nil {
			or.Of = append(or.Of, q)
		}
	}
	if len(or.Of) == 1 {
		return or.Of[0]
	}
	return or
}

// detection is the selections of a Sigma rule.
type detection struct {
	names      []string
	selections map[string]Query
}

// condition reads an expression over the selections.
func (d *detection) condition(text string) (Query, error) {
	p := &detectionParser{d: d, text: text}
	q, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if at, word := p.peek(); word != "" {
		if word == "|" {
			return nil, &syntaxError{at, "aggregations in conditions are not supported",
				correlationHint(text[at+1:])}
		}
		return nil, &syntaxError{at, fmt.Sprintf("unexpected %q", word), ""}
	}
	return q, nil
}

var aggregation = regexp.MustCompile(
	`^\s*(count|sum|avg|min|max)\s*\(\s*(\S*?)\s*\)\s*(?:by\s+(\S+)\s*)?(>=|<=|>|<|==|=)\s*(\d+)\s*$`)

// correlationHint is the correlation that says what an aggregation of the old syntax does.
func correlationHint(text string) string {
	if strings.HasPrefix(strings.TrimSpace(text), "near") {
		return "write a correlation rule of type temporal instead"
	}
	m := aggregation.FindStringSubmatch(text)
	if m == nil || m[1] == "min" || m[1] == "max" || m[1] != "count" && m[2] == "" {
		return "write a correlation rule of type event_count or value_count instead"
	}
	kind, field := "event_count", ""
	switch {
	case m[1] != "count":
		kind, field = "value_"+m[1], ", field: "+m[2]
	case m[2] != "":
		kind, field = "value_count", ", field: "+m[2]
	}
	by := ""
	if m[3] != "" {
		by = "group-by: [" + m[3] + "], "
	}
	op := map[string]string{">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}[m[4]]
	return fmt.Sprintf("give the rule a name and write correlation: {type: %s, rules: [that name], "+
		"%stimespan: the timeframe, condition: {%s: %s%s}}", kind, by, cmp.Or(op, "eq"), m[5], field)
}

type detectionParser struct {
	d    *detection
	text string
	i    int
}

// peek returns the next word and its place.
func (p *detectionParser) peek() (at int, word string) {
	for p.i < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.i]) >= 0 {
		p.i++
	}
	end := p.i
	for end < len(p.text) && strings.IndexByte(" \t\r\n()|", p.text[end]) < 0 {
		end++
	}
	if end == p.i && end < len(p.text) {
		end++
	}
	return p.i, p.text[p.i:end]
}

func (p *detectionParser) take(word string) bool {
	_, next := p.peek()
	if !strings.EqualFold(next, word) {
		return false
	}
	p.i += len(next)
	return true
}

func (p *detectionParser) or(depth int) (Query, error) {
	return p.joined(depth, "or", p.and, func(of []Query) Query { return &Or{of} })
}

func (p *detectionParser) and(depth int) (Query, error) {
	return p.joined(depth, "and", p.not, func(of []Query) Query { return &And{of} })
}

// joined reads members that one operator joins.
func (p *detectionParser) joined(
	depth int, word string, member func(int) (Query, error), join func([]Query) Query,
) (Query, error) {
	if depth > maxDepth {
		return nil, &syntaxError{p.i, "condition is nested too deeply", ""}
	}
	var of []Query
	for {
		q, err := member(depth + 1)
		if err != nil {
			return nil, err
		}
		if of = append(of, q); !p.take(word) {
			break
		}
	}
	if len(of) == 1 {
		return of[0], nil
	}
	return join(of), nil
}

func (p *detectionParser) not(depth int) (Query, error) {
	if depth > 3*maxDepth {
		return nil, &syntaxError{p.i, "condition is nested too deeply", ""}
	}
	if p.take("not") {
		q, err := p.not(depth + 1)
		return &Not{q}, err
	}
	at, word := p.peek()
	switch {
	case word == "":
		return nil, &syntaxError{at, "the condition ends too early", "name a selection"}
	case word == "(":
		p.i++
		q, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, &syntaxError{at, `"(" is never closed`, `add ")"`}
		}
		return q, nil
	}
	p.i += len(word)
	if p.take("of") {
		return p.quantified(at, word)
	}
	q, ok := p.d.selections[word]
	if !ok {
		return nil, &syntaxError{
			at, fmt.Sprintf("selection %q is not defined", word),
			problem.DidYouMean(word, p.d.names),
		}
	}
	return q, nil
}

// quantified reads what follows "1 of" or "all of".
func (p *detectionParser) quantified(at int, quantity string) (Query, error) {
	nameAt, pattern := p.peek()
	p.i += len(pattern)
	var of []Query
	for _, name := range p.d.names {
		all := strings.EqualFold(pattern, "them") && !strings.HasPrefix(name, "_")
		if matched, _ := path.Match(pattern, name); matched || all {
			of = append(of, p.d.selections[name])
		}
	}
	if len(of) == 0 {
		return nil, &syntaxError{
			nameAt, fmt.Sprintf("no selection is called %q", pattern),
			problem.DidYouMean(pattern, p.d.names),
		}
	}
	switch n, err := strconv.Atoi(quantity); {
	case strings.EqualFold(quantity, "all"), err == nil && n == len(of):
		return &And{of}, nil
	case strings.EqualFold(quantity, "any"), err == nil && n == 1:
		return &Or{of}, nil
	case err == nil && n > 1 && n < len(of) && len(of) <= 8:
		return atLeast(n, of), nil
	}
	return nil, &syntaxError{at, fmt.Sprintf("%q is not a quantity", quantity),
		"write 1 of, or all of"}
}

// atLeast holds when n of the queries do.
func atLeast(n int, of []Query) Query {
	if n == 1 {
		return &Or{slices.Clone(of)}
	}
	or := &Or{}
	for i := range len(of) - n + 1 {
		or.Of = append(or.Of, &And{[]Query{of[i], atLeast(n-1, of[i+1:])}})
	}
	return or
}

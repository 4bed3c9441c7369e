package vmalert

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports/ruler"
	"github.com/log-monitoring/alert-engine/internal/imports/tree"
)

// statistics is what a query with stats amounts to.
type statistics struct {
	logs        tree.Node         // that it is about
	more        []tree.Named      // of them, those of if (...)
	by          []string          // as the key by has them
	results     map[string]string // numbers of conditions, by the names of results
	order       []string          // of the names
	when        string            // what filters say; "" for none
	extractions []decode.Extraction
}

// pipes are the names of pipes of VictoriaLogs; what is none is a filter.
var pipes = strings.Fields(
	`block_stats blocks_count collapse_nums copy cp decolorize del delete drop
	drop_empty_fields eval extract extract_regexp facets field_names field_values fields filter first
	format generate_sequence hash head join json_array_len keep last len limit math mv offset order
	pack_json pack_logfmt query_stats rename replace replace_regexp rm running_stats sample
	set_stream_fields skip sort split stats stats_remote stream_context time_add top total_stats union
	uniq unpack_json unpack_logfmt unpack_syslog unpack_words unroll where`,
)

// stages reads the pipes of a query.
func (q *query) stages(logs tree.Node) (s *statistics, err error) {
	s = &statistics{logs: logs, results: map[string]string{}}
	grouped := false
	var filters []string
	for q.take("|") {
		q.space()
		at := q.i
		name := strings.ToLower(q.word())
		switch _, isStats := quantity[name]; {
		case (isStats || name == "by") && q.is("("):
			q.i, name = at, "stats" // whose name may be left out
		case !slices.Contains(pipes, name):
			q.i, name = at, "filter" // as here
		}
		switch {
		case name == "stats" && grouped:
			return nil, &mistake{at, "several stats are not translated"}
		case name == "stats":
			grouped = true
			err = q.stats(s)
		case name == "filter" || name == "where":
			var text string
			if !grouped {
				var n tree.Node
				if n, err = q.filter("", 0); err == nil {
					s.logs = tree.All(s.logs, n)
				}
				break
			}
			if text, err = q.resultFilter(s, 0, false); err == nil {
				filters = append(filters, text)
			}
		case (name == "math" || name == "eval") && grouped:
			err = q.math(s)
		case name == "sort", name == "order":
			err = q.sort()
		case slices.Contains([]string{"fields", "keep", "delete", "del", "rm", "drop"}, name):
			err = q.choose(name == "fields" || name == "keep", s, grouped)
		case !grouped &&
			(strings.HasPrefix(name, "extract") || strings.HasPrefix(name, "unpack_")):
			err = q.extract(name, s)
		case name == "rename" || name == "mv" || name == "copy" || name == "cp":
			err = q.rename(s, grouped)
		default:
			return nil, &mistake{at, fmt.Sprintf("the pipe %s is not translated", name)}
		}
		if err != nil {
			return nil, err
		}
	}
	if q.space(); q.i < len(q.text) {
		return nil, q.fail("unexpected %q", q.text[q.i:])
	}
	if !grouped {
		return nil, q.fail("it has no stats, so it has no number")
	}
	s.when = joined(filters)
	return s, nil
}

func joined(filters []string) string {
	if len(filters) > 1 {
		for i, f := range filters {
			if strings.Contains(f, " or ") {
				filters[i] = "(" + f + ")"
			}
		}
	}
	return strings.Join(filters, " and ")
}

// sort reads sort by (n desc), which changes nothing unless it also leaves out some results.
func (q *query) sort() error {
	at := q.i
	q.skip()
	if m := cutting.FindString(q.text[at:q.i]); m != "" {
		return &mistake{at, fmt.Sprintf("sort with %s compares groups with each other, which "+
			"rules here do not", strings.TrimSpace(m))}
	}
	return nil
}

var cutting = regexp.MustCompile(`(?i)\b(?:limit|offset|partition|rank)\b`)

// choose reads the names of fields that are kept or removed.
func (q *query) choose(keep bool, s *statistics, grouped bool) error {
	var list []string
	for {
		if q.take("*") {
			return q.skipped()
		}
		name, _, err := q.token()
		if err != nil {
			return err
		}
		if q.is("*") { // a name that begins so
			return q.fail("fields with wildcards are not translated")
		}
		if list = append(list, name); !q.take(",") {
			break
		}
	}
	if grouped {
		for _, by := range s.by {
			name, _, _ := strings.Cut(by, "=")
			if slices.Contains(list, name) != keep {
				return q.fail("the group %s is removed behind stats, which is not translated", name)
			}
		}
		return nil
	}
	if !keep {
		q.names.dropped = append(q.names.dropped, list...)
		return nil
	}
	q.names.kept = list
	return nil
}

// skipped goes to the next pipe, since all fields are chosen.
func (q *query) skipped() error {
	q.skip()
	return nil
}

// skip goes to the next pipe.
func (q *query) skip() {
	for q.i < len(q.text) && q.text[q.i] != '|' {
		if q.i++; q.i < len(q.text) && (q.text[q.i] == '"' || q.text[q.i] == '`') {
			if _, _, err := q.token(); err != nil {
				q.i = len(q.text)
			}
		}
	}
}

var quantity = map[string]string{
	"count": "count", "sum": "sum", "avg": "avg", "min": "min", "max": "max", "stddev": "stddev",
	"count_uniq": "distinct", "count_uniq_hash": "distinct", "rate": "rate", "median": "p50",
	"quantile": "", "rate_sum": "sum", "count_empty": "count",
}

// stats reads by (a, b) count() if (f) as n, ...
func (q *query) stats(s *statistics) error {
	q.keyword("by")
	if q.take("(") {
		for !q.take(")") {
			name, _, err := q.token()
			if err != nil {
				return err
			}
			if q.names.gone(name) {
				return q.fail("%s, by which it groups, has been removed by a pipe", name)
			}
			if q.take(":") {
				if name == "_time" && q.window.given && q.word() == q.window.text {
					q.remark("time-bucket", "there the results are also grouped by times of the "+
						"clock, "+q.window.text+" each; here it is the last "+q.window.text)
					q.take(",")
					continue
				}
				return q.fail("groups by parts of a field are not translated")
			}
			s.by = append(s.by, ruler.ByName(name, q.names.field(name)))
			if !q.take(",") && !q.is(")") {
				return q.fail(") is expected")
			}
		}
		slices.Sort(s.by)
		s.by = slices.Compact(s.by)
	}
	for {
		if err := q.function(s); err != nil {
			return err
		}
		if !q.take(",") {
			return nil
		}
	}
}

func (q *query) function(s *statistics) error {
	at := q.i
	name := strings.ToLower(q.word())
	ours, ok := quantity[name]
	if !ok || !q.take("(") {
		return &mistake{at, fmt.Sprintf("%s() of stats is not translated", name)}
	}
	if name == "quantile" {
		text := q.word()
		phi, err := strconv.ParseFloat(text, 64)
		if err != nil || phi <= 0 || phi >= 1 || !q.take(",") {
			return q.fail("quantile is written quantile(0.9, field)")
		}
		ours = "p" + strconv.FormatFloat(float64(int(phi*1e4+0.5))/100, 'f', -1, 64)
	}
	var fields []string
	for !q.take(")") {
		if q.take("*") {
			q.take(",")
			continue
		}
		f, _, err := q.token()
		if err != nil {
			return err
		}
		if q.is("*") {
			return q.fail("fields with wildcards are not translated")
		}
		if q.names.gone(f) {
			return q.fail("the field %s has been removed by a pipe", f)
		}
		fields = append(fields, f)
		if !q.take(",") && !q.is(")") {
			return q.fail(") is expected")
		}
	}
	if q.keyword("limit") {
		q.word()
	}
	filter := ""
	var conditions []tree.Node
	if q.keyword("if") {
		if !q.take("(") {
			return q.fail("( is expected behind if")
		}
		n, err := q.or("", 0)
		if err != nil {
			return err
		}
		if !q.take(")") {
			return q.fail(") is expected")
		}
		conditions = append(conditions, n)
	}
	call := ours + "("
	switch {
	case ours == "count" || ours == "rate":
		// count(field) counts the logs that have it
		var of []tree.Node
		for _, f := range fields {
			if name == "count_empty" {
				conditions = append(conditions, absent(q.names.field(f)))
				continue
			}
			of = append(of, q.names.present(f))
		}
		if len(of) > 0 {
			conditions = append(conditions, tree.Any(of...))
		}
	case len(fields) != 1:
		return q.fail("%s() of several fields, or of all, is not translated", name)
	default:
		call += q.names.field(fields[0])
	}
	if len(conditions) > 0 {
		filter = "chosen"
		if n := len(s.more); n > 0 {
			filter += "_" + strconv.Itoa(n+1)
		}
		s.more = append(s.more, tree.Named{Name: filter, Node: tree.All(conditions...)})
		if !strings.HasSuffix(call, "(") {
			call += ", "
		}
		call += "$" + filter
	}
	call += ")"
	if name == "rate_sum" {
		call += " / " + windowMark
	}
	result := name
	if q.keyword("as") || !q.is(",") && !q.is("|") && !q.atEnd() {
		text, _, err := q.token()
		if err != nil {
			return err
		}
		result = text
	} else {
		result = strings.TrimSpace(q.text[at:q.i])
	}
	if name == "count_empty" && len(fields) == 0 {
		return q.fail("count_empty needs a field")
	}
	s.results[result], s.order = call, append(s.order, result)
	if result == "count()" || result == "rate()" { // its name in results
		s.results[strings.TrimSuffix(result, ")")+"*)"] = call
	}
	return nil
}

// windowMark stands for the seconds of the window, which is known at the end.
const windowMark = "\x01"

func (q *query) atEnd() bool { q.space(); return q.i == len(q.text) }

// emptyMark stands behind a comparison that may hold of nothing.
const emptyMark = "\x02"

// resultFilter reads conditions on the results of stats, or their opposite.
func (q *query) resultFilter(s *statistics, depth int, negate bool) (string, error) {
	if depth > maxDepth {
		return "", q.fail("the query is nested too deeply")
	}
	inner, outer := joined, func(of []string) string { return strings.Join(of, " or ") }
	if negate {
		inner, outer = outer, inner
	}
	var or []string
	for {
		var and []string
		for {
			text, err := q.resultOne(s, depth, negate)
			if err != nil {
				return "", err
			}
			and = append(and, text)
			if q.keyword("and") {
				continue
			}
			at := q.i
			if q.atEnd() || q.is("|") || q.is(")") || q.keyword("or") {
				q.i = at
				break
			}
		}
		or = append(or, inner(and))
		if !q.keyword("or") {
			return outer(or), nil
		}
	}
}

var negated = map[string]string{">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}

func (q *query) resultOne(s *statistics, depth int, negate bool) (string, error) {
	if depth > maxDepth {
		return "", q.fail("the query is nested too deeply")
	}
	if q.take("!") || q.take("-") || q.keyword("not") {
		return q.resultOne(s, depth+1, !negate)
	}
	if q.take("(") {
		text, err := q.resultFilter(s, depth+1, negate)
		if err == nil && !q.take(")") {
			err = q.fail(") is expected")
		}
		return "(" + text + ")", err
	}
	name, _, err := q.token()
	if err != nil {
		return "", err
	}
	number, ok := s.results[name]
	switch {
	case !ok:
		return "", q.fail("%q is not a result of stats", name)
	case !q.take(":"):
		return "", q.fail(": is expected behind %s", name)
	}
	if q.is("range") {
		m := interval.FindStringSubmatch(q.text[q.i:])
		if m == nil || negate {
			return "", q.fail("range is written range(a, b], and is not negated")
		}
		q.i += len(m[0])
		ops := map[string]string{"(": ">", "[": ">=", ")": "<", "]": "<="}
		return number + " " + ops[m[1]] + " " + m[2] + " and " +
			number + " " + ops[m[4]] + " " + m[3] + emptyMark, nil
	}
	op := "=="
	for _, o := range []string{">=", "<=", ">", "<", "!=", "="} {
		if q.take(o) {
			if o != "=" {
				op = o
			}
			break
		}
	}
	minus := q.take("-")
	text, _, err := q.token()
	if err != nil {
		return "", err
	}
	limit, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", q.fail("%q is not a number", text)
	}
	if minus {
		limit, text = -limit, "-"+text
	}
	if negate {
		op = negated[op]
	}
	mark := ""
	if (op != ">" || limit < 0) && (op != ">=" || limit <= 0) {
		mark = emptyMark
	}
	return number + " " + op + " " + text + mark, nil
}

// math reads a / b * 100 as share, ...
func (q *query) math(s *statistics) error {
	for {
		text, err := q.sum(s, 0)
		if err != nil {
			return err
		}
		q.keyword("as")
		name, _, err := q.token()
		if err != nil {
			return err
		}
		s.results[name], s.order = text, append(s.order, name)
		if !q.take(",") {
			return nil
		}
	}
}

func (q *query) sum(s *statistics, depth int) (string, error) {
	return q.binary(s, depth, []string{"+", "-"}, func() (string, error) {
		return q.binary(
			s,
			depth,
			[]string{"*", "/"},
			func() (string, error) { return q.operand(s, depth) },
		)
	})
}

func (q *query) binary(
	s *statistics, depth int, ops []string, operand func() (string, error),
) (string, error) {
	if depth > maxDepth {
		return "", q.fail("the query is nested too deeply")
	}
	text, err := operand()
	for err == nil {
		op := ""
		for _, o := range ops {
			if q.take(o) {
				op = o
				break
			}
		}
		if op == "" {
			return text, nil
		}
		var right string
		if right, err = operand(); err == nil {
			text += " " + op + " " + right
		}
	}
	return "", err
}

var mathName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*|^[0-9.]+`)

func (q *query) operand(s *statistics, depth int) (string, error) {
	if q.take("(") {
		text, err := q.sum(s, depth+1)
		if err == nil && !q.take(")") {
			err = q.fail(") is expected")
		}
		return "(" + text + ")", err
	}
	q.space()
	name := mathName.FindString(q.text[q.i:])
	if name == "" {
		var err error
		if name, _, err = q.token(); err != nil {
			return "", err
		}
	} else {
		q.i += len(name)
	}
	if _, err := strconv.ParseFloat(name, 64); err == nil {
		return name, nil
	}
	text, ok := s.results[name]
	if !ok || q.is("(") {
		return "", q.fail("%s is not translated within math", name)
	}
	if strings.ContainsAny(text, "+-*/") && strings.Contains(text, " ") {
		text = "(" + text + ")"
	}
	return text, nil
}

// rename reads a as b, ...
func (q *query) rename(s *statistics, grouped bool) error {
	for {
		from, _, err := q.token()
		if err != nil {
			return err
		}
		q.keyword("as")
		to, _, err := q.token()
		if err != nil {
			return err
		}
		if text, ok := s.results[from]; grouped && ok {
			s.results[to], s.order = text, append(s.order, to)
		} else if grouped {
			return q.fail("a group is renamed behind stats, which is not translated")
		} else {
			if old, ok := q.names.renames[from]; ok {
				from = old
			}
			q.names.renames[to] = from
		}
		if !q.take(",") {
			return nil
		}
	}
}

// extract reads extract "pattern" from f, extract_regexp, unpack_json and unpack_logfmt.
func (q *query) extract(name string, s *statistics) error {
	if q.keyword("if") {
		return q.fail("%s if (...) is not translated", name)
	}
	pattern := ""
	if name == "extract" || name == "extract_regexp" {
		var err error
		if pattern, _, err = q.token(); err != nil {
			return err
		}
	}
	from := "line"
	if q.keyword("from") {
		f, _, err := q.token()
		if err != nil {
			return err
		}
		from = q.names.field(f)
	}
	var fields []string
	if q.keyword("fields") {
		if !q.take("(") {
			return q.fail("( is expected behind fields")
		}
		for !q.take(")") {
			f, _, err := q.token()
			if err != nil {
				return err
			}
			fields = append(fields, f)
			q.take(",")
		}
	}
	for q.keyword("keep_original_fields", "skip_empty_results", "preserve_keys") {
	}
	if q.keyword("result_prefix", "if") {
		return q.fail("%s with a prefix or a condition is not translated", name)
	}
	switch name {
	case "extract":
		expr, err := patternExpr(pattern)
		if err != nil {
			return q.fail("%s", err)
		}
		return q.extraction(decode.Extraction{From: from, Method: "regexp", Text: expr}, s)
	case "extract_regexp":
		return q.extraction(decode.Extraction{From: from, Method: "regexp", Text: pattern}, s)
	case "unpack_json", "unpack_logfmt":
		kind := strings.TrimPrefix(name, "unpack_")
		if len(fields) > 0 {
			return q.extraction(
				decode.Extraction{From: from, Method: kind, Text: strings.Join(fields, ",")},
				s,
			)
		}
		if q.names.open != "" {
			return q.fail("several pipes that unpack are not translated")
		}
		q.names.open, q.names.from = kind, from
		return nil
	}
	return q.fail("the pipe %s is not translated", name)
}

func (q *query) extraction(x decode.Extraction, s *statistics) error {
	names, err := x.Names()
	if err != nil {
		return q.fail("%s", err)
	}
	q.names.extracted = append(q.names.extracted, names...)
	s.extractions = append(s.extractions, x)
	return nil
}

var capture = regexp.MustCompile(`<([^<>]*)>`)

// patternExpr is a pattern of LogsQL as a regular expression: its first text may stand anywhere,
// and a value in quotes is taken out of them.
func patternExpr(pattern string) (string, error) {
	var b strings.Builder
	b.WriteString("(?s)")
	at := 0
	found := capture.FindAllStringSubmatchIndex(pattern, -1)
	for i, m := range found {
		b.WriteString(regexp.QuoteMeta(pattern[at:m[0]]))
		field := pattern[m[2]:m[3]]
		name := strings.TrimPrefix(strings.TrimPrefix(field, "plain:"), "quot:")
		quote := `"?` // a value in quotes is taken out of them
		if strings.HasPrefix(field, "plain:") || strings.HasSuffix(pattern[at:m[0]], `"`) {
			quote = ""
		}
		group := quote + "(?:"
		if name != "" && name != "_" && name != "*" {
			if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) {
				return "", fmt.Errorf("the field %q of a pattern is not translated", name)
			}
			group = quote + "(?P<" + name + ">"
		}
		at = m[1]
		if i == len(found)-1 && at == len(pattern) {
			b.WriteString(group + ".*?)" + quote + "$")
		} else {
			b.WriteString(group + ".*?)" + quote)
		}
	}
	b.WriteString(regexp.QuoteMeta(pattern[at:]))
	return b.String(), nil
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/PaesslerAG/gval"
	"github.com/casbin/govaluate"
	"github.com/cloudflare/ahocorasick"
	coregx "github.com/coregx/ahocorasick"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/google/cel-go/cel"
	grafana "github.com/grafana/regexp"
	"github.com/hashicorp/go-bexpr"
	petar "github.com/petar-dambovaliev/aho-corasick"
	"github.com/valyala/fastjson"
	"github.com/wasilibs/go-re2"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// peers measures what else there is in Go: expression languages in a loop over the rules, regular
// expressions of three packages in a loop, libraries that search for many words at once, and a fast
// JSON parser. All of them get the fields from our extraction, and the texts in lower case, once
// for each log; so what they are charged for is the least that they can be used for.
func peers() {
	logs, sample := kubernetesLogs(*logCount, 1), kubernetesLogs(4000, 2)
	fmt.Printf("## Peers: the same logs and equivalent rules; extraction is included\n\n")
	fmt.Printf("%-44s %8s %12s %12s %9s %12s\n", "", "rules", "ns/log", "ours", "ratio",
		"differences")

	parser := fastjson.Parser{}
	c := &contest{}
	fast := c.add("fastjson", len(logs), func() {
		for _, b := range logs {
			v, err := parser.ParseBytes(b)
			check(err)
			v.GetStringBytes("message")
			v.GetStringBytes("level")
			v.GetStringBytes("service")
			v.GetStringBytes("namespace")
			v.GetStringBytes("kubernetes", "pod_name")
			v.GetStringBytes("path")
			v.GetInt("status")
			v.GetFloat64("duration_ms")
			v.GetStringBytes("error_code")
		}
	})
	c.hold(*rounds)

	for _, n := range []int{10, 100, 1000} {
		mixed := mixedRules(n)
		few := logs[:max(100, 20_000/n)]
		versus(mixed, few, sample, "expr-lang/expr, a program for each rule", exprPeer(mixed))
		versus(mixed, few, sample, "google/cel-go, a program for each rule", celPeer(mixed))
		versus(mixed, few, sample, "PaesslerAG/gval, an expression for each rule", gvalPeer(mixed))
		versus(mixed, few, sample, "casbin/govaluate, an expression for each rule",
			govaluatePeer(mixed))
	}
	for _, n := range sizes {
		literals := literalRules(n)
		few := logs[:max(100, min(len(logs), 200_000/n))]
		if n <= 1000 {
			some := few[:max(100, len(few)/10)]
			versus(literals, some, sample, "regexp, one for each rule",
				regexpPeer(literals, compiled(regexp.MustCompile)))
			versus(literals, some, sample, "grafana/regexp, one for each rule",
				regexpPeer(literals, compiled(grafana.MustCompile)))
			versus(literals, some, sample, "wasilibs/go-re2, one for each rule",
				regexpPeer(literals, compiled(re2.MustCompile)))
			versus(literals, some, sample, "hashicorp/go-bexpr, one for each rule",
				bexprPeer(literals))
		}
		versus(literals, logs[:2000], sample, "cloudflare/ahocorasick, lowered",
			cloudflarePeer(literals))
		versus(literals, logs[:2000], sample, "petar-dambovaliev/aho-corasick", petarPeer(literals))
		versus(literals, logs[:2000], sample, "coregx/ahocorasick, lowered", coregxPeer(literals))
	}
	ours := newEngine(mixedRules(1000), sample)
	c = &contest{}
	all := c.add("ours", len(logs), func() { ours.run(logs) })
	c.hold(*rounds)
	fmt.Printf("%-44s %8s %12.0f %12.0f %8.2fx\n", "valyala/fastjson, parse and nine fields only",
		"none", fast.best, all.best, fast.best/all.best)
	fmt.Println(
		"\nNot measured, for they could not be had as modules: quamina (quamina.net/go/quamina) " +
			"and the Sigma engines bradleyjkemp/sigma-go,",
	)
	fmt.Println("markuskont/go-sigma-rule-engine and runreveal/sigmalite.")
	fmt.Println()
}

// peer answers which rules hold for a log.
type peer func(f *facts) []int32

// facts are the fields of a log as peers get them.
type facts struct {
	log                                          *decode.Log
	message, service, namespace, pod, path, code []byte // in lower case
	hasCode                                      bool
	severity                                     int
	status, duration                             float64
}

func (f *facts) fill(log *decode.Log, ids [8]decode.FieldID) {
	lower := func(dst *[]byte, id decode.FieldID) bool {
		v := log.Value(id)
		*dst = append((*dst)[:0], bytes.ToLower(v.Text)...)
		return v.Kind > decode.Null
	}
	f.log = log
	lower(&f.message, ids[0])
	lower(&f.service, ids[1])
	lower(&f.namespace, ids[2])
	lower(&f.pod, ids[3])
	lower(&f.path, ids[4])
	f.hasCode = lower(&f.code, ids[5])
	f.severity = log.Severity()
	f.status, _ = strconv.ParseFloat(string(log.Value(ids[6]).Text), 64)
	f.duration, _ = strconv.ParseFloat(string(log.Value(ids[7]).Text), 64)
}

// versus measures a peer and us on the same logs and rules, and counts the logs on which we differ.
func versus(queries []rule.Query, logs, sample [][]byte, name string, p peer) {
	e := newEngine(queries, sample)
	fields := decode.NewFields(mixedPaths...)
	var ids [8]decode.FieldID
	for i, path := range []string{
		"message", "service", "namespace", "kubernetes.pod_name", "path", "error_code", "status",
		"duration_ms",
	} {
		ids[i], _ = fields.ID(path)
	}
	d, f := newDecoder(fields), &facts{}
	var found [][]int32
	each := func(log *decode.Log) {
		f.fill(log, ids)
		found = append(found, p(f))
	}
	c := &contest{}
	theirs := c.add(name, len(logs), func() {
		found = found[:0]
		run(d, logs, each)
	})
	ours := c.add("ours", len(logs), func() { e.run(logs) })
	c.hold(2)
	i, differences := 0, 0
	run(e.decoder, logs, func(log *decode.Log) {
		want := found[i]
		slices.Sort(want)
		if !slices.Equal(e.matcher.Match(log, nil), slices.Compact(want)) {
			differences++
		}
		i++
	})
	fmt.Printf("%-44s %8d %12.0f %12.0f %8.1fx %12d\n", name, len(queries), theirs.best, ours.best,
		theirs.best/ours.best, differences)
}

func exprPeer(queries []rule.Query) peer {
	type env struct {
		Message, Service, Namespace, Pod, Path, Code string
		HasCode                                      bool
		Severity                                     int
		Status, Duration                             float64
	}
	programs := make([]*vm.Program, len(queries))
	for i, q := range queries {
		p, err := expr.Compile(source(q, dialectExpr), expr.Env(env{}), expr.AsBool())
		check(err)
		programs[i] = p
	}
	machine := vm.VM{}
	return func(f *facts) (found []int32) {
		e := env{
			string(f.message),
			string(f.service),
			string(f.namespace),
			string(f.pod),
			string(f.path),
			string(f.code),
			f.hasCode,
			f.severity,
			f.status,
			f.duration,
		}
		for i, p := range programs {
			ok, err := machine.Run(p, e)
			check(err)
			if ok.(bool) {
				found = append(found, int32(i))
			}
		}
		return found
	}
}

func celPeer(queries []rule.Query) peer {
	texts := []string{"Message", "Service", "Namespace", "Pod", "Path", "Code"}
	var opts []cel.EnvOption
	for _, t := range texts {
		opts = append(opts, cel.Variable(t, cel.StringType))
	}
	opts = append(opts, cel.Variable("HasCode", cel.BoolType),
		cel.Variable("Severity", cel.IntType), cel.Variable("Status", cel.DoubleType),
		cel.Variable("Duration", cel.DoubleType))
	environment, err := cel.NewEnv(opts...)
	check(err)
	programs := make([]cel.Program, len(queries))
	for i, q := range queries {
		ast, issues := environment.Compile(source(q, dialectCEL))
		check(issues.Err())
		programs[i], err = environment.Program(ast, cel.EvalOptions(cel.OptOptimize))
		check(err)
	}
	return func(f *facts) (found []int32) {
		vars := f.variables()
		for i, p := range programs {
			v, _, err := p.Eval(vars)
			check(err)
			if v.Value().(bool) {
				found = append(found, int32(i))
			}
		}
		return found
	}
}

// variables are the facts of a log as languages with a map of variables take them.
func (f *facts) variables() map[string]any {
	return map[string]any{
		"Message": string(f.message), "Service": string(f.service),
		"Namespace": string(f.namespace), "Pod": string(f.pod), "Path": string(f.path),
		"Code": string(f.code), "HasCode": f.hasCode, "Severity": f.severity, "Status": f.status,
		"Duration": f.duration,
	}
}

// texts is a function of two texts as these languages call it without reflection.
func texts(f func(a, b string) bool) func(args ...any) (any, error) {
	return func(args ...any) (any, error) { return f(args[0].(string), args[1].(string)), nil }
}

func gvalPeer(queries []rule.Query) peer {
	language := gval.Full(
		gval.Function("contains", texts(strings.Contains)),
		gval.Function("startsWith", texts(strings.HasPrefix)),
		gval.Function("endsWith", texts(strings.HasSuffix)),
	)
	var programs []gval.Evaluable
	for _, q := range queries {
		p, err := language.NewEvaluable(source(q, dialectFunctions))
		check(err)
		programs = append(programs, p)
	}
	return func(f *facts) (found []int32) {
		vars := f.variables()
		for i, p := range programs {
			ok, err := p.EvalBool(context.Background(), vars)
			check(err)
			if ok {
				found = append(found, int32(i))
			}
		}
		return found
	}
}

func govaluatePeer(queries []rule.Query) peer {
	functions := map[string]govaluate.ExpressionFunction{
		"contains":   texts(strings.Contains),
		"startsWith": texts(strings.HasPrefix),
		"endsWith":   texts(strings.HasSuffix),
	}
	var programs []*govaluate.EvaluableExpression
	for _, q := range queries {
		p, err := govaluate.NewEvaluableExpressionWithFunctions(source(q, dialectFunctions),
			functions)
		check(err)
		programs = append(programs, p)
	}
	return func(f *facts) (found []int32) {
		vars := govaluate.MapParameters(f.variables())
		for i, p := range programs {
			ok, err := p.Eval(vars)
			check(err)
			if ok.(bool) {
				found = append(found, int32(i))
			}
		}
		return found
	}
}

type dialect struct {
	and, or, not                           string
	contains, prefix, suffix, matches, str func(a, b string) string
}

func infix(op string) func(a, b string) string {
	return func(a, b string) string { return a + " " + op + " " + b }
}
func method(name string) func(a, b string) string {
	return func(a, b string) string { return a + "." + name + "(" + b + ")" }
}
func function(name string) func(a, b string) string {
	return func(a, b string) string { return name + "(" + a + ", " + b + ")" }
}

var (
	dialectFunctions = dialect{
		" && ",
		" || ",
		"!",
		function("contains"),
		function("startsWith"),
		function("endsWith"),
		infix("=~"),
		infix("=="),
	}

	dialectExpr = dialect{
		" and ",
		" or ",
		"not ",
		infix("contains"),
		infix("startsWith"),
		infix("endsWith"),
		infix("matches"),
		infix("=="),
	}
	dialectCEL = dialect{
		" && ",
		" || ",
		"!",
		method("contains"),
		method("startsWith"),
		method("endsWith"),
		method("matches"),
		infix("=="),
	}
)

// source writes a query in another language.
func source(q rule.Query, d dialect) string {
	join := func(qs []rule.Query, op string) string {
		var parts []string
		for _, q := range qs {
			parts = append(parts, source(q, d))
		}
		return "(" + strings.Join(parts, op) + ")"
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
	switch q := q.(type) {
	case *rule.And:
		return join(q.Of, d.and)
	case *rule.Or:
		return join(q.Of, d.or)
	case *rule.Not:
		return d.not + "(" + source(q.Of, d) + ")"
	}
	l := q.(*rule.Leaf)
	name := map[string]string{
		"":                    "Message",
		"service":             "Service",
		"namespace":           "Namespace",
		"kubernetes.pod_name": "Pod",
		"path":                "Path",
		"error_code":          "Code",
		"status":              "Status",
		"duration_ms":         "Duration",
	}[l.Field]
	text := strconv.Quote(strings.ToLower(l.Text))
	switch l.Op {
	case rule.OpContains:
		return d.contains(name, text)
	case rule.OpPrefix:
		return d.prefix(name, text)
	case rule.OpSuffix:
		return d.suffix(name, text)
	case rule.OpEqual:
		return d.str(name, text)
	case rule.OpExists:
		return "HasCode"
	case rule.OpRegexp:
		return d.matches(name, strconv.Quote(l.Regexp.String()))
	case rule.OpLevel:
		return fmt.Sprintf("Severity >= %d", int(math.Ceil(l.Range.Min)))
	case rule.OpRange:
		return name + " > " + number(l.Range.Min)
	}
	panic("not part of the workload")
}

func literalTexts(queries []rule.Query) []string {
	texts := make([]string, len(queries))
	for i, q := range queries {
		texts[i] = q.(*rule.Leaf).Text
	}
	return texts
}

// expression is what the packages of regular expressions have in common.
type expression interface{ Match([]byte) bool }

func compiled[E expression](compile func(string) E) func(string) expression {
	return func(text string) expression { return compile(text) }
}

func regexpPeer(queries []rule.Query, compile func(string) expression) peer {
	var res []expression
	for _, t := range literalTexts(queries) {
		res = append(res, compile("(?i)"+regexp.QuoteMeta(t)))
	}
	return func(f *facts) (found []int32) {
		for i, re := range res {
			if re.Match(f.message) {
				found = append(found, int32(i))
			}
		}
		return found
	}
}

func bexprPeer(queries []rule.Query) peer {
	type env struct{ Message string }
	var evaluators []*bexpr.Evaluator
	for _, t := range literalTexts(queries) {
		e, err := bexpr.CreateEvaluator("Message contains " + strconv.Quote(t))
		check(err)
		evaluators = append(evaluators, e)
	}
	return func(f *facts) (found []int32) {
		facts := env{string(f.message)}
		for i, e := range evaluators {
			ok, err := e.Evaluate(facts)
			check(err)
			if ok {
				found = append(found, int32(i))
			}
		}
		return found
	}
}

// shared lists, for each different text, the rules that have it: libraries report one of equal
// words only.
func shared(queries []rule.Query) (texts []string, rules [][]int32) {
	place := map[string]int{}
	for i, t := range literalTexts(queries) {
		p, ok := place[t]
		if !ok {
			p = len(texts)
			place[t] = p
			texts, rules = append(texts, t), append(rules, nil)
		}
		rules[p] = append(rules[p], int32(i))
	}
	return texts, rules
}

func cloudflarePeer(queries []rule.Query) peer {
	texts, rules := shared(queries)
	m := ahocorasick.NewStringMatcher(texts)
	return func(f *facts) (found []int32) {
		for _, i := range m.Match(f.message) {
			found = append(found, rules[i]...)
		}
		return found
	}
}

func petarPeer(queries []rule.Query) peer {
	texts, rules := shared(queries)
	b := petar.NewAhoCorasickBuilder(
		petar.Opts{
			AsciiCaseInsensitive: true,
			MatchKind:            petar.StandardMatch,
			DFA:                  len(texts) <= 1000,
		},
	)
	m := b.Build(texts)
	return func(f *facts) (found []int32) {
		it := m.IterOverlapping(string(f.message))
		for hit := it.Next(); hit != nil; hit = it.Next() {
			found = append(found, rules[hit.Pattern()]...)
		}
		return found
	}
}

func coregxPeer(queries []rule.Query) peer {
	texts, rules := shared(queries)
	m, err := coregx.NewBuilder().AddStrings(texts).Build()
	check(err)
	return func(f *facts) (found []int32) {
		for _, hit := range m.FindAllOverlapping(f.message) {
			found = append(found, rules[hit.PatternID]...)
		}
		return found
	}
}

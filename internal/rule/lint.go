package rule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/problem"
)

// Finding is something that is allowed and is probably a mistake.
type Finding struct {
	Name string // of the lint, as in lint_ignore
	Rule string // ID of the rule
	Pos  Pos
	Text string
	Hint string
}

// String is "file:line:column: text; hint (name)".
func (f Finding) String() string {
	return problem.New(f.Pos, f.Hint, "%s", f.Text).Error() + " (" + f.Name + ")"
}

// lints are the lints of this package, by name. NoAnchor and CostlyRegexp need a matcher, so
// match.Lint finds them; some need logs.
var lints = map[string]func(*linter, *Rule){
	"no-minimum":       (*linter).noMinimum,
	"short-for":        (*linter).shortFor,
	"absence-keys":     (*linter).absenceKeys,
	"unbounded-group":  (*linter).unboundedGroup,
	"duplicate-rule":   (*linter).duplicateRule,
	"never-active":     (*linter).neverActive,
	"no-learn":         (*linter).noLearn,
	"no-effect":        (*linter).noEffect,
	"foreign-operator": (*linter).foreignOperator,

	"holds-without-logs": (*linter).holdsWithoutLogs,
	"label-conflict":     (*linter).labelConflict,
	"record-name":        (*linter).recordName,
	"label-template":     (*linter).labelTemplate,
	"sample-field":       (*linter).sampleField,
	"slash-value":        (*linter).slashValue,
	"template-type":      (*linter).templateType,
	"unknown-label":      (*linter).unknownLabel,
}

// The lints that a matcher finds.
const (
	NoAnchor     = "no-anchor"     // the query is evaluated for every log
	CostlyRegexp = "costly-regexp" // a regular expression runs without any text that must be there
)

// The lints that need logs, or the settings of their topics.
const (
	UnknownField = "unknown-field" // no log has a field that the rule reads
	NeverMatches = "never-matches" // no log matches the rule, or a step of its sequence
	// no log that matches has a label by which the rule groups
	AbsentGroup   = "absent-group"
	TooManyGroups = "too-many-groups" // the logs have more groups than the rule's limit
	// nearly every log that matches has a group of its own; rules with well-known fields of this
	// kind are found without logs
	UnboundedGroup      = "unbounded-group"
	WindowOverRetention = "window-over-retention"
)

// SigmaRefused is the lint of Sigma rules that cannot be read. The other rules are used without
// them.
const SigmaRefused = "sigma-refused"

// NoVersion is the lint of files without a version. They are read as version 1, so it is no reason
// for a check to fail.
const NoVersion = "no-version"

// Lints are the names of all lints, sorted.
func Lints() []string {
	return slices.Sorted(maps.Keys(names))
}

var names = func() map[string]bool {
	names := map[string]bool{
		NoAnchor:            true,
		CostlyRegexp:        true,
		UnknownField:        true,
		NeverMatches:        true,
		AbsentGroup:         true,
		TooManyGroups:       true,
		WindowOverRetention: true,
		SigmaRefused:        true,
		NoVersion:           true,
	}
	for name := range lints {
		names[name] = true
	}
	return names
}()

// Lint finds what is allowed and is probably a mistake, except what a rule ignores.
func Lint(set *Set) []Finding {
	l := &linter{set: set, seen: map[string]*Rule{}}
	for _, r := range set.Rules {
		for _, name := range slices.Sorted(maps.Keys(lints)) {
			l.name = name
			lints[name](l, r)
		}
	}
	return set.NotIgnored(l.found)
}

// Unversioned are the findings of files without a version.
func (s *Set) Unversioned() []Finding { return slices.Clone(s.unversioned) }

// NotIgnored is the findings that their rules do not ignore, in the order of the files.
func (s *Set) NotIgnored(found []Finding) []Finding {
	type ignored struct{ rule, name string }
	ignores := map[ignored]bool{}
	for _, r := range s.Rules {
		for _, name := range r.LintIgnore {
			ignores[ignored{r.ID(), name}] = true
		}
	}
	found = slices.DeleteFunc(found, func(f Finding) bool {
		return ignores[ignored{f.Rule, f.Name}]
	})
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
		)
	})
	return found
}

// Place is the place of the value of a rule's key, and of the rule if it has no such key.
func (s *Set) Place(r *Rule, key string) Pos {
	if pos, ok := s.places[r][key]; ok {
		return pos
	}
	return r.Pos
}

type linter struct {
	set   *Set
	name  string           // of the lint that runs
	seen  map[string]*Rule // by what they do
	found []Finding
}

// report adds a finding at a key of a rule.
func (l *linter) report(r *Rule, key, hint, format string, args ...any) {
	l.reportAt(r, l.set.Place(r, key), hint, format, args...)
}

func (l *linter) reportAt(r *Rule, pos Pos, hint, format string, args ...any) {
	l.found = append(l.found, Finding{l.name, r.ID(), pos, fmt.Sprintf(format, args...), hint})
}

// calls are all calls of a condition, those within baselines too.
func calls(c Condition) (list []*Call) {
	switch c := c.(type) {
	case *Binary:
		return append(calls(c.Left), calls(c.Right)...)
	case *Unary:
		return calls(c.Of)
	case *Call:
		return append([]*Call{c}, calls(c.Of)...)
	}
	return nil
}

func has(c Condition, funcs ...string) bool {
	return slices.ContainsFunc(
		calls(c),
		func(call *Call) bool { return slices.Contains(funcs, call.Func) },
	)
}

// comparisons are the comparisons that a condition joins.
func comparisons(c Condition) (list []*Binary) {
	switch c := c.(type) {
	case *Binary:
		if c.Op == "and" || c.Op == "or" {
			return append(comparisons(c.Left), comparisons(c.Right)...)
		}
		return []*Binary{c}
	case *Unary:
		return comparisons(c.Of)
	}
	return nil
}

// noMinimum: one error among two logs is half of them, and the 99th percentile of three values is
// the highest.
func (l *linter) noMinimum(r *Rule) {
	if r.Record {
		return
	}
	what := ""
	for _, b := range comparisons(r.When) {
		for _, side := range []Condition{b.Left, b.Right} {
			if call, ok := side.(*Call); ok &&
				(b.Op == ">=" || b.Op == ">" || b.Op == "<" || b.Op == "<=") &&
				isNumber(b) &&
				call.Func == "count" {
				return // so many logs it takes
			}
			if what == "" && divides(side) {
				what = "a ratio"
			} else if what == "" && (has(side, "percentile") || has(side, "quantile")) {
				what = "a percentile"
			}
		}
	}
	if what != "" {
		l.report(r, "when", "add a minimum, as in: and count() >= 100",
			"%s of very few logs means little", what)
	}
}

func isNumber(b *Binary) bool {
	_, left := b.Left.(*Number)
	_, right := b.Right.(*Number)
	return left || right
}

func divides(c Condition) bool {
	b, ok := c.(*Binary)
	if !ok {
		return false
	}
	_, constant := b.Right.(*Number)
	return b.Op == "/" && !constant || divides(b.Left) || divides(b.Right)
}

// shortFor: what is decided at the watermark is known no earlier than the lateness, so a shorter
// for neither delays nor filters much.
func (l *linter) shortFor(r *Rule) {
	if r.For > 0 && r.For < r.Lateness && !r.LatenessAuto {
		l.report(
			r,
			"for",
			"make it longer than the lateness, or leave it out, so that the alert fires with the "+
				"log that completes it",
			"for of %s is shorter than the lateness of %s, by which the alert is delayed anyway",
			duration.Format(r.For),
			duration.Format(r.Lateness),
		)
	}
}

// Absence reports whether a rule can hold without a single log: if one of its comparisons asks for
// little of a count.
func (r *Rule) Absence() bool {
	return slices.ContainsFunc(comparisons(r.When), func(b *Binary) bool {
		call, ok := b.Left.(*Call)
		limit, constant := b.Right.(*Number)
		return ok && constant &&
			(call.Func == "count" || call.Func == "rate" || call.Func == "distinct") &&
			(b.Op == "<" && limit.Value > 0 || b.Op == "<=" || b.Op == "==" && limit.Value == 0)
	})
}

// absenceKeys: a group that no log has named is not known to be missing.
func (l *linter) absenceKeys(r *Rule) {
	if r.Absence() && len(r.By) > 0 && r.Expect == "" && r.Remember == 0 {
		l.report(
			r,
			"when",
			"add expect: {from: '@list'}, or remember: 7d, or leave by out",
			"absence is noticed only for groups that are known, and none is expected or remembered",
		)
	}
}

// unbounded are fields that have a new value in nearly every log.
var unbounded = []string{
	"message",
	"raw",
	"stack",
	"timestamp",
	"trace_id",
	"span_id",
	"kubernetes.container_id",
	"request_id",
	"requestId",
	"correlation_id",
	"correlationId",
	"session_id",
	"sessionId",
	"uuid",
	"id",
	"event_id",
	"transaction_id",
	"offset",
	"duration",
	"duration_ms",
}

// unboundedGroup: with a group for each log, no count exceeds one.
func (l *linter) unboundedGroup(r *Rule) {
	for _, label := range r.By {
		for _, f := range label.Fields {
			if slices.Contains(unbounded, f) {
				l.report(
					r,
					"by",
					"group by something that a person could list, such as a service or a host; "+
						"distinct("+f+") counts values",
					"nearly every log has its own %s, so each would be a group of its own",
					f,
				)
			}
		}
	}
}

// duplicateRule: two rules with the same condition notify twice.
func (l *linter) duplicateRule(r *Rule) {
	if r.Match == nil && r.When == nil && r.Sequence == nil {
		return // the rule is not written yet
	}
	key := fmt.Sprint(r.Record, r.Source, r.Sources, spell(r.Match), "|", r.WhenText, "|", r.Window,
		r.Every, labelKey(r.By), r.For, r.Active, r.Expect, r.Remember, r.Within)
	steps := []byte(key)
	for _, s := range r.Sequence {
		steps = fmt.Append(steps, "|", spell(s.Match), s.Times, s.Not, s.Within)
	}
	key = string(steps)
	if first := l.seen[key]; first != nil {
		l.report(r, "", "remove one, or make them differ",
			"rule %s has the same condition at %s:%d", first.ID(), first.Pos.File, first.Pos.Line)
	}
	l.seen[key] = r
}

// labelKey writes labels in one way.
func labelKey(by []Label) string {
	var key []byte
	for _, l := range by {
		key = fmt.Append(key, "|", l.Name, l.Fields)
		for _, of := range l.Of {
			key = fmt.Append(key, "|", of.Selection, spell(of.Query), of.Fields)
		}
	}
	return string(key)
}

// spell writes a query in one way, however it was written in the file.
func spell(q Query) string { return string(appendSpelled(nil, q)) }

func appendSpelled(dst []byte, q Query) []byte {
	join := func(word string, of ...Query) []byte {
		dst = append(dst, word...)
		for _, member := range of {
			dst = appendSpelled(dst, member)
		}
		return append(dst, ')')
	}
	switch q := q.(type) {
	case *And:
		return join("and(", q.Of...)
	case *Or:
		return join("or(", q.Of...)
	case *Not:
		return join("not(", q.Of)
	case *Leaf:
		expr := ""
		if q.Regexp != nil {
			expr = q.Regexp.String()
		}
		dst = strconv.AppendInt(append(dst, '('), int64(q.Op), 10)
		for _, text := range []string{q.Field, q.Text, q.Other, expr} {
			dst = strconv.AppendInt(append(dst, ' '), int64(len(text)), 10)
			dst = append(append(dst, ' '), text...)
		}
		for _, is := range []bool{q.Cased, q.Range.OpenMin, q.Range.OpenMax} {
			dst = strconv.AppendBool(append(dst, ' '), is)
		}
		for _, bound := range []float64{q.Range.Min, q.Range.Max} {
			dst = strconv.AppendFloat(append(dst, ' '), bound, 'g', -1, 64)
		}
		return append(dst, ')')
	}
	return dst
}

// neverActive: time intervals that contain no instant, or that the rule excludes itself.
func (l *linter) neverActive(r *Rule) {
	excluded := func(a Activity) bool {
		return slices.Contains(r.Active, Activity{a.Interval, true})
	}
	open := slices.ContainsFunc(r.Active, func(a Activity) bool { return !a.Not && !excluded(a) })
	for _, a := range r.Active {
		if !a.Not && !open && excluded(a) {
			l.report(r, "active", "leave one of them out",
				"the rule is to be active in %q and outside it, which is never", a.Interval)
		}
		i, ok := l.set.Intervals[a.Interval].(interval)
		if ok && !a.Not && !i.opens() {
			l.report(r, "active", "check its days, months and years",
				"the time interval %q never comes", a.Interval)
		}
	}
}

// opens reports whether there is an instant within the interval from 2020 to 2050: for one of its
// members, a day that fits, and an hour.
func (i interval) opens() bool {
	return slices.ContainsFunc(i, func(one timeinterval.TimeInterval) bool {
		hours := timeinterval.TimeInterval{Times: one.Times, Location: one.Location}
		days := one
		days.Times = nil
		start := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
		for day := range 31 * 366 {
			if contains(days, start.AddDate(0, 0, day)) {
				for minute := range 24 * 60 {
					if hours.ContainsTime(start.Add(time.Duration(minute) * time.Minute)) {
						return true
					}
				}
				return false
			}
		}
		return false
	})
}

// noLearn: in the first hour every value is new.
func (l *linter) noLearn(r *Rule) {
	if has(r.When, "new") && r.Learn == 0 {
		l.report(r, "when", "add learn: 24h",
			"until it has learned what is usual, new() fires for every value")
	}
}

// reservedMetrics begin the names of metrics that are not those of records.
var reservedMetrics = []string{"alert_engine_", "go_", "process_", "promhttp_", "__"}

// recordName: on /metrics, a record of a reserved name, or labels that would become one, have
// another name than the rule says.
func (l *linter) recordName(r *Rule) {
	if !r.Record {
		return
	}
	for _, prefix := range reservedMetrics {
		if strings.HasPrefix(r.Name, prefix) {
			l.report(r, "record", "choose a name that says what is counted",
				"names that begin with %s are those of the program; the metric is called record_%s",
				prefix, r.Name)
		}
	}
	inMetrics := strings.NewReplacer(".", "_", "-", "_", ":", "_")
	seen := map[string]string{"rule": "the name of the rule"}
	for _, by := range r.By {
		name := inMetrics.Replace(by.Name)
		if other, twice := seen[name]; twice {
			l.report(r, "by", "give one of them another name: by: ['name="+by.Name+"']",
				"label %s has the same name in metrics as %s", by.Name, other)
		}
		seen[name] = by.Name
	}
}

// noEffect: settings that this kind of rule ignores.
func (l *linter) noEffect(r *Rule) {
	given := func(key string) bool { return l.set.places[r][key] != Pos{} }
	f := func(idle bool, key, hint, why string) {
		if idle && given(key) {
			l.report(r, key, hint, "%s has no effect: %s", key, why)
		}
	}
	f(!has(r.When, "new"), "learn", "", "only new() learns")
	f(!has(r.When, "new", "changed") && !r.Absence(), "remember", "",
		"only new(), changed() and absence remember")
	f(!r.Absence(), "expect", "", "only absence is noticed for groups that are expected")
	f(len(r.Sequence) > 0 && r.Resolve.After > 0, "window", "",
		"a sequence counts for as long as resolve says")
	f(len(r.Sequence) > 0, "every", "", "a sequence has no window")
	f(r.Resolve.Manual, "keep_firing_for", "", "it resolves by hand alone")
}

// foreignOperator: operators of other languages are words of the message here.
func (l *linter) foreignOperator(r *Rule) {
	l.leaves(r, func(leaf *Leaf) {
		if l.set.keywords[leaf] && looksLikeQuery(leaf.Text) {
			l.reportAt(r, leaf.Pos, "a list holds texts and mappings; write the query as match: "+
				"'...', or the field as a mapping", "this searches for the text %q", leaf.Text)
			return
		}
		if leaf.Op != OpContains || leaf.Field != "" || strings.ContainsAny(leaf.Text, " \t") {
			return
		}
		switch name, value, given := strings.Cut(leaf.Text, "="); {
		case leaf.Text == "&&" || leaf.Text == "||" || leaf.Text == "!" || leaf.Text == "==" ||
			leaf.Text == "!=":
			l.reportAt(r, leaf.Pos, "operators are and, or, not, field:value, field>5; or quote it",
				"this searches for the text %q", leaf.Text)
		case given && name != "" && value != "" && !strings.HasSuffix(name, "?") &&
			!strings.ContainsAny(name, "/&"):
			l.reportAt(
				r,
				leaf.Pos,
				fmt.Sprintf(
					"write %s:%s to compare the field, or quote it",
					strings.TrimRight(name, "!~"),
					strings.TrimLeft(value, "=~"),
				),
				"this searches for the text %q",
				leaf.Text,
			)
		}
	})
}

// looksLikeQuery reports whether a text would compare fields and nothing else, were it a query.
func looksLikeQuery(text string) bool {
	q, err := ParseQuery(text)
	if err != nil {
		return false
	}
	compares := true
	eachLeaf(q, func(l *Leaf) { compares = compares && l.Field != "" })
	return compares
}

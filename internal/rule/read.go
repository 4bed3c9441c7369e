package rule

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

const maxFile = 4 << 20

const quoteHint = "wrap the whole query in single quotes"

// Load reads rule files. A name may be a pattern, or a directory, whose *.rules.yml files are read. The error is Errors with all mistakes of all files.
func Load(names ...string) (*Set, error) {
	r := newReader()
	for _, name := range names {
		pattern := name
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			pattern = filepath.Join(name, "*.rules.yml")
		}
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			r.errs = append(r.errs, &Error{Pos: Pos{File: name}, Problem: "no rule file is found here"})
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				r.errs = append(r.errs, &Error{Pos: Pos{File: file}, Problem: err.Error()})
				continue
			}
			r.read(file, data)
		}
	}
	return r.finish()
}

// Read reads one rule file. The error is Errors with all of its mistakes.
func Read(name string, data []byte) (*Set, error) {
	r := newReader()
	r.read(name, data)
	return r.finish()
}

type reader struct {
	file string
	set  *Set
	errs Errors
	seen map[string]Pos // rule identities
	refs []reference
}

func newReader() *reader {
	return &reader{set: &Set{Lists: map[string]*List{}, Intervals: map[string]Interval{}}, seen: map[string]Pos{}}
}

func (r *reader) finish() (*Set, error) {
	r.resolveNames()
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	return r.set, nil
}

func (r *reader) pos(n *yaml.Node) Pos { return Pos{r.file, n.Line, n.Column} }

func (r *reader) fail(n *yaml.Node, hint, format string, args ...any) {
	r.errs = append(r.errs, &Error{Pos: r.pos(n), Problem: fmt.Sprintf(format, args...), Hint: hint})
}

// unsupported names the parts of the language that are specified and not read yet, so that they are refused and never ignored.
var unsupported = []string{"lint", "tests"}

var yamlLine = regexp.MustCompile(`line (\d+): `)

func (r *reader) read(file string, data []byte) {
	r.file = file
	if len(data) > maxFile {
		r.errs = append(r.errs, &Error{Pos: Pos{File: file}, Problem: "file is larger than 4 MiB", Hint: "split it"})
		return
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		pos, problem := Pos{File: file}, strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(problem); m != nil {
			pos.Line, _ = strconv.Atoi(m[1])
			pos.Column, problem = 1, strings.Replace(problem, m[0], "", 1)
		}
		r.errs = append(r.errs, &Error{pos, problem, "if a query stands here, " + quoteHint})
		return
	}
	if len(doc.Content) == 0 {
		r.errs = append(r.errs, &Error{Pos: Pos{File: file}, Problem: "file is empty"})
		return
	}
	top := r.mapping(doc.Content[0], "version", "time_intervals", "lists", "suppressions", "groups")
	if v := top["version"]; v != nil && v.Value != "1" {
		r.fail(v, "write version: 1", "unknown version %q", v.Value)
	}
	r.intervals(top["time_intervals"])
	r.lists(top["lists"])
	r.suppressions(top["suppressions"])
	for _, g := range r.sequence(top["groups"]) {
		r.group(g)
	}
}

// mapping returns the values of a mapping, and reports what else stands in it.
func (r *reader) mapping(n *yaml.Node, known ...string) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "", "keys and values are expected here")
		return values
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case values[key.Value] != nil:
			r.fail(key, "", "%q is given twice", key.Value)
		case len(known) > 0 && slices.Contains(unsupported, key.Value):
			r.fail(key, "", "%q is not supported yet", key.Value)
		case len(known) > 0 && !slices.Contains(known, key.Value):
			r.fail(key, suggest(key.Value, known, "known are "+strings.Join(known, ", ")), "unknown key %q", key.Value)
		case value.Kind == yaml.AliasNode:
			r.fail(value, "if a query stands here, "+quoteHint, "YAML aliases are not allowed")
		case value.Tag != "" && !strings.HasPrefix(value.Tag, "!!"):
			r.fail(value, "if a query stands here, "+quoteHint, "YAML takes %q for a tag", value.Tag)
		default:
			values[key.Value] = value
		}
	}
	return values
}

func (r *reader) sequence(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "", "a list is expected here")
		return nil
	}
	return n.Content
}

func (r *reader) text(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		r.fail(n, "", "a text is expected here")
	}
	return n.Value
}

func (r *reader) texts(n *yaml.Node) []string {
	var list []string
	for _, m := range r.sequence(n) {
		list = append(list, r.text(m))
	}
	return list
}

func (r *reader) pairs(n *yaml.Node) map[string]string {
	pairs := map[string]string{}
	if n != nil {
		for key, value := range r.mapping(n) {
			pairs[key] = r.text(value)
		}
	}
	return pairs
}

func (r *reader) duration(n *yaml.Node, otherwise time.Duration) time.Duration {
	if n == nil {
		return otherwise
	}
	d, err := parseDuration(r.text(n))
	if err != nil {
		r.fail(n, "durations are like 90s, 5m, 1h30m, 7d or 2w", "%s", err)
	}
	return d
}

func (r *reader) number(n *yaml.Node, otherwise int) int {
	if n == nil {
		return otherwise
	}
	v, err := strconv.Atoi(r.text(n))
	if err != nil || v < 0 {
		r.fail(n, "", "%q is not a whole number", n.Value)
	}
	return v
}

// group reads a group; its rules inherit its source, lateness and labels.
func (r *reader) group(n *yaml.Node) {
	g := r.mapping(n, "name", "source", "lateness", "labels", "rules")
	base := Rule{Group: r.text(g["name"]), Source: r.text(g["source"]), Lateness: r.duration(g["lateness"], 10*time.Second), Labels: r.pairs(g["labels"])}
	if base.Group == "" {
		r.fail(n, "", "group has no name")
	}
	for _, m := range r.sequence(g["rules"]) {
		r.rule(m, base)
	}
}

func (r *reader) rule(n *yaml.Node, rule Rule) {
	before := len(r.errs)
	m := r.mapping(n, "alert", "uid", "match", "when", "window", "every", "by", "for", "keep_firing_for", "resolve", "learn", "remember", "mode", "samples",
		"top", "limit", "labels", "annotations", "active", "sequence", "within", "record", "levels",
		"expect", "suppressed_by")
	rule.Pos = r.pos(n)
	rule.Name, rule.UID = r.text(m["alert"]), r.text(m["uid"])
	if m["record"] != nil {
		if rule.Name != "" {
			r.fail(m["record"], "make two rules of it", "a rule is either alert or record")
		}
		rule.Name, rule.Record = r.text(m["record"]), true
	}
	if rule.Name == "" && len(r.errs) == before {
		r.fail(n, "write alert: Name", "rule has no name")
	}
	if m["match"] != nil {
		rule.Match, rule.MatchText = r.query(m["match"])
	}
	if m["when"] != nil {
		rule.When, rule.WhenText = r.condition(m["when"])
	}
	rule.Window = r.duration(m["window"], 5*time.Minute)
	if m["window"] != nil && rule.Window == 0 && len(r.errs) == before {
		r.fail(m["window"], "", "window is empty")
	}
	rule.Every, rule.For = r.duration(m["every"], 0), r.duration(m["for"], 0)
	if rule.Every > rule.Window {
		r.fail(m["every"], "", "every is longer than the window, so logs between two windows would be missed")
	}
	rule.KeepFiringFor, rule.Learn, rule.Remember = r.duration(m["keep_firing_for"], 0), r.duration(m["learn"], 0), r.duration(m["remember"], 0)
	rule.By = r.labels(m["by"])
	rule.Resolve = r.resolve(m["resolve"])
	rule.Active, rule.Sequence, rule.Within = r.active(m["active"]), r.steps(m["sequence"]), r.duration(m["within"], 0)
	if len(rule.Sequence) > 0 && rule.Within == 0 {
		r.fail(m["sequence"], "add within: 5m beside it", "sequence has no within")
	}
	rule.Levels, rule.SuppressedBy = r.levels(m["levels"]), r.texts(m["suppressed_by"])
	for i, name := range rule.SuppressedBy {
		r.refs = append(r.refs, reference{r.pos(m["suppressed_by"].Content[i]), "suppression", name})
	}
	if e := m["expect"]; e != nil {
		if from := r.mapping(e, "from")["from"]; from != nil {
			rule.Expect = strings.TrimPrefix(r.text(from), "@")
			r.refs = append(r.refs, reference{r.pos(from), "list", rule.Expect})
		} else {
			r.fail(e, "write expect: {from: '@list'}", "expect names no list")
		}
	}
	rule.Mode = Live
	if mode := m["mode"]; mode != nil {
		if rule.Mode = Mode(r.text(mode)); !slices.Contains([]Mode{Live, Shadow, Off}, rule.Mode) {
			r.fail(mode, "modes are live, shadow and off", "unknown mode %q", mode.Value)
		}
	}
	rule.Samples = Samples{First: 1, Last: 1}
	if s := m["samples"]; s != nil {
		v := r.mapping(s, "first", "last", "fields")
		rule.Samples = Samples{r.number(v["first"], 1), r.number(v["last"], 1), canonical(r.texts(v["fields"]))}
	}
	rule.Top, rule.Limit = canonical(r.texts(m["top"])), r.number(m["limit"], 10_000)
	rule.Labels = maps.Clone(rule.Labels)
	maps.Copy(rule.Labels, r.pairs(m["labels"]))
	rule.Annotations = r.pairs(m["annotations"])
	r.templates(m["labels"])
	r.templates(m["annotations"])
	if first, twice := r.seen[rule.ID()]; twice {
		r.fail(n, "rename one", "rule %s is also at %s:%d", rule.ID(), first.File, first.Line)
	}
	r.seen[rule.ID()] = rule.Pos
	if len(r.errs) == before {
		r.set.Rules = append(r.set.Rules, &rule)
	}
}

func canonical(fields []string) []string {
	for i, f := range fields {
		fields[i] = decode.Canonical(f)
	}
	return fields
}

// labels reads by: label, field, or label=field|field.
func (r *reader) labels(n *yaml.Node) []Label {
	var by []Label
	for _, m := range r.sequence(n) {
		name, fields, given := strings.Cut(r.text(m), "=")
		if !given {
			fields = name
		}
		l := Label{strings.TrimSpace(name), canonical(strings.Split(strings.ReplaceAll(fields, " ", ""), "|"))}
		if l.Name == "" || slices.Contains(l.Fields, "") {
			r.fail(m, "write field, or 'label=field|field'", "%q is not a label", m.Value)
		}
		by = append(by, l)
	}
	return by
}

// resolve reads a duration, "manual", a query, or a mapping of when or match and or_after.
func (r *reader) resolve(n *yaml.Node) (res Resolve) {
	if n == nil {
		return res
	}
	if n.Kind == yaml.ScalarNode {
		d, err := parseDuration(n.Value)
		switch {
		case n.Value == "manual":
			res.Manual = true
		case err == nil:
			res.After = d
		default:
			res.Match, _ = r.query(n)
		}
		return res
	}
	m := r.mapping(n, "when", "match", "or_after")
	if m["when"] != nil {
		res.When, _ = r.condition(m["when"])
	}
	if m["match"] != nil {
		res.Match, _ = r.query(m["match"])
	}
	res.After = r.duration(m["or_after"], 0)
	return res
}

// templates reports what text/template cannot parse.
func (r *reader) templates(n *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 1; i < len(n.Content); i += 2 {
		if _, err := template.New("").Funcs(stubs).Parse(n.Content[i].Value); err != nil {
			r.fail(n.Content[i], "", "%s", strings.TrimPrefix(err.Error(), "template: :"))
		}
	}
}

// stubs are the names of the functions that templates may call; whoever executes them brings the functions.
var stubs = func() template.FuncMap {
	m := template.FuncMap{}
	for _, name := range []string{"humanize", "humanize1024", "humanizeDuration", "humanizePercentage", "toUpper", "toLower", "title", "join"} {
		m[name] = func(...any) string { return "" }
	}
	return m
}()

func (r *reader) query(n *yaml.Node) (Query, string) {
	if n.Kind == yaml.MappingNode {
		return r.sigma(n), ""
	}
	if !r.whole(n) {
		return nil, ""
	}
	q, err := ParseQuery(n.Value)
	if err != nil {
		r.syntax(n, err)
		return nil, ""
	}
	eachLeaf(q, func(l *Leaf) {
		l.Pos = r.inside(n, l.Pos.Column-1)
		if l.Op == OpList {
			r.refs = append(r.refs, reference{l.Pos, "list", l.Text})
		}
	})
	return q, n.Value
}

func (r *reader) condition(n *yaml.Node) (Condition, string) {
	if !r.whole(n) {
		return nil, ""
	}
	c, err := ParseCondition(n.Value)
	if err != nil {
		r.syntax(n, err)
	}
	r.refer(n, c)
	return c, n.Value
}

// whole reports a scalar of which YAML has silently taken a part away.
func (r *reader) whole(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, quoteHint, "a text is expected here")
		return false
	}
	if n.Style == 0 && n.LineComment != "" {
		r.fail(n, quoteHint+", or put the comment on its own line", "YAML takes %q for a comment", n.LineComment)
		return false
	}
	return true
}

func (r *reader) syntax(n *yaml.Node, err error) {
	e, ok := err.(*syntaxError)
	if !ok {
		r.fail(n, "", "%s", err)
		return
	}
	r.errs = append(r.errs, &Error{r.inside(n, e.at), e.problem, e.hint})
}

// inside is the place of a byte of a scalar. In a block, or one with escapes, it is the place of the scalar or close to it.
func (r *reader) inside(n *yaml.Node, at int) Pos {
	pos := r.pos(n)
	switch {
	case n.Style&(yaml.SingleQuotedStyle) != 0:
		pos.Column += 1 + at + strings.Count(n.Value[:at], "'")
	case n.Style&yaml.DoubleQuotedStyle != 0:
		pos.Column += 1 + at + strings.Count(n.Value[:at], `"`) + strings.Count(n.Value[:at], `\`)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0:
		pos.Column += at
	}
	return pos
}

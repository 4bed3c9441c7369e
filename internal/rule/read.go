package rule

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/strictyaml"
)

const maxFile = 4 << 20

// Load reads rule files. A name may be a pattern, or a directory, whose *.rules.yml files are read.
// The error is a problem.List with all mistakes of all files.
func Load(names ...string) (*Set, error) { return LoadWith(nil, names...) }

// LoadWith is Load of files together with texts that are in none, such as the standard input.
func LoadWith(texts []File, names ...string) (*Set, error) {
	return LoadDocuments(slices.Values([]Document(nil)), texts, names...)
}

func (r *reader) load(texts []File, names []string) {
	for _, f := range texts {
		r.onDisk, r.members = f.OnDisk, f.Members
		r.read(f.Name, f.Data)
	}
	r.onDisk, r.members = true, nil
	for _, name := range names {
		files, err := ruleFiles(name)
		switch {
		case errors.Is(err, filepath.ErrBadPattern), err == nil && len(files) == 0:
			r.Add(Pos{File: name}, "", "no rule file is found here")
		case err != nil:
			r.Add(Pos{File: name}, "", "the directory cannot be read: %s", problem.Reason(err))
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				r.Add(Pos{File: file}, "", "rule file is missing or cannot be read: %s",
					problem.Reason(err))
				continue
			}
			r.read(file, data)
		}
	}
}

// ruleFiles are the files that a name stands for: those of a directory, those that fit a pattern,
// or the one that it names, be it there or not.
func ruleFiles(name string) ([]string, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		if _, err := os.ReadDir(name); err != nil {
			return nil, err
		}
		return filepath.Glob(filepath.Join(name, "*.rules.yml"))
	}
	if !strings.ContainsAny(name, `*?[`) {
		return []string{name}, nil
	}
	return filepath.Glob(name)
}

// File is the name and the text of a rule file.
type File struct {
	Name string
	Data []byte
	// it is the text of the file of this name, as in an editor, and may name files of lists
	OnDisk bool
	// the members of the lists that name files, for a text whose files are elsewhere
	Members map[string][]string
}

// Files reads the texts of rule files. Names are those of Load.
func Files(names ...string) ([]File, error) {
	var files []File
	for _, name := range names {
		list, err := ruleFiles(name)
		if err != nil {
			return nil, err
		}
		for _, file := range list {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			files = append(files, File{Name: file, Data: data})
		}
	}
	return files, nil
}

// ReadAll reads texts of rule files as one set; they may not name files. The error is a
// problem.List with all of their mistakes.
func ReadAll(files ...File) (*Set, error) {
	r := newReader()
	for _, f := range files {
		r.members = f.Members
		r.read(f.Name, f.Data)
	}
	return r.finish()
}

// Read reads the text of one rule file, which may not name files. The error is a problem.List with
// all of its mistakes.
func Read(name string, data []byte) (*Set, error) {
	r := newReader()
	r.read(name, data)
	return r.finish()
}

// quoteHint is about a query that YAML took apart.
const quoteHint = "wrap the whole query in single quotes"

// reader reads files into one set; of the strictyaml.Reader, File is the one at hand.
type reader struct {
	strictyaml.Reader
	files  []string // all, in the order of reading
	onDisk bool     // the files are on disk, and may name files of lists
	// the members of lists that name files, when those files are elsewhere
	members map[string][]string
	set     *Set
	seen    map[string]Pos // rule identities
	named   []string       // the identities of the document at hand

	current   int           // the number of the document at hand, from 1; 0 for a rule file
	documents map[*Rule]int // of the rules that came in one
	refs      []reference

	regexps    regexpBudget     // of the file at hand
	rewritten  rewriteBudget    // of the same
	selections map[string]Query // of the rule's match, when it is a detection
}

// Document is a rule file that another package has read or made.
type Document struct {
	File string
	Root *strictyaml.Node
}

// LoadDocuments is LoadWith with further documents, of which it keeps no text. A document with
// mistakes is left out, and its mistakes are in the set's Refused: one bad rule of a large
// collection must not keep out the others.
func LoadDocuments(documents iter.Seq[Document], texts []File, names ...string) (*Set, error) {
	return LoadEach(documents, func(*Set, *Rule) {}, texts, names...)
}

// LoadEach is LoadDocuments that hands over each rule of a document when it has been read, before
// the next document is asked for. The set holds what was read so far; see Set.Release.
func LoadEach(
	documents iter.Seq[Document], each func(*Set, *Rule), texts []File, names ...string,
) (*Set, error) {
	r := newReader()
	r.load(texts, names)
	for d := range documents {
		r.current++
		rules := len(r.set.Rules)
		if list := r.tolerant(d); len(list) > 0 {
			r.set.Refused[r.current-1] = list
		}
		for _, one := range r.set.Rules[rules:] {
			each(r.set, one)
		}
	}
	return r.finish()
}

// Release lets go of what a rule says, and keeps what it is. A command that checks thousands of
// rules has no need of all of them at once.
func (s *Set) Release(r *Rule) {
	*r = Rule{
		Name: r.Name, Group: r.Group, UID: r.UID, Record: r.Record, LintIgnore: r.LintIgnore,
		Origin: r.Origin, Pos: r.Pos,
	}
	delete(s.places, r)
}

// tolerant reads a document, and takes it back if it has mistakes, which it returns.
func (r *reader) tolerant(d Document) (mistakes problem.List) {
	problems, rules, refs := len(r.Problems), len(r.set.Rules), len(r.refs)
	r.named = r.named[:0]
	r.File, r.files = d.File, append(r.files, d.File)
	r.regexps, r.rewritten = regexpBudget{}, rewriteBudget{}
	r.document(d.Root)
	for i := range r.refs[refs:] {
		r.refs[refs+i].document = r.current
	}
	for _, one := range r.set.Rules[rules:] {
		r.documents[one] = r.current
	}
	if len(r.Problems) > problems {
		mistakes = slices.Clone(r.Problems[problems:])
		r.Problems, r.refs = r.Problems[:problems], r.refs[:refs]
		for _, id := range r.named {
			delete(r.seen, id)
		}
		r.set.Rules = r.set.Rules[:rules]
	}
	return mistakes
}

// queryKeys are the keys whose values are queries or conditions.
var queryKeys = []string{"match", "when", "start", "end", "not", "resolve"}

func newReader() *reader {
	return &reader{
		Reader: strictyaml.Reader{QueryKeys: queryKeys},
		set: &Set{
			Lists:     map[string]*List{},
			Refused:   map[int]problem.List{},
			Intervals: map[string]Interval{},
			places:    map[*Rule]map[string]Pos{},
			keywords:  map[*Leaf]bool{},
		},
		seen:      map[string]Pos{},
		documents: map[*Rule]int{},
	}
}

func (r *reader) finish() (*Set, error) {
	r.resolveNames()
	if len(r.Problems) > 0 {
		r.Problems.Sort(r.files...)
		return nil, r.Problems
	}
	return r.set, nil
}

// inherited are the settings that groups inherit from their file, and rules from their group.
var inherited = []string{"source", "lateness", "window", "samples", "labels", "lint_ignore"}

var (
	fileKeys = append(
		[]string{"version", "time_intervals", "lists", "suppressions", "groups", "tests"},
		inherited...)
	groupKeys = append([]string{"name", "rules"}, inherited...)
)

// Keys are the keys of a rule file, of its groups, and of their rules.
func Keys() (file, group, rule []string) {
	return slices.Clone(fileKeys), slices.Clone(groupKeys), slices.Clone(ruleKeys)
}

func (r *reader) read(file string, data []byte) {
	r.File, r.files = file, append(r.files, file)
	r.regexps, r.rewritten = regexpBudget{}, rewriteBudget{}
	if len(data) > maxFile {
		r.Add(Pos{File: file}, "split it", "file is larger than 4 MiB")
		return
	}
	before := len(r.Problems)
	root := r.Parse(data)
	if root == nil {
		if len(r.Problems) == before {
			r.Add(Pos{File: file}, emptyHint, "file is empty")
		}
		return
	}
	if !r.foreign(root) {
		r.document(root)
	}
}

// document reads the root of a rule file.
func (r *reader) document(root *yaml.Node) {
	top := r.Mapping(root, fileKeys...)
	switch v := top["version"]; {
	case v == nil:
		r.set.unversioned = append(r.set.unversioned, Finding{
			Name: NoVersion,
			Pos:  Pos{File: r.File, Line: 1, Column: 1},
			Text: "the file has no version, and is read as version 1",
			Hint: "begin it with the line version: 1",
		})
	case v.Value != "1":
		r.Fail(v, "write version: 1", "unknown version %q", v.Value)
	}
	r.intervals(top["time_intervals"])
	r.lists(top["lists"])
	r.suppressions(top["suppressions"])
	r.Sequence(top["tests"]) // package ruletest reads them
	base := r.inherit(
		top,
		Rule{
			Window:   5 * time.Minute,
			Lateness: FirstLateness,
			Samples:  Samples{First: 1, Last: 1},
		},
	)
	for _, g := range r.Sequence(top["groups"]) {
		r.group(g, base)
	}
}

func (r *reader) duration(n *yaml.Node, otherwise time.Duration) time.Duration {
	if n == nil {
		return otherwise
	}
	d, err := duration.Parse(r.Text(n))
	if e, ok := errors.AsType[*duration.Error](err); ok {
		r.Fail(n, e.Hint, "%s", e.Problem)
	}
	return d
}

func (r *reader) number(n *yaml.Node, otherwise int) int {
	if n == nil {
		return otherwise
	}
	v, err := strconv.Atoi(r.Text(n))
	if err != nil || v < 0 {
		r.Fail(n, "", "%q is not a whole number", n.Value)
	}
	return v
}

// lines reads how many lines an alert shows, each of which is kept for each group.
func (r *reader) lines(n *yaml.Node, otherwise int) int {
	v := r.number(n, otherwise)
	if v > maxSampleLines {
		r.Fail(n, fmt.Sprintf("write %d or less", maxSampleLines),
			"an alert would show %d lines", v)
	}
	return v
}

// limit reads how many groups a rule may have. 0 is refused: it could mean none, or no limit.
func (r *reader) limit(n *yaml.Node) int {
	before := len(r.Problems)
	v := r.number(n, 10_000)
	if v == 0 && len(r.Problems) == before {
		r.Fail(
			n,
			"write how many groups it may have at most, or leave limit out for 10,000",
			"limit is 0, so the rule could have no group",
		)
	}
	return v
}

// inherit reads the settings that are inherited. Labels and ignored lints are added to those of
// base.
func (r *reader) inherit(m map[string]*yaml.Node, base Rule) Rule {
	if n := m["source"]; n != nil {
		names := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			names = r.Sequence(n)
		}
		base.Source, base.Sources = "", nil
		for i, name := range names {
			if i == 0 {
				base.Source = r.Text(name)
			} else {
				base.Sources = append(base.Sources, r.Text(name))
			}
		}
	}
	if n := m["lateness"]; n != nil {
		base.LatenessAuto = n.Kind == yaml.ScalarNode && n.Value == "auto"
		if base.Lateness = FirstLateness; !base.LatenessAuto {
			before := len(r.Problems)
			if base.Lateness = r.duration(n, 0); len(r.Problems) > before {
				r.Problems[before].Hint += "; auto follows the delays of the logs"
			}
		}
	}
	if n := m["window"]; n != nil {
		before := len(r.Problems)
		if base.Window = r.duration(n, 0); base.Window == 0 && len(r.Problems) == before {
			r.Fail(n, "write how far back logs count, such as 5m", "window is empty")
		}
	}
	if s := m["samples"]; s != nil {
		v := r.Mapping(s, "first", "last", "fields")
		base.Samples = Samples{
			r.lines(v["first"], base.Samples.First),
			r.lines(v["last"], base.Samples.Last),
			canonical(r.Texts(v["fields"])),
		}
	}
	labels := maps.Clone(base.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, r.Pairs(m["labels"]))
	base.Labels = labels
	r.templates(m["labels"])
	base.LintIgnore = slices.Clone(base.LintIgnore)
	for _, n := range r.Sequence(m["lint_ignore"]) {
		if name := r.Text(n); !slices.Contains(Lints(), name) {
			r.Fail(n, problem.DidYouMean(name, Lints()), "unknown lint %q", name)
		} else {
			base.LintIgnore = append(base.LintIgnore, name)
		}
	}
	return base
}

func (r *reader) group(n *yaml.Node, base Rule) {
	g := r.Mapping(n, groupKeys...)
	base = r.inherit(g, base)
	if base.Group = r.Text(g["name"]); base.Group == "" {
		r.Fail(n, "", "group has no name")
	}
	for _, m := range r.Sequence(g["rules"]) {
		r.rule(m, base)
	}
}

var ruleKeys = append(
	[]string{
		"alert",
		"record",
		"uid",
		"extract",
		"match",
		"when",
		"every",
		"by",
		"sequence",
		"within",
		"for",
		"keep_firing_for",
		"resolve",
		"levels",
		"active",
		"suppressed_by",
		"expect",
		"learn",
		"remember",
		"mode",
		"notify_limit",
		"top",
		"limit",
		"annotations",
		"origin",
		"author",
		"references",
	},
	inherited...)

// rule reads one rule, key by key, and keeps it if there was no mistake.
func (r *reader) rule(n *yaml.Node, base Rule) {
	before := len(r.Problems)
	m := r.Mapping(n, ruleKeys...)
	r.selections = nil
	rule := r.inherit(m, base)
	rule.Pos, rule.UID = r.Pos(n), r.Text(m["uid"])
	r.name(n, m, &rule, len(r.Problems) == before)
	if m["match"] != nil {
		rule.Match, rule.MatchText = r.query(m["match"])
	}
	if m["when"] != nil {
		rule.When, rule.WhenText = r.condition(m["when"], rule.Record)
	}
	rule.Sequence, rule.Within = r.steps(m["sequence"]), r.duration(m["within"], 0)
	rule.Every, rule.For = r.duration(m["every"], 0), r.duration(m["for"], 0)
	rule.KeepFiringFor = r.duration(m["keep_firing_for"], 0)
	rule.Learn, rule.Remember = r.duration(m["learn"], 0), r.duration(m["remember"], 0)
	rule.By = r.labels(m["by"])
	rule.Resolve = r.resolve(m["resolve"])
	rule.Levels = r.levels(m["levels"], rule.When)
	rule.Active = r.active(m["active"])
	rule.SuppressedBy = r.suppressedBy(m["suppressed_by"])
	rule.Expect = r.expect(m["expect"])
	rule.Mode = Live
	if mode := m["mode"]; mode != nil {
		if rule.Mode = Mode(r.Text(mode)); !slices.Contains(
			[]Mode{Live, Shadow, Signal, Off},
			rule.Mode,
		) {
			r.Fail(mode, "modes are live, shadow, signal and off", "unknown mode %q", mode.Value)
		}
	}
	rule.NotifyLimit = r.notifyLimit(m["notify_limit"])
	rule.Top, rule.Limit = canonical(r.Texts(m["top"])), r.limit(m["limit"])
	rule.Annotations = r.Pairs(m["annotations"])
	r.templates(m["annotations"])
	r.provenance(m, &rule)
	r.identityLabels(n, &rule)
	r.extract(m["extract"], &rule)
	r.together(n, m, &rule)
	if len(r.Problems) == before {
		r.set.Rules = append(r.set.Rules, &rule)
		r.set.places[&rule] = r.places(n)
	}
}

// provenance reads where a rule comes from. Each alert carries it as annotations.
func (r *reader) provenance(m map[string]*yaml.Node, rule *Rule) {
	rule.Author, rule.References = r.Text(m["author"]), r.Texts(m["references"])
	if n := m["origin"]; n != nil {
		r.Decode(n, &rule.Origin)
	}
	for name, text := range map[string]string{
		"author":     rule.Author,
		"references": strings.Join(rule.References, " "),
		"origin":     rule.Origin.String(),
	} {
		if _, given := rule.Annotations[name]; !given && text != "" {
			rule.Annotations[name] = strings.ReplaceAll(text, "{{", `{{"{{"}}`)
		}
	}
}

// notifyLimit reads a limit such as 10 per 1h.
func (r *reader) notifyLimit(n *yaml.Node) (limit NotifyLimit) {
	if n == nil {
		return limit
	}
	count, per, ok := strings.Cut(r.Text(n), " per ")
	number, err1 := strconv.Atoi(strings.TrimSpace(count))
	d, err2 := duration.Parse(strings.TrimSpace(per))
	if !ok || err1 != nil || err2 != nil || number < 1 || d <= 0 {
		r.Fail(
			n,
			"write it as 10 per 1h",
			"notify_limit %q is not a number of alerts in a time",
			n.Value,
		)
		return limit
	}
	return NotifyLimit{Count: number, Per: d}
}

// name reads what a rule is called; known is false when its keys could not be read, so that the
// name may be among them.
func (r *reader) name(n *yaml.Node, m map[string]*yaml.Node, rule *Rule, known bool) {
	rule.Name = r.Text(m["alert"])
	if m["record"] != nil {
		if rule.Name != "" {
			r.Fail(m["record"], "make two rules of it", "a rule is either alert or record")
		}
		rule.Name, rule.Record = r.Text(m["record"]), true
	}
	if rule.Name == "" && known {
		r.Fail(n, "write alert: Name", "rule has no name")
	}
	if first, twice := r.seen[rule.ID()]; twice {
		r.Fail(n, "rename one", "rule %s is also at %s:%d", rule.ID(), first.File, first.Line)
		return
	}
	r.seen[rule.ID()], r.named = rule.Pos, append(r.named, rule.ID())
}

// together reports keys that exclude each other.
func (r *reader) together(n *yaml.Node, m map[string]*yaml.Node, rule *Rule) {
	f := func(wrong bool, key, problem, hint string) {
		if wrong && m[key] != nil {
			r.Fail(m[key], hint, "%s", problem)
		}
	}
	f(
		rule.Every > rule.Window,
		"every",
		"every is longer than the window, so logs between two windows would be missed",
		"",
	)
	f(m["within"] == nil, "sequence", "sequence has no within", "add within: 5m beside it")
	f(
		m["sequence"] == nil,
		"within",
		"within has no sequence",
		"the length of a window is written window: 5m",
	)
	f(
		m["when"] != nil,
		"sequence",
		"a rule has either when or sequence",
		"make two rules of it, and join them with firing(Name)",
	)
	f(
		m["when"] == nil && !rule.Record,
		"levels",
		"levels need a when whose number they judge",
		"add when: count() > 0",
	)
	f(
		len(rule.By) != 1,
		"expect",
		"expect needs a rule with one label in by, whose values the list holds",
		"add by: [host]",
	)
	if !rule.Record {
		return
	}
	if m["when"] == nil {
		r.Fail(n, "add when: count()", "a record needs a number")
	}
	for _, key := range []string{
		"sequence", "for", "keep_firing_for", "resolve", "levels", "suppressed_by",
		"annotations",
	} {
		f(true, key, "a record has no "+key+"; only alerts do", "")
	}
}

// places are the places of the values of a rule's keys.
func (r *reader) places(n *yaml.Node) map[string]Pos {
	places := map[string]Pos{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		places[n.Content[i].Value] = r.Pos(n.Content[i+1])
	}
	return places
}

func canonical(fields []string) []string {
	for i, f := range fields {
		fields[i] = decode.Canonical(f)
	}
	return fields
}

// labels reads by: label, field, label=field|field, or {label: {selection: field}}.
func (r *reader) labels(n *yaml.Node) []Label {
	var by []Label
	names := map[string]bool{}
	for _, m := range r.Sequence(n) {
		var l Label
		if m.Kind == yaml.MappingNode {
			l = r.labelOf(m)
		} else {
			l = r.label(m)
		}
		if names[l.Name] {
			r.Fail(m, "", "label %q is given twice", l.Name)
		}
		names[l.Name], by = true, append(by, l)
	}
	return by
}

// label reads field, or label=field|field.
func (r *reader) label(n *yaml.Node) Label {
	name, fields, given := strings.Cut(r.Text(n), "=")
	if !given {
		fields = name
	}
	l := Label{Name: strings.TrimSpace(name), Fields: fieldsOf(fields)}
	if l.Name == "stream.*" || strings.HasPrefix(l.Name, "stream.* without ") {
		l = streamLabel(l.Name)
	}
	if l.Name == "" || slices.Contains(l.Fields, "") {
		r.Fail(n, "write field, or 'label=field|field'", "%q is not a label", n.Value)
	}
	return l
}

// fieldsOf reads field|field.
func fieldsOf(text string) []string {
	return canonical(strings.Split(strings.ReplaceAll(text, " ", ""), "|"))
}

// maxSelections bounds the selections that the labels of a rule name.
const maxSelections = 60

// labelOf reads a label whose field depends on the selection that a log matches.
func (r *reader) labelOf(n *yaml.Node) (l Label) {
	const hint = "write {label: {selection: field, other_selection: field}}"
	if len(n.Content) != 2 || n.Content[1].Kind != yaml.MappingNode {
		r.Fail(n, hint, "a label with a field for each selection is one name with a mapping")
		return l
	}
	l.Name = n.Content[0].Value
	selections := r.Mapping(n.Content[1])
	for i := 0; i+1 < len(n.Content[1].Content); i += 2 {
		key := n.Content[1].Content[i]
		q, known := r.selections[key.Value]
		text := r.Text(selections[key.Value])
		switch {
		case !known:
			hint := problem.DidYouMean(key.Value, slices.Sorted(maps.Keys(r.selections)))
			if len(r.selections) == 0 {
				hint = "write match as selections with a condition, or the steps of the sequence so"
			}
			r.Fail(key, hint, "selection %q is not defined", key.Value)
		case text == "" || slices.Contains(fieldsOf(text), ""):
			r.Fail(n.Content[1], hint, "selection %q has no field", key.Value)
		}
		of := LabelOf{key.Value, q, fieldsOf(text)}
		l.Of = append(l.Of, of)
		for _, field := range of.Fields {
			if !slices.Contains(l.Fields, field) {
				l.Fields = append(l.Fields, field)
			}
		}
	}
	if len(l.Fields) == 0 || len(l.Of) > maxSelections {
		r.Fail(n, hint, "label %q has no field, or more than %d selections", l.Name, maxSelections)
	}
	return l
}

// resolve reads a duration, "manual", a query, or a mapping of when or match and or_after.
func (r *reader) resolve(n *yaml.Node) (res Resolve) {
	if n == nil {
		return res
	}
	if n.Kind == yaml.ScalarNode {
		d, err := duration.Parse(n.Value)
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
	m := r.Mapping(n, "when", "match", "or_after")
	if len(n.Content) == 0 {
		r.Fail(
			n,
			"write 1h, a query, {when: ...}, {match: ..., or_after: 30m} or manual",
			"resolve is empty",
		)
	}
	if m["when"] != nil {
		res.When, _ = r.condition(m["when"], false)
	}
	if m["match"] != nil {
		res.Match, _ = r.query(m["match"])
	}
	res.After = r.duration(m["or_after"], 0)
	return res
}

func (r *reader) query(n *yaml.Node) (Query, string) {
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		m := r.maps()
		q := m.query(n)
		if r.selections == nil {
			r.selections = m.selections
		} else {
			maps.Copy(r.selections, m.selections)
		}
		return q, ""
	}
	if !r.Whole(n, "leave the key out to match every log") {
		return nil, ""
	}
	q, err := parseQuery(n.Value, &r.regexps)
	if err != nil {
		r.syntax(n, err)
		return nil, ""
	}
	eachLeaf(q, func(l *Leaf) {
		l.Pos = r.Inside(n, l.Pos.Column-1)
		if l.Op == OpList {
			r.refs = append(r.refs, reference{l.Pos, "list", l.Text, 0})
		}
	})
	return q, n.Value
}

// condition reads a when; that of a record is a number, and that of an alert is not.
func (r *reader) condition(n *yaml.Node, number bool) (Condition, string) {
	if !r.Whole(n, "write a condition, such as count() > 10") {
		return nil, ""
	}
	c, err := parseConditionOver(n.Value, number, &r.regexps, r.selections)
	if err != nil {
		r.syntax(n, err)
		return nil, n.Value
	}
	r.refer(n, c)
	return c, n.Value
}

func (r *reader) syntax(n *yaml.Node, err error) {
	e, ok := err.(*syntaxError)
	if !ok {
		r.Fail(n, "", "%s", err)
		return
	}
	r.Add(r.Inside(n, e.at), e.hint, "%s", e.problem)
}

// Package sigma translates rules of Sigma: detections, correlations, filters and placeholders, with
// pySigma's pipelines. A translated rule is a YAML node of a rule file whose parts keep the lines
// of the original, so that mistakes name the original's place.
package sigma

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Options are what a translation needs besides the rules.
type Options struct {
	Filter    Filter
	Pipelines []*Pipeline
	By        []string          // groups of rules without a correlation
	Labels    map[string]string // added to every rule
	// the logs there are; a rule of a logsource that none fits is left out. Empty for all logs.
	Sources []Source
	// whether rules about Windows that no source fits read the events of their logsource alone, by
	// their Channel and EventID
	Windows bool

	Lists     map[string][]string // the values of placeholders
	Overrides *Overrides          // of single rules; nil for none
}

// Filter chooses rules; an empty list chooses all.
type Filter struct {
	Level     []string `yaml:"level"`
	Status    []string `yaml:"status"`
	Logsource []string `yaml:"logsource"` // products, categories and services
	Tag       []string `yaml:"tag"`
}

// The levels and states that Sigma's specification has.
var (
	Levels   = []string{"informational", "low", "medium", "high", "critical"}
	Statuses = []string{"stable", "test", "experimental", "deprecated", "unsupported"}
)

// Validate returns an error for a level or status that no rule has.
func (f Filter) Validate() error {
	check := func(what string, given, known []string) error {
		for _, v := range given {
			if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, v) }) {
				return fmt.Errorf("%s: %q is not one of Sigma's; use %s", what, v,
					strings.Join(known, ", "))
			}
		}
		return nil
	}
	return errors.Join(check("level", f.Level, Levels), check("status", f.Status, Statuses))
}

// File is a file of rules.
type File = imports.File

// System is Sigma as a system to import from.
type System struct{ Options Options }

// Name is "sigma".
func (System) Name() string { return "sigma" }

// Recognizes reports whether a file has rules of Sigma, or is a pipeline of pySigma.
func (System) Recognizes(documents []*yaml.Node) bool {
	return slices.ContainsFunc(documents, func(n *yaml.Node) bool {
		for _, key := range []string{"detection", "correlation", "transformations", "filter"} {
			if m := imports.Get(n, key); m == nil || key == "filter" && m.Kind != yaml.MappingNode {
				continue
			}
			return imports.Get(n, "title") != nil || imports.Get(n, "logsource") != nil ||
				key == "transformations" || imports.Value(n, "action") == "global"
		}
		return imports.Value(n, "action") == "global"
	})
}

// Translate translates the rules of some files.
func (s System) Translate(files []imports.File, o imports.Options) imports.Result {
	report := &imports.Report{}
	var rules []File
	for _, f := range files {
		if !bytes.HasPrefix(f.Data, []byte("transformations:")) &&
			!bytes.Contains(f.Data, []byte("\ntransformations:")) {
			rules = append(rules, f)
			continue
		}
		p, err := ReadPipeline(f.Name, f.Data)
		if err != nil {
			report.Add(imports.Unreadable(f.Name, "pipeline", err))
			continue
		}
		s.Options.Pipelines = append(s.Options.Pipelines, p)
	}
	t := Read(rules, s.Options)
	documents := slices.Collect(t.Documents)
	if set, err := rule.LoadDocuments(slices.Values(documents), nil); err == nil {
		t.Refuse(set, 0)
		documents = Accepted(documents, set)
	}
	report.Remarks = append(report.Remarks, t.Report.Remarks...)
	return imports.Result{Documents: perFile(documents), Report: report}
}

// ruleFile is a file, whose documents are parsed when they are needed: parsed, a large collection
// takes many times the memory of its text.
type ruleFile struct {
	File
	documents []*document // rules and correlations
}

// document is one rule or correlation.
type document struct {
	in    *ruleFile
	at    int // its place among those of split
	file  string
	line  int
	id    string
	name  string // the reference of correlations
	title string

	detection   bool
	correlation *yaml.Node // nil for none
	generate    bool       // an alert of the rules of a correlation, too
	logs        logsource
	filters     []*yaml.Node
	referred    bool        // to by a correlation, which translates it too
	above       []*document // the correlations that refer to it
	used        bool        // by a correlation, and without an alert of its own
	kept        *yaml.Node  // of a document that is referred to, once its file is parsed
}

// Translation is the translation of the rules of some files. Documents makes them one after the
// other, so that they need not all be in memory.
type Translation struct {
	Report *imports.Report // complete after Documents and Refuse

	opt    Options
	files  []*ruleFile
	byName map[string]*document // by id and name
	parsed *ruleFile            // the file that was parsed last
	roots  []*yaml.Node         // its documents
	made   []place              // by the number of the document
}

// place is where a document comes from.
type place struct {
	file, title string
	line        int
}

// Read reads files, and finds the references among their rules.
func Read(files []File, opt Options) *Translation {
	t := &Translation{opt: opt, Report: &imports.Report{}, byName: map[string]*document{}}
	var filters []filterDocument
	for _, f := range files {
		filters = append(filters, t.read(f)...)
	}
	t.filter(filters)
	t.references()
	return t
}

// Documents yields a document for each rule, so that one that package rule refuses keeps out no
// other; Refuse says so in the report. It is called once.
func (t *Translation) Documents(yield func(rule.Document) bool) {
	var in *ruleFile
	for d := range t.documents {
		if in != nil && in != d.in {
			t.release(in)
		}
		in = d.in
		n := t.translate(d)
		if n == nil {
			continue
		}
		root := imports.Place(imports.Group("sigma", []*yaml.Node{n}), d.line, 1)
		t.made = append(t.made, place{d.file, imports.Value(n, "alert"), n.Line})
		if !yield(rule.Document{File: d.file, Root: root}) {
			return
		}
	}
	t.unused()
}

// release lets go of the text of a file whose rules are translated. Those that others refer to have
// been kept.
func (t *Translation) release(f *ruleFile) {
	f.Data = nil
	if t.parsed == f {
		t.parsed, t.roots = nil, nil
	}
}

// documents yields the rules and correlations of all files.
func (t *Translation) documents(yield func(*document) bool) {
	for _, f := range t.files {
		for _, d := range f.documents {
			if !yield(d) {
				return
			}
		}
	}
}

func (t *Translation) remark(d *document, v imports.Verdict, code, format string, args ...any) {
	t.Report.Add(imports.Remark{
		File:    d.file,
		Line:    d.line,
		Rule:    d.title,
		Verdict: v,
		Code:    code,
		Text:    fmt.Sprintf(format, args...),
	})
}

// split are the documents of a file. action: global gives its keys to those that follow, and
// action: repeat takes those of the document before it.
func split(f File) (roots []*yaml.Node, err error) {
	documents, err := imports.Read(f)
	var global, before *yaml.Node
	for _, root := range documents {
		if root.Kind != yaml.MappingNode {
			continue
		}
		switch imports.Value(root, "action") {
		case "global":
			global, before = root, root
			continue
		case "reset":
			global = nil
			continue
		case "repeat":
			if before != nil {
				root = without(merged(before, root), "action")
			}
		default:
			if global != nil {
				root = merged(global, root)
			}
		}
		before = root
		roots = append(roots, root)
	}
	return roots, err
}

// read notes what there is in a file, and returns its filters.
func (t *Translation) read(f File) (filters []filterDocument) {
	roots, err := split(f)
	if err != nil {
		m := imports.Unreadable(f.Name, "yaml", err)
		m.Rule = "Sigma"
		t.Report.Add(m)
	}
	file := &ruleFile{File: f}
	for at, root := range roots {
		d := &document{
			in: file, at: at, file: f.Name, line: root.Line,
			id: imports.Value(root, "id"), name: imports.Value(root, "name"),
			detection:   imports.Get(root, "detection") != nil,
			correlation: imports.Get(root, "correlation"),
			generate:    imports.Value(root, "generate") == "true",
			logs:        *logsourceOf(root),
		}
		d.title = cmp.Or(imports.Value(root, "title"), strings.TrimSpace("Sigma "+d.id))
		if filter := imports.Get(root, "filter"); filter != nil {
			filters = append(filters, filterDocument{d.logs, filter})
			continue
		}
		if !d.detection && d.correlation == nil {
			if imports.Value(root, "title") != "" {
				t.remark(d, imports.Refused, "no-detection",
					"it has neither detection nor correlation")
			}
			continue
		}
		file.documents = append(file.documents, d)
		for _, name := range []string{d.id, d.name} {
			if name != "" && t.byName[name] == nil {
				t.byName[name] = d
			}
		}
	}
	if len(file.documents) > 0 {
		t.files = append(t.files, file)
	}
	return filters
}

// root is the mapping of a document, with its filters.
func (t *Translation) root(d *document) *yaml.Node {
	if t.parsed != d.in && d.kept == nil {
		t.roots, _ = split(d.in.File) // an error was reported when it was read
		t.parsed = d.in
		for _, one := range d.in.documents {
			if one.referred { // the files of a correlation are not parsed for each of its rules
				one.kept = filtered(t.roots[one.at], one.filters)
			}
		}
	}
	if d.kept != nil {
		return d.kept
	}
	return filtered(t.roots[d.at], d.filters)
}

// filtered is a rule joined with filters.
func filtered(root *yaml.Node, filters []*yaml.Node) *yaml.Node {
	for _, filter := range filters {
		own := imports.Map()
		for i := 0; i+1 < len(filter.Content); i += 2 {
			if k := filter.Content[i].Value; k != "rules" {
				imports.Set(own, k, filter.Content[i+1])
			}
		}
		root = replaced(root, "detection", imports.Map(
			"_rule", imports.Get(root, "detection"), "_filter", own,
			"condition", imports.Text("_rule and _filter")))
	}
	return root
}

// merged is a mapping with the keys of another one that it does not have, and so are the mappings
// that both have.
func merged(base, own *yaml.Node) *yaml.Node {
	m := *own
	m.Content = slices.Clone(own.Content)
	for i := 0; i+1 < len(base.Content); i += 2 {
		key, value := base.Content[i], base.Content[i+1]
		mine := imports.Get(own, key.Value)
		switch {
		case key.Value == "action":
		case mine == nil:
			m.Content = append(m.Content, key, value)
		case mine.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			m = *replaced(&m, key.Value, merged(value, mine))
		}
	}
	return &m
}

// filterDocument is a filter, and the logs that it is about.
type filterDocument struct {
	logs   logsource
	filter *yaml.Node
}

// filter joins filters with the rules that they name and whose logs they are about.
func (t *Translation) filter(filters []filterDocument) {
	for _, f := range filters {
		targets := imports.Values(f.filter, "rules")
		everything := len(targets) == 1 && strings.EqualFold(targets[0], "any")
		for d := range t.documents {
			if d.detection && f.logs.covers(d.logs) && (everything ||
				slices.Contains(targets, d.id) || slices.Contains(targets, d.name)) {
				d.filters = append(d.filters, f.filter)
			}
		}
	}
}

// without is a mapping without a key.
func without(m *yaml.Node, key string) *yaml.Node {
	other := *m
	other.Content = nil
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value != key {
			other.Content = append(other.Content, m.Content[i], m.Content[i+1])
		}
	}
	return &other
}

// replaced is a mapping with another value of a key.
func replaced(m *yaml.Node, key string, value *yaml.Node) *yaml.Node {
	other := *m
	other.Content = slices.Clone(m.Content)
	for i := 0; i+1 < len(other.Content); i += 2 {
		if other.Content[i].Value == key {
			other.Content[i+1] = value
		}
	}
	return &other
}

// references marks the rules that correlations use: unless a correlation says generate: true, they
// have no alert of their own.
func (t *Translation) references() {
	for d := range t.documents {
		c := d.correlation
		if c == nil {
			continue
		}
		for _, name := range append(imports.Values(c, "rules"),
			conditionNames(imports.Get(c, "condition"))...) {
			if r := t.byName[name]; r != nil {
				r.referred = true
				r.above = append(r.above, d)
				r.used = r.used || imports.Value(c, "generate") != "true" && !d.generate
			}
		}
	}
}

// translate returns the rule of a document, nil when there is none.
func (t *Translation) translate(d *document) *yaml.Node {
	if why := t.excluded(d); why != "" {
		t.remark(d, imports.Skipped, "filter", "%s", why)
		return nil
	}
	if l := t.unprovided(d, nil); l != nil {
		t.Report.Add(imports.Remark{
			File: d.file, Line: d.line, Rule: d.title, Verdict: imports.Skipped, Code: Unprovided,
			Text: "no source provides logs of " + l.String(), Subject: l.String(),
		})
		return nil
	}
	if d.used && (d.correlation == nil || t.folded(d)) {
		t.remark(d, imports.Exact, "", "counted by a correlation, without an alert of its own")
		return nil
	}
	before := len(t.Report.Remarks)
	n := t.common(d)
	if d.used { // its alerts are what is counted
		imports.Set(n, "mode", imports.Text("signal"))
	}
	var err error
	if c := d.correlation; c != nil {
		err = t.correlation(d, c, n)
	} else {
		var match *yaml.Node
		if match, err = t.detection(d); err == nil {
			imports.Set(n, "match", match)
			if len(t.opt.By) > 0 {
				imports.Set(n, "by", imports.Texts(t.opt.By...))
			}
			if topics := t.topics(d); len(topics) > 0 {
				imports.Set(n, "source", imports.Texts(topics...))
			}
		}
	}
	if err != nil {
		t.remark(d, imports.Refused, "refused", "%s", err)
		return nil
	}
	t.override(d, n)
	if len(t.Report.Remarks) == before {
		t.remark(d, imports.Exact, "", "")
	}
	return n
}

// excluded says why the options leave a rule out.
func (t *Translation) excluded(d *document) string {
	f := t.opt.Filter
	chosen := func(list []string, values ...string) bool {
		return len(list) == 0 || slices.ContainsFunc(values, func(v string) bool {
			return v != "" && slices.ContainsFunc(list, func(l string) bool {
				return strings.EqualFold(l, v)
			})
		})
	}
	root := t.root(d)
	source := imports.Get(root, "logsource")
	product, category, service := imports.Value(source, "product"),
		imports.Value(source, "category"), imports.Value(source, "service")
	switch {
	case !chosen(f.Level, imports.Value(root, "level")):
		return "its level is not chosen"
	case !chosen(f.Status, imports.Value(root, "status")):
		return "its status is not chosen"
	case !chosen(f.Tag, imports.Values(root, "tags")...):
		return "no tag of it is chosen"
	case source != nil && !chosen(f.Logsource, product, category, service):
		return "its logsource is not chosen"
	}
	return ""
}

// common translates what all rules have.
func (t *Translation) common(d *document) *yaml.Node {
	root, title := t.root(d), d.title
	labels := imports.Map()
	if level := imports.Value(root, "level"); level != "" {
		imports.Set(labels, "severity", imports.Text(level))
	}
	for _, name := range slices.Sorted(maps.Keys(t.opt.Labels)) {
		imports.Set(labels, name, imports.Text(t.opt.Labels[name]))
	}
	annotations := imports.Map("summary", imports.Text(imports.Escape(title)))
	for _, key := range []string{"description", "status", "license"} {
		if text := imports.Value(root, key); text != "" {
			imports.Set(annotations, key, imports.Text(imports.Escape(text)))
		}
	}
	for _, key := range []string{"tags", "falsepositives"} {
		if list := imports.Values(root, key); len(list) > 0 {
			imports.Set(annotations, key, imports.Text(imports.Escape(strings.Join(list, ", "))))
		}
	}
	n := imports.Map("alert", imports.Text(title))
	if d.id != "" {
		imports.Set(n, "uid", imports.Text(d.id))
	}
	origin := imports.Map("system", imports.Text("sigma"), "file", imports.Text(d.file),
		"line", imports.Text(strconv.Itoa(d.line)))
	if d.id != "" {
		imports.Set(origin, "id", imports.Text(d.id))
	}
	imports.Set(n, "origin", origin)
	if author := imports.Value(root, "author"); author != "" {
		imports.Set(n, "author", imports.Text(author))
	}
	if refs := imports.Values(root, "references"); len(refs) > 0 {
		imports.Set(n, "references", imports.Texts(refs...))
	}
	if len(labels.Content) > 0 {
		imports.Set(n, "labels", labels)
	}
	imports.Set(n, "annotations", annotations)
	return n
}

// Unprovided is the code of the remark about a rule of a logsource that no source provides.
const Unprovided = "logsource"

// logsource is that of a rule after the pipelines.
func (t *Translation) logsource(d *document) *logsource {
	l := d.logs
	for _, p := range t.opt.Pipelines {
		p.change(&l)
	}
	return &l
}

// source is the source of a logsource, nil for none.
func (t *Translation) source(l *logsource) *Source {
	for i := range t.opt.Sources {
		if s := &t.opt.Sources[i]; s.fits(l) {
			return s
		}
	}
	return nil
}

// unprovided is the logsource of a rule, or of one that a correlation counts, of which there are no
// logs; nil when there are.
func (t *Translation) unprovided(d *document, above []*document) *logsource {
	c := d.correlation
	if len(t.opt.Sources) == 0 || slices.Contains(above, d) {
		return nil
	}
	if c == nil {
		if l := t.logsource(d); *l != (logsource{}) && t.source(l) == nil {
			return l
		}
		return nil
	}
	for _, name := range imports.Values(c, "rules") {
		if r := t.byName[name]; r != nil {
			if l := t.unprovided(r, append(above, d)); l != nil {
				return l
			}
		}
	}
	return nil
}

// topics are the sources that a rule reads.
func (t *Translation) topics(d *document) []string {
	if s := t.source(t.logsource(d)); s != nil {
		return s.Topics
	}
	return nil
}

// detection translates the detection of a rule.
func (t *Translation) detection(d *document) (*yaml.Node, error) {
	source := d.logs
	det := imports.Get(t.root(d), "detection")
	if det == nil {
		return nil, fmt.Errorf("it has no detection")
	}
	if det.Kind != yaml.MappingNode || imports.Get(det, "condition") == nil {
		return nil, fmt.Errorf("its detection has no condition")
	}
	if n := nodes(det); n > maxValues {
		return nil, fmt.Errorf("its detection has %d fields and values, at most %d", n, maxValues)
	}
	det = clone(det)
	for _, p := range t.opt.Pipelines {
		var err error
		if det, err = p.apply(det, &source); err != nil {
			return nil, err
		}
	}
	det = t.ofLogsource(det, &source)
	if err := t.placeholders(det); err != nil {
		return nil, err
	}
	return ownFields(det), nil
}

// maxValues bounds the fields and values of one detection: the largest that users have written has
// some thousands.
const maxValues = 200_000

// nodes counts a node and all below it.
func nodes(n *yaml.Node) int {
	count := 1
	for _, m := range n.Content {
		count += nodes(m)
	}
	return count
}

// ofLogsource joins a detection with the condition for the logs of its logsource.
func (t *Translation) ofLogsource(det *yaml.Node, l *logsource) *yaml.Node {
	var logs *yaml.Node
	if s := t.source(l); s != nil {
		if s.Match != nil {
			logs = imports.Unplaced(s.Match)
		}
	} else if t.opt.Windows {
		if logs = l.windows(); logs != nil {
			logs = eachKey(logs, func(name string) []string { return t.mapped(name, l) })
		}
	}
	if logs == nil {
		return det
	}
	return imports.Map("_logsource", logs, "_rule", det,
		"condition", imports.Text("_logsource and _rule"))
}

// placeholders writes the members of lists in place of placeholders, for fields with the modifier
// expand.
func (t *Translation) placeholders(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		for _, m := range n.Content {
			if err := t.placeholders(m); err != nil {
				return err
			}
		}
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		mods := strings.Split(key.Value, "|")
		if !slices.Contains(mods[1:], "expand") {
			if err := t.placeholders(value); err != nil {
				return err
			}
			continue
		}
		members := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			members = value.Content
		}
		list := imports.Place(imports.List(), value.Line, value.Column)
		for _, m := range members {
			texts, err := t.expand(m.Value)
			if err != nil {
				return err
			}
			for _, text := range texts {
				list.Content = append(list.Content, imports.Place(imports.Text(text), m.Line,
					m.Column))
			}
		}
		key.Value = strings.Join(slices.DeleteFunc(mods, func(m string) bool {
			return m == "expand"
		}), "|")
		n.Content[i+1] = list
	}
	return nil
}

var placeholder = regexp.MustCompile(`%([^%]+)%`)

// expand returns a text with the members of the list of its first placeholder, and so on.
func (t *Translation) expand(text string) ([]string, error) {
	at := placeholder.FindStringSubmatchIndex(text)
	if at == nil {
		return []string{text}, nil
	}
	name := text[at[2]:at[3]]
	members, ok := t.opt.Lists[name]
	if !ok {
		return nil,
			fmt.Errorf("placeholder %%%s%% has no list; give its values with --list %s=FILE",
				name, name)
	}
	rest, err := t.expand(text[at[1]:])
	if err != nil || len(members)*len(rest) > maxExpanded {
		return nil, errors.Join(err, fmt.Errorf("placeholder %%%s%% stands for too many texts",
			name))
	}
	var all []string
	for _, m := range members {
		for _, end := range rest {
			all = append(all, text[:at[0]]+escapePattern.Replace(m)+end)
		}
	}
	return all, nil
}

const maxExpanded = 10_000

var escapePattern = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`)

// ownFields gives the names of fields in selections the prefix that makes them the log's own.
func ownFields(n *yaml.Node) *yaml.Node {
	return eachKey(n, func(name string) []string {
		if name == "" {
			return []string{name}
		}
		return []string{"fields." + name}
	})
}

// eachKey rewrites the names of the fields of a detection. Several names are alternatives.
func eachKey(n *yaml.Node, rename func(name string) []string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		for i, m := range n.Content {
			n.Content[i] = eachKey(m, rename)
		}
		return n
	}
	if imports.Get(n, "condition") != nil {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if k := n.Content[i].Value; k != "condition" && k != "timeframe" {
				n.Content[i+1] = eachKey(n.Content[i+1], rename)
			}
		}
		return n
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, mods, _ := strings.Cut(n.Content[i].Value, "|")
		var names []string
		for one := range strings.SplitSeq(name, " or ") {
			names = append(names, rename(one)...)
		}
		key := *n.Content[i]
		key.Value = strings.Join(names, " or ")
		if mods != "" {
			key.Value += "|" + mods
		}
		n.Content[i] = &key
		if strings.Contains("|"+mods+"|", "|fieldref|") {
			for _, v := range append(slices.Clone(n.Content[i+1].Content), n.Content[i+1]) {
				if v.Kind == yaml.ScalarNode {
					v.Value = rename(v.Value)[0]
				}
			}
		}
	}
	return n
}

func clone(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, m := range n.Content {
		c.Content[i] = clone(m)
	}
	return &c
}

// mapped is a field's names after the pipelines.
func (t *Translation) mapped(field string, l *logsource) []string {
	names := []string{field}
	for _, p := range t.opt.Pipelines {
		names = p.names(names, l)
	}
	return names
}

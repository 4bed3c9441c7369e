// Package elastalert translates the rules of ElastAlert and ElastAlert 2: their types, their
// filters (queries of Elasticsearch, with Lucene's query strings), their texts, and what they
// notify.
//
// What a filter means depends on the types of fields in the index. They come from a mapping, from a
// sample of logs, or from names such as host.keyword; a field of which nothing is known is taken
// for a text, as Elasticsearch maps strings by default, and the report names it.
package elastalert

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// System is ElastAlert as a system to import from.
type System struct{}

// Name is "elastalert".
func (System) Name() string { return "elastalert" }

// configKeys are keys of ElastAlert's config.yaml.
var configKeys = []string{
	"run_every", "buffer_time", "es_host", "es_port", "rules_folder", "rules_loader",
	"writeback_index",
	"alert_time_limit",
}

// Recognizes reports whether a file is a rule of ElastAlert or its config.yaml.
func (System) Recognizes(documents []*yaml.Node) bool {
	return slices.ContainsFunc(
		documents,
		func(n *yaml.Node) bool { return isRule(n) || isConfig(n) },
	)
}

func isRule(n *yaml.Node) bool {
	kind := imports.Get(n, "type")
	if kind == nil || kind.Kind != yaml.ScalarNode || imports.Get(n, "detection") != nil {
		return imports.Get(n, "type") == nil && imports.Get(n, "import") != nil &&
			imports.Get(n, "name") != nil
	}
	for _, key := range []string{"index", "alert", "filter", "timeframe"} {
		if imports.Get(n, key) != nil {
			return true
		}
	}
	return false
}

func isConfig(n *yaml.Node) bool {
	found := 0
	for _, key := range configKeys {
		if imports.Get(n, key) != nil {
			found++
		}
	}
	return found > 1 && imports.Get(n, "type") == nil
}

// translator is one translation.
type translator struct {
	options imports.Options
	kinds   map[string]field
	configs map[string]*yaml.Node // by directory
	report  *imports.Report
	routes  receivers

	indices  []string
	realerts int
	worded   int // rules that look for words of texts
}

// Translate translates the rules of some files.
func (System) Translate(files []imports.File, o imports.Options) imports.Result {
	t := &translator{options: o, configs: map[string]*yaml.Node{}, report: &imports.Report{}}
	var err error
	if t.kinds, err = readMapping(o.Mapping); err != nil {
		t.report.Add(imports.Unreadable(o.Mapping.Name, "mapping", err))
	}
	if o.Config != nil {
		t.config(*o.Config, "")
	}
	documents := map[string][]*yaml.Node{}
	for _, f := range files {
		roots, err := imports.Read(f)
		if err != nil {
			t.report.Add(imports.Unreadable(f.Name, "yaml", err))
		}
		for _, root := range roots {
			if isConfig(root) {
				t.configs[path.Dir(f.Name)] = root
				continue
			}
			documents[f.Name] = append(documents[f.Name], root)
		}
	}
	result := imports.Result{Report: t.report}
	for _, f := range files {
		var rules []*yaml.Node
		for _, root := range documents[f.Name] {
			rules = append(rules, t.rule(f.Name, root)...)
		}
		if len(rules) > 0 {
			root := imports.Place(imports.Group("elastalert", rules), 1, 1)
			result.Documents = append(result.Documents, rule.Document{File: f.Name, Root: root})
		}
	}
	t.notes()
	result.Receivers = t.routes.document()
	return result
}

func (t *translator) config(f imports.File, directory string) {
	roots, err := imports.Read(f)
	if err != nil || len(roots) == 0 {
		err = cmp.Or(err, errors.New("the file is empty"))
		t.report.Add(imports.Unreadable(f.Name, "yaml", err))
		return
	}
	t.configs[directory] = roots[0]
}

func (t *translator) refuse(file string, line int, name, code string, err error) {
	t.report.Add(imports.Remark{
		File: file, Line: line, Rule: name, Verdict: imports.Refused, Code: code, Text: err.Error(),
	})
}

// notes says once what concerns all rules.
func (t *translator) notes() {
	note := func(code, format string, args ...any) {
		t.report.Add(imports.Remark{
			File: "-", Verdict: imports.Note, Code: code, Text: fmt.Sprintf(format, args...),
		})
	}
	if len(t.indices) > 0 {
		slices.Sort(t.indices)
		names := strings.Join(t.indices[:min(len(t.indices), 5)], ", ")
		if more := len(t.indices) - 5; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		note(
			"index",
			"indices (%s) are not translated: a rule reads all topics unless it has a source",
			names,
		)
	}
	if t.worded > 0 {
		note(
			"words",
			"a point between letters joins them to one word there, as in example.com, and "+
				"separates two words here (%d of the rules look for words)",
			t.worded,
		)
	}
	if t.realerts > 0 {
		note(
			"realert",
			"realert is the repeat_interval of a route (%d of the rules), see --receivers; "+
				"an alert here is one until it resolves, however many matches it has",
			t.realerts,
		)
	}
}

// one is the translation of one rule.
type one struct {
	*translator
	file string
	line int
	root *yaml.Node
	name string
	kind string

	verdict imports.Verdict
	remarks []imports.Remark
	filters filters
	samples []string // fields that texts use
	off     bool     // it never fires there
}

// remark says a difference.
func (r *one) remark(code, text string) { r.say(imports.Differs, code, text) }

func (r *one) say(v imports.Verdict, code, text string) {
	for _, m := range r.remarks {
		if m.Text == text {
			return
		}
	}
	r.remarks = append(r.remarks, imports.Remark{
		File: r.file, Line: r.line, Rule: r.name, Verdict: v, Code: code, Text: text,
	})
}

// rule translates one document, which gives one rule, or one for each field of new_term.
func (t *translator) rule(file string, root *yaml.Node) []*yaml.Node {
	base := strings.TrimSuffix(path.Base(file), path.Ext(file))
	r := &one{
		translator: t,
		file:       file,
		line:       max(root.Line, 1),
		root:       root,
		name:       base,
		verdict:    imports.Exact,
	}
	err := r.load()
	if name := imports.Value(r.root, "name"); name != "" {
		r.name = name
	}
	var rules []*yaml.Node
	if err == nil {
		rules, err = r.translate()
	}
	for _, n := range rules {
		if err == nil {
			err = imports.Check(file, imports.Place(n, r.line, 1))
		}
	}
	if err != nil {
		t.refuse(file, r.line, r.name, "refused", err)
		return nil
	}
	if len(r.remarks) == 0 || r.verdict != imports.Exact {
		r.say(r.verdict, "", "")
	}
	for _, m := range r.remarks {
		t.report.Add(m)
	}
	return rules
}

// load follows imports and adds the settings of config.yaml.
func (r *one) load() error {
	if r.root.Kind != yaml.MappingNode {
		return errors.New("it is not a mapping of settings")
	}
	if err := r.follow(); err != nil {
		return err
	}
	config := r.configs[path.Dir(r.file)]
	if config == nil {
		config = r.configs[""]
	}
	if config == nil && len(r.configs) == 1 {
		for _, only := range r.configs {
			config = only
		}
	}
	if config != nil {
		r.root = withDefaults(r.root, config)
	}
	return nil
}

// maxIncludes bounds the files that one rule imports.
const maxIncludes = 50

// follow reads the files that the rule imports. Its own settings win, and filters are added.
func (r *one) follow() error {
	stack := imports.Values(r.root, "import")
	rule := without(r.root, "import")
	seen := map[string]bool{}
	for len(stack) > 0 {
		name := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !filepath.IsAbs(name) {
			name = path.Join(path.Dir(r.file), name)
		}
		if seen[name] || name == r.file {
			return fmt.Errorf("it imports %s in a circle", name)
		}
		if seen[name] = true; len(seen) > maxIncludes {
			return fmt.Errorf("it imports more than %d files", maxIncludes)
		}
		if r.options.Read == nil {
			return fmt.Errorf("it imports %s, which cannot be read here", name)
		}
		data, err := r.options.Read(name)
		if err != nil {
			return fmt.Errorf("it imports %s: %w", name, err)
		}
		roots, err := imports.Read(imports.File{Name: name, Data: data})
		if err != nil || len(roots) == 0 || roots[0].Kind != yaml.MappingNode {
			return fmt.Errorf("it imports %s, which is not a file of settings", name)
		}
		stack = append(stack, imports.Values(roots[0], "import")...)
		rule = withDefaults(rule, withFilters(without(roots[0], "import"), rule))
		if list := imports.Get(roots[0], "filter"); list != nil {
			own := imports.Get(rule, "filter")
			if own != list {
				rule = replace(
					rule,
					"filter",
					imports.List(append(slices.Clone(members(list)), members(own)...)...),
				)
			}
		}
	}
	r.root = rule
	return nil
}

// withFilters leaves the filters of an imported file out when the rule has its own: they are
// joined.
func withFilters(from, rule *yaml.Node) *yaml.Node {
	if imports.Get(rule, "filter") != nil {
		return without(from, "filter")
	}
	return from
}

func without(m *yaml.Node, key string) *yaml.Node {
	c := *m
	c.Content = nil
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value != key {
			c.Content = append(c.Content, m.Content[i], m.Content[i+1])
		}
	}
	return &c
}

func replace(m *yaml.Node, key string, value *yaml.Node) *yaml.Node {
	c := without(m, key)
	imports.Set(c, key, value)
	return c
}

// withDefaults is a mapping with the keys of another that it lacks.
func withDefaults(m, defaults *yaml.Node) *yaml.Node {
	c := *m
	c.Content = slices.Clone(m.Content)
	for i := 0; i+1 < len(defaults.Content); i += 2 {
		if imports.Get(&c, defaults.Content[i].Value) == nil {
			c.Content = append(c.Content, defaults.Content[i], defaults.Content[i+1])
		}
	}
	return &c
}

func (r *one) value(key string) string   { return imports.Value(r.root, key) }
func (r *one) get(key string) *yaml.Node { return imports.Get(r.root, key) }
func (r *one) is(key string) bool {
	return slices.Contains([]string{"true", "yes", "on", "True"}, r.value(key))
}

// duration reads a mapping such as {minutes: 5}; 0 when there is none.
func (r *one) duration(key string) (time.Duration, error) {
	n := r.get(key)
	if n == nil || n.Tag == "!!null" {
		return 0, nil
	}
	if n.Kind != yaml.MappingNode {
		return 0, fmt.Errorf("%s is not a duration; they are written as {minutes: 5}", key)
	}
	units := map[string]time.Duration{
		"milliseconds": time.Millisecond, "seconds": time.Second, "minutes": time.Minute,
		"hours": time.Hour,
		"days":  24 * time.Hour, "weeks": 7 * 24 * time.Hour,
	}
	var sum time.Duration
	for i := 0; i+1 < len(n.Content); i += 2 {
		unit, ok := units[n.Content[i].Value]
		v, err := strconv.ParseFloat(n.Content[i+1].Value, 64)
		if !ok || err != nil || v < 0 || v > 1e9 {
			return 0, fmt.Errorf(
				"%s: %s of %q is not a duration",
				key,
				n.Content[i].Value,
				n.Content[i+1].Value,
			)
		}
		sum += time.Duration(v * float64(unit))
	}
	if sum < 0 || sum > 10*365*24*time.Hour {
		return 0, fmt.Errorf("%s is longer than ten years", key)
	}
	return sum, nil
}

// number reads a number.
func (r *one) number(key string) (string, bool, error) {
	n := r.get(key)
	if n == nil {
		return "", false, nil
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if err != nil {
		return "", false, fmt.Errorf("%s is not a number: %q", key, n.Value)
	}
	return strconv.FormatFloat(v, 'f', -1, 64), true, nil
}

// require reports settings without which ElastAlert refuses a rule, too.
func (r *one) require(keys ...string) error {
	var missing []string
	for _, key := range keys {
		if r.get(key) == nil {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("type %s needs %s", r.kind, strings.Join(missing, " and "))
	}
	return nil
}

// translate makes the rules.
func (r *one) translate() ([]*yaml.Node, error) {
	r.kind = r.value("type")
	translate, known := kinds[r.kind]
	switch {
	case r.kind == "":
		return nil, errors.New("it has no type")
	case strings.Contains(r.kind, "."):
		return nil, fmt.Errorf("type %s is Python of your own; write the condition by hand, as in "+
			"docs/howto/migrate.md", r.kind)
	case !known:
		return nil, fmt.Errorf("type %q is not one of ElastAlert's", r.kind)
	}
	timeField := cmp.Or(r.value("timestamp_field"), "@timestamp")
	r.filters = filters{
		types:  &types{kinds: r.kinds, sample: r.options.Sample, time: timeField},
		remark: r.remark,
	}
	match, err := r.filter("filter")
	if err != nil {
		return nil, err
	}
	list, err := translate(r)
	if err != nil {
		return nil, err
	}
	var rules []*yaml.Node
	for _, d := range list {
		n, err := r.node(match, d)
		if err != nil {
			return nil, err
		}
		rules = append(rules, n)
	}
	r.differences(timeField)
	r.routes.add(r, list)
	return rules, nil
}

// filter translates the filters of a key. A term that no text can have says that its field is a
// keyword; but a rule that would never hold for texts is written with mode: off, as it may be dead.
func (r *one) filter(key string) (rule.Query, error) {
	f := &r.filters
	f.doubts, f.doubt = nil, ""
	q, err := f.list(r.get(key))
	if err != nil || len(f.doubts) == 0 {
		return q, err
	}
	hint := "; so it is taken for a keyword, whose whole value counts, see --mapping"
	dead := isNever(q)
	f.keywords = append(f.keywords, f.doubts...)
	f.guessed = slices.DeleteFunc(f.guessed, func(name string) bool {
		return slices.Contains(f.doubts, name)
	})
	if q, err = f.list(r.get(key)); err != nil {
		return nil, err
	}
	if dead && !isNever(q) {
		r.off = true
		hint = "; should it be a keyword, give --mapping, or leave out mode: off"
	}
	r.remark("field-type", f.doubt+hint)
	return q, nil
}

// node writes a draft as a rule.
func (r *one) node(match rule.Query, d draft) (*yaml.Node, error) {
	q := all(match, d.match)
	if isNever(q) {
		return nil, errors.New(cmp.Or(r.filters.why, "its filters never hold"))
	}
	n := imports.Map("alert", imports.Text(cmp.Or(d.name, r.name)))
	imports.Set(n, "origin", imports.Map(
		"system", imports.Text("elastalert"), "file", imports.Text(r.file),
		"line", imports.Number(r.line)))
	if q != nil {
		text, err := rule.QueryText(q)
		if err != nil {
			return nil, err
		}
		imports.Set(n, "match", imports.Text(text))
	}
	if d.when != "" {
		imports.Set(n, "when", imports.Text(d.when))
	}
	span := func(key string, value time.Duration) {
		if value > 0 {
			imports.Set(n, key, imports.Text(duration.Format(value)))
		}
	}
	span("window", d.window)
	if every, err := r.duration("run_every"); err != nil {
		return nil, err
	} else if r.options.Faithful && d.polled {
		polls := cmp.Or(every, r.options.Interval, time.Minute)
		span("every", min(polls, cmp.Or(d.window, 5*time.Minute)))
	}
	if len(d.by) > 0 {
		imports.Set(n, "by", imports.Texts(d.by...))
	}
	span("keep_firing_for", d.keep)
	span("learn", d.learn)
	span("remember", d.remember)
	delay, err := r.duration("query_delay")
	if err != nil {
		return nil, err
	}
	span("lateness", delay)
	if r.off || r.value("is_enabled") == "false" || r.value("is_enabled") == "False" {
		imports.Set(n, "mode", imports.Text("off"))
	}
	texts := r.texts(d)
	if len(r.samples) > 0 {
		imports.Set(n, "samples", imports.Map("fields", imports.Texts(r.samples...)))
	}
	labels := imports.Map()
	for _, key := range []string{"priority", "owner", "category"} {
		if v := r.value(key); v != "" && !slices.Contains(d.labels, key) {
			imports.Set(labels, key, imports.Text(imports.Escape(v)))
		}
	}
	if len(labels.Content) > 0 {
		imports.Set(n, "labels", labels)
	}
	imports.Set(n, "annotations", texts)
	return n, nil
}

// differences says what of the other settings has no counterpart.
func (r *one) differences(timeField string) {
	if r.verdict == imports.Exact && (r.is("use_count_query") || r.is("use_terms_query")) {
		r.verdict = imports.WithinPoll
	}
	if names := r.filters.guessed; len(names) > 0 {
		list := strings.Join(names[:min(len(names), 4)], ", ")
		r.remark(
			"field-type",
			"text or keyword? "+list+" taken for text: words in any case; a keyword is its "+
				"whole value, so give --mapping or --against",
		)
	}
	for _, name := range imports.Values(r.root, "match_enhancements") {
		hint := ""
		if low := strings.ToLower(name); strings.Contains(low, "time") ||
			strings.Contains(low, "hour") {
			hint = "; hours are written as active"
		}
		r.remark("enhancement", "match_enhancements: "+name+" is Python and does not run"+hint)
	}
	if timeField != "@timestamp" {
		r.remark(
			"timestamp",
			"timestamp_field is "+timeField+"; event time here is that of the source, see its "+
				"format in the configuration",
		)
	}
	for _, key := range []string{
		"exponential_realert", "scan_entire_timeframe", "alert_on_new_data",
	} {
		if r.get(key) != nil && r.value(key) != "false" {
			r.remark(key, key+" has no counterpart")
		}
	}
	if n := r.get("realert"); n != nil {
		r.realerts++
	}
	if r.filters.worded {
		r.worded++
	}
	if index := r.value("index"); index != "" && !slices.Contains(r.indices, index) {
		r.indices = append(r.indices, index)
	}
	if r.get("alert") == nil {
		r.remark("no-alert", "it has no alert, so ElastAlert itself refuses it")
	}
}

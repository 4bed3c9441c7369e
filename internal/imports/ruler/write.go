package ruler

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Translation is what a query becomes.
type Translation struct {
	Extract *yaml.Node // nil for none, as all below
	Match   *yaml.Node
	When    string
	Window  time.Duration
	Every   time.Duration
	By      []string // as the key by has them
	Labels  map[string]string
	Remarks []imports.Remark // of which only verdict, code and text are given

	Silence bool // the condition may hold without logs
	Edge    bool // a log at exactly the end of a window counts in the next one there
}

// Remark adds a remark.
func (t *Translation) Remark(v imports.Verdict, code, format string, args ...any) {
	t.Remarks = append(
		t.Remarks,
		imports.Remark{Verdict: v, Code: code, Text: fmt.Sprintf(format, args...)},
	)
}

// A Query translates the query of a rule. A rule that is not one of the system's is skipped with
// the reason.
type Query func(
	r Rule,
	o imports.Options,
	labels Labels,
) (t *Translation, skipped string, err error)

// Translate translates the rules of files of one system.
func Translate(
	system string,
	files []imports.File,
	o imports.Options,
	query Query,
) imports.Result {
	labels, err := ReadLabels(o.Labels)
	tr := translator{
		system: system,
		notes:  map[string]string{},
		query: func(r Rule) (*Translation, string, error) {
			if err != nil {
				return nil, "", err
			}
			return query(r, o, labels)
		},
	}
	return tr.translate(files)
}

type translator struct {
	system string
	notes  map[string]string // by their codes
	query  func(r Rule) (t *Translation, skipped string, err error)
}

func (tr *translator) translate(files []imports.File) imports.Result {
	result := imports.Result{Report: &imports.Report{}}
	seen := map[string]int{}
	for _, f := range files {
		documents, err := imports.Read(f)
		if err != nil {
			result.Report.Add(imports.Unreadable(f.Name, "yaml", err))
		}
		rules := Rules(f.Name, documents)
		if len(rules) == 0 && err == nil {
			result.Report.Add(imports.Remark{
				File: f.Name, Line: 1, Verdict: imports.Skipped, Code: "no-rules",
				Text: "it has no rule with alert or record, and expr",
			})
		}
		groups := imports.List()
		of := map[string]*yaml.Node{}
		for _, r := range rules {
			n := tr.rule(r, seen, result.Report)
			if n == nil {
				continue
			}
			if of[r.Group] == nil {
				of[r.Group] = imports.List()
				groups.Content = append(groups.Content,
					imports.Map("name", imports.Text(r.Group), "rules", of[r.Group]))
			}
			of[r.Group].Content = append(of[r.Group].Content, n)
		}
		if len(groups.Content) > 0 {
			root := imports.Map("version", imports.Text("1"), "groups", groups)
			result.Documents = append(result.Documents, rule.Document{
				File: f.Name, Root: imports.Place(root, 1, 1),
			})
		}
	}
	for _, code := range slices.Sorted(maps.Keys(tr.notes)) {
		result.Report.Add(imports.Remark{
			File: "-", Verdict: imports.Note, Code: code, Text: tr.notes[code],
		})
	}
	return result
}

// note takes down what concerns all rules like one that was translated.
func (tr *translator) note(t *Translation) {
	if t.Every == 0 {
		tr.notes["between"] = "a condition that holds only between two evaluations is missed " +
			"there and fires here; --faithful evaluates at the intervals of the groups"
	}
	if t.Silence {
		tr.notes["silence"] = "a rule about silence says nothing here before its group has been " +
			"known for one window; there it fires at once"
	}
	if t.Edge {
		tr.notes["edge"] = "a log at exactly the end of a window counts in the next one there, " +
			"and in this one here"
	}
}

// rule translates one rule, nil when it is not.
func (tr *translator) rule(r Rule, seen map[string]int, report *imports.Report) *yaml.Node {
	remark := func(v imports.Verdict, code, text string) {
		report.Add(imports.Remark{
			File: r.File, Line: r.Line, Rule: r.Name, Verdict: v, Code: code, Text: text,
		})
	}
	if r.Name == "" {
		remark(imports.Refused, "name", "it has no name")
		return nil
	}
	t, skipped, err := tr.query(r)
	switch {
	case err != nil:
		remark(imports.Refused, "refused", err.Error())
		return nil
	case skipped != "":
		remark(imports.Skipped, "metric", skipped)
		return nil
	}
	n := tr.write(r, t, seen)
	if err := imports.Check(r.File, imports.Place(n, r.Line, 1)); err != nil {
		remark(imports.Refused, "refused", err.Error())
		return nil
	}
	tr.note(t)
	for _, m := range t.Remarks {
		remark(m.Verdict, m.Code, m.Text)
	}
	if len(t.Remarks) == 0 {
		v := imports.Exact
		if r.Annotations != nil && len(r.Annotations.Content) > 0 {
			v = imports.ExactTexts
		}
		remark(v, "", "")
	}
	return n
}

func (tr *translator) write(r Rule, t *Translation, seen map[string]int) *yaml.Node {
	kind := "alert"
	if r.Record {
		kind = "record"
	}
	n := imports.Map(kind, imports.Text(r.Name))
	id := r.Group + "/" + r.Name
	if seen[id]++; seen[id] > 1 {
		imports.Set(n, "uid", imports.Text(fmt.Sprintf("%s/%d", id, seen[id])))
	}
	imports.Set(n, "origin", imports.Map(
		"system", imports.Text(tr.system), "file", imports.Text(r.File),
		"line", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(r.Line)},
	))
	for key, value := range map[string]*yaml.Node{"extract": t.Extract} {
		if value != nil {
			imports.Set(n, key, value)
		}
	}
	if t.Match != nil {
		imports.Set(n, "match", t.Match)
	}
	text := func(key, value string) {
		if value != "" && !zero(value) {
			imports.Set(n, key, imports.Text(value))
		}
	}
	text("when", t.When)
	text("window", duration.Format(t.Window))
	if t.Every > 0 {
		text("every", duration.Format(t.Every))
	}
	if len(t.By) > 0 {
		imports.Set(n, "by", imports.Texts(t.By...))
	}
	if !r.Record {
		text("for", r.For)
		text("keep_firing_for", r.Keep)
	}
	if limit, err := strconv.Atoi(r.Limit); err == nil && limit > 0 {
		imports.Set(n, "limit", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: r.Limit})
		t.Remark(imports.Differs, "limit",
			"beyond the limit of %d alerts further groups are refused here, and one alert "+
				"says so; there the rule fails", limit)
	}
	labels := imports.Map()
	for name, value := range t.Labels {
		imports.Set(labels, name, imports.Text(imports.Escape(value)))
	}
	tr.texts(labels, r.GroupLabels, "label", t)
	tr.texts(labels, r.Labels, "label", t)
	if len(labels.Content) > 0 {
		imports.Set(n, "labels", labels)
	}
	if r.Record {
		return n
	}
	annotations := imports.Map()
	tr.texts(annotations, r.Annotations, "annotation", t)
	if len(annotations.Content) > 0 {
		imports.Set(n, "annotations", annotations)
	}
	if len(r.Unknown) > 0 {
		t.Remark(
			imports.Differs,
			"key",
			"keys that are not known were left out: %s",
			strings.Join(r.Unknown, ", "),
		)
	}
	return n
}

// texts adds the labels or annotations of a rule, whose templates are rewritten.
func (tr *translator) texts(to, from *yaml.Node, kind string, t *Translation) {
	if from == nil || from.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(from.Content); i += 2 {
		name, value := from.Content[i].Value, from.Content[i+1].Value
		if from.Content[i+1].Kind != yaml.ScalarNode || kind == "label" && value == "" ||
			kind == "label" && t.groups(name) && repeats(name, value) {
			continue
		}
		text, why := Template(value)
		if why != "" {
			t.Remark(
				imports.Differs,
				"template",
				"%s %s: %s; it is written as it stands",
				kind,
				name,
				why,
			)
			text = imports.Escape(value)
		}
		if old := imports.Get(to, name); old != nil {
			old.Value = text
			continue
		}
		imports.Set(to, name, imports.Text(text))
	}
}

var (
	helm      = regexp.MustCompile("{{\\s*(?:\"({{|}})\"|`({{|}})`)\\s*}}")
	helmWhole = regexp.MustCompile("(?s){{-?\\s*`(.*?)`\\s*-?}}")
	action    = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	variable  = regexp.MustCompile(`\$(labels|value)\b`)
)

// functions are what templates of rules may call; text/template's own come with it.
var functions = []string{
	"humanize", "humanize1024", "humanizeDuration", "humanizePercentage", "toUpper", "toLower",
	"title",
	"join",
}

// Template rewrites a template of Prometheus for the rules here; why says what it needs that is not
// there.
func Template(text string) (rewritten, why string) {
	text = helm.ReplaceAllString(text, "$1$2")
	text = helmWhole.ReplaceAllString(text, "$1")
	if !strings.Contains(text, "{{") {
		return text, ""
	}
	moves := regexp.MustCompile(`\{\{-?\s*(range|with)\b`).MatchString(text)
	rewritten = action.ReplaceAllStringFunc(text, func(a string) string {
		if strings.Contains(a, "$externalLabels") || strings.Contains(a, "$externalURL") {
			why = "it names the labels or the address of the other system"
		}
		return variable.ReplaceAllStringFunc(a, func(v string) string {
			name := map[string]string{"$labels": ".Labels", "$value": ".Value"}[v]
			if moves {
				return "$" + name
			}
			return name
		})
	})
	if why != "" {
		return "", why
	}
	stubs := template.FuncMap{}
	for _, name := range functions {
		stubs[name] = func(...any) string { return "" }
	}
	if _, err := template.New("").Funcs(stubs).Parse(rewritten); err != nil {
		why = strings.TrimPrefix(err.Error(), "template: :1: ")
		return "", why
	}
	return rewritten, ""
}

// ByName is the label of a group in the key by: the name alone when the field is called so.
func ByName(name, field string) string {
	if name == field {
		return name
	}
	return name + "=" + field
}

// groups reports whether a label is one of the groups.
func (t *Translation) groups(name string) bool {
	return slices.ContainsFunc(t.By, func(by string) bool {
		label, _, _ := strings.Cut(by, "=")
		return label == name
	})
}

// repeats reports whether the text of a label is that of the group's label of the same name.
func repeats(name, text string) bool {
	inner, ok := strings.CutPrefix(strings.TrimSpace(text), "{{")
	inner, closed := strings.CutSuffix(inner, "}}")
	inner = strings.TrimSpace(inner)
	return ok && closed && (inner == "$labels."+name || inner == ".Labels."+name)
}

// Own renames the labels of groups that the rule gives a value of its own, which wins in the other
// system.
func (t *Translation) Own(r Rule) {
	for i, by := range t.By {
		name, field, found := strings.Cut(by, "=")
		if !found {
			field = name
		}
		given := imports.Get(r.Labels, name) != nil && !repeats(name, imports.Value(r.Labels, name))
		if given || name == "alertname" {
			t.By[i] = "group_" + name + "=" + field
			t.Remark(imports.Differs, "label",
				"label %s is the rule's own and that of the group, which is called group_%s "+
					"here", name, name)
		}
	}
	t.By = slices.Compact(t.By)
}

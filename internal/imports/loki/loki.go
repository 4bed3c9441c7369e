// Package loki translates rules of Loki: groups of alerts and records over LogQL.
package loki

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/logql"
	"github.com/log-monitoring/alert-engine/internal/imports/ruler"
)

// System translates rules of Loki.
type System struct{}

// Name is loki.
func (System) Name() string { return "loki" }

// Recognizes reports whether a file has rules with expr that are not of VictoriaLogs.
func (System) Recognizes(documents []*yaml.Node) bool {
	rules := ruler.Rules("", documents)
	return slices.ContainsFunc(rules, func(r ruler.Rule) bool { return r.Type != "vlogs" })
}

// Translate translates the rules of some files.
func (s System) Translate(files []imports.File, o imports.Options) imports.Result {
	return ruler.Translate(s.Name(), files, o, query)
}

// topology is what the rules of Juju's charms have in their selectors. The charm replaces it with
// the labels of its application, of which juju_application is one.
const topology = "%%juju_topology%%"

// query translates the query of a rule.
func query(
	r ruler.Rule,
	o imports.Options,
	labels ruler.Labels,
) (*ruler.Translation, string, error) {
	switch {
	case r.Type == "vlogs":
		return nil, "", errors.New("its group is of type vlogs; import it with: import vmalert")
	case r.Type != "" && r.Type != "loki":
		return nil, "its group is of type " + r.Type + ", which is not about logs", nil
	}
	charm := strings.Contains(r.Expr, topology)
	r.Expr = strings.ReplaceAll(r.Expr, topology, `juju_application=~".+"`)
	e, err := logql.Parse(r.Expr)
	if err != nil && ruler.IsMetric(r.Expr) || err == nil && strings.Contains(r.Expr, "__name__") {
		return nil, "it is about metrics; rules over metrics stay where they are", nil
	}
	if at, ok := errors.AsType[*logql.Error](err); ok {
		return nil, "", fmt.Errorf(
			"%s:%d: LogQL does not read the query: %s",
			r.File,
			r.ExprLine+at.Line-1,
			at,
		)
	}
	interval := ruler.Default(r.Interval, o.Interval)
	if interval == 0 {
		interval = time.Minute
	}
	l := &lowering{
		t: &ruler.Translation{
			Labels: map[string]string{},
		}, labels: labels, sample: o.Sample, rule: r,
		names: map[string]string{}, members: map[string][]string{},
	}
	if err := l.lower(e); err != nil {
		return nil, "", err
	}
	if charm {
		l.t.Remark(imports.Differs, "juju", "Juju writes the labels of the charm's application for "+
			"%%%%juju_topology%%%%; here it is any application; import Loki's own rules for one each")
	}
	if o.Faithful {
		if l.t.Every = interval; interval > l.t.Window {
			l.t.Every = 0
			l.t.Remark(imports.Differs, "interval",
				"it is evaluated each %s and looks back %s, so logs between are never seen "+
					"there; here all are", duration.Format(interval), duration.Format(l.t.Window))
		}
	}
	if d, err := duration.Parse(r.For); r.For != "" && (err != nil || d < 0) {
		return nil, "", fmt.Errorf("for: %q is not a duration", r.For)
	}
	l.t.Own(r)
	return l.t, "", nil
}

// absentLabels says which labels of selectors no log of the sample has.
func (l *lowering) absentLabel(name, field string) {
	if l.sample == nil || l.sample.Logs == 0 || slices.Contains(l.reported, name) {
		return
	}
	last := strings.TrimPrefix(field, "stream.")
	for path := range l.sample.Fields {
		if path == last || strings.HasSuffix(path, "."+last) {
			return
		}
	}
	l.reported = append(l.reported, name)
	l.t.Remark(imports.Differs, "absent-label",
		"no log of the sample has the label %s; say with --labels which field holds it", name)
}

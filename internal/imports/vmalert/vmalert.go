// Package vmalert translates rules of vmalert over VictoriaLogs: groups of type vlogs, whose
// expressions are LogsQL with stats.
package vmalert

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/ruler"
	"github.com/log-monitoring/alert-engine/internal/imports/tree"
)

// System translates rules of vmalert.
type System struct{}

// Name is vmalert.
func (System) Name() string { return "vmalert" }

// Recognizes reports whether a file has rules of type vlogs.
func (System) Recognizes(documents []*yaml.Node) bool {
	return slices.ContainsFunc(
		ruler.Rules("", documents),
		func(r ruler.Rule) bool { return r.Type == "vlogs" },
	)
}

// Translate translates the rules of some files.
func (s System) Translate(files []imports.File, o imports.Options) imports.Result {
	return ruler.Translate(s.Name(), files, o, translate)
}

// translate translates the query of a rule.
func translate(
	r ruler.Rule,
	o imports.Options,
	labels ruler.Labels,
) (*ruler.Translation, string, error) {
	if r.Type != "vlogs" && (r.Type != "" || !strings.Contains(r.Expr, "stats")) {
		return nil, "it is about metrics: its group is not of type vlogs", nil
	}
	q := &query{scanner: scanner{text: r.Expr}, names: &names{
		labels: labels.Fields, renames: map[string]string{}, members: map[string][]string{},
	}}
	s, err := q.read()
	if m, ok := errors.AsType[*mistake](err); ok {
		before := r.Expr[:min(m.at, len(r.Expr))]
		return nil, "", fmt.Errorf(
			"%s:%d: column %d of the query: %s",
			r.File,
			r.ExprLine+strings.Count(before, "\n"),
			m.at-strings.LastIndexByte(before, '\n'),
			m.text,
		)
	}
	if err != nil {
		return nil, "", err
	}
	every := ruler.Default(r.Interval, o.Interval)
	if every == 0 {
		every = time.Minute
	}
	t := &ruler.Translation{Window: every, Every: every, By: s.by, Edge: true}
	for _, m := range q.remarks {
		t.Remark(imports.Differs, m.code, "%s", m.text)
	}
	if q.window.given {
		t.Window, _ = duration.Parse(q.window.text)
		if t.Every = 0; o.Faithful && every <= t.Window {
			t.Every = every
		}
	}
	if t.When, err = s.condition(r, t); err != nil {
		return nil, "", err
	}
	t.When = strings.ReplaceAll(
		t.When,
		windowMark,
		strconv.FormatFloat(t.Window.Seconds(), 'f', -1, 64),
	)
	for _, kind := range []string{"json", "logfmt"} {
		if list := q.names.members[kind]; len(list) > 0 {
			s.extractions = append(s.extractions, decode.Extraction{
				From: q.names.from, Method: kind, Text: strings.Join(list, ","),
			})
		}
	}
	t.Extract = ruler.Extract(s.extractions)
	t.Match = tree.MatchOf(s.logs, s.more)
	t.Own(r)
	return t, "", nil
}

// read reads the whole query.
func (q *query) read() (*statistics, error) {
	if q.keyword("options") {
		for q.i < len(q.text) && !q.take(")") {
			q.i++
		}
	}
	if q.is("|") {
		return nil, q.fail("the query has no filter; write *")
	}
	n, err := q.filter("", 0)
	if err != nil {
		return nil, err
	}
	return q.stages(n)
}

// condition is the key when. A group without logs has no result; the one result of stats without by
// is always there.
func (s *statistics) condition(r ruler.Rule, t *ruler.Translation) (string, error) {
	if r.Record {
		if s.when != "" {
			return "", errors.New("a record with a filter behind stats is not translated")
		}
		if len(s.order) > 1 {
			t.Remark(imports.Differs, "results",
				"of several results the last one, %s, is recorded", s.order[len(s.order)-1])
		}
		return s.results[s.order[len(s.order)-1]], nil
	}
	switch {
	case s.when == "" && len(s.by) == 0:
		return "", errors.New(
			"without by and filter it has a result at any time, so it always fires")
	case s.when == "":
		t.Remark(imports.Differs, "no-threshold",
			"it compares with nothing, so it fires on any log")
		return "count() > 0", nil
	case len(s.by) > 0:
		return strings.ReplaceAll(s.when, emptyMark, " + 0 / count()"), nil
	}
	t.Silence = strings.Contains(s.when, emptyMark)
	return strings.ReplaceAll(s.when, emptyMark, ""), nil
}

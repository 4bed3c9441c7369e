package notify

import (
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Lookup adds labels and annotations to alerts by a table: the owner of a service, its team, its
// runbook. Routes and templates see them like those of the rule.
type Lookup struct {
	File        string   // CSV, with the names of labels in its first line
	Table       *Table   // or a table whose rows change while the program runs
	By          []string // columns that must be equal to the alert's labels
	Annotations []string // columns that become annotations; all others become labels
}

const (
	maxLookupFile = 4 << 20
	maxLookupRows = 100_000
)

// lookup is a table that was read.
type lookup struct {
	by, labels, annotations []column
	rows                    map[string][]string // by the values of the columns of by
	live                    *Table              // instead of all of these; nil for none
	annotationNames         []string            // of live
}

type column struct {
	name string
	at   int
}

// newLookups reads the tables of the options.
func newLookups(list []Lookup) (tables []*lookup, err error) {
	var errs []error
	for _, one := range list {
		t, err := newLookup(one)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		tables = append(tables, t)
	}
	return tables, errors.Join(errs...)
}

func newLookup(o Lookup) (*lookup, error) {
	if o.Table != nil {
		return &lookup{live: o.Table, annotationNames: o.Annotations}, nil
	}
	info, err := os.Stat(o.File)
	switch {
	case err != nil:
		return nil, fmt.Errorf("lookup: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxLookupFile:
		return nil, fmt.Errorf("%s: a lookup is a regular file of at most 4 MiB", o.File)
	case len(o.By) == 0:
		return nil, fmt.Errorf(
			"%s: a lookup needs by, the labels that its rows are found by",
			o.File,
		)
	}
	f, err := os.Open(o.File) // #nosec G304 -- named by the configuration
	if err != nil {
		return nil, fmt.Errorf("lookup: %w", err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.TrimLeadingSpace = true
	all, err := in.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.File, err)
	}
	if len(all) == 0 || len(all) > maxLookupRows {
		return nil, fmt.Errorf("%s: a lookup has a line of names and at most 100,000 rows", o.File)
	}
	t := &lookup{rows: map[string][]string{}}
	header := all[0]
	for _, name := range slices.Concat(o.By, o.Annotations) {
		if !slices.Contains(header, name) {
			return nil, fmt.Errorf("%s:1: there is no column %q%s", o.File, name,
				hintText(problem.DidYouMean(name, header)))
		}
	}
	for at, name := range header {
		switch c := (column{name, at}); {
		case slices.Contains(o.By, name):
			t.by = append(t.by, c)
		case slices.Contains(o.Annotations, name):
			t.annotations = append(t.annotations, c)
		default:
			t.labels = append(t.labels, c)
		}
	}
	for i, row := range all[1:] {
		key := t.key(func(c column) string { return row[c.at] })
		if t.rows[key] != nil {
			return nil, fmt.Errorf("%s:%d: a row above has the same %s", o.File, i+2,
				strings.Join(o.By, ", "))
		}
		t.rows[key] = row
	}
	return t, nil
}

func hintText(hint string) string {
	if hint == "" {
		return ""
	}
	return "; " + hint
}

func (t *lookup) key(value func(column) string) string {
	return rowKey(len(t.by), func(i int) string { return value(t.by[i]) })
}

// rowKey makes one text of the values that a row is found by.
func rowKey(n int, value func(i int) string) string {
	var key strings.Builder
	for i := range n {
		v := value(i)
		fmt.Fprintf(&key, "%d:%s", len(v), v)
	}
	return key.String()
}

// enrich returns an alert with what the tables have for it. A label or annotation of the rule
// counts more than one of a table, and a table counts more than those after it.
func (p *receiverConfig) enrich(a models.Alert) models.Alert {
	if len(p.lookups) == 0 {
		return a
	}
	a.Labels, a.Annotations = maps.Clone(a.Labels), maps.Clone(a.Annotations)
	if a.Labels == nil {
		a.Labels = map[string]string{}
	}
	if a.Annotations == nil {
		a.Annotations = map[string]string{}
	}
	for _, t := range p.lookups {
		if t.live != nil {
			t.addLive(a.Labels, a.Annotations)
			continue
		}
		row := t.rows[t.key(func(c column) string { return a.Labels[c.name] })]
		if row == nil {
			continue
		}
		add(a.Labels, t.labels, row)
		add(a.Annotations, t.annotations, row)
	}
	if a.Severity == "" {
		a.Severity = a.Labels["severity"]
	}
	return a
}

// addLive adds what a table of a topic has for the labels.
func (t *lookup) addLive(labels, annotations map[string]string) {
	t.live.find(labels, func(name, v string) {
		switch {
		case slices.Contains(t.annotationNames, name):
			if annotations[name] == "" {
				annotations[name] = clean(v, maxAnnotation)
			}
		case labels[name] == "" && name != model.AlertNameLabel:
			labels[name] = clean(v, maxLabel)
		}
	})
}

func add(to map[string]string, columns []column, row []string) {
	for _, c := range columns {
		if row[c.at] != "" && to[c.name] == "" {
			to[c.name] = row[c.at]
		}
	}
}

package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/sigma"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// SigmaConfig names Sigma rules that are read as they are.
type SigmaConfig struct {
	// files, directories with all below them, and globs
	Path   []Path       `yaml:"path"`
	Filter sigma.Filter `yaml:"filter,omitempty"`
	// files of field names, each with the name or the names that the logs have for it
	Fields    []Path `yaml:"fields,omitempty"`
	Pipelines []Path `yaml:"pipelines,omitempty"` // pySigma pipeline files
	// the logs there are; a rule of a logsource that none fits is left out. Without them all rules
	// are taken.
	Logsources []SigmaLogsource `yaml:"logsources,omitempty"`
	By         []string         `yaml:"by,omitempty"` // groups of rules that are no correlations
	// added to the labels of all rules
	Labels map[string]string `yaml:"labels,omitempty"`
	// files with the values of placeholders, one a line, by their names
	Lists map[string]Path `yaml:"lists,omitempty"`
	// a file of settings of single rules, by their IDs
	Overrides Path `yaml:"overrides,omitempty"`
}

// SigmaLogsource says which logs a logsource of Sigma means. Keys that are left out fit any.
type SigmaLogsource struct {
	Product  string `yaml:"product,omitempty"`
	Category string `yaml:"category,omitempty"`
	Service  string `yaml:"service,omitempty"`
	// the sources that its rules read; the default of rules otherwise
	Source []string `yaml:"source,omitempty"`
	// a selection, as in a detection, that distinguishes these logs from others; by the names of
	// their own fields
	Match yaml.Node `yaml:"match,omitempty"`
}

// SigmaReport is the outcome of the Sigma rules of a configuration.
type SigmaReport struct {
	Loaded     int
	Remarks    []imports.Remark // of rules that are left out, and about all rules
	Unprovided map[string]int   // rules that are left out, by the logsource that no source provides
	Refused    problem.List     // with the outcome of the file
}

// sigmaFiles reads the Sigma rules of a configuration, at the start and at each reload. A file that
// is bad keeps its last good form.
type sigmaFiles struct {
	good map[string][]byte
	// whether taken is kept, for the other members of a cluster
	keep  bool
	taken []rule.Document // the rules that the last load has accepted
	// whether the files are read once, so that their texts need not be remembered
	once bool
	each func(*rule.Set, *rule.Rule) // is given each rule as it is read, if not nil
}

// collection is the Sigma rules of one entry of the configuration.
type sigmaCollection struct {
	options sigma.Options
	files   []imports.File
	stale   []imports.Remark // of files that are not read as they are now
	kept    map[string]bool  // those that keep their last good form
}

// read reads the files of an entry.
func (s *sigmaFiles) read(c SigmaConfig) (*sigmaCollection, error) {
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	one := &sigmaCollection{options: options, kept: map[string]bool{}}
	var names []string
	for _, path := range c.Path {
		found, err := sigmaNames(string(path))
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		data, err := readBounded(name)
		if err == nil {
			one.files = append(one.files, imports.File{Name: name, Data: data})
			continue
		}
		one.stale = append(one.stale, imports.Remark{
			File: name, Line: 1, Verdict: imports.Refused, Code: "file", Text: problem.Reason(err),
		})
		if good := s.good[name]; good != nil {
			one.files = append(one.files, imports.File{Name: name, Data: good})
			one.kept[name] = true
		}
	}
	return one, nil
}

// sigmaNames are the rule files that a path stands for.
func sigmaNames(path string) (names []string, err error) {
	roots := []string{path}
	if _, err := os.Stat(path); err != nil {
		if roots, _ = filepath.Glob(path); len(roots) == 0 {
			return nil, problem.New(
				problem.Pos{File: path},
				"name a file or a directory under path",
				"no Sigma rule is found here",
			)
		}
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			if name == root || slices.Contains([]string{".yml", ".yaml"}, filepath.Ext(name)) {
				names = append(names, filepath.ToSlash(name))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

// maxSigmaFile bounds the size of one file of rules.
const maxSigmaFile = 4 << 20

func readBounded(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSigmaFile {
		return nil, errors.New("the file is larger than 4 MiB")
	}
	return os.ReadFile(name)
}

// options are those of the translation. What is wrong with them is wrong with the configuration.
func (c SigmaConfig) options() (sigma.Options, error) {
	o := sigma.Options{
		Filter: c.Filter, By: c.By, Labels: c.Labels, Windows: true, Lists: map[string][]string{},
	}
	var errs problem.List
	fail := func(file Path, err error) {
		errs = append(errs, problem.ListOf(string(file), err)...)
	}
	for _, file := range c.Pipelines {
		data, err := readBounded(string(file))
		if err == nil {
			var p *sigma.Pipeline
			if p, err = sigma.ReadPipeline(string(file), data); err == nil {
				o.Pipelines = append(o.Pipelines, p)
			}
		}
		fail(file, err)
	}
	for _, file := range c.Fields {
		data, err := readBounded(string(file))
		if err == nil {
			var p *sigma.Pipeline
			if p, err = sigma.ReadFields(string(file), data); err == nil {
				o.Pipelines = append(o.Pipelines, p)
			}
		}
		fail(file, err)
	}
	for name, file := range c.Lists {
		members, err := rule.ReadMembers(string(file))
		o.Lists[name] = members
		fail(file, err)
	}
	for _, l := range c.Logsources {
		source := sigma.Source{
			Product: l.Product, Category: l.Category, Service: l.Service, Topics: l.Source,
		}
		if !l.Match.IsZero() {
			match := l.Match
			source.Match = &match
		}
		o.Sources = append(o.Sources, source)
	}
	if c.Overrides != "" {
		data, err := readBounded(string(c.Overrides))
		if err == nil {
			o.Overrides, err = sigma.ReadOverrides(string(c.Overrides), data)
		}
		fail(c.Overrides, err)
	}
	return o, errs.Err()
}

// load reads rule files together with the Sigma rules of a configuration.
func (s *sigmaFiles) load(
	configs []SigmaConfig, texts []rule.File, files []string,
) (*rule.Set, *SigmaReport, error) {
	var all []*sigmaCollection
	for _, c := range configs {
		one, err := s.read(c)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, one)
	}
	set, remarks, err := s.translate(all, texts, files)
	if err != nil {
		return nil, nil, err
	}
	if s.restore(all, remarks) {
		if set, remarks, err = s.translate(all, texts, files); err != nil {
			return nil, nil, err
		}
	}
	s.remember(all, remarks)
	kept := map[string]bool{}
	for _, one := range all {
		remarks = append(one.stale, remarks...)
		maps.Copy(kept, one.kept)
	}
	return set, sigmaReport(set, remarks, kept), nil
}

// translate translates all collections, and reads them as one set with the rule files.
func (s *sigmaFiles) translate(
	all []*sigmaCollection, texts []rule.File, files []string,
) (*rule.Set, []imports.Remark, error) {
	var translations []*sigma.Translation
	for _, one := range all {
		translations = append(translations, sigma.Read(one.files, one.options))
		if s.once {
			one.files = nil // a translation lets go of each text that it has translated
		}
	}
	var documents []rule.Document
	each := s.each
	if each == nil {
		each = func(*rule.Set, *rule.Rule) {}
	}
	set, err := rule.LoadEach(func(yield func(rule.Document) bool) {
		for _, t := range translations {
			for d := range t.Documents {
				if s.keep {
					documents = append(documents, d)
				}
				if !yield(d) {
					return
				}
			}
		}
	}, each, texts, files...)
	if err != nil {
		return nil, nil, err
	}
	s.taken = sigma.Accepted(documents, set)
	var remarks []imports.Remark
	made := 0
	for _, t := range translations {
		t.Refuse(set, made)
		made += t.Made()
		remarks = append(remarks, t.Report.Remarks...)
	}
	return set, remarks, nil
}

// restore gives files with a refused rule their last good form, if there is another one, and
// reports whether it gave any.
func (s *sigmaFiles) restore(all []*sigmaCollection, remarks []imports.Remark) (any bool) {
	bad := refusedFiles(remarks)
	for _, one := range all {
		for i, f := range one.files {
			good := s.good[f.Name]
			if bad[f.Name] == nil || good == nil || string(good) == string(f.Data) {
				continue
			}
			one.files[i].Data, one.kept[f.Name], any = good, true, true
			one.stale = append(one.stale, bad[f.Name]...)
		}
	}
	return any
}

// remember notes the text of files without a refused rule.
func (s *sigmaFiles) remember(all []*sigmaCollection, remarks []imports.Remark) {
	bad := refusedFiles(remarks)
	good := map[string][]byte{}
	for _, one := range all {
		for _, f := range one.files {
			if bad[f.Name] == nil {
				good[f.Name] = f.Data
			}
		}
	}
	s.good = good
}

func refusedFiles(remarks []imports.Remark) map[string][]imports.Remark {
	files := map[string][]imports.Remark{}
	for _, m := range remarks {
		if m.Verdict == imports.Refused {
			files[m.File] = append(files[m.File], m)
		}
	}
	return files
}

// othersLoaded is the hint about a rule that was left out of many.
const othersLoaded = "the other rules are loaded"

// sigmaReport says the outcome of the rules. kept are the files that keep their last good form.
func sigmaReport(set *rule.Set, remarks []imports.Remark, kept map[string]bool) *SigmaReport {
	r := &SigmaReport{Unprovided: map[string]int{}}
	for _, one := range set.Rules {
		if one.Origin.System == "sigma" {
			r.Loaded++
		}
	}
	for _, m := range remarks {
		switch {
		case m.Verdict == imports.Refused:
			hint := othersLoaded
			if kept[m.File] {
				hint = "what the file said before stays in effect"
			}
			e := problem.New(problem.Pos{File: m.File, Line: m.Line, Column: 1}, "", "%s", m.Text)
			if m.Mistake != nil {
				*e = problem.Error{Pos: m.Mistake.Pos, Problem: m.Mistake.Text()}
			}
			e.Hint = hint
			r.Refused = append(r.Refused, e)
		case m.Code == sigma.Unprovided:
			r.Unprovided[m.Subject]++
		case m.Verdict == imports.Exact || m.Verdict == imports.Skipped:
			continue
		}
		r.Remarks = append(r.Remarks, m)
	}
	return r
}

// findings are the rules that were refused, as check reports them.
func (r *SigmaReport) findings() (found []rule.Finding) {
	for _, e := range r.Refused {
		found = append(found, rule.Finding{
			Name: rule.SigmaRefused, Pos: e.Pos, Text: "the Sigma rule is refused: " + e.Problem,
			Hint: e.Hint,
		})
	}
	return found
}

// Lines are the report for users, one line a fact.
func (r *SigmaReport) Lines() (lines []string) {
	for _, m := range r.Remarks {
		if m.Verdict != imports.Refused && m.Code != sigma.Unprovided {
			lines = append(lines, m.String())
		}
	}
	n := 0
	for _, rules := range r.Unprovided {
		n += rules
	}
	if n > 0 {
		lines = append(
			lines,
			fmt.Sprintf("%s of %s that no source provides:", safetext.CountOf(n, "Sigma rule"),
				safetext.CountOf(len(r.Unprovided), "logsource")),
		)
		for _, name := range slices.Sorted(maps.Keys(r.Unprovided)) {
			lines = append(lines, fmt.Sprintf("  %s: %d", name, r.Unprovided[name]))
		}
	}
	return lines
}

// log logs the report.
func (r *SigmaReport) log(l *slog.Logger) {
	for _, e := range r.Refused {
		l.Warn("Sigma rule is refused", "rule", e.Pos.String(), "reason", e.Problem, "hint", e.Hint)
	}
	var unprovided []string
	n := 0
	for _, name := range slices.Sorted(maps.Keys(r.Unprovided)) {
		unprovided = append(unprovided, fmt.Sprintf("%s (%d)", name, r.Unprovided[name]))
		n += r.Unprovided[name]
	}
	l.Info("Sigma rules", "loaded", r.Loaded, "refused", len(r.Refused), "unprovided", n,
		"logsources", strings.Join(unprovided, ", "))
}

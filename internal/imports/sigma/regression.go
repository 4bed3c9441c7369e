package sigma

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Regression is the regression tests of one rule, as SigmaHQ keeps them: an info.yml, and beside it
// the events of each test, and how many of them match at least.
type Regression struct {
	File  string
	Rules []string // IDs
	Tests []RegressionTest

	root string // of the checkout
}

// RegressionTest is one test.
type RegressionTest struct {
	Name   string
	Events string // the file
	Count  int    // the events that match at least; 0 for one
}

const (
	infoFile       = "info.yml"
	regressionData = "regression_data"
)

// ReadRegressions reads the regression tests of a directory of SigmaHQ's, or of one info.yml. It
// returns nothing for other files.
func ReadRegressions(path string) (list []Regression, err error) {
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Base(name) != infoFile {
			return err
		}
		r, err := readRegression(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, r)
		return nil
	})
	return list, err
}

func readRegression(name string) (r Regression, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return r, err
	}
	documents, err := imports.Read(imports.File{Name: name, Data: data})
	if err != nil || len(documents) == 0 {
		return r, errors.Join(err, errors.New("it is not a regression test"))
	}
	r.File = name
	absolute, err := filepath.Abs(name)
	if err != nil {
		return r, err
	}
	r.root, _, _ = strings.Cut(filepath.ToSlash(absolute), "/"+regressionData+"/")
	if list := imports.Get(documents[0], "rule_metadata"); list != nil {
		for _, m := range list.Content {
			r.Rules = append(r.Rules, imports.Value(m, "id"))
		}
	}
	tests := imports.Get(documents[0], "regression_tests_info")
	if tests == nil {
		return r, nil
	}
	for _, n := range tests.Content {
		path := filepath.Base(imports.Value(n, "path"))
		t := RegressionTest{
			Name: imports.Value(n, "name"),
			Events: filepath.Join(filepath.Dir(name),
				strings.TrimSuffix(path, filepath.Ext(path))+".json"),
		}
		_, _ = fmt.Sscan(imports.Value(n, "match_count"), &t.Count)
		r.Tests = append(r.Tests, t)
	}
	return r, nil
}

// RegressionResult is what came of one test.
type RegressionResult struct {
	File, Name string
	Failures   []string
	Took       time.Duration
}

// RunRegressions runs tests with the rules of the checkout that they lie in.
func RunRegressions(list []Regression, clock func() time.Time) ([]RegressionResult, error) {
	files := map[string]imports.File{}
	wanted := map[string]map[string]bool{} // IDs that no file beside the tests has, by checkout
	for _, r := range list {
		for _, id := range r.Rules {
			name := r.ruleFile()
			data, err := os.ReadFile(name)
			if err == nil && bytes.Contains(data, []byte(id)) {
				files[name] = imports.File{Name: name, Data: data}
			} else {
				if wanted[r.root] == nil {
					wanted[r.root] = map[string]bool{}
				}
				wanted[r.root][id] = true
			}
		}
	}
	for root, ids := range wanted {
		if err := findRules(root, ids, files); err != nil {
			return nil, err
		}
	}
	var all []imports.File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = append(all, files[name])
	}
	translation := Read(all, Options{Windows: true})
	set, err := rule.LoadDocuments(translation.Documents, nil)
	if err != nil {
		return nil, err
	}
	translation.Refuse(set, 0)
	byID := map[string]*rule.Rule{}
	for _, r := range set.Rules {
		byID[r.UID] = r
	}
	refused := map[string]string{}
	for _, m := range translation.Report.Remarks {
		if m.Verdict == imports.Refused {
			refused[m.File] = m.String()
		}
	}
	var results []RegressionResult
	for _, r := range list {
		for _, t := range r.Tests {
			began := clock()
			result := RegressionResult{File: r.File, Name: t.Name}
			for _, id := range r.Rules {
				if one := byID[id]; one != nil {
					result.Failures = append(result.Failures, t.run(one)...)
				} else if why := refused[r.ruleFile()]; why != "" {
					result.Failures = append(result.Failures, why)
				} else {
					result.Failures = append(result.Failures,
						fmt.Sprintf("rule %s is not in %s", id, r.root))
				}
			}
			result.Took = clock().Sub(began)
			results = append(results, result)
		}
	}
	return results, nil
}

// ruleFile is where the rule of a test is, by the place of the test.
func (r *Regression) ruleFile() string {
	absolute, _ := filepath.Abs(filepath.Dir(r.File))
	_, path, _ := strings.Cut(filepath.ToSlash(absolute), "/"+regressionData+"/")
	return filepath.Join(r.root, path) + ".yml"
}

// findRules reads the files of a checkout that have rules of some IDs.
func findRules(root string, ids map[string]bool, files map[string]imports.File) error {
	checkout, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer checkout.Close()
	return fs.WalkDir(checkout.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != "." && !strings.HasPrefix(path, "rules") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".yml" {
			return nil
		}
		data, err := fs.ReadFile(checkout.FS(), path)
		if err != nil {
			return err
		}
		name := filepath.Join(root, filepath.FromSlash(path))
		_, rest, _ := bytes.Cut(data, []byte("\nid: "))
		id, _, _ := bytes.Cut(rest, []byte("\n"))
		if ids[strings.TrimSpace(string(id))] {
			files[name] = imports.File{Name: name, Data: data}
		}
		return nil
	})
}

// run evaluates a rule over the events of a test, and returns what is wrong.
func (t *RegressionTest) run(r *rule.Rule) (failures []string) {
	events, err := readEvents(t.Events)
	if err != nil {
		return []string{err.Error()}
	}
	fields := decode.NewFields()
	d, err := decode.New(decode.Config{Format: "json"}, fields)
	if err != nil {
		return []string{err.Error()}
	}
	matches := 0
	var why strings.Builder
	for _, event := range events {
		rec := models.Record{Timestamp: time.Unix(1_700_000_000, 0), Value: event}
		d.Decode(&rec, func(l *decode.Log) {
			tree := match.Explain(r.Match, l, nil)
			if tree.Pass {
				matches++
			} else {
				why.WriteString("\n" + tree.String())
			}
		}, func(reason decode.Reason, detail string) {
			failures = append(failures, fmt.Sprintf("an event cannot be read: %s: %s", reason,
				detail))
		})
	}
	if least := max(t.Count, 1); matches < least {
		failures = append(failures, fmt.Sprintf("%s:%d: %s matches %d of %d events, at least %d "+
			"have to%s", r.Pos.File, r.Pos.Line, r.Name, matches, len(events), least, why.String()))
	}
	return failures
}

// readEvents reads Windows events as their log is exported in JSON, one document after another. The
// names of an event's data are its fields, as Sigma has them.
func readEvents(file string) (events [][]byte, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		var document any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		list, ok := document.([]any)
		if !ok {
			list = []any{document}
		}
		for _, one := range list {
			text, err := json.Marshal(flatEvent(one))
			if err != nil {
				return nil, err
			}
			events = append(events, text)
		}
	}
}

// flatEvent is the fields of a Windows event. Anything else stays as it is.
func flatEvent(document any) any {
	outer, _ := document.(map[string]any)
	event, ok := outer["Event"].(map[string]any)
	if !ok {
		return document
	}
	fields := map[string]any{}
	attributes := func(of map[string]any, prefix string) {
		inner, _ := of["#attributes"].(map[string]any)
		for name, value := range inner {
			fields[prefix+name] = value
		}
	}
	system, _ := event["System"].(map[string]any)
	for name, value := range system {
		switch value := value.(type) {
		case map[string]any:
			attributes(value, name+"_")
			if text, ok := value["#text"]; ok {
				fields[name] = text
			}
		default:
			fields[name] = value
		}
	}
	for _, part := range []string{"EventData", "UserData"} {
		flatData(event[part], fields, 0)
	}
	return fields
}

// flatData adds the values of an event's data by their own names, without blanks, as Sigma has
// them.
func flatData(data any, fields map[string]any, depth int) {
	values, _ := data.(map[string]any)
	for name, value := range values {
		if strings.HasPrefix(name, "#") {
			continue
		}
		name = strings.ReplaceAll(name, " ", "")
		if below, ok := value.(map[string]any); ok && depth < 10 {
			if text, ok := below["#text"]; ok {
				fields[name] = text
			} else {
				flatData(below, fields, depth+1)
			}
			continue
		}
		fields[name] = value
	}
}

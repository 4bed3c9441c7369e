package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// WriteText writes errors and warnings for users, and a summary.
func (r *Report) WriteText(w io.Writer) error {
	for _, e := range r.Errors {
		fmt.Fprintln(w, e)
	}
	for _, f := range r.Warnings {
		fmt.Fprintln(w, warningText(f))
	}
	if r.Table != nil {
		if err := r.Table(w); err != nil {
			return err
		}
	}
	for _, name := range r.Others {
		// An error of another file is one of a file that a configuration or a script names.
		if !slices.ContainsFunc(r.Errors, func(e *problem.Error) bool {
			return e.Pos.File == name || !slices.Contains(r.Files, e.Pos.File)
		}) {
			fmt.Fprintf(w, "%s: ok\n", name)
		}
	}
	if len(r.Errors) > 0 {
		_, err := fmt.Fprintln(w, safetext.CountOf(len(r.Errors), "error"))
		return err
	}
	if r.Rules == 0 && len(r.Others) > 0 {
		return nil
	}
	if r.Sigma != nil {
		for _, line := range r.Sigma.Lines() {
			fmt.Fprintln(w, line)
		}
	}
	_, err := fmt.Fprintf(w, "%s, %s\n", safetext.CountOf(r.Rules, "rule"),
		safetext.CountOf(len(r.Warnings), "warning"))
	return err
}

// warningText is "file:line:column: warning: text; hint (name)".
func warningText(f rule.Finding) string {
	f.Text = "warning: " + f.Text
	return f.String()
}

// diagnostic is an error or a warning for programs.
type diagnostic struct {
	Severity string `json:"severity"` // error or warning
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Problem  string `json:"problem"`
	Hint     string `json:"hint,omitempty"`
	Lint     string `json:"lint,omitempty"` // of a warning
	Rule     string `json:"rule,omitempty"`
}

func (d diagnostic) text() string {
	return (&problem.Error{Problem: d.Problem, Hint: d.Hint}).Text()
}

func (r *Report) diagnostics() []diagnostic {
	list := []diagnostic{}
	add := func(severity string, pos problem.Pos, d diagnostic) {
		d.Severity, d.File, d.Line, d.Column = severity, pos.File, pos.Line, pos.Column
		list = append(list, d)
	}
	for _, e := range r.Errors {
		add("error", e.Pos, diagnostic{Problem: e.Problem, Hint: e.Hint})
	}
	for _, f := range r.Warnings {
		d := diagnostic{Problem: f.Text, Hint: f.Hint, Lint: f.Name, Rule: f.Rule}
		add("warning", f.Pos, d)
	}
	return list
}

// WriteJSON writes the report as one JSON document.
func (r *Report) WriteJSON(w io.Writer) error {
	return json.NewEncoder(w).Encode(struct {
		Rules       int          `json:"rules"`
		Errors      int          `json:"errors"`
		Warnings    int          `json:"warnings"`
		Diagnostics []diagnostic `json:"diagnostics"`
	}{r.Rules, len(r.Errors), len(r.Warnings), r.diagnostics()})
}

// WriteGitHub writes GitHub workflow commands, which annotate the lines of a pull request.
func (r *Report) WriteGitHub(w io.Writer) error {
	for _, d := range r.diagnostics() {
		var place []string
		if d.File != "" {
			place = append(place, "file="+githubValue(d.File))
		}
		if d.Line > 0 {
			place = append(place, fmt.Sprintf("line=%d,col=%d", d.Line, d.Column))
		}
		if title := cmp.Or(d.Lint, "alert-engine check"); title != "" {
			place = append(place, "title="+githubValue(title))
		}
		text := githubData.Replace(d.text())
		if _, err := fmt.Fprintf(w, "::%s %s::%s\n", d.Severity, strings.Join(place, ","),
			text); err != nil {
			return err
		}
	}
	return nil
}

var githubData = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")

func githubValue(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(githubData.Replace(text))
}

// WriteSARIF writes SARIF 2.1.0, which code scanning services read.
func (r *Report) WriteSARIF(w io.Writer) error {
	type object = map[string]any
	results, rules, known := []object{}, []object{}, map[string]bool{}
	for _, d := range r.diagnostics() {
		id := cmp.Or(d.Lint, "invalid")
		if !known[id] {
			known[id] = true
			rules = append(rules, object{"id": id})
		}
		result := object{"ruleId": id, "level": d.Severity, "message": object{"text": d.text()}}
		if d.File != "" && d.File != StdinName {
			location := object{"artifactLocation": object{"uri": filepath.ToSlash(d.File)}}
			if d.Line > 0 {
				location["region"] = object{"startLine": d.Line, "startColumn": max(d.Column, 1)}
			}
			result["locations"] = []object{{"physicalLocation": location}}
		}
		results = append(results, result)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []object{{
			"tool": object{"driver": object{
				"name": "alert-engine", "version": Version(), "rules": rules,
			}},
			"columnKind": "unicodeCodePoints",
			"results":    results,
		}},
	})
}

// Package ruletest shows what rules do, with the engine that runs in production and without Kafka:
// scripts say which logs arrive when, and which alerts must come of them; a backtest says which
// alerts the logs of a file would have raised.
//
// All times are event times. A script's clock starts when it says and moves with its logs, so hours
// pass in milliseconds; a backtest has no clock but its logs.
package ruletest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/strictyaml"
)

// Script is a file of tests; or a rule file that has its tests with it, which are about its own
// rules.
type Script struct {
	File      string   `yaml:"-"`
	RuleFiles []string `yaml:"rule_files"` // relative to the script's directory
	Tests     []Test   `yaml:"tests"`
	// backtests with expectations
	Backtests []Contract `yaml:"backtests"`
	Rules     rulesPart  `yaml:",inline"`

	// the members of lists in all tests, unless a test says otherwise; those of a rule file are its
	// rules'
	Lists Members `yaml:"-"`
}

// rulesPart is what else stands in a rule file.
type rulesPart struct {
	Groups        yaml.Node `yaml:"groups"`
	Version       yaml.Node `yaml:"version"`
	TimeIntervals yaml.Node `yaml:"time_intervals"`
	Lists         yaml.Node `yaml:"lists"`
	Suppressions  yaml.Node `yaml:"suppressions"`
	Source        yaml.Node `yaml:"source"`
	Lateness      yaml.Node `yaml:"lateness"`
	Window        yaml.Node `yaml:"window"`
	Samples       yaml.Node `yaml:"samples"`
	Labels        yaml.Node `yaml:"labels"`
	LintIgnore    yaml.Node `yaml:"lint_ignore"`
}

// Test is some logs, and the alerts that must come of them.
type Test struct {
	Name  string    `yaml:"name"`
	Start time.Time `yaml:"start"` // 2026-01-05T09:00:00Z, a Monday, by default
	// the members of lists, instead of those that they have
	Lists Members `yaml:"lists"`
	// which records are the lines of one log, as formats.join of the configuration says
	Join        decode.JoinConfig `yaml:"join"`
	Logs        []Log             `yaml:"logs"`
	Expect      []Expectation     `yaml:"expect"`
	NothingElse bool              `yaml:"nothing_else"` // no alert fires but those expected
	Line        int               `yaml:"-"`
}

// Members are those of lists, by their names.
type Members map[string][]string

// Log is one log, or several of the same content at a constant interval.
type Log struct {
	At    Duration `yaml:"at"` // event time of the first, after the start
	Every Duration `yaml:"every"`
	Times int      `yaml:"times"`
	Delay Duration `yaml:"delay"` // how much later than its event time it arrives
	// written as JSON, with its event time as timestamp unless it has one
	Log       map[string]any `yaml:"log"`
	Text      string         `yaml:"text"` // written as it is; its event time is the record's
	Topic     string         `yaml:"topic"`
	Partition int32          `yaml:"partition"`
}

// Expectation is an alert that must fire, or the value that a record must have.
type Expectation struct {
	Alert    string            `yaml:"alert"`
	Record   string            `yaml:"record"`   // instead of alert
	At       *Duration         `yaml:"at"`       // of a record: after the start
	Fires    *Duration         `yaml:"fires"`    // after the start; nil for any time
	Resolves *Duration         `yaml:"resolves"` // after the start; nil for any time or never
	Labels   map[string]string `yaml:"labels"`   // that the alert has, among others
	Summary  string            `yaml:"summary"`  // of the annotation, with * for any text
	Value    *float64          `yaml:"value"`    // of a record without one: it has none then
	Line     int               `yaml:"-"`
}

// Duration is a time.Duration written like 90s, 1m30s, 2d or 1w.
type Duration time.Duration

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := duration.Parse(string(text))
	*d = Duration(parsed)
	return err
}

// SetPos notes the line, for messages.
func (t *Test) SetPos(pos problem.Pos) { t.Line = pos.Line }

// SetPos notes the line, for messages.
func (e *Expectation) SetPos(pos problem.Pos) { e.Line = pos.Line }

// ReadScript reads a script. Its rule files are returned as paths that can be opened from here.
func ReadScript(file string) (*Script, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &Script{File: file}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, problem.New(
			problem.Pos{File: file}, "a test script has rule_files and tests", "the file is empty",
		)
	}
	r := strictyaml.Reader{File: file, Aliases: true}
	if err := r.Read(text, s); err != nil {
		if foreign := rule.Foreign(file, text); foreign != nil {
			return nil, foreign
		}
		return nil, err
	}
	for i, name := range s.RuleFiles {
		if !filepath.IsAbs(name) {
			s.RuleFiles[i] = filepath.Join(filepath.Dir(file), name)
		}
	}
	if !s.Rules.Groups.IsZero() {
		s.RuleFiles = append(s.RuleFiles, file)
	} else if err := s.Rules.Lists.Decode(&s.Lists); err != nil && !s.Rules.Lists.IsZero() {
		return nil, fmt.Errorf(
			"%s:%d: lists of a script are their members, as in lists: {blocked: [ann, bob]}: %w",
			file, s.Rules.Lists.Line, err)
	}
	return s, s.validate()
}

func (s *Script) validate() error {
	var errs []error
	wrong := func(line int, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%d: %s", s.File, line, fmt.Sprintf(format, args...)))
	}
	if len(s.Tests)+len(s.Backtests) == 0 {
		wrong(1, "there are no tests")
	}
	for i := range s.Backtests {
		s.Backtests[i].validate(wrong)
	}
	for i := range s.Tests {
		t := &s.Tests[i]
		if t.Name == "" {
			wrong(t.Line, "the test has no name")
		}
		if t.Start.IsZero() {
			t.Start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
		}
		if _, err := decode.NewJoiner(decode.Config{Join: t.Join}); err != nil {
			wrong(t.Line, "the test %q: %v", t.Name, err)
		}
		if len(t.Expect) == 0 && !t.NothingElse {
			wrong(t.Line, "the test %q expects nothing, so it cannot fail; add expect, or "+
				"nothing_else: true", t.Name)
		}
		for j, l := range t.Logs {
			if (l.Log == nil) == (l.Text == "") {
				wrong(t.Line, "log %d of test %q has to have either log or text", j+1, t.Name)
			}
			if l.Times < 0 || l.Times > 1 && l.Every < 0 {
				wrong(t.Line, "log %d of test %q comes a negative number of times, or backwards",
					j+1, t.Name)
			}
		}
		for _, e := range t.Expect {
			switch {
			case e.Alert == "" && e.Record == "":
				wrong(e.Line, "the expectation names no alert, and no record")
			case e.Alert != "" && (e.Record != "" || e.At != nil):
				wrong(e.Line, "the expectation is about an alert; record and at are about a record")
			case e.Record != "" && (e.At == nil || e.Fires != nil || e.Resolves != nil ||
				e.Summary != ""):
				wrong(
					e.Line,
					"the expectation is about a record, which has a value at an instant: write "+
						"record, at and value",
				)
			}
		}
	}
	return errors.Join(errs...)
}

// value is the record's value of a log at its event time.
func (l *Log) value(at time.Time) ([]byte, error) {
	if l.Log == nil {
		return []byte(l.Text), nil
	}
	fields := make(map[string]any, len(l.Log)+1)
	fields["timestamp"] = at.UTC().Format(time.RFC3339Nano)
	for name, value := range l.Log {
		fields[name] = value
	}
	return json.Marshal(fields)
}

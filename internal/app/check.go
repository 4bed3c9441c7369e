package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/internal/web"
)

// CheckResult is the outcome of a check.
type CheckResult int

const (
	CheckGood   CheckResult = iota
	CheckLints              // there are warnings
	CheckErrors             // there are errors; the files cannot be used
)

// CheckOptions are what is checked, and what the rules are compared with.
type CheckOptions struct {
	// rule files, patterns and directories; configuration files, alertmanager.yml and test scripts
	// are recognized by their keys; "-" is a rule file on Stdin
	Files []string
	Stdin io.Reader
	Texts []rule.File // further rule files
	Logs  *Against    // nil for none
	// the environment, for configuration files
	Getenv func(string) string
}

// Report is what a check has found.
type Report struct {
	Errors   problem.List
	Warnings []rule.Finding
	Rules    int
	Sigma    *SigmaReport // nil when no Sigma rules were checked
	Files    []string     // that were to be checked
	Others   []string     // of them: configuration, alertmanager.yml, test scripts
	// prints what the rules match in the logs that they were compared with; nil for no logs
	Table func(io.Writer) error
}

// Result is the outcome as a whole.
func (r *Report) Result() CheckResult {
	switch {
	case len(r.Errors) > 0:
		return CheckErrors
	case slices.ContainsFunc(r.Warnings, func(f rule.Finding) bool {
		return f.Name != rule.NoVersion // it says how to write the file, and nothing of its rules
	}):
		return CheckLints
	}
	return CheckGood
}

// StdinName is the name of the standard input in mistakes.
const StdinName = "<stdin>"

// Check reads files as Run would and reports every mistake with its place and a hint; and for rules
// without mistakes, what is valid but probably not intended. With logs it also compares the rules
// with them; an error means that the logs cannot be read.
func Check(ctx context.Context, o CheckOptions) (*Report, error) {
	r := Report{Files: o.Files}
	var names []string
	var collections []SigmaConfig
	texts := slices.Clone(o.Texts)
	for _, name := range o.Files {
		if name == "-" {
			data, err := io.ReadAll(io.LimitReader(o.Stdin, 5<<20))
			if err != nil {
				return nil, fmt.Errorf("read standard input: %w", err)
			}
			texts = append(texts, rule.File{Name: StdinName, Data: data})
			continue
		}
		kind := kindOf(name)
		switch kind {
		case ruleFile:
			names = append(names, name)
			continue
		case sigmaFile:
			collections = append(collections, SigmaConfig{Path: []Path{Path(name)}})
			continue
		}
		r.Others = append(r.Others, name)
		rules, of, err := checkOther(kind, name, o.Getenv)
		r.fail(name, err)
		names, collections = append(names, rules...), append(collections, of...)
	}
	if len(names)+len(texts)+len(collections) == 0 {
		return &r, nil
	}
	return &r, r.checkRules(ctx, o, texts, names, collections)
}

// checkRules checks rule files as one set.
func (r *Report) checkRules(
	ctx context.Context, o CheckOptions, texts []rule.File, names []string,
	collections []SigmaConfig,
) error {
	slices.Sort(names)
	files := sigmaFiles{once: true}
	passing := o.Logs == nil && len(texts)+len(names) == 0
	var batch checkBatch
	if passing {
		files.each = batch.add
	}
	set, report, err := files.load(collections, texts, slices.Compact(names))
	if err != nil {
		r.fail("", err)
		return nil
	}
	if passing {
		batch.check(set)
		r.Errors = append(r.Errors, batch.errs...)
	}
	if len(collections) > 0 {
		r.Sigma = report
	}
	r.Rules = len(set.Rules)
	report.Refused = slices.DeleteFunc(report.Refused, func(e *problem.Error) bool {
		named := slices.Contains(o.Files, e.Pos.File) // and so more than one of many
		if named {
			e.Hint = strings.TrimPrefix(e.Hint, othersLoaded)
			r.Errors = append(r.Errors, e)
		}
		return named
	})
	if passing {
		if len(r.Errors) == 0 {
			r.Warnings = report.findings()
		}
		return nil
	}
	for _, one := range set.Rules {
		r.fail("", alerting.CheckCompiles(one))
	}
	costly, err := match.Lint(set)
	r.fail("", err)
	if len(r.Errors) > 0 {
		return nil
	}
	found := slices.Concat(set.Unversioned(), rule.Lint(set), costly)
	found = slices.DeleteFunc(found, ofSigma(set)) // they are written by others
	if o.Logs != nil {
		if found, r.Table, err = o.Logs.look(ctx, set, found); err != nil {
			return err
		}
	}
	r.Warnings = append(report.findings(), set.NotIgnored(found)...)
	return nil
}

// checkBatch compiles Sigma rules, some at a time, while they are read, and lets go of them.
// Nothing else is said of them, since they are written by others: to hold all would be for nothing.
type checkBatch struct {
	rules []*rule.Rule
	errs  problem.List
}

func (b *checkBatch) add(set *rule.Set, one *rule.Rule) {
	if b.rules = append(b.rules, one); len(b.rules) == 256 {
		b.check(set)
	}
}

func (b *checkBatch) check(set *rule.Set) {
	for _, one := range b.rules {
		b.errs = append(b.errs, problem.ListOf("", alerting.CheckCompiles(one))...)
	}
	_, err := match.Lint(&rule.Set{Rules: b.rules, Lists: set.Lists})
	b.errs = append(b.errs, problem.ListOf("", err)...)
	for _, one := range b.rules {
		set.Release(one)
	}
	b.rules = b.rules[:0]
}

// fail adds the mistakes in an error about a file.
func (r *Report) fail(file string, err error) {
	r.Errors = append(r.Errors, problem.ListOf(file, err)...)
}

// kinds of files that check reads.
type fileKind int

const (
	ruleFile fileKind = iota
	configFile
	alertmanagerFile
	scriptFile
	sigmaFile
)

var topKey = regexp.MustCompile(`(?m)^["']?([a-z_]+)["']?:`)

// kindsByKey are keys that only one kind of file has, the more specific first.
var kindsByKey = []struct {
	key  string
	kind fileKind
}{
	{"rule_files", scriptFile}, {"groups", ruleFile}, {"tests", scriptFile},
	{"route", alertmanagerFile}, {"receivers", alertmanagerFile},
	{"kafka", configFile}, {"notify", configFile}, {"web", configFile}, {"data_dir", configFile},
	{"limits", configFile}, {"log", configFile}, {"formats", configFile}, {"history", configFile},
	{"sigma", configFile}, {"detection", sigmaFile}, {"correlation", sigmaFile},
	{"title", sigmaFile}, // of a filter; rules of ElastAlert have filter too
}

// kindOf returns the kind of a file by its keys. What cannot be read is a rule file, whose reader
// says why.
func kindOf(name string) fileKind {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return kindOfDirectory(name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return ruleFile
	}
	keys := map[string]bool{}
	for _, m := range topKey.FindAllSubmatch(text, -1) {
		keys[string(m[1])] = true
	}
	for _, k := range kindsByKey {
		if keys[k.key] {
			return k.kind
		}
	}
	return ruleFile
}

// kindOfDirectory is that of Sigma rules when there are no rule files of our own in a directory,
// and the first YAML file below it is a Sigma rule.
func kindOfDirectory(name string) fileKind {
	if own, _ := filepath.Glob(filepath.Join(name, "*.rules.yml")); len(own) > 0 {
		return ruleFile
	}
	kind := ruleFile
	_ = filepath.WalkDir(name, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() ||
			!slices.Contains([]string{".yml", ".yaml"}, filepath.Ext(file)) {
			return err
		}
		kind = kindOf(file)
		return fs.SkipAll
	})
	return kind
}

// ofSigma reports whether a finding is about a Sigma rule that is read as it is.
func ofSigma(set *rule.Set) func(rule.Finding) bool {
	foreign := map[string]bool{}
	for _, r := range set.Rules {
		if r.Origin.System == "sigma" && r.Origin.File == r.Pos.File {
			foreign[r.ID()] = true
		}
	}
	return func(f rule.Finding) bool { return foreign[f.Rule] }
}

// checkOther checks a file that is not a rule file, and returns the rules that it names.
func checkOther(
	kind fileKind, name string, getenv func(string) string,
) ([]string, []SigmaConfig, error) {
	switch kind {
	case configFile:
		c, err := LoadConfig(name, getenv, nil)
		if err != nil {
			return nil, nil, err
		}
		return c.ruleFiles(), c.Sigma, CheckConfig(c)
	case alertmanagerFile:
		return nil, nil, notify.Check(notify.Options{AlertmanagerConfig: name})
	default:
		script, err := ruletest.ReadScript(name)
		if err != nil {
			return nil, nil, err
		}
		return script.RuleFiles, nil, nil
	}
}

// CheckConfig reports what is wrong with the files that a configuration names, but for rule files:
// Run would fail on it. It connects to nothing and changes nothing.
func CheckConfig(c *Config) error {
	var r Report
	if len(c.ruleFiles())+len(c.Sigma) == 0 {
		r.fail(c.file, errNoRules(c))
	}
	r.fail(c.file, notify.Check(ReceiverOptions(c)))
	if c.Web.ConfigFile != "" {
		if err := web.ValidateConfigFile(string(c.Web.ConfigFile)); err != nil {
			r.fail(c.file, fmt.Errorf("web.config_file: %w", err))
		}
	}
	if err := c.Kafka.Client().TLS.Validate(); err != nil {
		r.fail(c.file, fmt.Errorf("kafka.tls: %w", err))
	}
	r.fail(c.file, c.openSchemas(nil))
	if file := c.Kafka.SASL.TokenFile; file != "" {
		if _, err := os.ReadFile(string(file)); err != nil {
			r.fail(c.file, fmt.Errorf("kafka.sasl.token_file: %w", err))
		}
	}
	if info, err := os.Stat(string(c.DataDir)); err == nil && !info.IsDir() {
		r.fail(c.file, fmt.Errorf("data_dir: %s is not a directory", c.DataDir))
	}
	if file := string(c.Notify.File); file != "" {
		if _, err := os.Stat(filepath.Dir(file)); err != nil {
			r.fail(c.file, fmt.Errorf("notify.file: %w", err))
		}
	}
	return r.Errors.Err()
}

// CheckConfigFiles checks all files that a configuration names, rule files included.
func CheckConfigFiles(ctx context.Context, c *Config) (*Report, error) {
	file := cmp.Or(c.file, "configuration")
	r := Report{Files: []string{file}, Others: []string{file}}
	r.fail(c.file, CheckConfig(c))
	if len(c.ruleFiles())+len(c.Sigma) == 0 {
		return &r, nil
	}
	return &r, r.checkRules(ctx, CheckOptions{}, nil, c.ruleFiles(), c.Sigma)
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports/sigma"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// loadedRules are rules, and the engines that evaluate them.
type loadedRules struct {
	set     *rule.Set
	engines ruletest.Factory
	decode  func(topic string) decode.Config // for the engines; nil for every format

	topics bool // all that the engines read is on topics; what is on none is read by every rule
}

// ruleLoader reads rule files.
type ruleLoader func(files []string) (*loadedRules, error)

// testCommand is one run of test.
type testCommand struct {
	load    ruleLoader
	options ruletest.Options
	lists   listFiles
	junit   string
	json    bool
}

func testCommandOver(load ruleLoader) *cobra.Command {
	c := testCommand{load: load}
	cmd := &cobra.Command{
		Use:   "test FILES",
		Short: "Test rules with test scripts",
		Long: `Test runs test scripts in event time. A script lists logs with their times of arrival, and the
expected alerts. Hours pass in milliseconds. Its backtests say how often alerts have to fire over
the logs of a file.

--shuffle repeats each test with other orders of arrival in which no log is later than the lateness
of the rules. --crash repeats it with a restart after each log. The alerts have to be the same.

A directory of SigmaHQ's regression_data, or an info.yml of it, runs the regression tests of its
rules over their events: as many have to match as it says, or more.

Lists whose members are in topics get them from the script, the test, or --list.

Exit status: 0 if all tests pass, 1 otherwise.`,
		Example: `  alert-engine test payments_test.yml
  alert-engine test --shuffle 200 --crash rules/*_test.yml
  alert-engine test --shuffle 200 --seed 17 rules/*_test.yml     the same orders again
  alert-engine test --junit report.xml rules/*_test.yml
  alert-engine test sigma/regression_data                         the tests of Sigma rules

A script:
  rule_files: [payments.rules.yml]
  tests:
  - name: eleven errors in five minutes page once
    logs:
    - {at: 0s, every: 20s, times: 11, log: {service: payment-service, level: ERROR, message: boom}}
    expect:
    - {alert: PaymentErrors, fires: 200s, resolves: 5m, labels: {severity: page}, summary: '11 errors*'}
    nothing_else: true`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if c.options.Shuffle < 0 {
				return fmt.Errorf("--shuffle %d: the number is negative", c.options.Shuffle)
			}
			if err := onlyWith(cmd, []string{"shuffle"}, "seed"); err != nil {
				return err
			}
			return c.run(cmd.OutOrStdout(), files)
		},
	}
	cmd.Flags().
		IntVar(&c.options.Shuffle, "shuffle", 0,
			"repeat each test with this many other orders of arrival")
	cmd.Flags().Uint64Var(&c.options.Seed, "seed", 1, "random seed of --shuffle")
	cmd.Flags().
		BoolVar(&c.options.Crash, "crash", false, "repeat each test with a restart after each log")
	c.lists.addFlag(cmd)
	cmd.Flags().BoolVar(&c.json, "json", false, "print each result as JSON")
	cmd.Flags().
		StringVar(&c.junit, "junit", "", "also write the results to this file in JUnit format")
	return cmd
}

func (c *testCommand) run(out io.Writer, files []string) error {
	files, results, err := regressions(files)
	if err != nil {
		return err
	}
	scripts, rules, err := c.read(files)
	if err != nil {
		return err
	}
	for i, script := range scripts {
		results = append(results, script.Run(rules[i].engines, c.options)...)
	}
	failed := 0
	if c.json {
		var err error
		if failed, err = reportJSON(out, results); err != nil {
			return err
		}
	} else {
		failed = c.report(out, results)
	}
	if c.junit != "" {
		var report bytes.Buffer
		if err := ruletest.WriteJUnit(&report, results); err != nil {
			return err
		}
		if err := os.WriteFile(c.junit, report.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if failed > 0 {
		return exitCode(1)
	}
	return nil
}

// regressions runs the regression tests of Sigma rules among the files, and returns the others.
func regressions(files []string) (others []string, results []ruletest.Result, err error) {
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || !info.IsDir() && filepath.Base(file) != "info.yml" {
			others = append(others, file)
			continue
		}
		list, err := sigma.ReadRegressions(file)
		if err != nil {
			return nil, nil, err
		}
		if len(list) == 0 {
			return nil, nil, fmt.Errorf("%s: no regression test of a Sigma "+
				"rule is in it; name test scripts by their files, such as %s", file,
				filepath.Join(file, "*_test.yml"))
		}
		ran, err := sigma.RunRegressions(list, time.Now)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range ran {
			results = append(results, ruletest.Result(r))
		}
	}
	return others, results, nil
}

// read reads scripts and the rules of each.
func (c *testCommand) read(
	files []string,
) (scripts []*ruletest.Script, rules []*loadedRules, err error) {
	var sets []*rule.Set
	for _, file := range files {
		script, err := ruletest.ReadScript(file)
		if err != nil {
			return nil, nil, err
		}
		loaded, err := c.load(script.RuleFiles)
		if err != nil {
			return nil, nil, err
		}
		scripts, rules, sets = append(scripts, script), append(rules, loaded),
			append(sets, loaded.set)
	}
	for _, loaded := range rules {
		if loaded.set, err = c.lists.give(loaded.set, sets...); err != nil {
			return nil, nil, err
		}
	}
	return scripts, rules, nil
}

// report prints the results, and returns how many tests have failed.
func (c *testCommand) report(out io.Writer, results []ruletest.Result) (failed int) {
	for _, r := range results {
		if len(r.Failures) == 0 {
			fmt.Fprintf(out, "ok    %s: %s\n", r.File, r.Name)
			continue
		}
		failed++
		fmt.Fprintf(out, "FAIL  %s: %s\n", r.File, r.Name)
		for _, failure := range r.Failures {
			fmt.Fprintf(out, "  %s\n", failure)
		}
	}
	fmt.Fprintf(out, "%s, %d failed", safetext.CountOf(len(results), "test"), failed)
	if c.options.Shuffle > 0 {
		fmt.Fprintf(out, "; each also in %d other orders of seed %d", c.options.Shuffle,
			c.options.Seed)
	}
	if c.options.Crash {
		fmt.Fprint(out, "; each also with a restart after each log")
	}
	fmt.Fprintln(out)
	return failed
}

// testResult is the result of a test for programs.
type testResult struct {
	File     string   `json:"file"`
	Name     string   `json:"name"`
	Passed   bool     `json:"passed"`
	Failures []string `json:"failures,omitempty"`
	Seconds  float64  `json:"seconds"`
}

// reportJSON prints the results as JSON, and returns how many tests have failed.
func reportJSON(out io.Writer, results []ruletest.Result) (failed int, err error) {
	e := newJSONEncoder(out)
	for _, r := range results {
		one := testResult{
			File:    r.File,
			Name:    r.Name,
			Passed:  len(r.Failures) == 0,
			Seconds: r.Took.Seconds(),
		}
		for _, f := range r.Failures {
			one.Failures = append(one.Failures, fmt.Sprint(f))
		}
		if !one.Passed {
			failed++
		}
		if err := e.Encode(one); err != nil {
			return failed, err
		}
	}
	return failed, nil
}

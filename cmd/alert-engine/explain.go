package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// explainCommand is one run of explain.
type explainCommand struct {
	load  ruleLoader
	rules []string
	event string
	lists listFiles
	json  bool
	out   io.Writer
	text  io.Writer // out, unless JSON is wanted

	result explained // of the rule at hand
}

func explainCommandOver(load ruleLoader) *cobra.Command {
	c := explainCommand{load: load}
	cmd := &cobra.Command{
		Use:   "explain RULE -e EVENT",
		Short: "Show why a rule matches a log or does not",
		Long: `Explain evaluates the match of a rule for one log. For each part it shows the result and the value
in the log; then the group of the log, and whether this log alone makes the rule fire.

RULE is a rule's name, or group/name, in the files of --rules; or a rule file, for all its rules.
EVENT is the value of a record in any format; "-" reads it from standard input.

Exit status: 0 if a rule matches, 1 otherwise.`,
		Example: `  alert-engine explain PaymentErrors --rules my.rules.yml -e '{"level":"ERROR","service":"pay"}'
  kcat -b kafka:9092 -t logs -C -c 1 | alert-engine explain my.rules.yml -e -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.out, c.text = cmd.OutOrStdout(), cmd.OutOrStdout()
			if c.json {
				c.text = io.Discard
			}
			if c.event == "-" {
				text, err := io.ReadAll(cmd.InOrStdin())
				if err != nil {
					return err
				}
				c.event = strings.TrimRight(string(text), "\r\n")
			}
			noteFile(cmd, c.event)
			return c.run(args[0])
		},
	}
	cmd.Flags().StringSliceVar(&c.rules, "rules", nil, "rule files")
	cmd.Flags().StringVarP(&c.event, "event", "e", "", "the log; - for standard input")
	cmd.Flags().BoolVar(&c.json, "json", false, "print the result of each rule as JSON")
	c.lists.addFlag(cmd)
	if err := cmd.MarkFlagRequired("event"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// noteFile says that an event is taken for a log if it is the name of a file.
func noteFile(cmd *cobra.Command, event string) {
	if info, err := os.Stat(event); err == nil && info.Mode().IsRegular() {
		fmt.Fprintf(
			cmd.ErrOrStderr(),
			"alert-engine: %s is a file, and is taken for the text of a log; for the log in it write "+
				"-e - < %[1]s\n",
			event,
		)
	}
}

func (c *explainCommand) run(name string) error {
	files, all := c.rules, false
	if len(files) == 0 {
		if _, err := os.Stat(name); err != nil {
			return fmt.Errorf(
				"explain %s: name the rule files with --rules, or give a rule file instead of "+
					"a rule",
				name,
			)
		}
		files, all = []string{name}, true
	}
	loaded, err := c.load(files)
	if err != nil {
		return err
	}
	if loaded.set, err = c.lists.giveAll(loaded.set); err != nil {
		return err
	}
	matched, found := false, false
	for _, r := range loaded.set.Rules {
		if !all && r.Name != name && r.ID() != name {
			continue
		}
		found = true
		matches, err := c.explain(loaded, r)
		if err != nil {
			return err
		}
		c.result.Matches = matches
		if c.json {
			if err := newJSONEncoder(c.out).Encode(c.result); err != nil {
				return err
			}
		}
		matched = matched || matches
	}
	switch {
	case !found:
		return fmt.Errorf("no rule is called %q in %s%s", name, strings.Join(files, ", "),
			ruleNames(loaded.set))
	case !matched:
		return exitCode(1)
	}
	return nil
}

// ruleNames lists the first rules of a set, for an error.
func ruleNames(set *rule.Set) string {
	const most = 10
	var names []string
	for _, r := range set.Rules {
		if len(names) == most {
			names = append(names, "…")
			break
		}
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		return ""
	}
	return "; there are " + strings.Join(names, ", ")
}

// explained is what a rule makes of an event, for programs.
type explained struct {
	Rule    string            `json:"rule"`
	File    string            `json:"file"`
	Line    int               `json:"line"`
	Matches bool              `json:"matches"`
	Logs    []explainedLog    `json:"logs"` // of the event
	Group   map[string]string `json:"group,omitempty"`
	State   string            `json:"state,omitempty"` // of the alert after this event alone
	Reason  string            `json:"reason,omitempty"`
}

type explainedLog struct {
	Matches bool   `json:"matches"`
	Match   string `json:"match"` // the tree of the match, with what the log has
}

func (e *explained) group(name, value string) {
	if e.Group == nil {
		e.Group = map[string]string{}
	}
	if text, err := strconv.Unquote(value); err == nil {
		value = text
	}
	e.Group[name] = value
}

// explain prints what one rule makes of the event, which may hold several logs.
func (c *explainCommand) explain(loaded *loadedRules, r *rule.Rule) (matched bool, err error) {
	c.result = explained{Rule: r.ID(), File: r.Pos.File, Line: r.Pos.Line}
	fmt.Fprintf(c.text, "%s (%s:%d)\n", r.ID(), r.Pos.File, r.Pos.Line)
	decoder, err := decode.New(decode.Config{}, decode.NewFields())
	if err != nil {
		return false, err
	}
	record := models.Record{Topic: r.Source, Timestamp: time.Now(), Value: []byte(c.event)}
	decoder.Decode(&record, func(l *decode.Log) {
		tree := match.Explain(r.Match, l, match.ListsOf(loaded.set))
		c.result.Logs = append(c.result.Logs, explainedLog{
			Matches: tree.Pass,
			Match:   tree.String(),
		})
		fmt.Fprint(c.text, indent(tree.String()))
		if tree.Pass {
			matched = true
			c.group(loaded, r, l)
		}
	}, func(reason decode.Reason, detail string) {
		err = errors.Join(err, fmt.Errorf("the event cannot be read: %s: %s", reason, detail))
	})
	if err != nil || !matched {
		return false, err
	}
	return true, c.alone(loaded, r, record)
}

// group prints the group that a log falls into.
func (c *explainCommand) group(loaded *loadedRules, r *rule.Rule, l *decode.Log) {
	var labels []string
	holds := func(q rule.Query) bool {
		return match.Eval(q, l, match.ListsOf(loaded.set))
	}
	for _, by := range r.By {
		value := "absent"
		for _, field := range by.FieldsIn(holds) {
			if v := l.Lookup(field); v.Kind != decode.Absent && v.Kind != decode.Null {
				value = fmt.Sprintf("%q", v.Text)
				break
			}
		}
		labels = append(labels, by.Name+"="+value)
		c.result.group(by.Name, value)
	}
	if len(labels) > 0 {
		fmt.Fprintf(c.text, "  group: %s\n", strings.Join(labels, ", "))
	}
}

// alone prints what the rule decides when it has seen only this event.
func (c *explainCommand) alone(loaded *loadedRules, r *rule.Rule, record models.Record) error {
	var decided []models.Alert
	engine, err := loaded.engines.New(func(a models.Alert) { decided = append(decided, a) })
	if err != nil {
		return err
	}
	engine.Apply(engine.NewScanner().Scan([]models.Record{record}))
	engine.Advance(
		record.Timestamp,
		[]models.Progress{{Topic: record.Topic, Next: 1, End: 1, CaughtUp: true}},
	)
	for _, a := range decided {
		if a.Rule == r.ID() {
			c.result.State, c.result.Reason = string(a.State), a.Reason
			fmt.Fprintf(c.text, "  alone it makes the alert %s: %s\n", a.State, a.Reason)
			return nil
		}
	}
	when := r.WhenText
	if when == "" {
		when = "any match"
	}
	c.result.State, c.result.Reason = "inactive", when+" in "+duration.Format(r.Window)
	fmt.Fprintf(c.text, "  alone it does not make the alert fire: %s in %s\n", when,
		duration.Format(r.Window))
	return nil
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}

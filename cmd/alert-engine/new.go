package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/suggest"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// ruleTemplates are commented rules by what they are for; MATCH is the query of the logs.
var ruleTemplates = []struct{ name, help, match, text string }{
	{"errors", "more errors of a service than usual", "level>=ERROR", `
  # More than 10 matching logs of one service within 5 minutes.
  - alert: Errors
    match: 'MATCH'
    when: count() > 10
    window: 5m
    by: [service]              # one alert for each service
    # for: 2m                  # fire only if it lasts
    # keep_firing_for: 10m     # resolve only if it stays away
    labels: {severity: warning}
    annotations:
      summary: '{{ .Value }} errors of {{ .Labels.service }} in {{ .Window }}'
`},
	{"every", "each matching log is an alert", "level>=ERROR", `
  # Each matching log fires; it resolves after 10 minutes without one.
  - alert: Seen
    match: 'MATCH'
    window: 10m
    by: [service]
    labels: {severity: warning}
    annotations:
      summary: '{{ .Labels.service }}: {{ .Last.Message }}'
`},
	{"silence", "a service stopped logging", "level>=DEBUG", `
  # A service that logged before logs nothing for 10 minutes.
  - alert: Silence
    match: 'MATCH'
    when: count() == 0
    window: 10m
    by: [service]
    remember: 1d               # a service that is gone for a day is no longer expected
    labels: {severity: page}
    annotations:
      summary: '{{ .Labels.service }} logs nothing since 10 minutes'
`},
	{"ratio", "a share of logs are errors", "level>=INFO", `
  # More than 5 % of the logs of a service are errors, of at least 100 logs.
  - alert: ErrorRatio
    match: 'MATCH'
    when: count(level>=ERROR) / count() > 5% and count() > 100
    window: 5m
    by: [service]
    labels: {severity: warning}
    annotations:
      summary: '{{ .Value }} of the logs of {{ .Labels.service }} are errors'
`},
	{"slow", "requests are slow", "duration>0", `
  # The 95th percentile of a duration field is above 2 seconds, of at least 50 logs.
  - alert: Slow
    match: 'MATCH'
    when: p95(duration) > 2s and count() > 50
    window: 5m
    by: [service]
    labels: {severity: warning}
    annotations:
      summary: '95 % of the requests of {{ .Labels.service }} take up to {{ .Value }}'
`},
}

func newNewCommand() *cobra.Command {
	var event, query string
	var names []string
	help := ""
	for _, t := range ruleTemplates {
		names = append(names, t.name)
		help += fmt.Sprintf("  %-9s %s\n", t.name, t.help)
	}
	cmd := &cobra.Command{
		Use:   "new " + strings.Join(names, "|"),
		Short: "Print a commented rule to start with",
		Long: "New prints a rule file with one commented rule:\n\n" + help + `
--match gives the query of its logs; -e takes level and message from a log, in any format.`,
		Example: `  alert-engine new errors > my.rules.yml
  alert-engine new silence --match 'service:payment-*' > my.rules.yml
  alert-engine new every -e '{"level":"ERROR","service":"pay","message":"card 17 refused"}'`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			t := ruleTemplates[slices.Index(names, args[0])]
			if query == "" {
				query = t.match
			}
			if cmd.Flags().Changed("event") {
				if event == "-" {
					in, err := io.ReadAll(cmd.InOrStdin())
					if err != nil {
						return err
					}
					event = strings.TrimRight(string(in), "\r\n")
				}
				noteFile(cmd, event)
				var err error
				if query, err = queryOf(event); err != nil {
					return err
				}
			}
			if _, err := rule.ParseQuery(query); err != nil {
				return fmt.Errorf("--match: %w", err)
			}
			text := strings.ReplaceAll(t.text, "MATCH", strings.ReplaceAll(query, "'", "''"))
			_, err := io.WriteString(cmd.OutOrStdout(),
				"version: 1\ngroups:\n- name: mine\n  rules:"+text)
			return err
		},
	}
	cmd.Flags().StringVar(&query, "match", "", "query of the logs")
	cmd.Flags().
		StringVarP(&event, "event", "e", "", "a log to make the query from; - for standard input")
	exclude(cmd, "match", "event")
	return cmd
}

// queryOf is a query of logs like one.
func queryOf(event string) (query string, err error) {
	decoder, err := decode.New(decode.Config{}, decode.NewFields())
	if err != nil {
		return "", err
	}
	err = errors.New("the event holds no log")
	record := models.Record{Timestamp: time.Now(), Value: []byte(event)}
	decoder.Decode(&record, func(l *decode.Log) {
		e := l.Entry()
		query, _ = suggest.LogsLike(e)
		if err = nil; e.Message == "" && query == "message:*" {
			err = errors.New("the log has no message, no service and no level from WARN on; " +
				"give the query by --match")
		}
	}, func(reason decode.Reason, detail string) {
		err = fmt.Errorf("the event cannot be read: %s: %s", reason, detail)
	})
	return query, err
}

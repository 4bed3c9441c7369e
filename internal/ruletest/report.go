package ruletest

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Report is what a backtest found.
type Report struct {
	Records   int       // read
	Rejected  int       // of the records, those that could not be read as logs
	Logs      int       // within the records
	From, To  time.Time // of the first and last log, by the records' time where a log has none
	Rules     []RuleReport
	Alerts    []models.Alert // every transition, in the order in which the engine decided them
	Truncated bool           // the backtest was interrupted
}

// RuleReport is what a backtest found for one rule.
type RuleReport struct {
	Rule        string
	Alerts      int // that fired
	Groups      int // different ones that fired
	First, Last time.Time
	Paging      time.Duration // for which at least one alert was up
	Open        int           // alerts that are still up at the end
	Sample      string        // a log line of the first alert
}

// span is a stretch of time in which an alert was up.
type span struct{ from, to time.Time }

// summarise builds the reports of the rules that are given; a rule that never fired has one as
// well.
func (r *Report) summarise(rules []string) {
	for _, name := range rules {
		r.Rules = append(r.Rules, r.ofRule(name))
	}
	slices.SortStableFunc(r.Rules, func(a, b RuleReport) int {
		return cmp.Or(cmp.Compare(b.Alerts, a.Alerts), cmp.Compare(a.Rule, b.Rule))
	})
}

func (r *Report) ofRule(name string) RuleReport {
	report := RuleReport{Rule: name}
	groups := make(map[string]bool)
	open := make(map[string]time.Time) // ID of an alert to when it fired
	var spans []span
	for _, a := range r.Alerts {
		if a.Rule != name {
			continue
		}
		_, up := open[a.ID]
		switch {
		case a.State == models.AlertFiring && !up:
			open[a.ID] = a.At
			groups[labelText(a.Labels)] = true
			report.add(a)
		case a.State == models.AlertResolved && up:
			spans = append(spans, span{open[a.ID], a.At})
			delete(open, a.ID)
		}
	}
	for _, from := range open {
		spans = append(spans, span{from, r.To})
	}
	report.Groups, report.Open, report.Paging = len(groups), len(open), covered(spans)
	return report
}

func (r *RuleReport) add(a models.Alert) {
	r.Alerts++
	if r.First.IsZero() || a.At.Before(r.First) {
		r.First = a.At
	}
	if a.At.After(r.Last) {
		r.Last = a.At
	}
	if lines := append(slices.Clone(a.First), a.Last...); r.Sample == "" && len(lines) > 0 {
		r.Sample = lines[0].Message
	}
}

// covered is the time that the spans cover together.
func covered(spans []span) (sum time.Duration) {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var end time.Time
	for _, s := range spans {
		if s.from.Before(end) {
			s.from = end
		}
		if s.to.After(s.from) {
			sum += s.to.Sub(s.from)
			end = s.to
		}
	}
	return sum
}

// Fired is the number of alerts of all rules.
func (r *Report) Fired() (n int) {
	for _, rule := range r.Rules {
		n += rule.Alerts
	}
	return n
}

// Span is the time from the first log to the last.
func (r *Report) Span() time.Duration { return r.To.Sub(r.From) }

// Write writes the report as a table.
func (r *Report) Write(w io.Writer) error {
	fmt.Fprintf(w, "%s in %s", safetext.CountOf(r.Logs, "log"), safetext.CountOf(r.Records, "record"))
	if r.Rejected > 0 {
		fmt.Fprintf(w, " (%d unreadable)", r.Rejected)
	}
	if r.Logs > 0 {
		fmt.Fprintf(w, ", %s to %s (%s)", stamp(r.From), stamp(r.To),
			duration.Format(r.Span().Round(time.Second)))
	}
	if r.Truncated {
		fmt.Fprint(w, ", interrupted")
	}
	fmt.Fprint(w, "\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RULE\tALERTS\tPER DAY\tGROUPS\tFIRST\tLAST\tUP FOR\tOPEN\tSAMPLE")
	for _, rule := range r.Rules {
		fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%s\t%s\t%s\t%d\t%s\n", rule.Rule, rule.Alerts,
			r.perDay(rule.Alerts), rule.Groups, stamp(rule.First), stamp(rule.Last),
			duration.Format(rule.Paging.Round(time.Second)), rule.Open,
			safetext.ClipLine(rule.Sample, 60))
	}
	return table.Flush()
}

// perDay is a dash for logs of less than an hour, from which nothing follows for a day.
func (r *Report) perDay(alerts int) string {
	if r.Span() < time.Hour {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(alerts)/(r.Span().Hours()/24))
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

package web

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/suggest"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// proposal is a rule for logs like one that was chosen.
type proposal struct {
	Query   string
	Name    string
	By      string // label to group by; "" for none
	When    string // "" to fire on every match
	Level   string
	Remarks []string
}

const (
	proposalWindow = 5 * time.Minute
	proposalPast   = 24 * time.Hour
	proposalTime   = 3 * time.Second // to read the past
)

// propose makes a rule of a log: its level, the constant part of its message, and a threshold above
// what the past day had.
func (t *topics) propose(ctx context.Context, at models.Position) (string, error) {
	record, err := t.readRecord(ctx, at)
	if err != nil {
		return "", err
	}
	decoder, err := decode.New(t.logs.Decode(record.Topic), decode.NewFields())
	if err != nil {
		return "", err
	}
	var logs []models.LogEntry
	decoder.Decode(&record, func(l *decode.Log) {
		if len(logs) <= at.Index && len(logs) < maxLogs {
			logs = append(logs, l.Entry())
		}
	}, func(decode.Reason, string) {})
	if len(logs) == 0 {
		return "", &apiError{http.StatusUnprocessableEntity, "the record has no readable log"}
	}
	p := proposalFor(logs[min(at.Index, len(logs)-1)])
	if err := t.chooseThreshold(ctx, &p); err != nil {
		return "", err
	}
	return p.text(), nil
}

// proposalFor is the query and the name of a rule for logs like one.
func proposalFor(e models.LogEntry) proposal {
	p := proposal{Level: strings.ToUpper(e.Level)}
	p.Query, p.Name = suggest.LogsLike(e)
	if e.Service != "" {
		p.By = "service"
	}
	return p
}

// chooseThreshold reads the past day, as far as time allows, and sets the threshold above its
// busiest window.
func (t *topics) chooseThreshold(ctx context.Context, p *proposal) error {
	q, err := t.newSearch(p.Query)
	if err != nil {
		return err
	}
	windows, matched := map[string]map[int64]int{}, 0
	l := &lookBack{
		search: q,
		from:   t.now().Add(-proposalPast),
		to:     t.now(),
		most:   1,
		time:   proposalTime,
		now:    t.now,
		counted: func(e models.LogEntry) {
			matched++
			group := ""
			if p.By != "" {
				group = e.Service
			}
			if windows[group] == nil {
				if len(windows) >= 1000 {
					return
				}
				windows[group] = map[int64]int{}
			}
			windows[group][e.Timestamp.UnixNano()/int64(proposalWindow)]++
		},
	}
	f, err := l.run(ctx, nil)
	if err != nil {
		return err
	}
	most := 0
	for _, counts := range windows {
		for _, n := range counts {
			most = max(most, n)
		}
	}
	past := "the last 24 hours"
	if f.Truncated {
		past = "the time since " + f.Reached.UTC().Format("2006-01-02 15:04 UTC")
	}
	each := ""
	if p.By != "" {
		each = " of one " + p.By
	}
	p.Remarks = append(p.Remarks, fmt.Sprintf(
		"%s matched in %s, at most %d in 5 minutes%s.", counted(matched, "log", "logs"), past,
		most, each))
	if most > 2 {
		p.When = fmt.Sprintf("count() > %d", roundUp(most*3/2))
	}
	return nil
}

// roundUp rounds to two digits.
func roundUp(n int) int {
	step := 1
	for n/step >= 100 {
		step *= 10
	}
	return int(math.Ceil(float64(n)/float64(step))) * step
}

// text is the rule file.
func (p proposal) text() string {
	severity := map[string]string{"FATAL": "critical", "ERROR": "critical"}[p.Level]
	if severity == "" {
		severity = "warning"
	}
	var b strings.Builder
	b.WriteString("version: 1\ngroups:\n  - name: mine\n    rules:\n")
	for _, remark := range p.Remarks {
		b.WriteString("      # " + remark + "\n")
	}
	fmt.Fprintf(&b, "      - alert: %s\n        match: %s\n", p.Name, yamlQuote(p.Query))
	summary := p.Name
	if p.When != "" {
		fmt.Fprintf(&b, "        when: %s\n", p.When)
		summary = "{{ .Value }} logs within 5 minutes"
	}
	b.WriteString("        window: 5m\n")
	if p.By != "" {
		fmt.Fprintf(&b, "        by: [%s]\n", p.By)
		summary = "{{ .Labels." + p.By + " }}: " + summary
	}
	fmt.Fprintf(&b, "        mode: shadow\n        labels: {severity: %s}\n", severity)
	fmt.Fprintf(&b, "        annotations:\n          summary: %s\n", yamlQuote(summary))
	return b.String()
}

// yamlQuote is text as a YAML scalar in single quotes.
func yamlQuote(text string) string {
	return "'" + strings.ReplaceAll(safetext.ClipLine(text, 1000), "'", "''") + "'"
}

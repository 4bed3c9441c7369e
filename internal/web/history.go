package web

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// transitions returns the transitions that a query selects, oldest first.
func (s *Server) transitions(q HistoryQuery) []models.Alert {
	if s.History != nil {
		return s.History.Transitions(q)
	}
	if s.Alerts == nil {
		return nil
	}
	var list []models.Alert
	for _, a := range s.Alerts.History() {
		if (q.Rule == "" || a.Rule == q.Rule) && (q.Alert == "" || a.ID == q.Alert) &&
			!a.At.Before(q.From) && (q.To.IsZero() || a.At.Before(q.To)) {
			list = append(list, a)
		}
	}
	if q.Most > 0 {
		list = list[max(0, len(list)-q.Most):]
	}
	return list
}

// historyData is the data of the history page.
type historyData struct {
	Filter   string
	Rule     string
	Since    string
	Problem  string
	Rows     []historyRow
	More     int
	Rules    []ruleHistory
	Ticks    []tickMark
	From, To time.Time
	Fired    int
	Audit    []AuditEntry
}

// Choices are the time ranges of the page.
func (historyData) Choices() []string { return []string{"1h", "6h", "24h", "7d", "30d"} }

// Export is the URL of the page's episodes in a format.
func (d historyData) Export(format string) string {
	q := url.Values{"since": {d.Since}, "format": {format}}
	if d.Rule != "" {
		q.Set("rule", d.Rule)
	}
	return "/api/v1/history?" + q.Encode()
}

// historyRow is an episode in the list.
type historyRow struct {
	episode
	Name     string
	Rule     string
	Severity string
	Length   time.Duration
	Open     bool
}

// ruleHistory is the history of a rule: a row of the timeline, and how noisy it is.
type ruleHistory struct {
	Rule, Name string
	Severity   string
	Bands      []band
	Fired      int
	Acked      int
	Total      time.Duration // time firing
	Median     time.Duration // length of an episode
}

const (
	listedHistory   = 500 // episodes on the page
	listedTimelines = 40  // rules in the timeline
)

func (s *Server) historyPage(w http.ResponseWriter, r *http.Request) error {
	d := historyData{
		Filter: r.FormValue("filter"),
		Rule:   r.FormValue("rule"),
		Since:  cmp.Or(r.FormValue("since"), "24h"),
		To:     s.Now(),
	}
	if s.Alerts == nil && s.History == nil {
		return missing("history")
	}
	var err error
	if d.From, err = s.ago(d.Since, 24*time.Hour); err != nil {
		d.Problem, d.Since, d.From = err.Error(), "24h", s.Now().Add(-24*time.Hour)
	}
	filter, err := s.newAlertFilter(d.Filter)
	if err != nil {
		d.Problem = err.Error()
		filter, _ = s.newAlertFilter("")
	}
	s.fillHistory(&d, filter)
	if s.Audit != nil {
		d.Audit = s.Audit.Entries(100)
	}
	v := view{Title: "History", Page: "history", Data: d}
	if r.Header.Get("X-Part") != "" {
		return s.renderPart(w, "history", "history", v)
	}
	s.render(w, r, http.StatusOK, "history", v)
	return nil
}

// fillHistory collects the episodes of the time range, newest first, and the timelines of the
// rules.
func (s *Server) fillHistory(d *historyData, filter *alertFilter) {
	p := plot{from: d.From, to: d.To, left: 0, right: 960}
	d.Ticks = p.timeTicks(8)
	acked := s.acknowledged()
	rules := map[string]*ruleHistory{}
	lengths := map[string][]time.Duration{}
	byRule := episodes(s.transitions(HistoryQuery{From: d.From, Rule: d.Rule, Most: 100_000}))
	for rule, list := range byRule {
		for _, e := range list {
			if !filter.keeps(e.alert) {
				continue
			}
			row := historyRow{
				episode: e, Rule: rule, Open: e.To.IsZero(), Severity: e.alert.Severity,
				Name: cmp.Or(e.Labels["alertname"], rule),
			}
			end := e.To
			if row.Open {
				end = d.To
			}
			row.Length = end.Sub(e.From)
			d.Rows = append(d.Rows, row)
			one := rules[rule]
			if one == nil {
				one = &ruleHistory{Rule: rule, Name: row.Name, Severity: row.Severity}
				rules[rule] = one
			}
			one.Fired++
			one.Total += row.Length
			lengths[rule] = append(lengths[rule], row.Length)
			if acked[e.ID] {
				one.Acked++
			}
			if len(one.Bands) < 500 {
				x := p.x(e.From)
				one.Bands = append(one.Bands, band{
					x, max(2, p.x(end)-x), "firing sev-" + severityClass(row.Severity),
					e.From.UTC().Format("2 Jan 15:04:05") + " " + safetext.ClipLine(e.Reason, 100),
				})
			}
		}
	}
	d.Fired = len(d.Rows)
	slices.SortFunc(d.Rows, func(a, b historyRow) int {
		return cmp.Or(b.From.Compare(a.From), cmp.Compare(a.ID, b.ID))
	})
	if len(d.Rows) > listedHistory {
		d.More, d.Rows = len(d.Rows)-listedHistory, d.Rows[:listedHistory]
	}
	for rule, one := range rules {
		slices.Sort(lengths[rule])
		one.Median = lengths[rule][len(lengths[rule])/2]
		d.Rules = append(d.Rules, *one)
	}
	slices.SortFunc(d.Rules, func(a, b ruleHistory) int {
		return cmp.Or(cmp.Compare(b.Fired, a.Fired), cmp.Compare(a.Rule, b.Rule))
	})
	d.Rules = d.Rules[:min(len(d.Rules), listedTimelines)]
}

// acknowledged are the IDs of alerts that were acknowledged.
func (s *Server) acknowledged() map[string]bool {
	ids := map[string]bool{}
	if s.Audit == nil {
		return ids
	}
	for _, e := range s.Audit.Entries(maxAudit) {
		if e.What == "alert acknowledged" {
			ids[e.Facts["alert"]] = true
		}
	}
	return ids
}

func (s *Server) getHistory(w http.ResponseWriter, r *http.Request) error {
	if s.Alerts == nil && s.History == nil {
		return missing("history")
	}
	since, err := s.ago(r.FormValue("since"), 366*24*time.Hour)
	if err != nil {
		return err
	}
	most, err := number(r, "limit", 1000, 100_000)
	if err != nil {
		return err
	}
	list := s.transitions(HistoryQuery{
		From: since, Rule: r.FormValue("rule"), Alert: r.FormValue("alert"), Most: most,
	})
	list = append([]models.Alert{}, list...)
	slices.Reverse(list)
	switch r.FormValue("format") {
	case "", "json":
		return ok(w, list)
	case "csv":
		return writeCSV(w, list)
	}
	return badRequest("format: json or csv")
}

// writeCSV writes transitions as a table.
func writeCSV(w http.ResponseWriter, list []models.Alert) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="alerts.csv"`)
	out := csv.NewWriter(w)
	_ = out.Write([]string{ // errors are those of Flush
		"time", "state", "rule", "alert", "severity", "labels", "value", "threshold", "reason", "logs",
	})
	for _, a := range list {
		_ = out.Write([]string{
			a.At.UTC().Format(time.RFC3339Nano), string(a.State), cell(a.Rule), a.ID, cell(a.Severity),
			cell(labelText(a.Labels)), strconv.FormatFloat(a.Value, 'g', -1, 64), cell(a.Threshold),
			cell(a.Reason), fmt.Sprint(a.Count),
		})
	}
	out.Flush()
	return nil
}

// cell is text for a spreadsheet, which must not take it for a formula.
func cell(text string) string {
	text = safetext.Visible(text)
	if strings.HasPrefix(text, "=") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") ||
		strings.HasPrefix(text, "@") {
		return "'" + text
	}
	return text
}

package web

import (
	"cmp"
	"encoding/csv"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// historyHandlers serve the past alerts.
type historyHandlers struct {
	state  *engineState
	audit  *auditTrail
	pages  *pages
	logger *slog.Logger
	now    func() time.Time
}

func (h *historyHandlers) routes() []route {
	return []route{
		{"GET /history", Reader, costly, h.pages.handler(h.page)},
		{"GET /api/v1/history", Reader, cheap, api(h.get)},
	}
}

// historyData is the data of the history page.
type historyData struct {
	Filter    string
	Rule      string
	Since     string
	Problem   string
	Rows      []*historyRow
	More      int
	all       bool          // as many as the page can list
	read      int           // that could be listed
	Rules     []ruleHistory // that fired most
	MoreRules int
	Ticks     []tickMark
	From, To  time.Time
	Fired     int
	Held      []history.Entry // what was not notified, newest first
	Audit     []AuditEntry
}

// Choices are the time ranges of the page.
func (historyData) Choices() []string { return []string{"1h", "6h", "24h", "7d", "30d"} }

// CanShowMore is how many more alerts the page can list.
func (d historyData) CanShowMore() int { return min(d.read, listedHistory) - len(d.Rows) }

// ShowMore is the URL of the page with all of them.
func (d historyData) ShowMore() string {
	q := url.Values{"since": {d.Since}, "all": {"1"}}
	for name, value := range map[string]string{"filter": d.Filter, "rule": d.Rule} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/history?" + q.Encode()
}

// openTimelines is how many timelines are shown at once.
const openTimelines = 15

// MostFired are the rules whose timelines are shown.
func (d historyData) MostFired() []ruleHistory { return d.Rules[:min(len(d.Rules), openTimelines)] }

// Others are the rules whose timelines are shown on demand.
func (d historyData) Others() []ruleHistory { return d.Rules[min(len(d.Rules), openTimelines):] }

// Export is the URL of all entries of the time range in a format.
func (d historyData) Export(format string) string {
	q := url.Values{"since": {d.Since}, "export": {format}}
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
	Held       int           // notifications that were not sent
	Noise      int           // percent of the episodes that were short and not acknowledged
	Total      time.Duration // time firing
	Median     time.Duration // length of an episode
}

const (
	listedHistory   = 500 // episodes on the page, on demand
	firstHistory    = 100 // episodes on the page at first
	listedTimelines = 40  // rules in the timeline
	listedHeld      = 50  // notifications that were not sent
)

func (h *historyHandlers) page(w http.ResponseWriter, r *http.Request) error {
	d := historyData{
		Filter: r.FormValue("filter"),
		Rule:   r.FormValue("rule"),
		Since:  cmp.Or(r.FormValue("since"), "24h"),
		To:     h.now(),
		all:    r.FormValue("all") != "",
	}
	if h.state.alerts == nil && h.state.history == nil {
		return missing("history")
	}
	var err error
	if d.From, err = parseSince(d.Since, 24*time.Hour, h.now()); err != nil {
		d.Problem, d.Since, d.From = err.Error(), "24h", h.now().Add(-24*time.Hour)
	}
	filter, err := newAlertFilter(d.Filter, h.state.lists())
	if err != nil {
		d.Problem = err.Error()
		filter, _ = newAlertFilter("", h.state.lists())
	}
	h.fill(&d, filter)
	if h.audit.store != nil {
		d.Audit = h.audit.store.Entries(100)
	}
	v := view{Title: "History", Page: "history", Data: d}
	return h.pages.show(w, r, "history", "history", v)
}

// fill collects the episodes of the time range, newest first, and the timelines of the
// rules.
func (h *historyHandlers) fill(d *historyData, filter *alertFilter) {
	p := plot{from: d.From, to: d.To, left: 0, right: 960}
	d.Ticks = p.timeTicks(8)
	query := HistoryQuery{From: d.From, Rule: d.Rule, Most: 100_000}
	indexed := filter.query == nil && h.state.history != nil
	if indexed { // what is not listed is only counted
		query.Most = 4 * listedHistory
	}
	byRule := episodes(h.state.transitions(query))
	rules := map[string]*ruleHistory{}
	for rule, list := range byRule {
		list = slices.DeleteFunc(list, func(e episode) bool { return !filter.keeps(e.alert) })
		for _, e := range list {
			row := &historyRow{
				episode: e, Rule: rule, Open: e.To.IsZero(), Severity: e.alert.Severity,
				Name: cmp.Or(e.Labels["alertname"], rule),
			}
			row.Length = lengthOf(e.From, e.To, d.To)
			d.Rows = append(d.Rows, row)
		}
		if len(list) > 0 {
			rules[rule] = ruleHistoryOf(rule, spansOf(list), p)
			rules[rule].Name = cmp.Or(list[0].Labels["alertname"], rule)
			rules[rule].describe(list)
		}
	}
	if indexed {
		h.addIndexed(d, rules, p)
	}
	byFired := slices.SortedFunc(maps.Values(rules), func(a, b *ruleHistory) int {
		return cmp.Or(cmp.Compare(b.Fired, a.Fired), cmp.Compare(a.Rule, b.Rule))
	})
	for _, one := range byFired {
		d.Rules, d.Fired = append(d.Rules, *one), d.Fired+one.Fired
	}
	slices.SortFunc(d.Rows, func(a, b *historyRow) int {
		return cmp.Or(b.From.Compare(a.From), cmp.Compare(a.ID, b.ID))
	})
	most := firstHistory
	if d.all {
		most = listedHistory
	}
	d.read = len(d.Rows)
	d.Rows = d.Rows[:min(len(d.Rows), most)]
	d.More = d.Fired - len(d.Rows)
	d.MoreRules = max(0, len(d.Rules)-listedTimelines)
	d.Rules = d.Rules[:len(d.Rules)-d.MoreRules]
	h.fillStatistics(d)
}

// addIndexed adds the timelines of all rules, by the index of the history alone: in a flood the
// entries are too many to be read, and all but those of one rule would be lost.
func (h *historyHandlers) addIndexed(d *historyData, rules map[string]*ruleHistory, p plot) {
	names, severity := map[string]string{}, map[string]string{}
	for id, one := range rules {
		names[id], severity[id] = one.Name, one.Severity
	}
	for _, r := range h.state.ruleSet().Rules {
		if d.Rule == "" || r.ID() == d.Rule {
			names[r.ID()] = r.Name
			severity[r.ID()] = cmp.Or(severity[r.ID()], r.Labels["severity"])
		}
	}
	to := d.To.Add(time.Hour)
	gone, err := h.state.history.RuleIDs(d.From, to) // a rule that is gone has a past
	for _, id := range gone {
		if _, known := names[id]; !known && (d.Rule == "" || id == d.Rule) {
			names[id] = id
		}
	}
	var spans map[string][]history.Span
	if err == nil {
		spans, err = h.state.history.Episodes(d.From, to, slices.Collect(maps.Keys(names))...)
	}
	if err != nil {
		d.Problem = err.Error()
		return
	}
	for id, list := range spans {
		if one := rules[id]; one != nil && one.Fired >= len(list) {
			continue // all of it was read
		}
		rules[id] = ruleHistoryOf(id, list, p)
		rules[id].Name, rules[id].Severity = names[id], severity[id]
		rules[id].colour()
	}
}

// drawnEpisodes is how many episodes of a rule its timeline shows.
const drawnEpisodes = 500

// ruleHistoryOf is the history of a rule by its episodes.
func ruleHistoryOf(rule string, list []history.Span, p plot) *ruleHistory {
	one := &ruleHistory{Rule: rule, Fired: len(list)}
	lengths := make([]time.Duration, len(list))
	for i, e := range list {
		lengths[i] = lengthOf(e.From, e.To, p.to)
		one.Total += lengths[i]
		if i < drawnEpisodes {
			one.Bands = append(one.Bands, p.band(e.From, e.From.Add(lengths[i]), "",
				e.From.UTC().Format("2 Jan 15:04:05")))
		}
	}
	slices.Sort(lengths)
	one.Median = lengths[len(lengths)/2]
	return one
}

// describe adds what entries say of the episodes.
func (r *ruleHistory) describe(list []episode) {
	r.Severity = list[0].alert.Severity
	for i := range r.Bands {
		r.Bands[i].Class = "firing sev-" + severityClass(list[i].alert.Severity)
		r.Bands[i].Title += " " + safetext.ClipLine(list[i].Reason, 100)
	}
}

// colour gives all episodes the colour of the rule's severity.
func (r *ruleHistory) colour() {
	for i := range r.Bands {
		r.Bands[i].Class = "firing sev-" + severityClass(r.Severity)
	}
}

func lengthOf(from, to, now time.Time) time.Duration {
	if to.IsZero() {
		to = now
	}
	return to.Sub(from)
}

// fillStatistics adds what only the history on disk knows: acknowledgements, how noisy rules are,
// and what was not notified.
func (h *historyHandlers) fillStatistics(d *historyData) {
	if h.state.history == nil {
		return
	}
	names := make([]string, len(d.Rules))
	for i := range d.Rules {
		names[i] = d.Rules[i].Rule
	}
	list, err := h.state.history.Statistics(d.From, d.To, names...)
	if err != nil {
		d.Problem = err.Error()
		return
	}
	byRule := map[string]history.RuleStatistics{}
	for _, one := range list {
		byRule[one.Rule] = one
	}
	for i := range d.Rules {
		one := byRule[d.Rules[i].Rule]
		d.Rules[i].Acked, d.Rules[i].Held = one.Acknowledged, one.NotNotified
		d.Rules[i].Noise = int(math.Round(100 * one.Noise()))
	}
	d.Held = h.state.history.NotNotified(HistoryQuery{From: d.From, Rule: d.Rule, Most: listedHeld})
}

func (h *historyHandlers) get(w http.ResponseWriter, r *http.Request) error {
	if h.state.alerts == nil && h.state.history == nil {
		return missing("history")
	}
	since, err := parseSince(r.FormValue("since"), 366*24*time.Hour, h.now())
	if err != nil {
		return err
	}
	if kind := r.FormValue("export"); kind != "" {
		return h.export(w, r, since, kind)
	}
	most, err := number(r, "limit", 1000, 100_000)
	if err != nil {
		return err
	}
	list := h.state.transitions(HistoryQuery{
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

// export writes all entries of the history: transitions, notifications, reasons why
// something was not notified, and what users did.
func (h *historyHandlers) export(
	w http.ResponseWriter,
	r *http.Request,
	since time.Time,
	kind string,
) error {
	name, form := "application/x-ndjson", "alerts.jsonl"
	switch kind {
	case history.JSON:
	case history.CSV:
		name, form = "text/csv; charset=utf-8", "alerts.csv"
	default:
		return badRequest("export: json or csv")
	}
	if h.state.history == nil {
		return missing("a history on disk")
	}
	w.Header().Set("Content-Type", name)
	w.Header().Set("Content-Disposition", `attachment; filename="`+form+`"`)
	q := HistoryQuery{From: since, Rule: r.FormValue("rule"), Alert: r.FormValue("alert")}
	if err := h.state.history.Export(r.Context(), w, q, kind); err != nil {
		h.logger.Warn("exporting the history was cut short", "error", err)
	}
	return nil
}

// writeCSV writes transitions as a table.
func writeCSV(w http.ResponseWriter, list []models.Alert) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="alerts.csv"`)
	out := csv.NewWriter(w)
	_ = out.Write([]string{ // errors are those of Flush
		"time", "state", "rule", "alert", "severity", "labels", "value", "threshold", "reason",
		"logs",
	})
	for _, a := range list {
		row := []string{
			a.At.UTC().Format(time.RFC3339Nano), string(a.State), a.Rule, a.ID, a.Severity,
			labelText(a.Labels), strconv.FormatFloat(a.Value, 'g', -1, 64), a.Threshold, a.Reason,
			strconv.FormatInt(a.Count, 10),
		}
		for i := range row {
			row[i] = safetext.Cell(row[i])
		}
		_ = out.Write(row)
	}
	out.Flush()
	return nil
}

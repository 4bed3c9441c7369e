package web

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// ruleHandlers serve the list of rules and the page of one.
type ruleHandlers struct {
	state     *engineState
	files     *ruleFiles
	explainer *explainer
	receivers Receivers
	coverage  func() FieldCoverage // nil for none
	pages     *pages
	now       func() time.Time
}

func (h *ruleHandlers) routes() []route {
	page := h.pages.handler
	return []route{
		{"GET /rules", Reader, cheap, page(h.rulesPage)},
		{"GET /rules/view/{id...}", Reader, cheap, page(h.rulePage)},
		{"POST /rules/view/{id...}", Reader, costly, page(h.rulePage)}, // explains a log
		{"GET /api/v1/rules/{id...}", Reader, cheap, api(h.getRule)},
	}
}

// rulesData is the list of rules.
type rulesData struct {
	Filter string
	Sort   string
	Rows   []ruleRow
	Total  int
	More   int
	Firing int
	Never  int // rules without a match
	Absent int // fields that rules reference and no sampled log has
	CanAdd bool
}

// ruleRow is a rule in the list.
type ruleRow struct {
	ID, Name, Group string
	Mode            rule.Mode
	Record          bool
	State           string // firing, pending, inactive
	Severity        string
	Query           string
	Status          RuleStatus
	Up              int // current alerts
	Fired           int // alerts in the last 24 hours
	LastFired       time.Time
	Receivers       []string
	Owner           string
	Day             []hour
	Own             bool
	System          string // that an imported rule comes from
	rule            *rule.Rule
}

// hour is one of the last 24 hours of a rule.
type hour struct {
	X     int
	Class string // "up" if an alert was firing
	Title string
}

// listedRules is the number of rules on a page; the filter finds the others.
const listedRules = 200

func (h *ruleHandlers) rulesPage(w http.ResponseWriter, r *http.Request) error {
	d := rulesData{
		Filter: r.FormValue("filter"),
		Sort:   r.FormValue("sort"),
		CanAdd: h.files.dir != "",
	}
	if h.coverage != nil {
		d.Absent = h.coverage().AbsentTotal
	}
	status, now := h.state.ruleStatus(), h.now()
	up := map[string]upAlerts{}
	list := h.state.current()
	for i := range list {
		up[list[i].Rule] = up[list[i].Rule].with(list[i].State)
	}
	day, err := h.state.spans(now.Add(-25*time.Hour), now.Add(time.Hour))
	if err != nil {
		return err
	}
	words := strings.Fields(strings.ToLower(d.Filter))
	for _, one := range h.state.ruleSet().Rules {
		row := h.ruleRow(one, status[one.ID()], up[one.ID()])
		d.Total++
		if row.State == "firing" {
			d.Firing++
		}
		if row.Status.Matches == 0 {
			d.Never++
		}
		text := strings.ToLower(strings.Join([]string{
			row.ID, row.Query, string(row.Mode), row.State, row.Name, one.Origin.String(),
			one.Author,
		}, " "))
		if !slices.ContainsFunc(words, func(word string) bool {
			return !strings.Contains(text, word)
		}) {
			d.Rows = append(d.Rows, row)
		}
	}
	for i := range d.Rows {
		if list := day[d.Rows[i].ID]; len(list) > 0 {
			d.Rows[i].LastFired = list[len(list)-1].From
		}
	}
	sortRules(d.Rows, d.Sort)
	if len(d.Rows) > listedRules && r.FormValue("all") == "" {
		d.More = len(d.Rows) - listedRules
		d.Rows = d.Rows[:listedRules]
	}
	for i := range d.Rows {
		row := &d.Rows[i]
		list := day[row.ID]
		row.Day, row.Fired = lastDay(list, now)
		row.Receivers = receiversOf(h.receivers, row.rule)
	}
	v := view{Title: "Rules", Page: "rules", Data: d}
	return h.pages.show(w, r, "rules", "rulelist", v)
}

// upAlerts are the alerts of a rule that are not resolved.
type upAlerts struct{ count, firing int }

func (u upAlerts) with(state models.AlertState) upAlerts {
	u.count++
	if state == models.AlertFiring {
		u.firing++
	}
	return u
}

func (h *ruleHandlers) ruleRow(one *rule.Rule, status RuleStatus, up upAlerts) ruleRow {
	row := ruleRow{
		ID:       one.ID(),
		Name:     one.Name,
		Group:    one.Group,
		Mode:     one.Mode,
		Record:   one.Record,
		State:    "inactive",
		Severity: one.Labels["severity"],
		Query:    queryText(one),
		Status:   status,
		Up:       up.count,
		Own:      h.files.own(one.Pos.File) != "",
		Owner:    cmp.Or(one.Labels["owner"], one.Labels["team"]),
		System:   one.Origin.System,
		rule:     one,
	}
	switch {
	case up.firing > 0:
		row.State = "firing"
	case up.count > 0:
		row.State = "pending"
	}
	return row
}

// sortRules sorts by a column; by state without one.
func sortRules(rows []ruleRow, by string) {
	slices.SortStableFunc(rows, func(a, b ruleRow) int {
		var c int
		switch by {
		case "matches":
			c = cmp.Compare(b.Status.PerMinute, a.Status.PerMinute)
		case "cost":
			c = cmp.Compare(b.Status.Cost, a.Status.Cost)
		case "groups":
			c = cmp.Compare(b.Status.Groups, a.Status.Groups)
		case "last":
			c = b.Status.LastMatch.Compare(a.Status.LastMatch)
		case "never":
			c = cmp.Compare(min(a.Status.Matches, 1), min(b.Status.Matches, 1))
		case "severity":
			c = compareSeverity(a.Severity, b.Severity)
		case "fired":
			c = b.LastFired.Compare(a.LastFired)
		case "name":
		default:
			order := map[string]int{"firing": 0, "pending": 1, "inactive": 2}
			c = cmp.Compare(order[a.State], order[b.State])
		}
		return cmp.Or(c, cmp.Compare(a.ID, b.ID))
	})
}

// lastDay returns for each of the last 24 hours whether an alert was firing, and the number of
// alerts.
func lastDay(list []history.Span, now time.Time) (day []hour, fired int) {
	const hours = 24
	begin := now.Truncate(time.Hour).Add(-(hours - 1) * time.Hour)
	in := func(at time.Time) int { // which hour an instant is in
		return int(math.Floor(at.Sub(begin).Hours()))
	}
	var up [hours + 1]int // by how many more fire in an hour than in the one before
	for _, e := range list {
		first, last := in(e.From), hours
		if !e.To.IsZero() {
			last = max(first-1, in(e.To.Add(-1)))
		}
		if first >= 0 && first < hours {
			fired++
		}
		if first < hours && last >= 0 {
			up[max(first, 0)]++
			up[min(last+1, hours)]--
		}
	}
	n := 0
	for i := range hours {
		n += up[i]
		from := begin.Add(time.Duration(i) * time.Hour)
		h := hour{X: i * 5, Title: fmt.Sprintf("%s: %d", from.UTC().Format("15:04"), n)}
		if n > 0 {
			h.Class = "up"
		}
		day = append(day, h)
	}
	return day, fired
}

// rulePage shows one rule.
func (h *ruleHandlers) rulePage(w http.ResponseWriter, r *http.Request) error {
	found, err := h.state.ruleByID(r.PathValue("id"))
	if err != nil {
		return err
	}
	type ruleData struct {
		ruleDetail
		Rule     *rule.Rule
		Own      string
		Alerts   []models.Alert
		Resolved []episode
		Day      []hour
		Fired    int
		Links    []string // references that are web pages
		Texts    []string // the others

		Explain explainData
	}
	d := ruleData{
		ruleDetail: h.files.detail(found, h.state.ruleStatus()[found.ID()]),
		Rule:       found,
		Own:        h.files.own(found.Pos.File),
		Explain:    h.explainer.form(r, found),
	}
	for _, text := range found.References {
		if u, err := url.Parse(text); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			d.Links = append(d.Links, text)
		} else {
			d.Texts = append(d.Texts, text)
		}
	}
	for _, a := range h.state.current() {
		if a.Rule == found.ID() && len(d.Alerts) < 100 {
			d.Alerts = append(d.Alerts, a)
		}
	}
	d.Alerts = h.state.detailed(d.Alerts)
	past := episodes(h.state.transitions(HistoryQuery{Rule: found.ID(), Most: 2000}))[found.ID()]
	d.Day, d.Fired = lastDay(spansOf(past), h.now())
	slices.Reverse(past)
	d.Resolved = past[:min(20, len(past))]
	h.pages.render(w, r, http.StatusOK, "rule", view{Title: found.Name, Page: "rules", Data: d})
	return nil
}

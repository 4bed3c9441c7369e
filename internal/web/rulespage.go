package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

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

func (s *Server) rulesPage(w http.ResponseWriter, r *http.Request) error {
	d := rulesData{
		Filter: r.FormValue("filter"),
		Sort:   r.FormValue("sort"),
		CanAdd: s.files.dir != "",
	}
	if s.Coverage != nil {
		d.Absent = s.Coverage().AbsentTotal
	}
	status, now := s.state.ruleStatus(), s.Now()
	up := map[string]upAlerts{}
	list := s.state.current()
	for i := range list {
		up[list[i].Rule] = up[list[i].Rule].with(list[i].State)
	}
	day, err := s.state.spans(now.Add(-25*time.Hour), now.Add(time.Hour))
	if err != nil {
		return err
	}
	words := strings.Fields(strings.ToLower(d.Filter))
	for _, one := range s.state.ruleSet().Rules {
		row := s.ruleRow(one, status[one.ID()], up[one.ID()])
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
		row.Receivers = s.notifies(row.rule)
	}
	v := view{Title: "Rules", Page: "rules", Data: d}
	if r.Header.Get("X-Part") != "" {
		return s.pages.renderPart(w, "rules", "rulelist", v)
	}
	s.pages.render(w, r, http.StatusOK, "rules", v)
	return nil
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

func (s *Server) ruleRow(one *rule.Rule, status RuleStatus, up upAlerts) ruleRow {
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
		Own:      s.files.own(one.Pos.File) != "",
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
	begin := now.Truncate(time.Hour).Add(-23 * time.Hour)
	for i := range 24 {
		from := begin.Add(time.Duration(i) * time.Hour)
		to := from.Add(time.Hour)
		n := 0
		for _, e := range list {
			if e.From.Before(to) && (e.To.IsZero() || e.To.After(from)) {
				n++
			}
			if !e.From.Before(from) && e.From.Before(to) {
				fired++
			}
		}
		h := hour{X: i * 5, Title: fmt.Sprintf("%s: %d", from.UTC().Format("15:04"), n)}
		if n > 0 {
			h.Class = "up"
		}
		day = append(day, h)
	}
	return day, fired
}

// rulePage shows one rule.
func (s *Server) rulePage(w http.ResponseWriter, r *http.Request) error {
	found, err := s.state.ruleByID(r.PathValue("id"))
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
		ruleDetail: s.ruleDetail(found, s.state.ruleStatus()[found.ID()]),
		Rule:       found,
		Own:        s.files.own(found.Pos.File),
		Explain:    s.explainForm(r, found),
	}
	for _, text := range found.References {
		if u, err := url.Parse(text); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			d.Links = append(d.Links, text)
		} else {
			d.Texts = append(d.Texts, text)
		}
	}
	for _, a := range s.state.current() {
		if a.Rule == found.ID() && len(d.Alerts) < 100 {
			d.Alerts = append(d.Alerts, a)
		}
	}
	d.Alerts = s.state.detailed(d.Alerts)
	past := episodes(s.state.transitions(HistoryQuery{Rule: found.ID(), Most: 2000}))[found.ID()]
	d.Day, d.Fired = lastDay(spansOf(past), s.Now())
	slices.Reverse(past)
	d.Resolved = past[:min(20, len(past))]
	s.pages.render(w, r, http.StatusOK, "rule", view{Title: found.Name, Page: "rules", Data: d})
	return nil
}

// editorData is the data of the rule editor.
type editorData struct {
	Name    string
	Text    string
	Own     bool // the file exists
	Path    string
	Reading validation
	Done    string
	Mode    string
	CanSave bool
	Why     string // the rules cannot be saved
	// earlier texts, newest first
	Versions []version
}

func (s *Server) editorPage(w http.ResponseWriter, r *http.Request) error {
	d := editorData{Name: r.FormValue("name"), CanSave: s.files.dir != "" && s.Reload != nil}
	if d.Name != "" {
		text, err := s.files.read(d.Name)
		if err != nil {
			return err
		}
		d.Text, d.Own = text, true
	} else {
		d.Text = newRuleText(r.FormValue("match"), r.FormValue("copy"), s)
		if r.FormValue("offset") != "" && s.Logs != nil {
			at, err := s.positionOf(r)
			if err != nil {
				return err
			}
			if d.Text, err = s.propose(r.Context(), at); err != nil {
				return err
			}
		}
		d.Name = freeName(s.ruleFileList(), "my-rules")
	}
	if done := r.FormValue("done"); done == "live" || done == "shadow" || done == "off" {
		d.Done = savedText[done]
	}
	s.showEditor(w, r, http.StatusOK, d, "")
	return nil
}

// savedText is the confirmation after saving rules in a mode.
var savedText = map[string]string{
	"live":   "Saved. The rules are live and notify their receivers.",
	"shadow": "Saved in shadow mode. The rules are evaluated but do not notify.",
	"off":    "Saved. The rules are off.",
}

func freeName(files []RuleFile, name string) string {
	taken := map[string]bool{}
	for _, f := range files {
		taken[f.Name] = true
	}
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("my-rules-%d", i)
	}
	return name
}

// newRuleText is the initial text of the editor: a rule for a query, or a copy of another rule.
func newRuleText(match, of string, s *Server) string {
	if of != "" {
		if r, err := s.state.ruleByID(of); err == nil {
			if text := s.ruleText(r.Pos); text != "" {
				return "version: 1\ngroups:\n  - name: mine\n    rules:\n      " +
					strings.ReplaceAll(text, "\n", "\n      ") + "\n"
			}
		}
	}
	if match == "" {
		match = "level>=ERROR"
	}
	quoted := yamlQuote(match)
	return `version: 1
groups:
  - name: mine
    rules:
      - alert: MyAlert
        match: ` + quoted + `
        when: count() > 10
        window: 5m
        by: [service]
        mode: shadow
        labels: {severity: warning}
        annotations:
          summary: '{{ .Value }} logs of {{ .Labels.service }} within 5 minutes'
`
}

func (s *Server) showEditor(
	w http.ResponseWriter,
	r *http.Request,
	status int,
	d editorData,
	problem string,
) {
	d.Reading, _ = s.readRules(d.Text)
	d.Versions, _ = s.files.versions(d.Name, d.Text) // shown if they can be read
	if d.CanSave && !s.access.mayWrite(r) {
		d.Why = "Saving needs the writer role. Log in with web.token."
		if s.ReadOnly {
			d.Why = "This server is read-only (web.read_only)."
		}
	}
	d.Mode = modeOf(d.Reading)
	d.Path = filepath.Join(filepath.Base(s.files.dir), d.Name+ruleSuffix)
	title := "New rule"
	if d.Own {
		title = d.Name
	}
	v := view{Title: title, Page: "rules", Data: d, Error: problem}
	s.pages.render(w, r, status, "editor", v)
}

// modeOf is the mode of all rules of a text; "" if they differ.
func modeOf(read validation) string {
	mode := ""
	for i, one := range read.Rules {
		if i > 0 && one.Mode != mode {
			return ""
		}
		mode = one.Mode
	}
	return mode
}

// editorForm saves or removes a writable rule file.
func (s *Server) editorForm(w http.ResponseWriter, r *http.Request) error {
	d := editorData{
		Name:    r.PostFormValue("name"),
		Text:    strings.ReplaceAll(r.PostFormValue("text"), "\r\n", "\n"),
		CanSave: true,
	}
	refuse := func(err error) error {
		status := http.StatusInternalServerError
		if e, is := err.(*apiError); is {
			status = e.status
		} else if strings.Contains(err.Error(), ": ") {
			status = http.StatusUnprocessableEntity
		}
		_, missing := s.files.read(d.Name)
		d.Own = missing == nil
		s.showEditor(w, r, status, d, err.Error())
		return nil
	}
	if r.PostFormValue("do") == "delete" {
		if err := s.files.replace(r.Context(), d.Name, nil, s.Reload); err != nil {
			return refuse(err)
		}
		s.audit.record(r, "rules removed", "name", d.Name)
		return back(w, r, "/rules")
	}
	if err := checkVisible(d.Text); err != nil {
		return refuse(err)
	}
	if _, err := rule.Read("", []byte(d.Text)); err != nil {
		return refuse(&apiError{http.StatusUnprocessableEntity, err.Error()})
	}
	mode := rule.Mode(r.PostFormValue("do"))
	text, err := setMode(d.Text, mode)
	if err != nil {
		return refuse(err)
	}
	if err := s.files.replace(r.Context(), d.Name, []byte(text), s.Reload); err != nil {
		return refuse(err)
	}
	s.audit.record(r, "rules written", "name", d.Name, "mode", string(mode))
	return back(w, r, "/rules/edit?name="+d.Name+"&done="+string(mode))
}

// backtestPart shows a backtest of the editor's text.
func (s *Server) backtestPart(w http.ResponseWriter, r *http.Request) error {
	since, err := s.ago(r.PostFormValue("since"), 24*time.Hour)
	if err != nil {
		return err
	}
	set, err := s.rulesToTest(r.PostFormValue("text"), r.PostFormValue("rule"))
	if err != nil {
		return err
	}
	result, sliders, err := s.backtestVaried(r.Context(), w, set, since)
	if err != nil {
		return err
	}
	rep := report(set, result, since, s.Now())
	type ruleBands struct {
		backtestedRule
		Values barChart
		Slider *slider
		Bands  []band
		Shown  []episode
	}
	data := struct {
		backtestReport
		Since string
		Rows  []ruleBands
		Ticks []tickMark
	}{backtestReport: rep, Since: sinceWords(r.PostFormValue("since"))}
	p := plot{from: rep.From, to: rep.To, left: 0, right: 960}
	data.Ticks = p.timeTicks(8)
	for _, one := range rep.Rules {
		row := ruleBands{backtestedRule: one, Shown: one.Episodes[max(0, len(one.Episodes)-6):]}
		row.Values, row.Slider = sliders(one.Rule)
		for _, e := range one.Episodes {
			to := e.To
			if to.IsZero() {
				to = rep.To
			}
			row.Bands = append(row.Bands, p.band(e.From, to, "firing",
				e.From.UTC().Format("15:04:05")+" "+e.Reason))
		}
		data.Rows = append(data.Rows, row)
	}
	return s.pages.renderPart(w, "editor", "backtest", data)
}

// sinceWords is a duration to follow "the last".
func sinceWords(text string) string {
	if n, days := strings.CutSuffix(text, "d"); days {
		return n + " days"
	}
	if n, hours := strings.CutSuffix(text, "h"); hours && n == "1" {
		return "hour"
	} else if hours {
		return n + " hours"
	}
	if n, minutes := strings.CutSuffix(text, "m"); minutes {
		return n + " minutes"
	}
	if text == "" {
		return "24 hours"
	}
	return "time since " + text
}

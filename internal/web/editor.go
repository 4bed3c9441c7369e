package web

import (
	"cmp"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// editorHandlers serve the editor of rules.
type editorHandlers struct {
	state      *engineState
	files      *ruleFiles
	validator  *validator
	topics     *topics
	backtester *backtester
	pages      *pages
	audit      *auditTrail
	now        func() time.Time
}

func (h *editorHandlers) routes() []route {
	page := h.pages.handler
	return []route{
		{"GET /rules/edit", Reader, costly, page(h.page)},
		{"POST /rules/edit", Writer, costly, page(h.save)},
		{"POST /rules/backtest", Reader, backtests, page(h.backtestPart)},
	}
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
	Seen     string // TextID of the text that the author began from
	Edit     RuleEdit
}

func (h *editorHandlers) page(w http.ResponseWriter, r *http.Request) error {
	d := editorData{Name: r.FormValue("name"), CanSave: h.files.writable()}
	if d.Name != "" {
		text, err := h.files.read(d.Name)
		if err != nil {
			return err
		}
		d.Text, d.Own, d.Seen = text, true, TextID(text)
	} else {
		d.Text = cmp.Or(h.copyOf(r.FormValue("copy")), newRuleText(r.FormValue("match")))
		if r.FormValue("offset") != "" && h.topics.logs != nil {
			at, err := h.topics.positionOf(r)
			if err != nil {
				return err
			}
			if d.Text, err = h.topics.propose(r.Context(), at); err != nil {
				return err
			}
		}
		d.Name = freeName(h.files.list(), "my-rules")
	}
	if done := r.FormValue("done"); done == "live" || done == "shadow" || done == "off" {
		d.Done = savedText[done]
	}
	h.show(w, r, http.StatusOK, d, "")
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

// copyOf is a rule file with a copy of a rule; "" if its text is not known.
func (h *editorHandlers) copyOf(id string) string {
	r, err := h.state.ruleByID(id)
	if err != nil {
		return ""
	}
	text := h.files.text(r.Pos)
	if text == "" {
		return ""
	}
	return "version: 1\ngroups:\n  - name: mine\n    rules:\n      " +
		strings.ReplaceAll(text, "\n", "\n      ") + "\n"
}

// newRuleText is a rule file with a rule for a query.
func newRuleText(match string) string {
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

func (h *editorHandlers) show(
	w http.ResponseWriter,
	r *http.Request,
	status int,
	d editorData,
	problem string,
) {
	d.Reading, _ = h.validator.read(d.Text)
	d.Versions, _ = h.files.versions(d.Name, d.Text) // shown if they can be read
	if d.CanSave && !h.pages.mayWrite(r) {
		d.Why = "Saving needs the writer role. Log in with web.token."
		if h.pages.readOnly {
			d.Why = "This server is read-only (web.read_only)."
		}
	}
	if h.files.edit != nil {
		d.Edit, _ = h.files.edit(d.Name)
	}
	d.Mode = modeOf(d.Reading)
	d.Path = filepath.Join(filepath.Base(h.files.dir), d.Name+ruleSuffix)
	title := "New rule"
	if d.Own {
		title = d.Name
	}
	v := view{Title: title, Page: "rules", Data: d, Error: problem}
	h.pages.render(w, r, status, "editor", v)
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

// save saves or removes a writable rule file.
func (h *editorHandlers) save(w http.ResponseWriter, r *http.Request) error {
	d := editorData{
		Name:    r.PostFormValue("name"),
		Text:    strings.ReplaceAll(r.PostFormValue("text"), "\r\n", "\n"),
		Seen:    r.PostFormValue("seen"),
		CanSave: true,
	}
	refuse := func(err error) error {
		_, missing := h.files.read(d.Name)
		d.Own = missing == nil
		h.show(w, r, statusOf(err), d, err.Error())
		return nil
	}
	if r.PostFormValue("do") == "delete" {
		if err := h.files.replace(r.Context(), RuleChange{Name: d.Name}); err != nil {
			return refuse(err)
		}
		h.audit.record(r, "rules removed", "name", d.Name)
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
	change := RuleChange{Name: d.Name, Text: []byte(text), Seen: d.Seen}
	if err := h.files.replace(r.Context(), change); err != nil {
		return refuse(err)
	}
	h.audit.record(r, "rules written", "name", d.Name, "mode", string(mode))
	return back(w, r, "/rules/edit?name="+d.Name+"&done="+string(mode))
}

// backtestPart shows a backtest of the editor's text.
func (h *editorHandlers) backtestPart(w http.ResponseWriter, r *http.Request) error {
	since, err := parseSince(r.PostFormValue("since"), 24*time.Hour, h.now())
	if err != nil {
		return err
	}
	set, err := h.backtester.rulesOf(r.PostFormValue("text"), r.PostFormValue("rule"))
	if err != nil {
		return err
	}
	result, sliders, err := h.backtester.runVaried(r.Context(), w, set, since)
	if err != nil {
		return err
	}
	rep := report(set, result, since, h.now())
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
	return h.pages.renderPart(w, "editor", "backtest", data)
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

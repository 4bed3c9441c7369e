package web

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// silenceHandlers serve the page of silences and time intervals.
type silenceHandlers struct {
	alertmanager *alertmanager
	state        *engineState
	details      *alertDetails
	audit        *auditTrail
	pages        *pages
	now          func() time.Time
}

func (h *silenceHandlers) routes() []route {
	page := h.pages.handler
	return []route{
		{"GET /silences", Reader, costly, page(h.page)},
		{"GET /silences/preview", Reader, costly, page(h.previewPart)},
		{"GET /silences/form", Reader, costly, page(h.formPart)},
		{"POST /silences", Writer, costly, page(h.save)},
		{"POST /silences/{id}/expire", Writer, costly, page(h.expire)},
	}
}

// silencesData is the data of the silences page.
type silencesData struct {
	Active, Pending, Expired []silenceRow
	Form                     silenceForm
	Running                  []models.Alert // suppressed by a time interval or a suppression
	Intervals                []intervalRow
	Suppressions             []*rule.Suppression
	Missing                  bool
	Days                     []tickMark
}

// silenceForm is a form that creates or changes a silence.
type silenceForm struct {
	ID       string // of the silence to change; "" for a new one
	Matchers string
	For      string // duration, if Until is empty
	From     string // start in UTC; "" for now
	Until    string // end in UTC
	By       string
	Comment  string
	To       string // page after saving
	Preview  previewData
	Problem  string
}

type silenceRow struct {
	silence
	Mutes int // current alerts
	Ack   string
}

// intervalRow is a time interval in the next week.
type intervalRow struct {
	Name  string
	Now   bool
	Bands []band
	Next  time.Time // next start or end within the week; else zero
}

// previewData is the effect of a silence.
type previewData struct {
	Problem string
	Now     []models.Alert // current alerts that would be muted
	Day     int            // alerts of the last 24 hours that would have been muted
	Given   bool
}

func (h *silenceHandlers) page(w http.ResponseWriter, r *http.Request) error {
	d, err := h.data(r)
	if err != nil {
		return err
	}
	v := view{Title: "Silences", Page: "silences", Data: d}
	h.pages.render(w, r, http.StatusOK, "silences", v)
	return nil
}

func (h *silenceHandlers) data(r *http.Request) (silencesData, error) {
	d := silencesData{Missing: h.alertmanager.api == nil}
	list, err := h.alertmanager.silences(r.Context())
	if err != nil {
		return d, err
	}
	if d.Form, err = h.newForm(r, list); err != nil {
		return d, err
	}
	current := h.state.current()
	for _, one := range list {
		row := silenceRow{silence: one, Ack: ackOf(one)}
		for _, a := range current {
			if one.matches(a.Labels) {
				row.Mutes++
			}
		}
		switch one.State() {
		case "active":
			d.Active = append(d.Active, row)
		case "pending":
			d.Pending = append(d.Pending, row)
		default:
			if len(d.Expired) < 50 {
				d.Expired = append(d.Expired, row)
			}
		}
	}
	for _, a := range current {
		if a.State == models.AlertSuppressed {
			d.Running = append(d.Running, a)
		}
	}
	set := h.state.ruleSet()
	d.Suppressions = set.Suppressions
	d.Intervals, d.Days = h.calendar(set)
	return d, nil
}

// matchersOf are the matchers of alerts with exactly these labels.
func matchersOf(labels map[string]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if labels[name] != "" {
			lines = append(lines, matcherOf(name, labels[name]).String())
		}
	}
	return strings.Join(lines, "\n")
}

// matcherOf matches one value of a label. A value with hidden characters is written as a regular
// expression with escapes, so that a form shows it and returns it unchanged.
func matcherOf(name, value string) matcher {
	if safetext.Visible(value) == value && !strings.ContainsAny(value, "\n\t") {
		return matcher{Name: name, Value: value, IsEqual: true}
	}
	var b strings.Builder
	for _, c := range value {
		if one := string(c); c != utf8.RuneError && safetext.Visible(one) == one && c != '\n' &&
			c != '\t' {
			b.WriteString(regexp.QuoteMeta(one))
		} else if c == utf8.RuneError {
			b.WriteByte('.')
		} else {
			fmt.Fprintf(&b, `\x{%X}`, c)
		}
	}
	return matcher{Name: name, Value: b.String(), IsRegex: true, IsEqual: true}
}

// calendar evaluates each time interval for the next week in steps of 15 minutes.
func (h *silenceHandlers) calendar(set *rule.Set) ([]intervalRow, []tickMark) {
	const week, width = 7 * 24 * time.Hour, 960.0
	var rows []intervalRow
	from := h.now().Truncate(15 * time.Minute)
	p := plot{from: from, to: from.Add(week), left: 0, right: width}
	for _, name := range slices.Sorted(maps.Keys(set.Intervals)) {
		interval := set.Intervals[name]
		row := intervalRow{Name: name, Now: interval.Contains(h.now())}
		var began time.Time
		for t := from; !t.After(p.to); t = t.Add(15 * time.Minute) {
			in := interval.Contains(t) && t.Before(p.to)
			if in != row.Now && row.Next.IsZero() && t.Before(p.to) {
				row.Next = t
			}
			switch {
			case in && began.IsZero():
				began = t
			case !in && !began.IsZero():
				x := p.x(began)
				row.Bands = append(
					row.Bands,
					band{
						x,
						p.x(t) - x,
						"on",
						fmt.Sprintf("%s to %s", began.UTC().Format("Mon 15:04"),
							t.UTC().Format("Mon 15:04")),
					},
				)
				began = time.Time{}
			}
		}
		rows = append(rows, row)
	}
	var days []tickMark
	for t := from.Truncate(24 * time.Hour).Add(24 * time.Hour); t.Before(p.to); t = t.Add(
		24 * time.Hour) {
		days = append(days, tickMark{p.x(t), t.UTC().Format("Mon 2")})
	}
	return rows, days
}

// preview returns the alerts that a silence would mute now and would have muted in the last 24
// hours.
func (h *silenceHandlers) preview(text string) previewData {
	if strings.TrimSpace(text) == "" {
		return previewData{}
	}
	p := previewData{Given: true}
	matchers, err := parseMatchers(text)
	if err != nil {
		p.Problem = err.Error()
		return p
	}
	one := silence{Matchers: matchers}
	for _, a := range h.state.current() {
		if one.matches(a.Labels) {
			p.Now = append(p.Now, a)
		}
	}
	seen := map[string]bool{}
	day := HistoryQuery{From: h.now().Add(-24 * time.Hour), Most: 100_000}
	for _, a := range h.state.transitions(day) {
		if a.State == models.AlertFiring && !seen[a.ID] && one.matches(a.Labels) {
			seen[a.ID] = true
		}
	}
	p.Day = len(seen)
	return p
}

func (h *silenceHandlers) previewPart(w http.ResponseWriter, r *http.Request) error {
	return h.pages.renderPart(w, "silences", "preview", h.preview(r.FormValue("matchers")))
}

// newForm fills the form from a request: for an alert, for matchers, or to change a silence.
func (h *silenceHandlers) newForm(r *http.Request, list []silence) (silenceForm, error) {
	f := silenceForm{
		ID:       r.FormValue("edit"),
		Matchers: r.FormValue("matchers"),
		For:      "2h",
		To:       localPath(r.FormValue("to")),
	}
	if f.ID != "" {
		i := slices.IndexFunc(list, func(one silence) bool { return one.ID == f.ID })
		if i < 0 {
			return f, notFound("no silence %q", safetext.ClipLine(f.ID, 80))
		}
		f = formOf(list[i])
	}
	if id := r.FormValue("alert"); id != "" && f.Matchers == "" {
		detail, err := h.details.byID(id)
		if err == nil {
			f.Matchers = matchersOf(detail.Alert.Labels)
		}
	}
	f.Preview = h.preview(f.Matchers)
	return f, nil
}

// formOf is the form to change a silence.
func formOf(one silence) silenceForm {
	f := silenceForm{
		ID:      one.ID,
		By:      one.CreatedBy,
		Comment: one.Comment,
		To:      "/silences",
		Until:   one.EndsAt.UTC().Format(minutes),
	}
	if one.State() == "pending" {
		f.From = one.StartsAt.UTC().Format(minutes)
	}
	for _, m := range one.Matchers {
		f.Matchers += m.String() + "\n"
	}
	return f
}

// minutes is the layout of an input of date and time.
const minutes = "2006-01-02T15:04"

// formPart is the form alone, for a dialog.
func (h *silenceHandlers) formPart(w http.ResponseWriter, r *http.Request) error {
	list, err := h.alertmanager.silences(r.Context())
	if err != nil {
		return err
	}
	f, err := h.newForm(r, list)
	if err != nil {
		return err
	}
	return h.pages.renderPart(w, "silences", "silenceform", f)
}

// save saves a silence. A form with an error is shown again with what was entered.
func (h *silenceHandlers) save(w http.ResponseWriter, r *http.Request) error {
	f := silenceForm{
		ID:       r.PostFormValue("id"),
		Matchers: r.PostFormValue("matchers"),
		For:      r.PostFormValue("for"),
		From:     r.PostFormValue("from"),
		Until:    r.PostFormValue("until"),
		By:       r.PostFormValue("by"),
		Comment:  r.PostFormValue("comment"),
		To:       r.PostFormValue("to"),
	}
	one, err := f.silence(h.now())
	if err == nil {
		_, err = h.alertmanager.saveSilence(r, one)
	}
	if err == nil {
		to := localPath(f.To)
		if f.To == "" {
			to = "/silences"
		}
		return back(w, r, to)
	}
	f.Problem, f.Preview = err.Error(), h.preview(f.Matchers)
	if r.Header.Get("X-Part") != "" {
		return h.pages.renderPartStatus(w, statusOf(err), "silences", "silenceform", f)
	}
	d, listErr := h.data(r)
	if listErr != nil {
		return listErr
	}
	d.Form = f
	v := view{Title: "Silences", Page: "silences", Data: d}
	h.pages.render(w, r, statusOf(err), "silences", v)
	return nil
}

// silence is the silence that a form describes.
func (f silenceForm) silence(now time.Time) (one silence, err error) {
	one = silence{
		ID:        f.ID,
		StartsAt:  now,
		CreatedBy: cmp.Or(strings.TrimSpace(f.By), unnamed),
		Comment:   cmp.Or(strings.TrimSpace(f.Comment), "no comment"),
	}
	if one.Matchers, err = parseMatchers(f.Matchers); err != nil {
		return one, err
	}
	if f.From != "" {
		if one.StartsAt, err = time.Parse(minutes, f.From); err != nil {
			return one, badRequest("start: %q is not a time", safetext.ClipLine(f.From, 40))
		}
	}
	if f.Until == "" {
		length, err := silenceLength(f.For)
		one.EndsAt = one.StartsAt.Add(length)
		return one, err
	}
	if one.EndsAt, err = time.Parse(minutes, f.Until); err != nil {
		return one, badRequest("end: %q is not a time", safetext.ClipLine(f.Until, 40))
	}
	if length := one.EndsAt.Sub(one.StartsAt); length <= 0 || length > maxSilence {
		return one, badRequest("end: must be after the start and at most 366d later")
	}
	return one, nil
}

// maxSilence is the maximum duration of a silence.
const maxSilence = 366 * 24 * time.Hour

// silenceLength parses the duration of a silence.
func silenceLength(text string) (time.Duration, error) {
	d, err := duration.Parse(strings.TrimSpace(text))
	if err != nil {
		return 0, badRequest("duration: %s", safetext.ClipLine(err.Error(), 200))
	}
	if d <= 0 || d > maxSilence {
		return 0, badRequest("duration: %s is not between 1s and 366d", duration.Format(d))
	}
	return d, nil
}

func (h *silenceHandlers) expire(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := h.alertmanager.expireSilence(r.Context(), id); err != nil {
		return err
	}
	h.audit.record(r, "silence expired", "silence", id)
	return back(w, r, "/silences")
}

package web

import (
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

// silencesData is the data of the silences page.
type silencesData struct {
	Active, Pending, Expired []silenceRow
	Matchers                 string
	Comment                  string
	Preview                  previewData
	Running                  []models.Alert // suppressed by a time interval or a suppression
	Intervals                []intervalRow
	Suppressions             []*rule.Suppression
	Missing                  bool
	By                       string
	Days                     []tickMark
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

func (s *Server) silencesPage(w http.ResponseWriter, r *http.Request) error {
	d, err := s.silencesData(r)
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "silences", view{Title: "Silences", Page: "silences", Data: d})
	return nil
}

func (s *Server) silencesData(r *http.Request) (silencesData, error) {
	d := silencesData{Matchers: r.FormValue("matchers"), Missing: s.Alertmanager == nil}
	list, err := s.silences(r.Context())
	if err != nil {
		return d, err
	}
	current := s.current()
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
	if id := r.FormValue("alert"); id != "" && d.Matchers == "" {
		if detail, err := s.alertByID(id); err == nil {
			d.Matchers = matchersOf(detail.Alert.Labels)
		}
	}
	d.Preview = s.preview(d.Matchers)
	set := s.ruleSet()
	d.Suppressions = set.Suppressions
	d.Intervals, d.Days = s.calendar(set)
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
		if one := string(c); c != utf8.RuneError && safetext.Visible(one) == one && c != '\n' && c != '\t' {
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
func (s *Server) calendar(set *rule.Set) ([]intervalRow, []tickMark) {
	const week, width = 7 * 24 * time.Hour, 960.0
	var rows []intervalRow
	from := s.Now().Truncate(15 * time.Minute)
	p := plot{from: from, to: from.Add(week), left: 0, right: width}
	for _, name := range slices.Sorted(maps.Keys(set.Intervals)) {
		interval := set.Intervals[name]
		row := intervalRow{Name: name, Now: interval.Contains(s.Now())}
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
						fmt.Sprintf(
							"%s to %s",
							began.UTC().Format("Mon 15:04"),
							t.UTC().Format("Mon 15:04"),
						),
					},
				)
				began = time.Time{}
			}
		}
		rows = append(rows, row)
	}
	var days []tickMark
	for t := from.Truncate(24 * time.Hour).Add(24 * time.Hour); t.Before(p.to); t = t.Add(24 * time.Hour) {
		days = append(days, tickMark{p.x(t), t.UTC().Format("Mon 2")})
	}
	return rows, days
}

// preview returns the alerts that a silence would mute now and would have muted in the last 24
// hours.
func (s *Server) preview(text string) previewData {
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
	for _, a := range s.current() {
		if one.matches(a.Labels) {
			p.Now = append(p.Now, a)
		}
	}
	if s.Alerts == nil {
		return p
	}
	seen := map[string]bool{}
	for _, a := range s.Alerts.History() {
		if a.State == models.AlertFiring && !seen[a.ID] && a.At.After(s.Now().Add(-24*time.Hour)) &&
			one.matches(a.Labels) {
			seen[a.ID] = true
		}
	}
	p.Day = len(seen)
	return p
}

func (s *Server) silencePreview(w http.ResponseWriter, r *http.Request) error {
	return s.renderPart(w, "silences", "preview", s.preview(r.FormValue("matchers")))
}

func (s *Server) silenceForm(w http.ResponseWriter, r *http.Request) error {
	matchers, err := parseMatchers(r.PostFormValue("matchers"))
	if err != nil {
		return err
	}
	length, err := silenceLength(r.PostFormValue("for"))
	if err != nil {
		return err
	}
	one := silence{
		Matchers:  matchers,
		StartsAt:  s.Now(),
		EndsAt:    s.Now().Add(length),
		CreatedBy: r.PostFormValue("by"),
		Comment:   r.PostFormValue("comment"),
	}
	if one.CreatedBy == "" {
		one.CreatedBy = unnamed
	}
	if one.Comment == "" {
		one.Comment = "no comment"
	}
	id, err := s.addSilence(r.Context(), one)
	if err != nil {
		return err
	}
	s.audit(r, "silence created", "silence", id, "by", one.CreatedBy)
	return back(w, r, "/silences")
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

func (s *Server) expireForm(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.expireSilence(r.Context(), id); err != nil {
		return err
	}
	s.audit(r, "silence expired", "silence", id)
	return back(w, r, "/silences")
}

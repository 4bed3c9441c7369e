package web

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertsData is the data of the alerts page.
type alertsData struct {
	Filter   string
	Problem  string // with the filter
	Receiver string // shows only the alerts routed to it
	Matchers string // shows only matching alerts; used by links in notifications
	State    string // shows only alerts in this state; "" for all
	Counts   map[string]int
	Total    int
	Groups   []alertGroup
	Recent   []models.Alert // recently resolved
	Expanded string         // key of the group whose alerts are all shown
}

// alertGroup is the alerts of one rule in one state.
type alertGroup struct {
	Key      string
	Rule     string
	Name     string
	State    string // firing, pending, muted
	Severity string
	Shared   []label // labels that all alerts have
	Rows     []alertRow
	Count    int
	Newest   time.Time
}

// More is the number of alerts that are not listed.
func (g alertGroup) More() int { return g.Count - len(g.Rows) }

// alertRow is an alert in a list.
type alertRow struct {
	models.Alert
	Own    []label // labels that not all alerts of the group have
	Line   *models.Line
	Spark  chart
	Muted  string // why
	Acked  bool
	shown  string
	labels map[string]string
}

// collapsedRows is the number of alerts listed of a collapsed group.
const collapsedRows = 6

// expandedRows is the number of alerts listed of an expanded group; the filter finds the others.
const expandedRows = 200

var stateOrder = map[string]int{"firing": 0, "pending": 1, "muted": 2, "unknown": 3}
var severityOrder = map[string]int{"critical": 0, "high": 1, "warning": 2, "other": 3, "info": 4}

func (s *Server) alertsPage(w http.ResponseWriter, r *http.Request) error {
	data, err := s.alertsData(r)
	if err != nil {
		return err
	}
	if r.Header.Get("X-Part") != "" {
		return s.renderPart(
			w,
			"alerts",
			"alerts",
			view{Data: data, MayWrite: s.access.mayWrite(r), Top: s.topBar()},
		)
	}
	title := "Nothing is wrong"
	if n := data.Counts["firing"]; n > 0 {
		title = fmt.Sprintf("(%d) firing", n)
	}
	s.render(w, r, http.StatusOK, "alerts", view{Title: title, Page: "alerts", Data: data})
	return nil
}

func (s *Server) alertsData(r *http.Request) (alertsData, error) {
	d := alertsData{
		Filter:   r.FormValue("filter"),
		Receiver: r.FormValue("receiver"),
		Matchers: r.FormValue("matchers"),
		State:    r.FormValue("state"),
		Expanded: r.FormValue("open"),
		Counts:   map[string]int{},
	}
	rows, err := s.alertRows(r.Context(), &d)
	if err != nil {
		return d, err
	}
	groups := map[string]*alertGroup{}
	for _, row := range rows {
		d.Counts[row.shown]++
		d.Total++
		if d.State != "" && d.State != row.shown {
			continue
		}
		key := row.shown + " " + row.Rule
		g := groups[key]
		if g == nil {
			g = &alertGroup{
				Key:   key,
				Rule:  row.Rule,
				Name:  row.Labels["alertname"],
				State: row.shown,
			}
			groups[key] = g
		}
		g.Rows = append(g.Rows, row)
	}
	for _, g := range groups {
		s.finish(g, d.Expanded)
		d.Groups = append(d.Groups, *g)
	}
	slices.SortFunc(d.Groups, func(a, b alertGroup) int {
		return cmp.Or(
			cmp.Compare(stateOrder[a.State], stateOrder[b.State]),
			cmp.Compare(
				severityOrder[severityClass(a.Severity)],
				severityOrder[severityClass(b.Severity)],
			),
			b.Newest.Compare(a.Newest),
			cmp.Compare(a.Key, b.Key),
		)
	})
	d.Recent = s.recentlyResolved(5)
	return d, nil
}

// alertRows returns the current alerts that pass the filters.
func (s *Server) alertRows(ctx context.Context, d *alertsData) ([]alertRow, error) {
	filter, err := s.newAlertFilter(d.Filter)
	if err != nil {
		d.Problem = err.Error()
		filter, _ = s.newAlertFilter("")
	}
	var only silence // for its matchers only
	if d.Matchers != "" {
		if only.Matchers, err = parseMatchers(d.Matchers); err != nil {
			d.Problem = err.Error()
		}
	}
	var routed map[string]bool
	if d.Receiver != "" {
		if routed, err = s.routedTo(ctx, d.Receiver); err != nil {
			return nil, err
		}
	}
	silences, err := s.silences(ctx)
	if err != nil {
		return nil, err
	}
	inhibited, err := s.inhibited(ctx)
	if err != nil {
		return nil, err
	}
	active := slices.DeleteFunc(silences, func(one silence) bool { return one.State() != "active" })
	var rows []alertRow
	for _, a := range s.current() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !filter.keeps(a) || !only.matches(a.Labels) || routed != nil && !routed[a.ID] {
			continue
		}
		row := rowOf(a, active)
		if row.shown == "firing" && inhibited[a.ID] {
			row.shown, row.Muted = "muted", "inhibited by another alert"
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// rowOf decides how an alert is shown. A silence takes precedence over the engine's state.
func rowOf(a models.Alert, active []silence) alertRow {
	row := alertRow{Alert: a, shown: "unknown", labels: a.Labels}
	switch a.State {
	case models.AlertFiring:
		row.shown = "firing"
	case models.AlertPending:
		row.shown = "pending"
	case models.AlertSuppressed:
		row.shown, row.Muted = "muted", a.Reason
	}
	if a.Shadow {
		row.shown, row.Muted = "muted", "rule is in shadow mode"
	}
	if by := silencedBy(active, a.Labels); len(by) > 0 && row.shown == "firing" {
		row.shown, row.Muted = "muted", fmt.Sprintf(
			"silenced by %s: %s",
			by[0].CreatedBy,
			by[0].Comment,
		)
		if ackOf(by[0]) == a.ID {
			row.Acked, row.Muted = true, "acknowledged by "+by[0].CreatedBy
		}
	}
	if n := len(a.Last); n > 0 {
		row.Line = &a.Last[n-1]
	} else if n := len(a.First); n > 0 {
		row.Line = &a.First[n-1]
	}
	return row
}

// finish sorts a group, keeps the rows that are shown, and draws their graphs.
func (s *Server) finish(g *alertGroup, expanded string) {
	slices.SortFunc(g.Rows, func(a, b alertRow) int {
		return cmp.Or(
			cmp.Compare(
				severityOrder[severityClass(a.Severity)],
				severityOrder[severityClass(b.Severity)],
			),
			b.StartsAt.Compare(a.StartsAt),
			cmp.Compare(a.ID, b.ID),
		)
	})
	g.Count, g.Severity, g.Newest = len(g.Rows), g.Rows[0].Severity, g.Rows[0].StartsAt
	if g.Name == "" {
		g.Name = g.Rule
	}
	shared := sharedLabels(g.Rows)
	if g.Count > 1 {
		g.Shared = shownLabels(shared)
	}
	most := collapsedRows
	if expanded == g.Key {
		most = expandedRows
	}
	g.Rows = g.Rows[:min(most, len(g.Rows))]
	for i := range g.Rows {
		row := &g.Rows[i]
		own := row.labels
		if g.Count > 1 {
			own = maps.Clone(row.labels)
			maps.DeleteFunc(own, func(name, _ string) bool { _, is := shared[name]; return is })
		}
		row.Own = shownLabels(own)
		series := s.Alerts.Series(row.ID)
		row.Spark = spark(series, s.Now())
		row.Value = valueNow(row.Alert, series)
	}
}

// valueNow is the newest value of an alert that is not resolved.
func valueNow(a models.Alert, series []Point) float64 {
	if n := len(series); n > 0 && a.State != models.AlertResolved && series[n-1].At.After(a.At) {
		return series[n-1].Value
	}
	return a.Value
}

func sharedLabels(rows []alertRow) map[string]string {
	shared := maps.Clone(rows[0].labels)
	for _, row := range rows[1:] {
		maps.DeleteFunc(shared, func(name, value string) bool { return row.labels[name] != value })
	}
	return shared
}

// recentlyResolved returns the newest resolved alerts, newest first.
func (s *Server) recentlyResolved(most int) []models.Alert {
	var list []models.Alert
	if s.Alerts == nil {
		return nil
	}
	history := s.Alerts.History()
	for i := len(history) - 1; i >= 0 && len(list) < most; i-- {
		if history[i].State == models.AlertResolved {
			list = append(list, history[i])
		}
	}
	return list
}

// changes sends a server-sent event when a page may have changed, at most once a second.
func (s *Server) changes(w http.ResponseWriter, r *http.Request) error {
	out, err := s.stream(w)
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last uint64
	for beat := 0; ; beat++ {
		// Values, logs and health change without a transition, so pages are refreshed every ten
		// seconds in any case.
		if now := s.pulse.value(s.fingerprint); now != last || beat%10 == 0 {
			last = now
			if out.send("change", s.topBarText()) != nil {
				return nil
			}
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-s.stopping:
			return nil
		case <-tick.C:
		}
	}
}

// pulse caches a value for half a second for all streams.
type pulse struct {
	mu   sync.Mutex // guards what follows
	at   time.Time
	last uint64
}

func (p *pulse) value(compute func() uint64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.at) > 500*time.Millisecond {
		p.last, p.at = compute(), now
	}
	return p.last
}

// fingerprint changes with the set of alerts, their states and counts.
func (s *Server) fingerprint() uint64 {
	hash := fnv.New64a()
	for _, a := range s.current() {
		fmt.Fprintf(hash, "%s %s %d\n", a.ID, a.State, a.Count)
	}
	return hash.Sum64()
}

// topBarText is the top bar for the script.
func (s *Server) topBarText() map[string]any {
	t := s.topBar()
	return map[string]any{"firing": t.Firing, "healthy": t.Healthy, "problem": safetext.Visible(t.Problem)}
}

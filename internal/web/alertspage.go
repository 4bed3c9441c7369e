package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertHandlers serve the list of alerts and the page of one.
type alertHandlers struct {
	state        *engineState
	health       *health
	details      *alertDetails
	alertmanager *alertmanager
	files        *ruleFiles
	pages        *pages
	resolvable   bool // alerts of rules that resolve by hand can be ended
	now          func() time.Time
}

func (h *alertHandlers) routes() []route {
	return []route{
		{"GET /{$}", Reader, costly, h.pages.handler(h.listPage)},
		{"GET /alerts/{id}", Reader, costly, h.pages.handler(h.page)},
		{"GET /api/v1/alerts/{id}", Reader, cheap, api(h.get)},
	}
}

// alertsData is the data of the alerts page.
type alertsData struct {
	Filter    string
	Problem   string // with the filter
	Receiver  string // shows only the alerts routed to it
	Matchers  string // shows only matching alerts; used by links in notifications
	State     string // shows only alerts in this state; "" for all
	GroupBy   string // label to group by; "" for the rule
	Sort      string
	Counts    map[string]int
	Total     int
	Hidden    int // alerts that the filters hide
	Groups    []alertGroup
	More      int            // groups that are not listed
	Recent    []models.Alert // recently resolved
	Expanded  string         // key of the group whose alerts are all shown
	Certainty certainty
	Labels    []string // that the alerts may be grouped by
}

// Filtered reports whether the page shows only some of the alerts.
func (d alertsData) Filtered() bool {
	return d.Filter != "" || d.Receiver != "" || d.Matchers != "" || d.State != ""
}

// Link is the page's URL with one parameter changed.
func (d alertsData) Link(name, value string) string {
	q := url.Values{}
	for k, v := range map[string]string{
		"filter": d.Filter, "receiver": d.Receiver, "matchers": d.Matchers, "state": d.State,
		"groupby": d.GroupBy, "sort": d.Sort,
	} {
		if k == name {
			v = value
		}
		if v != "" {
			q.Set(k, v)
		}
	}
	if name == "open" {
		q.Set(name, value)
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// alertGroup is a group of alerts in one state: those of a rule, or with the same value of a label.
type alertGroup struct {
	Key      string
	Rule     string // "" when grouped by a label
	Name     string
	State    string // firing, pending, muted
	Severity string
	Shared   []label // labels that all alerts have
	Matchers string  // of a silence for the group
	Rows     []alertRow
	all      []*listedAlert
	Count    int
	Newest   time.Time
}

// More is the number of alerts that are not listed.
func (g alertGroup) More() int { return g.Count - len(g.Rows) }

// listedAlert is an alert of which it is known how it is shown. There may be very many of them.
type listedAlert struct {
	*models.Alert        // shared with other requests
	shown         string // firing, pending, muted, unknown
	muted         string // why
	ack           string // ID of the silence that acknowledges it
	rank          int    // of the severity
}

// alertRow is an alert that is shown in a list.
type alertRow struct {
	*models.Alert
	Own    []label // labels that not all alerts of the group have
	Line   *models.Line
	Spark  chart
	Values alertValues
	Muted  string // why
	Acked  bool
	Ack    string // ID of the silence that acknowledges it
}

// listedGroups is the number of groups listed; the filter finds the others.
const listedGroups = 200

// collapsedRows is the number of alerts listed of a collapsed group, and listedRows of all such
// groups together, or one each. With more, a browser takes long for each change of the page.
const (
	collapsedRows = 6
	listedRows    = 300
)

// expandedRows is the number of alerts listed of an expanded group; the filter finds the others.
const expandedRows = 200

var stateOrder = map[string]int{"firing": 0, "pending": 1, "muted": 2, "unknown": 3}
var severityOrder = map[string]int{"critical": 0, "high": 1, "warning": 2, "other": 3, "info": 4}

func (h *alertHandlers) listPage(w http.ResponseWriter, r *http.Request) error {
	data, err := h.listData(r)
	if err != nil {
		return err
	}
	v := view{Title: data.title(), Page: "alerts", Data: data}
	return h.pages.show(w, r, "alerts", "alerts", v)
}

// title is the page's title: the number of firing alerts, or why it is not known.
func (d alertsData) title() string {
	if n := d.Counts["firing"]; n > 0 {
		return fmt.Sprintf("(%d) firing", n)
	}
	if d.Filtered() {
		return "Alerts"
	}
	return d.Certainty.Headline
}

func (h *alertHandlers) listData(r *http.Request) (alertsData, error) {
	d := alertsData{
		Filter:    r.FormValue("filter"),
		Receiver:  r.FormValue("receiver"),
		Matchers:  r.FormValue("matchers"),
		State:     r.FormValue("state"),
		GroupBy:   r.FormValue("groupby"),
		Sort:      r.FormValue("sort"),
		Expanded:  r.FormValue("open"),
		Counts:    map[string]int{},
		Certainty: h.health.certainty(),
	}
	rows, err := h.listed(r.Context(), &d)
	if err != nil {
		return d, err
	}
	groups, labels := groupsOf{by: d.GroupBy}, map[string]bool{}
	for i := range rows {
		row := &rows[i]
		d.Counts[row.shown]++
		d.Total++
		if i < sampledLabels {
			for name := range row.Labels {
				labels[name] = true
			}
		}
		if d.State != "" && d.State != row.shown {
			d.Hidden++
			continue
		}
		groups.add(row)
	}
	d.Labels = slices.Sorted(maps.Keys(labels))
	d.Labels = d.Labels[:min(len(d.Labels), 100)]
	for _, g := range groups.list {
		g.summarize(d.Sort)
	}
	slices.SortFunc(groups.list, func(a, b *alertGroup) int { return compareGroups(a, b, d.Sort) })
	d.More = max(0, len(groups.list)-listedGroups)
	for _, g := range groups.list[:len(groups.list)-d.More] {
		d.Groups = append(d.Groups, *g)
	}
	each := min(max(1, listedRows/max(1, len(d.Groups))), collapsedRows)
	for i := range d.Groups {
		h.finish(&d.Groups[i], each, d)
	}
	d.Recent = h.state.recentlyResolved(h.now(), 5)
	return d, nil
}

// sampledLabels is the number of alerts whose labels are offered to group by.
const sampledLabels = 5000

// groupsOf are the groups of rows: those of a rule, or with the same value of a label, in one
// state.
type groupsOf struct {
	by    string // label
	byKey map[groupKey]*alertGroup
	list  []*alertGroup
}

// groupKey is what the alerts of a group have in common: their rule, or a value of a label.
type groupKey struct{ shown, of string }

// add puts a row into its group.
func (s *groupsOf) add(row *listedAlert) {
	key := groupKey{row.shown, row.Rule}
	if s.by != "" {
		key.of = row.Labels[s.by]
	}
	g := s.byKey[key]
	if g == nil {
		g = &alertGroup{Rule: row.Rule, Name: row.Labels["alertname"], State: row.shown}
		g.Key = row.shown + " " + row.Rule
		if s.by != "" {
			g.Rule, g.Name = "", s.by+"="+key.of
			g.Key = row.shown + " " + g.Name
		}
		if s.byKey == nil {
			s.byKey = map[groupKey]*alertGroup{}
		}
		s.byKey[key], s.list = g, append(s.list, g)
	}
	if len(g.all) == cap(g.all) { // append alone would leave several times as much garbage
		g.all = slices.Grow(g.all, max(4, len(g.all)))
	}
	g.all = append(g.all, row)
}

func compareGroups(a, b *alertGroup, by string) int {
	state := cmp.Compare(stateOrder[a.State], stateOrder[b.State])
	severity := compareSeverity(a.Severity, b.Severity)
	newest := b.Newest.Compare(a.Newest)
	switch by {
	case "newest":
		return cmp.Or(newest, state, severity, cmp.Compare(a.Key, b.Key))
	case "name":
		return cmp.Or(cmp.Compare(a.Name, b.Name), state, cmp.Compare(a.Key, b.Key))
	case "count":
		return cmp.Or(cmp.Compare(b.Count, a.Count), state, severity, cmp.Compare(a.Key, b.Key))
	}
	return cmp.Or(state, severity, newest, cmp.Compare(a.Key, b.Key))
}

func compareSeverity(a, b string) int {
	return cmp.Compare(severityOrder[severityClass(a)], severityOrder[severityClass(b)])
}

// listed returns the current alerts that pass the filters.
func (h *alertHandlers) listed(ctx context.Context, d *alertsData) ([]listedAlert, error) {
	filter, err := newAlertFilter(d.Filter, h.state.lists())
	if err != nil {
		d.Problem = err.Error()
		filter, _ = newAlertFilter("", h.state.lists())
	}
	var only silence // for its matchers only
	if d.Matchers != "" {
		if only.Matchers, err = parseMatchers(d.Matchers); err != nil {
			d.Problem = err.Error()
		}
	}
	var routed map[string]bool
	if d.Receiver != "" {
		if routed, err = h.alertmanager.routedTo(ctx, d.Receiver); err != nil {
			return nil, err
		}
	}
	silences, err := h.alertmanager.silences(ctx)
	if err != nil {
		return nil, err
	}
	inhibited, err := h.alertmanager.inhibited(ctx)
	if err != nil {
		return nil, err
	}
	active := slices.DeleteFunc(silences, func(one silence) bool { return one.State() != "active" })
	list := h.state.current()
	rows := make([]listedAlert, 0, len(list))
	for i := range list {
		a := &list[i]
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if filter.words {
			a = &h.state.detailed(list[i : i+1])[0]
		}
		if filter.query != nil && !filter.keeps(*a) || !only.matches(a.Labels) ||
			routed != nil && !routed[a.ID] {
			d.Hidden++
			continue
		}
		row := listedAs(a, active)
		if row.shown == "firing" && inhibited[a.ID] {
			row.shown, row.muted = "muted", "inhibited by another alert"
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// listedAs decides how an alert is shown. A silence takes precedence over the engine's state.
func listedAs(a *models.Alert, active []silence) listedAlert {
	row := listedAlert{
		Alert: a, shown: "unknown", rank: severityOrder[severityClass(a.Severity)],
	}
	switch a.State {
	case models.AlertFiring:
		row.shown = "firing"
	case models.AlertPending:
		row.shown = "pending"
	case models.AlertSuppressed:
		row.shown, row.muted = "muted", a.Reason
	}
	if a.Shadow {
		row.shown, row.muted = "muted", "rule is in shadow mode"
	}
	if by := silencedBy(active, a.Labels); len(by) > 0 && row.shown == "firing" {
		row.shown, row.muted = "muted", fmt.Sprintf("silenced by %s: %s", by[0].CreatedBy,
			by[0].Comment)
		if ackOf(by[0]) == a.ID {
			row.ack = by[0].ID
			row.muted = "acknowledged by " + by[0].CreatedBy
		}
	}
	return row
}

// order is the order of the alerts of a group.
func order(by string) func(a, b *listedAlert) int {
	return func(a, b *listedAlert) int {
		newest := cmp.Or(b.StartsAt.Compare(a.StartsAt), cmp.Compare(a.ID, b.ID))
		switch by {
		case "newest":
			return newest
		case "count":
			return cmp.Or(cmp.Compare(b.Count, a.Count), newest)
		}
		return cmp.Or(cmp.Compare(a.rank, b.rank), newest)
	}
}

// summarize sets what a group is sorted by among others.
func (g *alertGroup) summarize(by string) {
	first := firstOf(g.all, 1, order(by))[0]
	g.Count, g.Severity, g.Newest = len(g.all), first.Severity, first.StartsAt
	if g.Name == "" {
		g.Name = g.Rule
	}
}

// finish keeps the rows of a group that are shown, in order, and draws their graphs.
func (h *alertHandlers) finish(g *alertGroup, most int, d alertsData) {
	shared := sharedLabels(g.all)
	g.Matchers = matchersOf(shared)
	if g.Count > 1 {
		g.Shared = shownLabels(shared)
	}
	if d.Expanded == g.Key {
		most = expandedRows
	}
	first := firstOf(g.all, most, order(d.Sort))
	g.all = nil
	for _, one := range first {
		g.Rows = append(g.Rows, h.rowOf(one, g.Count > 1, shared))
	}
}

// firstOf returns the first n elements of a list in an order, sorted. It looks at the last elements
// of the list first: those of a list that is sorted by start are the newest.
func firstOf[T any](list []T, n int, compare func(a, b T) int) []T {
	var first []T
	for _, one := range slices.Backward(list) {
		if len(first) == n && compare(one, first[n-1]) >= 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(first, one, compare)
		first = slices.Insert(first[:min(len(first), n-1)], min(i, n-1), one)
	}
	return first
}

// row is the row of an alert, whose details are given.
func (one listedAlert) row(a *models.Alert) alertRow {
	row := alertRow{Alert: a, Muted: one.muted, Acked: one.ack != "", Ack: one.ack}
	if n := len(a.Last); n > 0 {
		row.Line = &a.Last[n-1]
	} else if n := len(a.First); n > 0 {
		row.Line = &a.First[n-1]
	}
	return row
}

// rowOf is the row of an alert, with all that is shown of it.
func (h *alertHandlers) rowOf(one *listedAlert, several bool, shared map[string]string) alertRow {
	row := one.row(&h.state.detailed([]models.Alert{*one.Alert})[0])
	own := one.Labels
	if several {
		own = maps.Clone(one.Labels)
		maps.DeleteFunc(own, func(name, _ string) bool { _, is := shared[name]; return is })
	}
	row.Own = shownLabels(own)
	series := h.state.alerts.Series(*row.Alert)
	row.Values = valuesOf(*row.Alert, nil, series)
	if len(series) > 0 { // it has a value each ten seconds
		series = append(slices.Clip(series), Point{h.now(), row.Values.Now})
	}
	row.Spark = spark(series, h.now())
	return row
}

// sharedLabels are the labels that all rows have.
func sharedLabels(rows []*listedAlert) map[string]string {
	type pair struct{ name, value string }
	var shared []pair
	for name, value := range rows[0].Labels {
		shared = append(shared, pair{name, value})
	}
	for _, row := range rows[1:] {
		shared = slices.DeleteFunc(shared, func(p pair) bool {
			value, has := row.Labels[p.name]
			return !has || value != p.value
		})
	}
	labels := map[string]string{}
	for _, p := range shared {
		labels[p.name] = p.value
	}
	return labels
}

func (h *alertHandlers) get(w http.ResponseWriter, r *http.Request) error {
	d, err := h.details.byID(r.PathValue("id"))
	if err != nil {
		return err
	}
	return ok(w, d)
}

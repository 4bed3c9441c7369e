package web

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertData is the data of an alert's page.
type alertData struct {
	alertDetail
	Row        alertRow
	Chart      chart
	Timeline   []timelineEvent
	Rule       *ruleDetail
	Similar    []episode
	Neighbours []*models.Alert // other alerts that fired at about the same time
	Top        []topField
	Links      []link
	Firing     bool
	Open       bool   // not resolved
	Manual     bool   // resolves only by hand
	Explore    string // URL of all logs of the episode
}

// link is an annotation that is a URL.
type link struct{ Name, URL string }

// timelineEvent is an entry of the timeline: a transition, an attempt to notify, or an action.
type timelineEvent struct {
	At       time.Time
	Alert    *models.Alert
	Delivery *Delivery
	Action   *AuditEntry
}

// topField is a field with its most frequent values in an alert's logs.
type topField struct {
	Field  string
	Values []topValue
}

type topValue struct {
	models.TopValue
	Share float64 // percent of the most frequent one
}

func (h *alertHandlers) page(w http.ResponseWriter, r *http.Request) error {
	d, err := h.data(r)
	if err != nil {
		return err
	}
	v := view{
		Title: safetext.ClipLine(d.Alert.Labels["alertname"], 80),
		Page:  "alerts",
		Data:  d,
	}
	return h.pages.show(w, r, "alert", "alert", v)
}

func (h *alertHandlers) data(r *http.Request) (alertData, error) {
	detail, err := h.details.byID(r.PathValue("id"))
	if err != nil {
		return alertData{}, err
	}
	silences, err := h.alertmanager.silences(r.Context())
	if err != nil {
		return alertData{}, err
	}
	d := alertData{
		alertDetail: detail,
		Row:         listedAs(&detail.Alert, silences).row(&detail.Alert),
		Chart:       alertChart(detail, h.now()),
		Firing:      detail.Alert.State == models.AlertFiring,
		Open:        detail.Alert.State != models.AlertResolved,
		Timeline:    timeline(detail),
		Similar:     h.earlier(detail.Alert, 8),
		Neighbours:  h.neighbours(detail.Alert, 8),
		Top:         topFields(detail.Alert.Top),
		Explore:     "/explore?alert=" + url.QueryEscape(detail.Alert.ID),
	}
	if found, err := h.state.ruleByID(detail.Alert.Rule); err == nil {
		one := h.files.detail(found, h.state.ruleStatus()[found.ID()])
		d.Rule, d.Links = &one, linksOf(found, detail.Alert.Annotations)
		d.Manual = found.Resolve.Manual && h.resolvable
	}
	return d, nil
}

// literalHost matches the beginning of a rule's annotation that leads to a host named by the
// rule's author.
var literalHost = regexp.MustCompile(`^https?://[^/{}\s@\\]+(/|$)`)

// linksOf are the annotations that are URLs. Their host must be in the rule's text: one that a log
// has written is shown as text and is not a link.
func linksOf(r *rule.Rule, annotations map[string]string) []link {
	var list []link
	for name, template := range r.Annotations {
		value := annotations[name]
		host := literalHost.FindString(template)
		if host == "" || !strings.HasPrefix(value, host) ||
			strings.ContainsAny(value, " \n\t\"<>") ||
			safetext.Visible(value) != value {
			continue
		}
		list = append(list, link{name, value})
	}
	slices.SortFunc(list, func(a, b link) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// timeline merges transitions, deliveries and actions, newest first.
func timeline(d alertDetail) []timelineEvent {
	var list []timelineEvent
	for i := range d.Transitions {
		list = append(list, timelineEvent{At: d.Transitions[i].At, Alert: &d.Transitions[i]})
	}
	for i := range d.Deliveries {
		list = append(list, timelineEvent{At: d.Deliveries[i].At, Delivery: &d.Deliveries[i]})
	}
	for i := range d.Comments {
		list = append(list, timelineEvent{At: d.Comments[i].At, Action: &d.Comments[i]})
	}
	slices.SortStableFunc(list, func(a, b timelineEvent) int { return b.At.Compare(a.At) })
	return list
}

// earlier are other episodes of the same rule and group, newest first.
func (h *alertHandlers) earlier(a models.Alert, most int) []episode {
	var list []episode
	text := labelText(a.Labels)
	past := h.state.transitions(HistoryQuery{Rule: a.Rule, Most: 2000})
	for _, e := range episodes(past)[a.Rule] {
		if e.ID != a.ID && labelText(e.Labels) == text {
			list = append(list, e)
		}
	}
	slices.Reverse(list)
	return list[:min(most, len(list))]
}

// neighbourhood is how far apart alerts of one incident usually fire.
const neighbourhood = 10 * time.Minute

// neighbours are other alerts that fired within some minutes of this one, those with common labels
// first.
func (h *alertHandlers) neighbours(a models.Alert, most int) []*models.Alert {
	var list []*models.Alert
	seen := map[string]bool{a.ID: true}
	query := HistoryQuery{
		From: a.StartsAt.Add(-neighbourhood),
		To:   a.StartsAt.Add(neighbourhood),
		Most: 1000,
	}
	for _, some := range [][]models.Alert{h.state.current(), h.state.transitions(query)} {
		for i := range some {
			other := &some[i]
			apart := other.StartsAt.Sub(a.StartsAt).Abs()
			if other.State == models.AlertFiring && apart <= neighbourhood && len(list) < 2000 &&
				!seen[other.ID] {
				seen[other.ID] = true
				list = append(list, other)
			}
		}
	}
	common := func(other *models.Alert) (n int) {
		for name, value := range a.Labels {
			if name != "severity" && value != "" && other.Labels[name] == value {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(list, func(x, y *models.Alert) int {
		return cmp.Or(cmp.Compare(common(y), common(x)), x.StartsAt.Compare(y.StartsAt))
	})
	return list[:min(most, len(list))]
}

func topFields(top map[string][]models.TopValue) []topField {
	var list []topField
	for field, values := range top {
		one := topField{Field: field}
		for _, v := range values {
			share := 100.0
			if values[0].Count > 0 {
				share = 100 * float64(v.Count) / float64(values[0].Count)
			}
			one.Values = append(one.Values, topValue{v, share})
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b topField) int { return cmp.Compare(a.Field, b.Field) })
	return list
}

package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertData is the data of an alert's page.
type alertData struct {
	alertDetail
	Row      alertRow
	Chart    chart
	Timeline []timelineEvent
	Rule     *ruleDetail
	Similar  []episode
	Top      []topField
	Firing   bool
	Query    string // of its rule
}

// timelineEvent is an entry of the timeline: a transition, or an attempt to notify.
type timelineEvent struct {
	At       time.Time
	Alert    *models.Alert
	Delivery *Delivery
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

func (s *Server) alertPage(w http.ResponseWriter, r *http.Request) error {
	detail, err := s.alertByID(r.PathValue("id"))
	if err != nil {
		return err
	}
	silences, err := s.silences(r.Context())
	if err != nil {
		return err
	}
	d := alertData{
		alertDetail: detail,
		Row:         rowOf(detail.Alert, silences),
		Chart:       alertChart(detail, s.Now()),
		Firing:      detail.Alert.State == models.AlertFiring,
	}
	d.Timeline = timeline(detail)
	d.Alert.Value = valueNow(detail.Alert, detail.Series)
	d.Similar = s.earlier(detail.Alert, 8)
	d.Top = topFields(detail.Alert.Top)
	if found, err := s.ruleByID(detail.Alert.Rule); err == nil {
		one := s.ruleDetail(found, s.ruleStatus()[found.ID()])
		d.Rule, d.Query = &one, found.MatchText
	}
	v := view{
		Title:    safetext.ClipLine(detail.Alert.Labels["alertname"], 80),
		Page:     "now",
		Data:     d,
		MayWrite: s.access.mayWrite(r),
	}
	if r.Header.Get("X-Part") != "" {
		return s.renderPart(w, "alert", "alert", v)
	}
	s.render(w, r, http.StatusOK, "alert", v)
	return nil
}

// timeline merges transitions and deliveries, newest first.
func timeline(d alertDetail) []timelineEvent {
	var list []timelineEvent
	for i := range d.Transitions {
		list = append(list, timelineEvent{At: d.Transitions[i].At, Alert: &d.Transitions[i]})
	}
	for i := range d.Deliveries {
		list = append(list, timelineEvent{At: d.Deliveries[i].At, Delivery: &d.Deliveries[i]})
	}
	slices.SortStableFunc(list, func(a, b timelineEvent) int { return b.At.Compare(a.At) })
	return list
}

// earlier are other episodes of the same rule and group, newest first.
func (s *Server) earlier(a models.Alert, most int) []episode {
	var list []episode
	for _, e := range episodes(s.Alerts.History())[a.Rule] {
		if e.ID != a.ID && labelText(e.Labels) == labelText(a.Labels) {
			list = append(list, e)
		}
	}
	slices.Reverse(list)
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

func (s *Server) ackForm(w http.ResponseWriter, r *http.Request) error {
	d, err := s.alertByID(r.PathValue("id"))
	if err != nil {
		return err
	}
	by := r.PostFormValue("by")
	if by == "" {
		by = unnamed
	}
	if _, err := s.ack(r.Context(), d.Alert, by, ""); err != nil {
		return err
	}
	s.audit(r, "alert acknowledged", "alert", d.Alert.ID, "by", by)
	return back(w, r, r.PostFormValue("to"))
}

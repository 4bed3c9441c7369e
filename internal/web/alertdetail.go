package web

import (
	"cmp"
	"math"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertDetails collects what is known of one alert.
type alertDetails struct {
	state    *engineState
	audit    *auditTrail
	notifier Notifier // nil for no deliveries
}

// alertDetail is an alert with its history.
type alertDetail struct {
	Alert       models.Alert   `json:"alert"` // newest transition
	Transitions []models.Alert `json:"transitions"`
	Deliveries  []Delivery     `json:"deliveries"`
	Series      []Point        `json:"series"`
	Values      alertValues    `json:"values"`
	Comments    []AuditEntry   `json:"comments"` // and other actions, newest first
}

// byID returns a current alert or one from the history.
func (x *alertDetails) byID(id string) (alertDetail, error) {
	d := alertDetail{
		Transitions: []models.Alert{},
		Deliveries:  []Delivery{},
		Series:      []Point{},
		Comments:    []AuditEntry{},
	}
	if x.state.alerts == nil {
		return d, missing("alerts")
	}
	found := false
	for _, a := range x.state.transitions(HistoryQuery{Alert: id}) {
		d.Alert, found = a, true
		d.Transitions = append(d.Transitions, a)
	}
	for _, a := range x.state.current() {
		if a.ID == id {
			a = x.state.detailed([]models.Alert{a})[0]
			if len(d.Transitions) == 0 {
				d.Transitions = append(d.Transitions, a)
			}
			d.Alert, found = a, true
		}
	}
	if !found {
		return d, notFound("no alert %q (it may have left the history)",
			safetext.Clip(safetext.Visible(id), 80))
	}
	d.Series = append(d.Series, x.state.alerts.Series(d.Alert)...)
	d.Values = valuesOf(d.Alert, d.Transitions, d.Series)
	d.Comments = append(d.Comments, x.audit.of(id)...)
	if x.notifier != nil {
		d.Deliveries = append(d.Deliveries, x.notifier.Deliveries(id)...)
	}
	return d, nil
}

// alertValues are the values of an alert's condition: now or at the end, when it fired, and the
// most extreme one of the episode.
type alertValues struct {
	Now    float64 `json:"now"`
	Firing float64 `json:"firing"`
	Peak   float64 `json:"peak"`
}

// valuesOf computes the values of an alert from its transitions and the series of its condition.
// The alert itself has the present value: the series is up to ten seconds behind, and ends when
// logs do.
func valuesOf(a models.Alert, transitions []models.Alert, series []Point) alertValues {
	v := alertValues{Now: a.Value, Firing: cmp.Or(a.FiredValue, a.Value), Peak: a.Value}
	peak := math.Max
	if below(a.Threshold) {
		peak = math.Min
	}
	v.Peak = peak(v.Peak, v.Now)
	if a.Peak != 0 {
		v.Peak = peak(v.Peak, a.Peak)
	}
	fired := false // later transitions are of other severities
	for _, t := range transitions {
		if t.State != models.AlertFiring {
			continue
		}
		if !fired {
			v.Firing, fired = t.Value, true
		}
		v.Peak = peak(v.Peak, t.Value)
	}
	end := a.At
	if a.State != models.AlertResolved {
		end = time.Unix(1<<40, 0)
	}
	for _, p := range series {
		if !p.At.Before(a.StartsAt) && !p.At.After(end) && !math.IsNaN(p.Value) {
			v.Peak = peak(v.Peak, p.Value)
		}
	}
	return v
}

// below reports whether values under the threshold are bad.
func below(threshold string) bool { return strings.HasPrefix(strings.TrimSpace(threshold), "<") }

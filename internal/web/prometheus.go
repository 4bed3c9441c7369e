package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// prometheusAPI serves the parts of Prometheus' API that clients use.
type prometheusAPI struct {
	state   *engineState
	version string
	now     func() time.Time
}

func (p *prometheusAPI) routes() []route {
	return append(p.queryRoutes(),
		route{"GET /api/v1/alerts", Reader, cheap, api(p.alerts)},
		route{"GET /api/v1/rules", Reader, cheap, api(p.rules)},
	)
}

// promAlert is an alert in the form of Prometheus' API.
type promAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    time.Time         `json:"activeAt"`
	Value       string            `json:"value"`
}

type promRule struct {
	State          string            `json:"state,omitempty"`
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Duration       float64           `json:"duration"`
	KeepFiringFor  float64           `json:"keepFiringFor"`
	Labels         map[string]string `json:"labels"`
	Annotations    map[string]string `json:"annotations"`
	Alerts         []promAlert       `json:"alerts"`
	Health         string            `json:"health"`
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"`
}

type promGroup struct {
	Name           string     `json:"name"`
	File           string     `json:"file"`
	Rules          []promRule `json:"rules"`
	Interval       float64    `json:"interval"`
	Limit          int        `json:"limit"`
	EvaluationTime float64    `json:"evaluationTime"`
	LastEvaluation time.Time  `json:"lastEvaluation"`
}

// promAlertOf converts an alert. Prometheus has only the states pending and firing.
func promAlertOf(a models.Alert) promAlert {
	state := "firing"
	if a.State == models.AlertPending {
		state = "pending"
	}
	return promAlert{
		a.Labels,
		a.Annotations,
		state,
		a.StartsAt,
		strconv.FormatFloat(a.Value, 'e', -1, 64),
	}
}

// alerts answers with all alerts, or with the first ones if the client sets a limit.
func (p *prometheusAPI) alerts(w http.ResponseWriter, r *http.Request) error {
	current, truncated := p.state.current(), false
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return badRequest("limit: %q is not a number of alerts", text)
		}
		if truncated = n > 0 && n < len(current); truncated {
			current = current[:n]
		}
	}
	list := make([]promAlert, 0, len(current))
	for batch := range slices.Chunk(current, 256) {
		if err := r.Context().Err(); err != nil {
			return err
		}
		for _, a := range p.state.detailed(batch) {
			list = append(list, promAlertOf(a))
		}
	}
	answer := map[string]any{"status": "success", "data": map[string]any{"alerts": list}}
	if truncated {
		answer["warnings"] = []string{"results truncated due to limit"}
	}
	return ok(w, answer)
}

func success(key string, v any) any {
	return map[string]any{"status": "success", "data": map[string]any{key: v}}
}

func (p *prometheusAPI) rules(w http.ResponseWriter, r *http.Request) error {
	byRule := map[string][]promAlert{}
	for _, a := range p.state.detailed(p.state.current()) {
		byRule[a.Rule] = append(byRule[a.Rule], promAlertOf(a))
	}
	status := p.state.ruleStatus()
	groups := []*promGroup{}
	index := map[[2]string]*promGroup{}
	for _, one := range p.state.ruleSet().Rules {
		if kind := r.FormValue("type"); kind == "alert" && one.Record ||
			kind == "record" && !one.Record {
			continue
		}
		key := [2]string{one.Pos.File, one.Group}
		g := index[key]
		if g == nil {
			g = &promGroup{
				Name:           one.Group,
				File:           one.Pos.File,
				Rules:          []promRule{},
				LastEvaluation: p.now(),
			}
			index[key] = g
			groups = append(groups, g)
		}
		g.Rules = append(g.Rules, p.ruleOf(one, status[one.ID()], byRule[one.ID()]))
	}
	return ok(w, success("groups", groups))
}

func (p *prometheusAPI) ruleOf(r *rule.Rule, status RuleStatus, alerts []promAlert) promRule {
	one := promRule{
		Name:           r.Name,
		Query:          queryText(r),
		Duration:       r.For.Seconds(),
		KeepFiringFor:  r.KeepFiringFor.Seconds(),
		Labels:         r.Labels,
		Annotations:    r.Annotations,
		Alerts:         alerts,
		Health:         "ok",
		LastError:      status.Error,
		EvaluationTime: status.Cost / 1e9,
		LastEvaluation: p.now(),
		Type:           "alerting",
		State:          "inactive",
	}
	if one.Alerts == nil {
		one.Alerts = []promAlert{}
	}
	for _, a := range alerts {
		if a.State == "firing" || one.State == "inactive" {
			one.State = a.State
		}
	}
	if status.Error != "" {
		one.Health = "err"
	}
	if r.Record {
		one.Type, one.State = "recording", ""
	}
	return one
}

// queryText is the query and condition of a rule on one line.
func queryText(r *rule.Rule) string {
	text := r.MatchText
	if text == "" && r.Match != nil {
		text = "(match)"
	}
	if r.WhenText != "" {
		return strings.TrimPrefix(
			fmt.Sprintf("%s | %s [%s]", text, r.WhenText, duration.Format(r.Window)),
			" | ",
		)
	}
	return text
}

package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

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

func (s *Server) prometheusAlerts(w http.ResponseWriter, _ *http.Request) error {
	list := []promAlert{}
	for _, a := range s.detailed(s.current()) {
		list = append(list, promAlertOf(a))
	}
	return ok(w, success("alerts", list))
}

func success(key string, v any) any {
	return map[string]any{"status": "success", "data": map[string]any{key: v}}
}

// detailed returns current alerts with annotations, lines and the most frequent values.
func (s *Server) detailed(list []models.Alert) []models.Alert {
	if len(list) == 0 {
		return nil
	}
	return s.Alerts.Detailed(list)
}

// current returns the alerts that are not resolved, sorted by start, without what only Detailed
// knows. Callers share the slice and must not change it.
func (s *Server) current() []models.Alert {
	if s.Alerts == nil {
		return nil
	}
	return s.alerts.get(func() []models.Alert {
		list := s.Alerts.Current()
		slices.SortFunc(list, func(a, b models.Alert) int {
			return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.ID, b.ID))
		})
		return list
	})
}

// alertCache keeps a list of alerts that was expensive to make for some multiple of the time that
// took: with a hundred thousand alerts, pages and streams would otherwise spend all their time on
// copying and sorting. Small lists are always made anew.
type alertCache struct {
	mu   sync.Mutex // guards what follows
	list []models.Alert
	till time.Time
}

const (
	cachedFrom  = 5 * time.Millisecond // of work
	cachedTimes = 10                   // as long as the work took
	cachedMost  = 3 * time.Second
)

func (c *alertCache) get(list func() []models.Alert) []models.Alert {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := time.Now()
	if began.Before(c.till) {
		return c.list
	}
	c.list = list()
	if took := time.Since(began); took >= cachedFrom {
		c.till = time.Now().Add(min(cachedTimes*took, cachedMost))
	}
	return c.list
}

func (s *Server) prometheusRules(w http.ResponseWriter, r *http.Request) error {
	byRule := map[string][]promAlert{}
	for _, a := range s.detailed(s.current()) {
		byRule[a.Rule] = append(byRule[a.Rule], promAlertOf(a))
	}
	status := s.ruleStatus()
	groups := []*promGroup{}
	index := map[[2]string]*promGroup{}
	for _, one := range s.ruleSet().Rules {
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
				LastEvaluation: s.Now(),
			}
			index[key] = g
			groups = append(groups, g)
		}
		g.Rules = append(g.Rules, s.promRule(one, status[one.ID()], byRule[one.ID()]))
	}
	return ok(w, success("groups", groups))
}

func (s *Server) promRule(r *rule.Rule, status RuleStatus, alerts []promAlert) promRule {
	p := promRule{
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
		LastEvaluation: s.Now(),
		Type:           "alerting",
		State:          "inactive",
	}
	if p.Alerts == nil {
		p.Alerts = []promAlert{}
	}
	for _, a := range alerts {
		if a.State == "firing" || p.State == "inactive" {
			p.State = a.State
		}
	}
	if status.Error != "" {
		p.Health = "err"
	}
	if r.Record {
		p.Type, p.State = "recording", ""
	}
	return p
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

// ruleStatus returns the status of the rules by ID.
func (s *Server) ruleStatus() map[string]RuleStatus {
	byID := map[string]RuleStatus{}
	if s.Rules != nil {
		for _, one := range s.Rules.Status() {
			byID[one.ID] = one
		}
	}
	return byID
}

package web

import (
	"cmp"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// engineState is what the engine reports of its alerts, its rules and itself. Requests share what
// is expensive to compute. A source that is nil has nothing to report.
type engineState struct {
	alerts  Alerts
	history History
	rules   Rules
	engine  Engine

	alertCache  cache[[]models.Alert]
	ruleCache   cache[[]RuleStatus]
	engineCache cache[EngineStatus]
}

// newEngineState returns the state of the engine. It calls panicked for what panics in the
// background.
func newEngineState(o Options, panicked func(work string) func(problem any)) *engineState {
	s := &engineState{alerts: o.Alerts, history: o.History, rules: o.Rules, engine: o.Engine}
	s.alertCache.least, s.alertCache.panicked = 5*time.Millisecond, panicked("list of alerts")
	s.ruleCache.least, s.ruleCache.panicked = expensiveFrom, panicked("status of rules")
	s.engineCache.least, s.engineCache.panicked = expensiveFrom, panicked("status of the engine")
	return s
}

// dropAlerts has the next request see a change of alerts that was made here.
func (s *engineState) dropAlerts() { s.alertCache.drop() }

// drop has the next request see a change that was made here.
func (s *engineState) drop() {
	s.alertCache.drop()
	s.ruleCache.drop()
	s.engineCache.drop()
}

func (s *engineState) close() {
	s.alertCache.close()
	s.ruleCache.close()
	s.engineCache.close()
}

// current returns the alerts that are not resolved, sorted by start, without what only Detailed
// knows. Callers share the slice and must not change it.
func (s *engineState) current() []models.Alert {
	if s.alerts == nil {
		return nil
	}
	return s.alertCache.get(func() []models.Alert {
		list := s.alerts.Current()
		sortByStart(list)
		return list
	})
}

// detailed returns current alerts with annotations, lines and the most frequent values.
func (s *engineState) detailed(list []models.Alert) []models.Alert {
	if len(list) == 0 {
		return nil
	}
	return s.alerts.Detailed(list)
}

// sortByStart sorts alerts, of which there may be very many and each is large: what is compared
// and moved is their places.
func sortByStart(list []models.Alert) {
	type place struct {
		at int64
		i  int
	}
	places := make([]place, len(list))
	for i := range list {
		places[i] = place{list[i].StartsAt.UnixNano(), i}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(list[a.i].ID, list[b.i].ID))
	})
	for i := range places { // each cycle of places moves by one
		if places[i].i < 0 {
			continue
		}
		first, at := list[i], i
		for {
			from := places[at].i
			places[at].i = -1
			if from == i {
				list[at] = first
				break
			}
			list[at], at = list[from], from
		}
	}
}

func (s *engineState) ruleSet() *rule.Set {
	if s.rules != nil {
		if set := s.rules.Set(); set != nil {
			return set
		}
	}
	return &rule.Set{}
}

func (s *engineState) ruleByID(id string) (*rule.Rule, error) {
	for _, r := range s.ruleSet().Rules {
		if r.ID() == id {
			return r, nil
		}
	}
	return nil, notFound("no rule %q", safetext.Clip(safetext.Visible(id), 80))
}

// lists are the lists that queries may reference.
func (s *engineState) lists() match.Lists {
	set := s.ruleSet()
	return func(name string) ([]string, bool) {
		l, found := set.Lists[name]
		if !found {
			return nil, false
		}
		return l.Values, true
	}
}

// rulesStatus is how the rules do. Callers share the slice and must not change it.
func (s *engineState) rulesStatus() []RuleStatus { return s.ruleCache.get(s.rules.Status) }

// ruleStatus returns the status of the rules by ID.
func (s *engineState) ruleStatus() map[string]RuleStatus {
	byID := map[string]RuleStatus{}
	if s.rules != nil {
		for _, one := range s.rulesStatus() {
			byID[one.ID] = one
		}
	}
	return byID
}

// engineStatus is how the engine does. Callers must not change what it refers to.
func (s *engineState) engineStatus() EngineStatus { return s.engineCache.get(s.engine.Status) }

// transitions returns the transitions that a query selects, oldest first.
func (s *engineState) transitions(q HistoryQuery) []models.Alert {
	if s.history != nil {
		return s.history.Transitions(q)
	}
	if s.alerts == nil {
		return nil
	}
	var list []models.Alert
	for _, a := range s.alerts.History() {
		if (q.Rule == "" || a.Rule == q.Rule) && (q.Alert == "" || a.ID == q.Alert) &&
			(q.State == "" || a.State == q.State) &&
			!a.At.Before(q.From) && (q.To.IsZero() || a.At.Before(q.To)) {
			list = append(list, a)
		}
	}
	if q.Most > 0 {
		list = list[max(0, len(list)-q.Most):]
	}
	return list
}

// recentlyResolved returns the newest alerts that resolved within a day, newest first.
func (s *engineState) recentlyResolved(now time.Time, most int) []models.Alert {
	if s.alerts == nil {
		return nil
	}
	list := slices.Clone(s.transitions(HistoryQuery{
		From: now.Add(-24 * time.Hour), State: models.AlertResolved, Most: most,
	}))
	slices.Reverse(list)
	return list
}

// spans are when alerts fired that began in a time, by rule.
func (s *engineState) spans(from, to time.Time) (map[string][]history.Span, error) {
	if s.history != nil {
		var names []string
		for _, one := range s.ruleSet().Rules {
			names = append(names, one.ID())
		}
		return s.history.Episodes(from, to, names...)
	}
	spans := map[string][]history.Span{}
	for rule, list := range episodes(s.transitions(HistoryQuery{From: from, To: to})) {
		spans[rule] = spansOf(list)
	}
	return spans, nil
}

func spansOf(list []episode) (spans []history.Span) {
	for _, e := range list {
		spans = append(spans, history.Span{From: e.From, To: e.To})
	}
	return spans
}

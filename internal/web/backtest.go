package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// backtester evaluates rules over past logs.
type backtester struct {
	backtest Backtest // nil for none
	state    *engineState
	now      func() time.Time
}

func (b *backtester) routes() []route {
	return []route{{"POST /api/v1/backtest", Reader, backtests, api(b.post)}}
}

// backtestTime is the maximum duration of a backtest.
const backtestTime = 50 * time.Second

// backtestReport is the result of a backtest.
type backtestReport struct {
	Records   int              `json:"records"`
	Logs      int              `json:"logs"`
	From      time.Time        `json:"from"`
	To        time.Time        `json:"to"`
	Fired     int              `json:"fired"`
	Truncated bool             `json:"truncated"`
	Rules     []backtestedRule `json:"rules"`
}

type backtestedRule struct {
	Rule     string    `json:"rule"`
	Fired    int       `json:"fired"`
	Groups   int       `json:"groups"`
	Open     int       `json:"open"` // still firing at the end
	Episodes []episode `json:"episodes"`
}

// episode is one alert from firing to resolved.
type episode struct {
	ID     string            `json:"id"`
	Labels map[string]string `json:"labels"`
	From   time.Time         `json:"from"`
	To     time.Time         `json:"to,omitzero"` // zero while firing
	Value  float64           `json:"value"`
	Reason string            `json:"reason"`

	alert models.Alert // as it fired
}

// listedEpisodes is the number of episodes listed for a rule; all are counted.
const listedEpisodes = 200

func (b *backtester) post(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Text  string `json:"text"`  // of a rule file
		Rule  string `json:"rule"`  // or ID of a rule
		Since string `json:"since"` // start time
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	since, err := parseSince(body.Since, 24*time.Hour, b.now())
	if err != nil {
		return err
	}
	set, err := b.rulesOf(body.Text, body.Rule)
	if err != nil {
		return err
	}
	result, err := b.run(r.Context(), w, set, since, nil)
	if err != nil {
		return err
	}
	return ok(w, report(set, result, since, b.now()))
}

// rulesOf are the rules of a text, or one rule by its ID.
func (b *backtester) rulesOf(text, id string) (*rule.Set, error) {
	if text != "" {
		set, err := rule.Read("rules", []byte(text))
		if err != nil {
			return nil, &apiError{http.StatusUnprocessableEntity, err.Error()}
		}
		return set, nil
	}
	one, err := b.state.ruleByID(id)
	if err != nil {
		return nil, err
	}
	set := *b.state.ruleSet()
	set.Rules = []*rule.Rule{one}
	return &set, nil
}

func (b *backtester) run(
	ctx context.Context,
	w http.ResponseWriter,
	set *rule.Set,
	since time.Time,
	values []string,
) (BacktestResult, error) {
	if b.backtest == nil {
		return BacktestResult{}, missing("a backtest over the topics")
	}
	_ = http.NewResponseController(w).
		SetWriteDeadline(time.Now().Add(backtestTime + 10*time.Second))
	within, cancel := context.WithTimeout(ctx, backtestTime)
	defer cancel()
	result, err := b.backtest(within, set, since, values)
	if err != nil {
		if ctx.Err() != nil {
			return BacktestResult{}, ctx.Err()
		}
		return BacktestResult{}, &apiError{
			http.StatusBadGateway,
			"backtest failed: " + err.Error(),
		}
	}
	return result, nil
}

func report(set *rule.Set, result BacktestResult, since, now time.Time) backtestReport {
	rep := backtestReport{
		Records:   result.Records,
		Logs:      result.Logs,
		From:      result.From,
		To:        result.To,
		Truncated: result.Truncated,
		Rules:     []backtestedRule{},
	}
	if rep.From.IsZero() {
		rep.From, rep.To = since, now
	}
	all := episodes(result.Alerts)
	for _, r := range set.Rules {
		one := backtestedRule{Rule: r.ID(), Episodes: []episode{}}
		groups := map[string]bool{}
		for _, e := range all[r.ID()] {
			one.Fired++
			groups[labelText(e.Labels)] = true
			if e.To.IsZero() {
				one.Open++
			}
			if len(one.Episodes) < listedEpisodes {
				one.Episodes = append(one.Episodes, e)
			}
		}
		one.Groups = len(groups)
		rep.Fired += one.Fired
		rep.Rules = append(rep.Rules, one)
	}
	return rep
}

// episodes pairs transitions to episodes by rule, in the order of their start.
func episodes(transitions []models.Alert) map[string][]episode {
	byRule := map[string][]episode{}
	open := map[string]int{} // ID to its place in the rule's list
	for _, a := range transitions {
		i, up := open[a.ID]
		switch {
		case a.State == models.AlertFiring && !up:
			open[a.ID] = len(byRule[a.Rule])
			byRule[a.Rule] = append(
				byRule[a.Rule],
				episode{a.ID, a.Labels, a.At, time.Time{}, a.Value, a.Reason, a},
			)
		case a.State == models.AlertResolved && up:
			byRule[a.Rule][i].To = a.At
			delete(open, a.ID)
		}
	}
	for _, list := range byRule {
		slices.SortFunc(
			list,
			func(a, b episode) int {
				return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.ID, b.ID))
			},
		)
	}
	return byRule
}

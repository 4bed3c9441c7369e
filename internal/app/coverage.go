package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/logprofile"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/internal/web"
)

// coverage compares the fields that rules ask for with those of the logs that go by: of the few
// that the engine keeps to plan its index by. Whatever was seen once counts as seen, so a field of
// rare logs is not taken for missing for ever.
type coverage struct {
	p *process

	mu     sync.Mutex // guards what follows
	status web.FieldCoverage
	seen   map[askedField]bool
}

type askedField struct{ rule, fields string }

const (
	coverageFirst = 20 * time.Second // between two looks whether there are logs to compare with
	coverageNext  = 5 * time.Minute  // and after a comparison
	coveredFields = 200              // of each kind, on the page and in metrics
)

var (
	descAbsent = prometheus.NewDesc("alert_engine_rule_absent_fields",
		"Fields that a rule asks for and no sampled log has; of at most 200 rules, and none for "+
			"rules whose fields all occur.", []string{"rule"}, nil)
	descUnasked = prometheus.NewDesc("alert_engine_unasked_fields",
		"Fields of sampled logs that no rule asks for.", nil, nil)
	descCovered = prometheus.NewDesc("alert_engine_coverage_logs",
		"Sampled logs by which fields of rules and logs were compared.", nil, nil)
)

func newCoverage(p *process) *coverage {
	return &coverage{p: p, seen: map[askedField]bool{}}
}

func (c *coverage) run(ctx context.Context) error {
	for pause := coverageFirst; wait.Sleep(ctx, pause); {
		pause = coverageFirst
		compared, err := c.compare()
		if err != nil {
			c.p.logger.Warn("comparing the fields of rules and logs failed", "error", err)
		}
		if compared {
			pause = coverageNext
		}
	}
	return nil
}

// compare looks at the logs that were kept; false if there are too few.
func (c *coverage) compare() (bool, error) {
	records := c.p.state.Sample()
	if len(records) == 0 {
		return false, nil
	}
	var set *rule.Set
	if set = c.p.set.Load(); c.p.state.cluster != nil {
		set = c.p.state.cluster.ownSet()
	}
	profile, err := logprofile.New(set, logprofile.Options{Decode: c.p.config.Format})
	if err != nil {
		return false, err
	}
	for i := range records {
		if err := profile.Add(&records[i]); err != nil {
			return false, err
		}
	}
	c.take(profile)
	return true, nil
}

func (c *coverage) take(profile *logprofile.Profile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.seen
	status := web.FieldCoverage{Logs: c.status.Logs + profile.Logs, Rules: map[string]int{}}
	c.seen = map[askedField]bool{}
	for _, a := range profile.Asked() {
		key := askedField{a.Rule, a.Fields}
		switch {
		case a.Seen || before[key]:
			c.seen[key] = true
		case !a.Read:
		default:
			status.AbsentTotal++
			status.Rules[a.Rule]++
			if len(status.Absent) < coveredFields {
				status.Absent = append(status.Absent, web.AbsentField{
					Rule: a.Rule, Field: a.Fields,
				})
			}
		}
	}
	for _, u := range profile.Unasked() {
		status.UnaskedTotal++
		if len(status.Unasked) < coveredFields {
			status.Unasked = append(status.Unasked, web.UnaskedField{
				Field: u.Field, Percent: 100 * u.Logs / max(profile.Logs, 1),
			})
		}
	}
	c.status = status
}

// view is what the pages show.
func (c *coverage) view() web.FieldCoverage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Describe implements prometheus.Collector.
func (c *coverage) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descAbsent, descUnasked, descCovered} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *coverage) Collect(out chan<- prometheus.Metric) {
	s := c.view()
	if s.Logs == 0 {
		return
	}
	n := map[string]int{}
	for _, a := range s.Absent {
		n[a.Rule] = s.Rules[a.Rule]
	}
	for id, fields := range n {
		out <- prometheus.MustNewConstMetric(descAbsent, prometheus.GaugeValue, float64(fields), id)
	}
	out <- prometheus.MustNewConstMetric(descUnasked, prometheus.GaugeValue,
		float64(s.UnaskedTotal))
	out <- prometheus.MustNewConstMetric(descCovered, prometheus.CounterValue, float64(s.Logs))
}

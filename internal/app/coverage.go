package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/logprofile"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/internal/web"
)

// coverage compares the fields that rules reference with those of the logs that go by: of the few
// that the engine keeps to plan its index by. Whatever was seen once counts as seen, so a field of
// rare logs is not taken for missing forever.
type coverage struct {
	p *process

	mu     sync.Mutex // guards what follows
	status web.FieldCoverage
	known  map[reference]known
	kept   uint64 // records that the engine had kept at the last comparison
}

// reference is a field that a rule references, or several of which any will do.
type reference struct{ rule, fields string }

// known is what the samples since the start have shown of a reference.
type known struct {
	seen bool // some log has the field
	read bool // the rule has read logs
}

const (
	coverageFirst = 20 * time.Second // between two looks whether there are logs to compare with
	coverageNext  = 5 * time.Minute  // and after a comparison
	coveredFields = 200              // of each kind on the page, and rules in metrics
)

var (
	descAbsent = prometheus.NewDesc("alert_engine_rule_absent_fields",
		"Fields that a rule references and no sampled log has; of at most 200 rules, and none for "+
			"rules whose fields all occur.", []string{"rule"}, nil)
	descUnreferenced = prometheus.NewDesc("alert_engine_unreferenced_fields",
		"Fields of the last sampled logs that no rule references.", nil, nil)
	descCovered = prometheus.NewDesc("alert_engine_coverage_logs_total",
		"Sampled logs by which fields of rules and logs were compared, each counted once.", nil,
		nil)
	descRejected = prometheus.NewDesc("alert_engine_coverage_records_rejected_total",
		"Sampled records that could not be read when fields of rules and logs were compared.", nil,
		nil)
)

func newCoverage(p *process) *coverage {
	return &coverage{p: p, known: map[reference]known{}}
}

func (c *coverage) run(ctx context.Context) error {
	for pause := coverageFirst; wait.Sleep(ctx, pause); {
		pause = coverageNext
		compared, err := c.compare()
		if err != nil {
			c.p.logger.Warn("comparing the fields of rules and logs failed", "error", err)
		} else if !compared {
			pause = coverageFirst
		}
	}
	return nil
}

// compare looks at the logs that were kept; false if there are too few, or no new ones.
func (c *coverage) compare() (bool, error) {
	records, kept := c.p.state.Sample()
	fresh := int(min(kept-c.kept, uint64(len(records))))
	if fresh == 0 {
		return false, nil
	}
	profile, err := logprofile.New(c.p.lists.rules(), logprofile.Options{
		Decode: c.p.config.Format, FieldsOnly: true,
	})
	if err != nil {
		return false, err
	}
	var logs, rejected, panics int // of records that were counted at the last comparison
	for i := range records {
		if i == len(records)-fresh {
			logs, rejected, panics = profile.Logs, profile.Rejected, profile.Panics
		}
		if err := profile.Add(&records[i]); err != nil {
			return false, err
		}
	}
	if n := profile.Panics - panics; n > 0 {
		c.p.logger.Warn("sampled records cannot be read; their fields are not compared",
			"records", n, "reason", profile.Panic)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = kept
	c.take(profile)
	c.status.Logs += profile.Logs - logs
	c.status.Rejected += profile.Rejected - rejected
	return true, nil
}

// take replaces the fields of the status. The caller holds mu.
func (c *coverage) take(profile *logprofile.Profile) {
	status := web.FieldCoverage{Logs: c.status.Logs, Rejected: c.status.Rejected}
	before := c.known
	c.known = map[reference]known{}
	for _, r := range profile.Referenced() {
		key := reference{r.Rule, r.Fields}
		k := known{seen: r.Seen || before[key].seen, read: r.Read || before[key].read}
		c.known[key] = k
		if k.seen || !k.read {
			continue
		}
		status.AbsentTotal++
		if n := len(status.Rules); n > 0 && status.Rules[n-1].Rule == r.Rule {
			status.Rules[n-1].Fields++
		} else if n < coveredFields {
			status.Rules = append(status.Rules, web.AbsentFields{Rule: r.Rule, Fields: 1})
		}
		if len(status.Absent) < coveredFields {
			status.Absent = append(status.Absent, web.AbsentField{Rule: r.Rule, Field: r.Fields})
		}
	}
	unreferenced := profile.Unreferenced()
	status.UnreferencedTotal = len(unreferenced)
	for _, u := range unreferenced[:min(len(unreferenced), coveredFields)] {
		status.Unreferenced = append(status.Unreferenced, web.UnreferencedField(u))
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
	for _, d := range []*prometheus.Desc{descAbsent, descUnreferenced, descCovered, descRejected} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *coverage) Collect(out chan<- prometheus.Metric) {
	s := c.view()
	if s.Logs+s.Rejected == 0 {
		return
	}
	for _, r := range s.Rules {
		out <- prometheus.MustNewConstMetric(descAbsent, prometheus.GaugeValue, float64(r.Fields),
			r.Rule)
	}
	out <- prometheus.MustNewConstMetric(descUnreferenced, prometheus.GaugeValue,
		float64(s.UnreferencedTotal))
	out <- prometheus.MustNewConstMetric(descCovered, prometheus.CounterValue, float64(s.Logs))
	out <- prometheus.MustNewConstMetric(descRejected, prometheus.CounterValue,
		float64(s.Rejected))
}

package alerting

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// "The index looks for what is rare in my logs": it is planned by logs that went by, the same rules
// match, and what was counted is counted on.
func TestReplan(t *testing.T) {
	set, err := rule.Read("plan.rules.yml", []byte(`
version: 1
groups:
- name: plan
  rules:
  - {alert: Lost, match: 'service:payment and "connection"', when: count() > 5, window: 5m}
`))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	offset := int64(0)
	read := func(e *Engine, scanner models.Scanner, n int) {
		for range n {
			records := make([]models.Record, 512)
			for i := range records {
				service := "cart"
				if offset%100 == 0 {
					service = "payment"
				}
				at := start.Add(time.Duration(offset) * time.Millisecond)
				value := fmt.Appendf(nil,
					`{"timestamp":"%s","level":"info","message":"connection %d","service":"%s"}`,
					at.Format(time.RFC3339Nano), offset, service)
				records[i] = models.Record{
					Topic:     "logs",
					Offset:    offset,
					Timestamp: at,
					Value:     value,
				}
				offset++
			}
			e.Apply(scanner.Scan(records))
		}
	}
	var seen [2][]models.Alert
	for run, planned := range []bool{false, true} {
		offset = 0
		e := NewEngine(
			WithRules(set),
			WithEmit(func(a models.Alert) { seen[run] = append(seen[run], a) }),
		)
		scanner := e.NewScanner()
		read(e, scanner, 130)
		if planned {
			if done, err := e.Replan(); !done || err != nil {
				t.Fatalf("after %d logs it was not planned anew: %v", offset, err)
			}
			if again, _ := e.Replan(); again {
				t.Error("it was planned anew by the same logs")
			}
		}
		read(e, scanner, 130)
		e.Advance(
			start.Add(time.Hour),
			[]models.Progress{{Topic: "logs", Next: offset, End: offset, CaughtUp: true}},
		)
		cost := e.Rules()[0].Cost
		if want := `service is "payment"`; planned != (cost.Access == want) {
			t.Errorf("planned %v: it looks for %s", planned, cost.Access)
		}
		if cost.Logs < offset/2 {
			t.Errorf("planned %v: %d logs are counted of %d", planned, cost.Logs, offset)
		}
	}
	if len(seen[0]) == 0 {
		t.Fatal("no alert")
	}
	if diff := cmp.Diff(seen[0], seen[1]); diff != "" {
		t.Errorf("planned anew, alerts differ:\n%s", diff)
	}
	e := NewEngine(WithRules(set), WithEmit(func(models.Alert) {}))
	scanner := e.NewScanner()
	offset = 0
	read(e, scanner, 130)
	if err := e.SetRules(set); err != nil {
		t.Fatal(err)
	}
	if got, want := e.Rules()[0].Cost.Access, `service is "payment"`; got != want {
		t.Errorf("rules that were read anew look for %s, although logs have gone by", got)
	}
}

// A plan is due when as many records were kept as it is made of, and made when there are enough.
func TestPlanIsDue(t *testing.T) {
	e := NewEngine(WithRules(&rule.Set{}))
	s := &e.scanners.sample
	keep := func(n int) {
		for range n {
			s.kept++
			s.fresh++
			s.records = append(s.records, models.Record{Value: []byte("x")})
		}
	}
	keep(sampleEnough - 1)
	if list, kept := e.Sample(); list != nil || kept != 0 || e.scanners.recent() != nil {
		t.Errorf("%d records are enough", len(list))
	}
	keep(1)
	if list, kept := e.Sample(); len(list) != sampleEnough || kept != sampleEnough ||
		e.scanners.recent() == nil {
		t.Errorf("%d records are not enough", sampleEnough)
	}
	keep(sampleSize - sampleEnough - 1)
	if s.due() {
		t.Error("a plan is due")
	}
	keep(1)
	if !s.due() || s.due() {
		t.Error("a plan is due once")
	}
}

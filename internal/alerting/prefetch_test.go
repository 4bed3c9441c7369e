package alerting

import (
	"fmt"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// However many groups there are, each hit comes to its own: every host that fails twice fires once,
// and no other does.
func TestManyGroups(t *testing.T) {
	set, err := rule.Read("r.yml", []byte(`
version: 1
groups:
- name: g
  rules:
  - {alert: Twice, match: level>=ERROR, when: count() > 1, window: 5m, by: [host], limit: 100000}
`))
	if err != nil {
		t.Fatal(err)
	}
	fired := map[string]int{}
	e := NewEngine(WithRules(set), WithMaxGroups(100_000), WithEmit(func(a models.Alert) {
		if a.State == models.AlertFiring {
			fired[a.Labels["host"]]++
		}
	}))
	const hosts = 3 * prefetchAbove / 2
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	s := e.NewScanner()
	for pass := range 2 {
		var records []models.Record
		for i := range hosts {
			if pass == 1 && i%3 != 0 {
				continue
			}
			value := fmt.Appendf(nil, `{"timestamp":%q,"level":"error","message":"x","host":"h%d"}`,
				at.Format(time.RFC3339), i)
			records = append(
				records,
				models.Record{
					Topic:     "t",
					Offset:    int64(pass*hosts + i),
					Timestamp: at,
					Value:     value,
				},
			)
		}
		e.Apply(s.Scan(records))
	}
	if len(fired) != hosts/3 {
		t.Errorf("%d hosts fired, want %d", len(fired), hosts/3)
	}
	for host, n := range fired {
		if n != 1 {
			t.Errorf("%s fired %d times", host, n)
		}
	}
}

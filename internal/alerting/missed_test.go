package alerting

import (
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The logs of a group that had a late log are not followed without end.
func TestMissedAlertsAreBounded(t *testing.T) {
	e := frameEngine(t, `version: 1
groups:
- name: g
  rules: [{alert: Many, when: count() > 1000000, window: 5m}]
`, func(models.Alert) {})
	start, next := time.Unix(1_700_000_000, 0), int64(0)
	put := func(at time.Time) {
		e.Apply(e.NewScanner().Scan([]models.Record{
			{Topic: "logs", Offset: next, Timestamp: at, Value: []byte(`{"message":"m"}`)},
		}))
		next++
	}
	e.Advance(start, []models.Progress{{Topic: "logs", CaughtUp: true}})
	put(start.Add(-time.Hour))
	rs := e.rules[0]
	if len(rs.missed) != 1 {
		t.Fatalf("%d groups are followed", len(rs.missed))
	}
	for range maxMissedLogs {
		put(start)
	}
	if len(rs.missed) != 0 {
		t.Errorf("a group is followed for %d logs", next)
	}
	for range 2 * maxEnded {
		next++
		rs.ended.note(string(rune(next)), firingSpan{next, next})
	}
	if len(rs.ended.spans) != maxEnded || len(rs.ended.order) != maxEnded {
		t.Errorf("the ends of %d alerts are known", len(rs.ended.spans))
	}
}

package alerting_test

import (
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A rule that asks about the alerts of a topic without partitions waits for them for a minute, as
// for a partition that is missing; also when the topic was deleted.
func TestFiringOfTopicWithoutPartitions(t *testing.T) {
	const rules = `version: 1
groups:
- name: g
  rules:
  - {alert: Silent, source: logs, when: count() == 0 and not firing(Deploy), window: 1m}
  - {alert: Deploy, source: deployments, match: begins, window: 1h}
`
	w := newWorld(t, rules)
	deployments := func(after time.Duration) {
		w.engine.Advance(monday.Add(after), []models.Progress{
			{Topic: "logs", Next: w.next, End: w.next, CaughtUp: true},
			{Topic: "deployments", CaughtUp: true},
		})
	}
	w.time(0)
	w.time(80 * time.Second)
	w.time(3 * time.Minute)
	w.notified("1m0s g/Silent firing")

	deployments(4 * time.Minute)
	w.log(5*time.Minute, `"message":"a"`)
	w.notified()
	deployments(5*time.Minute + 10*time.Second) // it exists now, and counts
	deployments(5*time.Minute + 30*time.Second)
	w.notified("5m0s g/Silent resolved")

	for s := range 30 { // it is deleted
		w.time(5*time.Minute + 30*time.Second + time.Duration(s)*10*time.Second)
	}
	w.notified("6m0s g/Silent firing")
}

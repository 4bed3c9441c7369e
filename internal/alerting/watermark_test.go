package alerting_test

import (
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

func TestLogAsLateAsAllowedIsInTime(t *testing.T) {
	w := newWorld(t, `version: 1
groups:
- name: g
  rules: [{alert: Share, when: count(a) / count() > 50%, window: 5s}]
`)
	w.time(0)
	w.time(20 * time.Second)
	w.put(monday.Add(10*time.Second), monday.Add(20*time.Second), `"message":"a"`)
	if n := w.engine.Stats().Late; n != 0 {
		t.Errorf("%d logs are late", n)
	}
	w.time(21 * time.Second)
	w.notified("10s g/Share firing")
	w.put(monday.Add(11*time.Second-1), monday.Add(21*time.Second), `"message":"b"`)
	if n := w.engine.Stats().Late; n != 1 {
		t.Errorf("%d logs are late", n)
	}
}

// A member that is added to the list of those that must exist is expected from then on, and not
// since the rule began.
func TestNewMemberIsExpectedFromNowOn(t *testing.T) {
	rules := func(members string) string {
		return `version: 1
lists: {hosts: [` + members + `]}
groups:
- name: g
  rules: [{alert: Silent, when: count() == 0, window: 5m, by: [host], expect: {from: '@hosts'}}]
`
	}
	w := newWorld(t, rules("a"))
	w.time(0)
	w.log(59*time.Minute, `"host":"a"`)
	w.time(time.Hour)
	w.said = nil
	if err := w.engine.SetRules(readRules(t, rules("a, b"))); err != nil {
		t.Fatal(err)
	}
	w.time(time.Hour + time.Minute)
	w.notified()
	w.log(time.Hour+time.Minute, `"host":"a"`)
	w.time(time.Hour + 5*time.Minute + 11*time.Second)
	w.notified("1h5m0s g/Silent{host=b} firing")
}

// A late log from before the time of the sequence that an alert is about is not one of its logs.
func TestLateLogBeforeAlertIsNotCounted(t *testing.T) {
	w := newWorld(t, `version: 1
groups:
- name: g
  rules: [{alert: Steps, sequence: [{match: a}, {match: b}], within: 10s}]
`)
	w.time(0)
	w.log(57*time.Second, `"message":"a"`)
	w.log(64*time.Second, `"message":"b"`)
	w.time(78 * time.Second)
	w.put(monday.Add(53*time.Second), monday.Add(78*time.Second), `"message":"a"`)
	w.time(10 * time.Minute)
	if a := w.alerts[len(w.alerts)-1]; a.State != models.AlertResolved || a.Count != 2 {
		t.Errorf("%d logs, %s", a.Count, a.State)
	}
}

// Rules about alerts are decided also when there is no other rule.
func TestRulesAboutAlertsAlone(t *testing.T) {
	w := newWorld(t, `version: 1
groups:
- name: g
  source: alerts
  rules: [{alert: NoAlerts, match: 'state:firing', when: count() == 0, window: 5m}]
`)
	w.time(0)
	w.time(time.Hour)
	w.notified("5m0s g/NoAlerts firing")
}

// An engine that starts again has no partitions until the group has assigned them. That may take
// long while brokers are away, and silence is not decided meanwhile.
func TestTimeStopsUntilPartitionsAreAssigned(t *testing.T) {
	const rules = `version: 1
groups:
- name: g
  rules: [{alert: Silent, when: count() == 0, window: 5m, by: [host]}]
`
	w := newWorld(t, rules)
	w.log(0, `"host":"a"`)
	w.save(true)
	w.start(readRules(t, rules))
	w.restore()
	w.engine.Advance(monday.Add(time.Minute), nil)
	w.engine.Advance(monday.Add(30*time.Minute), nil)
	w.notified()
	w.log(4*time.Minute, `"host":"a"`) // it was there all the time
	w.time(30 * time.Minute)
	w.notified("9m0s g/Silent{host=a} firing")
}

// A partition that is assigned after the others, at a start that took long, holds time back for as
// long as one that is missing later.
func TestPartitionThatIsAssignedLast(t *testing.T) {
	const rules = `version: 1
groups:
- name: g
  rules: [{alert: Silent, when: count() == 0, window: 5m, by: [host]}]
`
	assigned := func(w *world, after time.Duration, partitions ...int32) {
		var list []models.Progress
		for _, p := range partitions {
			list = append(list, models.Progress{
				Topic: "logs", Partition: p, Next: w.next, End: w.next, CaughtUp: true,
			})
		}
		w.engine.Advance(monday.Add(after), list)
	}
	w := newWorld(t, rules)
	w.log(0, `"host":"a"`)
	assigned(w, 0, 0, 1)
	w.save(true)
	w.start(readRules(t, rules))
	w.restore()
	assigned(w, time.Minute)
	assigned(w, 10*time.Minute)
	assigned(w, 10*time.Minute+time.Second, 0)
	assigned(w, 11*time.Minute, 0)
	w.notified()
	assigned(w, 11*time.Minute+2*time.Second, 0)
	w.notified("5m0s g/Silent{host=a} firing")
}

package evaluator

import (
	"testing"
	"time"
)

// A rule about alerts waits for the topic on which a log may suppress it.
func TestSuppressionOfARuleAboutAlertsIsOnAnotherTopic(t *testing.T) {
	rules := `version: 1
suppressions: [{name: deployment, start: 'ev:b', end: 'ev:c', max: 30s}]
groups:
- name: g
  rules:
  - {alert: Any, source: logs}
- name: about
  source: alerts
  rules:
  - {alert: Quiet, every: 5s, match: 'alertname:Any', suppressed_by: [deployment],
     when: 'since(state:firing) > 30s', window: 1m}
`
	at := func(d time.Duration, topic string, partition int32, ev string) arrival {
		return arrival{
			at: d, topic: topic, partition: partition,
			fields: map[string]any{"ev": ev, "message": "order 17 failed"},
		}
	}
	for name, logs := range map[string][]arrival{
		"no log of the rule that it is about": {
			at(150*time.Second, "other", 0, "x"), at(342*time.Second, "other", 0, "x"),
		},
		"a log of that rule is read before those of the suppression": {
			at(114*time.Second, "other", 0, "x"), at(142*time.Second, "other", 1, "x"),
			at(150*time.Second, "other", 0, "b"), at(342*time.Second, "other", 0, "x"),
			at(342*time.Second, "logs", 1, "x"), at(10*time.Minute, "other", 1, "x"),
		},
	} {
		s := scenario{example: rules, partitions: 2, logs: logs}
		if difference := differs(s); difference != "" {
			t.Errorf("%s: %s", name, difference)
		}
	}
}

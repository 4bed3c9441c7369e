package alerting

import (
	"encoding/json"
	"maps"
	"strconv"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertsTopic is the topic of the logs that alerts are to rules with source alerts. No topic of
// Kafka can be called so.
const alertsTopic = "/alerts"

// evaluateAlerts passes the transitions that were decided since the last time to the rules that
// read alerts. Transitions of such rules are not passed on: an alert about alerts about alerts
// would have no end.
func (st *state) evaluateAlerts() {
	for i := 0; i < len(st.alertLogs); i++ { // which may grow in the meantime
		a := &st.alertLogs[i]
		entry := entryOf(a)
		sc := st.alertScanner.entry(&entry)
		for j := range sc.hits {
			if rs := st.stateOf(sc.rules, sc.hits[j].rule); rs != nil && rs.sees(a.Shadow) {
				st.hit(rs, sc, &sc.hits[j], &partitionTime{oldest: sc.oldest}, prefetched{})
			}
		}
		st.alertScanner.shared.release(sc)
	}
	st.alertLogs = st.alertLogs[:0]
}

// entryOf is a transition as a log: its labels are fields, beside alertname, state, rule, value and
// reason; the message is the summary.
func entryOf(a *models.Alert) models.LogEntry {
	fields := make(map[string]any, len(a.Labels)+8)
	for name, value := range a.Labels {
		fields[name] = value
	}
	maps.Copy(fields, map[string]any{
		"state": string(a.State), "rule": a.Rule,
		"episode": json.Number(strconv.FormatInt(a.Episode, 10)), "reason": a.Reason,
		"value": json.Number(strconv.FormatFloat(a.Value, 'g', -1, 64)), "historical": a.Historical,
		"alert_id": a.ID,
	})
	entry := models.LogEntry{
		Timestamp:       a.At,
		TimestampSource: "at",
		Level:           "INFO",
		Severity:        9,
		Message:         a.Annotations["summary"],
		Service:         a.Labels["service"],
		Namespace:       a.Labels["namespace"],
		Host:            a.Labels["host"],
		Fields:          fields,
		Position:        models.Position{Topic: alertsTopic},
	}
	if a.State == models.AlertFiring {
		entry.Level, entry.Severity = "ERROR", 17
	}
	if entry.Message == "" {
		entry.Message = a.Reason
	}
	return entry
}

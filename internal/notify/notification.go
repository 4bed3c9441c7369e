package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// notification is what a file and a topic are told of one alert: one line of JSON, with the labels
// and annotations that a webhook gets. It holds nothing of our clock, so what is told once more,
// because we could not know that it was told, is the same to the last byte, and has the same ID.
type notification struct {
	ID string `json:"id"`
	// of the episode: the same when it fires and when it is over
	AlertID     string            `json:"alert_id"`
	Rule        string            `json:"rule"`
	State       models.AlertState `json:"state"`     // firing or resolved
	Timestamp   string            `json:"timestamp"` // event time
	Value       *float64          `json:"value,omitempty"`
	Labels      model.LabelSet    `json:"labels"`
	Annotations model.LabelSet    `json:"annotations"`
	URL         string            `json:"url,omitempty"` // of the alert's page
}

func notificationOf(a *alert.Alert) notification {
	get := func(name model.LabelName) string { return string(a.Annotations[name]) }
	n := notification{
		AlertID: get(
			"alert_id",
		), Rule: get("rule"), State: stateOf(a), Timestamp: get("event_time"), Labels: a.Labels, Annotations: a.Annotations, URL: a.GeneratorURL,
	}
	if v, err := strconv.ParseFloat(get("value"), 64); err == nil {
		n.Value = &v
	}
	sum := sha256.Sum256(
		[]byte(n.AlertID + "\n" + string(n.State) + "\n" + n.Timestamp + "\n" + a.Labels.String()),
	)
	n.ID = hex.EncodeToString(sum[:12])
	return n
}

// line is the notification on one line. JSON escapes what would end it.
func (n *notification) line() ([]byte, error) {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	err := out.Encode(n)
	return b.Bytes(), err
}

// at is the event time.
func (n *notification) at() time.Time {
	t, _ := time.Parse(time.RFC3339Nano, n.Timestamp)
	return t
}

// movedOn says whether the alert goes on with other labels, such as another severity. To whoever
// knows alerts by their labels, this one is over; but one who knows them by their ID would take the
// whole alert for over.
func (b *book) movedOn(a *alert.Alert) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[a.Fingerprint()]
	if r == nil || r.Firing {
		return false
	}
	now := b.byID[r.Alert.ID]
	return now != nil && now != r
}

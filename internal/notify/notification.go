package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"

	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// notification is what a file and a topic get of one transition: one line of JSON, with the labels
// and annotations that a webhook gets. It holds nothing of our clock.
type notification struct {
	ID string `json:"id"`
	// of the episode: the same when it fires and when it is resolved
	AlertID     string            `json:"alert_id"`
	Rule        string            `json:"rule"`
	State       models.AlertState `json:"state"`     // firing or resolved
	Timestamp   string            `json:"timestamp"` // event time
	Value       *float64          `json:"value,omitempty"`
	Labels      model.LabelSet    `json:"labels"`
	Annotations model.LabelSet    `json:"annotations"`
	URL         string            `json:"url,omitempty"` // of the alert's page
}

// notificationID identifies a transition: the same whenever it is read again.
func notificationID(a models.Alert) string {
	sum := sha256.Sum256([]byte(
		a.ID + "\n" + string(a.State) + "\n" + stamp(a.At) + "\n" + labels(a).String(),
	))
	return hex.EncodeToString(sum[:12])
}

// notificationLine is a transition as one line of JSON, without its end, and its ID. JSON escapes
// what would end the line, and hidden characters.
func notificationLine(a models.Alert, external *url.URL) (line []byte, id string) {
	n := notification{
		ID:          notificationID(a),
		AlertID:     clean(a.ID, maxLabel),
		Rule:        clean(a.Rule, maxLabel),
		State:       a.State,
		Timestamp:   stamp(a.At),
		Labels:      labels(a),
		Annotations: annotations(&a, nil),
		URL:         link(external, a.ID),
	}
	if v := finite(a.Value); v == a.Value {
		n.Value = &v
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(&n); err != nil {
		return nil, n.ID // no value of it can fail
	}
	return safetext.JSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), n.ID
}

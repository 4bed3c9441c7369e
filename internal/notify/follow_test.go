package notify

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// leaderState is the notification state that the leader of a cluster publishes of an alert.
func leaderState(t *testing.T, home models.Partition, a models.Alert) map[string][]byte {
	t.Helper()
	a.Home = home
	s := &state{Labels: packLabels(labels(a)), Steps: []step{{N: 1, Alert: pack(a),
		Since: time.Now()}}}
	value, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{keyAlert + s.Labels.set().Fingerprint().String(): value}
}

// A follower lists what the leader publishes. While one request reads that, others get the list
// that there is; requests for something else do not read it.
func TestFollowerAnswersWhileItRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		home := models.Partition{Topic: "frames"}
		published := leaderState(t, home, firingAlert("Errors", "a", 1))
		reads := 0
		var block chan struct{}
		l := start(t, newWorld(t, "hook"), Options{
			WebhookURL: "http://hook/x", Home: home,
			Notified: func() map[string][]byte {
				reads++
				if block != nil {
					<-block
				}
				return published
			},
		})
		list := func() string {
			code, body := l.call(http.MethodGet, "/api/v2/alerts", nil)
			if code != http.StatusOK {
				t.Errorf("%d: %s", code, body)
			}
			return body
		}
		if body := list(); !strings.Contains(body, `"alertname":"Errors"`) {
			t.Fatal(body)
		}
		time.Sleep(2 * mirrorEvery)
		for _, path := range []string{"/api/v2/silences", "/api/v2/status", "/api/v2/receivers"} {
			l.call(http.MethodGet, path, nil)
		}
		if reads != 1 {
			t.Errorf("the published state was read %d times", reads)
		}
		block = make(chan struct{})
		published = nil
		refreshed := make(chan string)
		go func() { refreshed <- list() }()
		synctest.Wait()
		if body := list(); !strings.Contains(body, `"alertname":"Errors"`) {
			t.Error("while another request refreshes:", body)
		}
		close(block)
		if body := <-refreshed; strings.Contains(body, `"alertname":"Errors"`) {
			t.Error("after the alert was resolved:", body)
		}
	})
}

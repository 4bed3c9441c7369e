package notify

import (
	"bytes"
	"encoding/json"
	"maps"
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

// A refresh of a follower hands Alertmanager's API what is new, changed or soon to expire, and
// decodes nothing else.
func TestRefreshTakesChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		home := models.Partition{Topic: "frames"}
		published := map[string][]byte{}
		l := start(t, newWorld(t, "hook"), Options{
			WebhookURL: "http://hook/x", Home: home,
			Notified: func() map[string][]byte { return maps.Clone(published) },
		})
		put := func(a models.Alert) {
			maps.Copy(published, leaderState(t, home, a))
		}
		a, b := firingAlert("Errors", "a", 1), firingAlert("Errors", "b", 1)
		put(a)
		put(b)
		put(over(firingAlert("Errors", "c", 1)))
		published[keyAlert+"damaged"] = []byte("{")
		refresh := func(wait time.Duration) (updated []string) {
			after(wait)
			now, before := time.Now(), l.n.mirror.list()
			l.call(http.MethodGet, "/api/v2/alerts", nil)
			for _, of := range []models.Alert{a, b} {
				one, err := l.n.alerts.Get(packLabels(labels(of)).set().Fingerprint())
				if err == nil && one.UpdatedAt.Equal(now) {
					updated = append(updated, string(one.Labels["g"])+" "+string(one.Status()))
				}
			}
			for key, one := range l.n.mirror.list() {
				if old, ok := before[key]; ok && bytes.Equal(old.value, published[key]) &&
					old.state != one.state {
					t.Errorf("%s is decoded again", key)
				}
			}
			if n := len(l.n.mirror.list()); n != len(published) {
				t.Errorf("%d entries are kept", n)
			}
			return updated
		}
		expect(t, "at first", refresh(0), "a firing", "b firing")
		expect(t, "without a change", refresh(mirrorEvery))
		put(over(a))
		expect(t, "when one ends", refresh(mirrorEvery), "a resolved")
		expect(t, "after that", refresh(mirrorEvery))
		put(a)
		expect(t, "when it fires again", refresh(mirrorEvery), "a firing")
		expect(t, "before they expire", refresh(alertLifetime*2/3), "a firing", "b firing")
		clear(published)
		expect(t, "when all are gone", refresh(mirrorEvery), "a resolved", "b resolved")
	})
}

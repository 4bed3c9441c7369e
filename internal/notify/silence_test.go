package notify

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	httptransport "github.com/go-openapi/runtime/client"
	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/client"
	"github.com/prometheus/alertmanager/api/v2/client/alert"
	"github.com/prometheus/alertmanager/api/v2/client/silence"
	models2 "github.com/prometheus/alertmanager/api/v2/models"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// call asks the API.
func (l *life) call(method, path string, body any) (int, string) {
	l.t.Helper()
	text, _ := json.Marshal(body)
	r := httptest.NewRequest(method, path, bytes.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	l.n.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// silence silences alerts with a label for a while.
func (l *life) silence(name, value string, d time.Duration) (id string) {
	l.t.Helper()
	code, body := l.call(http.MethodPost, "/api/v2/silences", map[string]any{
		"matchers": []map[string]any{
			{"name": name, "value": value, "isRegex": false, "isEqual": true},
		},
		"startsAt": time.Now(), "endsAt": time.Now().Add(d), "createdBy": "ann", "comment": "known",
	})
	var answer struct{ SilenceID string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK {
		l.t.Fatalf("silence: %d %s", code, body)
	}
	return answer.SilenceID
}

// A silence mutes and is named as the reason. An alert that outlives it is notified.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		l.silence("g", "a", 10*time.Minute)
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(5 * time.Minute)
		expect(t, "while silenced", w.sites["hook"].received())
		expectDetails(
			t,
			l.n,
			a.ID,
			"firing default not sent silenced by ann until 2000-01-01T00:10:00Z: known",
		)
		after(6 * time.Minute)
		expect(t, "when the silence is over", w.sites["hook"].received(), "firing Errors a")
	})
}

// A receiver that was notified that an alert fires is notified that it is resolved, silenced since
// or not. One that was not notified of the beginning is not notified of the end.
func TestResolveAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		known, unknown, other := firingAlert(
			"Errors",
			"a",
			1,
		), firingAlert(
			"Errors",
			"b",
			1,
		), firingAlert(
			"Errors",
			"c",
			1,
		)
		l.silence("g", "b", time.Hour)
		l.outbox.add(known, unknown)
		after(2 * time.Minute)
		expect(t, "at first", w.sites["hook"].received(), "firing Errors a")
		l.silence("g", "a", time.Hour)
		// a notification without the silenced one: Alertmanager forgets that it was notified
		l.outbox.add(other)
		after(2 * time.Minute)
		expect(t, "after the silence", w.sites["hook"].received(), "firing Errors c")
		l.outbox.add(over(known), over(unknown))
		after(2 * time.Minute)
		expect(
			t,
			"when they are over",
			w.sites["hook"].received(),
			"resolved Errors a, firing Errors c",
		)
		after(2 * time.Hour)
		expect(t, "when the silences are over", w.sites["hook"].received())
	})
}

// The end of an alert that was silenced all the time is not notified, although the silence ends
// before the group's next turn.
func TestOverWhileSilenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		id := l.silence("g", "a", time.Hour)
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(90 * time.Second)
		if code, body := l.call(http.MethodDelete, "/api/v2/silence/"+id, nil); code != http.StatusOK {
			t.Fatalf("expire: %d %s", code, body)
		}
		l.outbox.add(over(a))
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received())
	})
}

// Silences outlive a kill.
func TestSilenceSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		dir := t.TempDir()
		l := start(t, w, Options{WebhookURL: "http://hook/x", DataDir: dir})
		kept, ended := l.silence("g", "a", 19*time.Hour), l.silence("g", "b", 24*time.Hour)
		// Alertmanager takes a change of a silence for older when it comes at the same instant
		after(time.Second)
		if code, body := l.call(http.MethodDelete, "/api/v2/silence/"+ended, nil); code != http.StatusOK {
			t.Fatalf("expire: %d %s", code, body)
		}
		disk := killed(t, dir)
		l.stop()
		a, b := firingAlert("Errors", "a", 1), firingAlert("Other", "b", 1)
		l = start(
			t,
			w,
			Options{WebhookURL: "http://hook/x", DataDir: disk, Firing: []models.Alert{a, b}},
		)
		after(time.Minute)
		expect(t, "notified", w.sites["hook"].received(), "firing Other b")
		_, body := l.call(http.MethodGet, "/api/v2/silence/"+kept, nil)
		if !strings.Contains(body, `"state":"active"`) {
			t.Errorf("silence: %s", body)
		}
		after(20 * time.Hour)
		if got := w.sites["hook"].received(); !slices.Contains(got, "firing Errors a") {
			t.Errorf("when it is over: %q", got)
		}
		after(125 * time.Hour)
		remembered := 0
		l.n.wal.each("silence/", time.Now(), func(string, string) { remembered++ })
		if remembered != 0 {
			t.Errorf("%d silences are remembered long after their end", remembered)
		}
	})
}

// What one alert inhibits, or a mute time, is named as the reason.
func TestMuted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		file := configFile(t, `
route:
  receiver: r
  group_by: [alertname]
  routes:
  - {matchers: ['alertname="Nightly"'], mute_time_intervals: [night], receiver: r}
receivers: [{name: r, webhook_configs: [{url: 'http://hook/x'}]}]
inhibit_rules: [{source_matchers: ['alertname="Down"'], target_matchers: ['alertname="Errors"'], equal: [g]}]
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]}]
`)
		l := start(t, w, Options{AlertmanagerConfig: file})
		down, errs, nightly := firingAlert(
			"Down",
			"a",
			1,
		), firingAlert(
			"Errors",
			"a",
			1,
		), firingAlert(
			"Nightly",
			"a",
			1,
		)
		l.outbox.add(down)
		after(time.Second)
		l.outbox.add(errs, nightly)
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received(), "firing Down a")
		expectDetails(t, l.n, errs.ID, "firing r not sent inhibited by Down g=a")
		expectDetails(t, l.n, nightly.ID, "firing r not sent mute time interval: night")
	})
}

// amtool's requests are answered: alerts, groups, receivers, status. Alerts cannot be posted.
func TestAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/secret-token"})
		l.outbox.add(firingAlert("Errors", "a", 1))
		after(time.Second)
		f := func(path, want string) {
			t.Helper()
			code, body := l.call(http.MethodGet, path, nil)
			if code != http.StatusOK || !strings.Contains(body, want) ||
				strings.Contains(body, "secret-token") {
				t.Errorf("GET %s: %d %s", path, code, body)
			}
		}
		f("/api/v2/alerts", `"summary":"much of Errors"`)
		f("/api/v2/alerts?filter="+`g%3D%22a%22`, `"state":"active"`)
		f("/api/v2/alerts/groups", `"receiver":{"name":"default"}`)
		f("/api/v2/receivers", `"default"`)
		f("/api/v2/status", `webhook_configs`)
		f("/api/v2/silences", `[]`)
		if code, body := l.call(http.MethodPost, "/api/v2/alerts", []any{
			map[string]any{"labels": map[string]string{"alertname": "Forged"}},
		}); code != http.StatusBadRequest ||
			!strings.Contains(body, `"alerts come from logs`) {
			t.Errorf("POST /api/v2/alerts: %d %s", code, body)
		}
		long := strings.Repeat("x", maxSilenceSize)
		code, _ := l.call(http.MethodPost, "/api/v2/silences", map[string]any{
			"matchers": []map[string]any{
				{"name": "g", "value": long, "isRegex": false},
			},
			"startsAt": time.Now(), "endsAt": time.Now().Add(time.Hour), "createdBy": "x",
			"comment": "x",
		})
		if code == http.StatusOK {
			t.Error("a silence of any size is accepted")
		}
		l.stop()
		if code, _ := l.call(http.MethodGet, "/api/v2/alerts", nil); code != http.StatusServiceUnavailable {
			t.Errorf("after the end: %d", code)
		}
	})
}

// A silence that is made or ended, but not on disk, is answered with an error.
func TestSilenceThatIsNotOnDiskIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{
			WebhookURL: "http://hook/x", ExternalURL: "http://ann:hunter2@alerts.example.com/x",
		})
		id := l.silence("g", "a", time.Hour)
		if _, body := l.call(http.MethodGet, "/api/v2/status", nil); strings.Contains(
			body,
			"hunter2",
		) {
			t.Error("the password is shown")
		}
		if u := l.n.config.Load().external; u.String() != "http://alerts.example.com/x" {
			t.Errorf("external URL %s", u)
		}
		if err := l.n.wal.store.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for _, call := range []func() (int, string){
			func() (int, string) { return l.call(http.MethodDelete, "/api/v2/silence/"+id, nil) },
			func() (int, string) {
				return l.call(http.MethodPost, "/api/v2/silences", map[string]any{
					"matchers": []map[string]any{{"name": "g", "value": "b", "isRegex": false}},
					"startsAt": time.Now(), "endsAt": time.Now().Add(time.Hour),
					"createdBy": "ann", "comment": "x",
				})
			},
		} {
			code, body := call()
			if code != http.StatusInsufficientStorage || !strings.Contains(body, "make room") {
				t.Errorf("%d %s", code, body)
			}
		}
		l.cancel()
		<-l.done // with the error of the disk
		close(l.done)
	})
}

// handlerTransport is a network that ends at a handler.
type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// Alertmanager's client, which amtool uses, sees alerts and makes, lists and ends silences.
func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		l.outbox.add(firingAlert("Errors", "a", 1), firingAlert("Other", "b", 1))
		after(time.Second)
		runtime := httptransport.NewWithClient(
			"localhost",
			"/api/v2",
			[]string{"http"},
			&http.Client{Transport: handlerTransport{l.n.Handler()}},
		)
		c := client.New(runtime, strfmt.Default)
		alerts, err := c.Alert.GetAlerts(alert.NewGetAlertsParams().WithFilter([]string{`g="a"`}))
		if err != nil || len(alerts.Payload) != 1 ||
			alerts.Payload[0].Annotations["value"] != "11" {
			t.Fatalf("alerts: %v, %v", alerts, err)
		}
		name, value, equal, comment, by := "g", "a", true, "known", "ann"
		regex := false
		starts, ends := strfmt.DateTime(time.Now()), strfmt.DateTime(time.Now().Add(time.Hour))
		made, err := c.Silence.PostSilences(
			silence.NewPostSilencesParams().
				WithSilence(&models2.PostableSilence{Silence: models2.Silence{
					Matchers: models2.Matchers{
						{Name: &name, Value: &value, IsEqual: &equal, IsRegex: &regex},
					}, Comment: &comment, CreatedBy: &by, StartsAt: &starts, EndsAt: &ends,
				}}),
		)
		if err != nil {
			t.Fatal(err)
		}
		silenced := true
		alerts, err = c.Alert.GetAlerts(
			alert.NewGetAlertsParams().WithSilenced(&silenced).WithFilter([]string{`g="a"`}),
		)
		if err != nil || len(alerts.Payload) != 1 ||
			*alerts.Payload[0].Status.State != "suppressed" {
			t.Fatalf("silenced alerts: %v, %v", alerts, err)
		}
		after(time.Second)
		gone := silence.NewDeleteSilenceParams().WithSilenceID(strfmt.UUID(made.Payload.SilenceID))
		if _, err := c.Silence.DeleteSilence(gone); err != nil {
			t.Fatal(err)
		}
		groups, err := c.Alertgroup.GetAlertGroups(nil)
		if err != nil || len(groups.Payload) != 2 {
			t.Fatalf("groups: %v, %v", groups, err)
		}
	})
}

// An alert that goes to the terminal is not noted as one that no receiver gets, although our own
// last route has no receiver.
func TestOwnRouteWithoutReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, terminal := range []io.Writer{nil, io.Discard} {
			l := start(t, nil, Options{Terminal: terminal})
			a := firingAlert("Errors", "a", 1)
			l.outbox.add(a)
			after(time.Minute)
			if terminal == nil {
				expectDetails(t, l.n, a.ID, "firing  not sent no receiver is configured")
			} else {
				expectDetails(t, l.n, a.ID, "firing terminal sent accepted after 0s")
			}
			l.stop()
		}
	})
}

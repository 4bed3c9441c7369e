package notify

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// details are the deliveries of an alert in brief.
func details(n *Notifier, id string) []string {
	var list []string
	for _, d := range n.Deliveries(id) {
		list = append(
			list,
			strings.TrimSpace(
				string(d.State)+" "+d.Receiver+" "+
					map[bool]string{true: "sent", false: "not sent"}[d.Sent]+" "+d.Detail,
			),
		)
	}
	return list
}

func expectDetails(t *testing.T, n *Notifier, id string, want ...string) {
	t.Helper()
	got := details(n, id)
	if len(got) != len(want) {
		t.Errorf("deliveries of %s: got %q, want %q", id, got, want)
		return
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("deliveries of %s: got %q, want %q", id, got[i], want[i])
		}
	}
}

// A receiver that answers 500 or 429 is tried again, less and less often, and gets the alert when
// it is back.
func TestRetries(t *testing.T) {
	for _, status := range []int{
		http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusServiceUnavailable,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "hook")
			w.sites["hook"].answer = func(n int) int {
				if n < 5 {
					return status
				}
				return http.StatusOK
			}
			l := start(t, w, Options{WebhookURL: "http://hook/x"})
			a := firingAlert("Errors", "a", 1)
			l.outbox.add(a)
			after(59 * time.Second)
			// Alertmanager gives up what a client did wrong until the group's next turn
			if status == http.StatusTooManyRequests {
				after(5 * time.Minute)
			}
			expect(t, "when it is back", w.sites["hook"].received(), "firing Errors a")
			if err := l.n.Health(); err != nil {
				t.Errorf("Health: %v", err)
			}
		})
	}
}

// A receiver that hangs stalls no other, and nothing else.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook", "slow")
		w.sites["slow"].answer = func(int) int { return 0 }
		file := configFile(t, `
route:
  receiver: fast
  group_by: [g]
  routes:
  - {receiver: slow, matchers: ['alertname="Errors"'], continue: true, group_by: [g]}
  - {receiver: fast, matchers: ['alertname=~".+"'], group_by: [g]}
receivers:
- {name: fast, webhook_configs: [{url: 'http://hook/x'}]}
- {name: slow, webhook_configs: [{url: 'http://slow/x'}]}
`)
		l := start(t, w, Options{AlertmanagerConfig: file})
		for i := range 50 {
			l.outbox.add(firingAlert("Errors", string(rune('A'+i)), 1))
			after(time.Second)
			if got := w.sites["hook"].received(); len(got) != 1 {
				t.Fatalf("alert %d: the fast receiver was notified %q", i, got)
			}
		}
		if n := len(l.outbox.Pending()); n != 0 {
			t.Errorf("%d transitions were not acknowledged", n)
		}
		after(3 * time.Minute)
		if err := l.n.Health(); err == nil || !strings.Contains(err.Error(), "slow") {
			t.Errorf("Health: got %v, want an error about receiver slow", err)
		}
	})
}

// What fired and had ended while the receiver was down is notified as ended when it is back.
func TestOverWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		var up atomic.Bool
		w.sites["hook"].answer = func(int) int {
			if up.Load() {
				return http.StatusOK
			}
			return http.StatusInternalServerError
		}
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(90 * time.Second)
		l.outbox.add(over(a))
		after(10 * time.Minute)
		expect(t, "while it is down", w.sites["hook"].received())
		up.Store(true)
		after(2 * time.Minute)
		expect(
			t, "when it is back", w.sites["hook"].received(), "firing Errors a",
			"resolved Errors a",
		)
		after(time.Hour)
		expect(t, "later", w.sites["hook"].received())
	})
}

// A receiver that does not want to be notified that alerts have ended gets those it missed
// nevertheless.
func TestSendResolvedFalse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		var up atomic.Bool
		up.Store(true)
		w.sites["hook"].answer = func(int) int {
			if up.Load() {
				return http.StatusOK
			}
			return http.StatusInternalServerError
		}
		file := configFile(t, `
route: {receiver: r, group_by: [g]}
receivers: [{name: r, webhook_configs: [{url: 'http://hook/x', send_resolved: false}]}]
`)
		l := start(t, w, Options{AlertmanagerConfig: file})
		a, b := firingAlert("Errors", "a", 1), firingAlert("Errors", "b", 1)
		l.outbox.add(a)
		after(2 * time.Minute)
		l.outbox.add(over(a))
		after(2 * time.Minute)
		expect(t, "while it is up", w.sites["hook"].received(), "firing Errors a")
		up.Store(false)
		l.outbox.add(b)
		after(2 * time.Minute)
		l.outbox.add(over(b))
		after(2 * time.Minute)
		up.Store(true)
		after(5 * time.Minute)
		expect(t, "what it missed", w.sites["hook"].received(), "resolved Errors b")
		if firing, over := l.n.states.counts(); firing+over != 0 {
			t.Errorf("%d firing and %d pending states are left", firing, over)
		}
	})
}

// An alert that fires and has ended before its group's turn is notified nevertheless.
func TestOverBeforeItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		file := configFile(t, `
route: {receiver: r, group_by: [alertname], group_wait: 1m}
receivers: [{name: r, webhook_configs: [{url: 'http://hook/x'}]}]
`)
		l := start(t, w, Options{AlertmanagerConfig: file})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(time.Second)
		l.outbox.add(over(a))
		after(2 * time.Minute)
		expect(t, "at its turn", w.sites["hook"].received(), "firing Errors a", "resolved Errors a")
	})
}

// Firing and over back to back are notified in this order, or as ended.
func TestBackToBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		synctest.Wait()
		l.outbox.add(over(a))
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received(), "firing Errors a", "resolved Errors a")
		b := firingAlert("Errors", "b", 1)
		l.outbox.add(b, over(b))
		after(2 * time.Minute)
		expect(
			t, "decided at once", w.sites["hook"].received(), "firing Errors b",
			"resolved Errors b",
		)
		after(time.Hour)
		expect(t, "later", w.sites["hook"].received())
	})
}

// A new episode is notified like the first.
func TestNextEpisode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		for i := range int64(3) {
			a := firingAlert("Errors", "a", i+1)
			l.outbox.add(a)
			after(5 * time.Minute)
			l.outbox.add(over(a))
			after(5 * time.Minute)
			expect(
				t,
				"notified",
				w.sites["hook"].received(),
				"firing Errors a",
				"resolved Errors a",
			)
		}
	})
}

// An alert whose severity rises is notified again, and the former severity as ended.
func TestSeverityMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a := firingAlert("Errors", "a", 1)
		a.Labels["severity"] = "warning"
		l.outbox.add(a)
		after(2 * time.Minute)
		b := a
		b.Labels = map[string]string{"alertname": "Errors", "g": "a", "severity": "critical"}
		b.At = time.Now()
		l.outbox.add(b)
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received(), "firing Errors a",
			"firing Errors a, resolved Errors a")
		l.outbox.add(a, b) // once more
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received())
		end := over(b)
		l.outbox.add(end)
		after(2 * time.Minute)
		expect(t, "over", w.sites["hook"].received(), "resolved Errors a")
		if firing, over := l.n.states.counts(); firing+over != 0 {
			t.Errorf("%d firing and %d pending states are left", firing, over)
		}
	})
}

// A severity that rises at the very instant at which the alert fires is notified.
func TestSeverityMovesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a := firingAlert("Errors", "a", 1)
		a.Severity = "warning"
		b := a
		b.Severity = "critical"
		l.outbox.add(a)
		after(time.Second)
		l.outbox.add(b)
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received(), "firing Errors a",
			"firing Errors a, resolved Errors a")
		if text := string(w.sites["hook"].last()); !strings.Contains(text,
			`"severity":"critical"`) ||
			!strings.Contains(text, "goes on with severity critical") {
			t.Error(text)
		}
		end := over(b) // the rule was removed while the program was away
		end.Annotations, end.Last = nil, nil
		l.outbox.add(end)
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received(), "resolved Errors a")
		if text := string(w.sites["hook"].last()); !strings.Contains(text, "much of Errors") {
			t.Error(text)
		}
	})
}

// What was too old, or is in shadow, or suppressed, is not notified, neither its end; and the
// reason is kept.
func TestNotNotified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		old, shadow, muted := firingAlert("Old", "", 1), firingAlert("Shadow", "", 1),
			firingAlert("Muted", "", 1)
		old.Historical, shadow.Shadow = true, true
		muted.State, muted.Reason = "suppressed", "deploy until 12:00"
		l.outbox.add(old, shadow, muted)
		after(5 * time.Minute)
		l.outbox.add(over(old), over(shadow))
		after(5 * time.Minute)
		expect(t, "notified", w.sites["hook"].received())
		expectDetails(t, l.n, old.ID, "firing  not sent too old when it was found",
			"resolved  not sent no receiver was notified that it fired")
		expectDetails(t, l.n, shadow.ID, "shadow", "no receiver was notified")
		expectDetails(t, l.n, muted.ID, "suppressed  not sent suppressed: deploy until 12:00")
		fired := muted
		fired.State, fired.At = "firing", time.Now()
		l.outbox.add(fired)
		after(time.Second)
		expect(t, "when it is not suppressed any more", w.sites["hook"].received(), "firing Muted")
	})
}

// A firing alert that is too old to be notified is set to have ended if it was notified to fire.
func TestHistoricalEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(time.Minute)
		end := over(a)
		end.Historical = true
		l.outbox.add(end)
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received(), "firing Errors a", "resolved Errors a")
	})
}

// While too many alerts fire, those that were notified before keep their place, the others wait,
// and we say so.
func TestTooManyAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x", MaxAlerts: 2})
		a, b, c := firingAlert("Errors", "a", 1), firingAlert("Errors", "b", 1),
			firingAlert("Errors", "c", 1)
		l.outbox.add(a)
		after(2 * time.Second)
		l.outbox.add(b)
		after(2 * time.Second)
		l.outbox.add(c)
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received(), "firing Errors a",
			"firing NotificationsHeldBack", "firing Errors a, firing Errors b")
		if err := l.n.CapacityHealth(); err == nil ||
			!strings.Contains(err.Error(), "1 alerts wait") {
			t.Errorf("Health: %v", err)
		}
		l.outbox.add(over(a))
		after(4 * time.Minute)
		expect(t, "when there is room", w.sites["hook"].received(),
			"resolved Errors a, firing Errors b", "resolved NotificationsHeldBack",
			"firing Errors b, firing Errors c")
		if err := l.n.Health(); err != nil {
			t.Errorf("Health: %v", err)
		}
	})
}

// Alertmanager's metrics and ours are served by one registry, and gone when the notifier is.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		reg := prometheus.NewRegistry()
		l := start(t, w, Options{
			WebhookURL: "http://hook/x",
			Registerer: reg,
			Terminal:   io.Discard,
		})
		l.outbox.add(firingAlert("Errors", "a", 1))
		after(time.Second)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, f := range families {
			for _, m := range f.Metric {
				text += f.GetName() + " " + m.String() + "\n"
			}
		}
		for _, want := range []string{
			"alertmanager_notifications_total", "alertmanager_alerts", "alertmanager_silences",
			"alertmanager_http_requests_in_flight",
			"alertmanager_http_concurrency_limit_exceeded_total",
			`alert_engine_notification_attempts_total label:{name:"integration" ` +
				`value:"webhook[0]"} label:{name:"outcome" value:"sent"} label:{name:"receiver" ` +
				`value:"default"} counter:{value:1`,
		} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
				t.Errorf("no %s in\n%s", want, text)
			}
		}
		l.stop()
		if families, err := reg.Gather(); err != nil || len(families) != 0 {
			t.Errorf("after the end there are %d metrics, %v", len(families), err)
		}
	})
}

// The status counts what waits, and copies no list of it: the Engine page asks every few seconds.
func TestStatusCopiesNoOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutbox()
		out.add(firingAlert("Errors", "a", 1), firingAlert("Errors", "b", 1))
		n, err := New(Options{WebhookURL: "http://hook/x", Outbox: out, DataDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		reads := out.reads
		if s := n.Status(); s.Waiting != 2 || out.reads != reads {
			t.Errorf("%d wait, and the outbox was read", s.Waiting)
		}
	})
}

// The address of a receiver is a secret: neither pages nor health show more of it than its host.
func TestSecretsStaySecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, newWorld(t), Options{WebhookURL: "https://gone/services/T0/hush?token=hush"})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(2 * time.Minute)
		text := fmt.Sprint(l.n.Deliveries(a.ID), l.n.Health(), l.n.Status())
		if strings.Contains(text, "hush") || !strings.Contains(text, "connection refused") {
			t.Error(text)
		}
	})
}

// An alert that is muted on one route and notified on another is resolved for the receivers of the
// latter alone.
func TestMutedOnOneRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "day", "any")
		file := configFile(t, `
route:
  receiver: any
  routes:
  - {receiver: day, continue: true, mute_time_intervals: [night]}
  - {receiver: any}
receivers: [{name: day, webhook_configs: [{url: 'http://day/x'}]}, {name: any, webhook_configs: [{url: 'http://any/x'}]}]
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]}]
`)
		l := start(t, w, Options{AlertmanagerConfig: file})
		time.Sleep(5*time.Hour + 55*time.Minute + 30*time.Second)
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(4*time.Minute + 20*time.Second)
		l.outbox.add(over(a)) // ten seconds before the night ends
		after(5 * time.Minute)
		expect(t, "any", w.sites["any"].received(), "firing Errors a", "resolved Errors a")
		expect(t, "day", w.sites["day"].received())
	})
}

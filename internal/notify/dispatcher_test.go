package notify

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
)

// While the API lists alerts, the states are not locked, and alerts that the filter leaves out are
// not annotated.
func TestListingHoldsUpNoNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, newWorld(t, "hook"), Options{WebhookURL: "http://hook/x"})
		l.outbox.add(firingAlert("Errors", "a", 1), firingAlert("Errors", "b", 1))
		after(time.Second)
		all := func(*dispatch.Route) bool { return true }
		groups, _, err := l.n.groups(t.Context(), all,
			func(a *alert.Alert, _ time.Time) (status alert.AlertStatus, ok bool) {
				if !l.n.states.mu.TryLock() {
					t.Error("the states are locked")
				} else {
					l.n.states.mu.Unlock()
				}
				if len(a.Annotations) > 0 {
					t.Error("an alert has annotations before it is known that it is listed")
				}
				return status, a.Labels["g"] == "a"
			})
		if err != nil || len(groups) != 1 || len(groups[0].Alerts) != 1 ||
			len(groups[0].Alerts[0].Annotations) == 0 {
			t.Errorf("%v, %v", groups, err)
		}
	})
}

// BenchmarkList lists one of 100,000 alerts.
func BenchmarkList(b *testing.B) {
	n, err := New(Options{WebhookURL: "http://hook/x", DataDir: b.TempDir(),
		MaxAlerts: 100_000, Outbox: newOutbox(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	l := &pipeline{receiverConfig: n.config.Load(), n: n}
	d := newDispatcher(l)
	l.dispatcher = d
	defer d.stop()
	now := time.Now()
	for i := range 100_000 {
		n.states.fire(firingAlert("Errors", fmt.Sprint(i), 1), now)
	}
	list, _ := n.states.take(now)
	d.add(list, now.Add(-time.Hour)) // so that no group has its turn
	b.ResetTimer()
	for b.Loop() {
		_, _, err := d.list(b.Context(), func(*dispatch.Route) bool { return true },
			func(a *alert.Alert, _ time.Time) (status alert.AlertStatus, ok bool) {
				return status, a.Labels["g"] == "7"
			}, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
}

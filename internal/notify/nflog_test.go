package notify

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// What was notified under a clock that was a day ahead has ended and notified again when the clock
// is right: what was noted a day from now does not stand in the way.
func TestClockSetBack(t *testing.T) {
	dir := t.TempDir()
	var a models.Alert
	synctest.Test(t, func(t *testing.T) {
		a = firingAlert("Errors", "a", 1)
		after(24 * time.Hour)
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x", DataDir: dir})
		l.outbox.add(a)
		after(2 * time.Minute)
		expect(t, "a day ahead", w.sites["hook"].received(), "firing Errors a")
		l.stop()
	})
	for range 2 { // what replaces the note of a day ahead is on disk as well
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "hook")
			l := start(t, w, Options{
				WebhookURL: "http://hook/x",
				DataDir:    dir,
				Firing:     []models.Alert{a},
			})
			l.outbox.add(over(a))
			after(10 * time.Minute)
			a = firingAlert("Errors", "a", a.Episode+1)
			l.outbox.add(a)
			after(10 * time.Minute)
			expect(t, "with the right clock", w.sites["hook"].received(), "resolved Errors a",
				"firing Errors a")
			l.stop()
		})
	}
}

// A clock that jumps a day ahead does not make what fires seem over.
func TestFiringOutlivesAJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x", DataDir: t.TempDir()})
		l.outbox.add(firingAlert("Errors", "a", 1))
		after(time.Second)
		handed := l.n.alerts.GetPending()
		defer handed.Close()
		if a := (<-handed.Next()).Data; a.ResolvedAt(time.Now().Add(48 * time.Hour)) {
			t.Errorf("it fires until %s", a.EndsAt)
		}
		l.stop()
	})
}

// What the notification log publishes does not wait for the lock of the states.
func TestPublishingUnderLock(t *testing.T) {
	home := models.Partition{Topic: "logs"}
	published := 0
	b := newStates(nil, slog.New(slog.DiscardHandler), 0,
		func(models.Partition, []Entry) { published++ })
	b.homes[home] = true
	pass := b.passOf(home)
	b.mu.Lock()
	pass("key", nil)
	b.mu.Unlock()
	if b.release([]models.Partition{home}, time.Now()); published != 1 {
		t.Errorf("%d entries were published", published)
	}
	if pass("key", nil); published != 1 {
		t.Error("an entry of a partition was published that was given up")
	}
}

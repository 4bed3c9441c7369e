package notify

import (
	"testing"
	"testing/synctest"
	"time"
)

// A rule with a limit is notified so many times in a time. What is held back is counted, and the
// deliveries say why; its end is not notified either.
func TestLimitOfRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{
			WebhookURL: "http://hook/x",
			Limit: func(rule string) (int, time.Duration) {
				if rule == "rules/Noisy" {
					return 2, time.Hour
				}
				return 0, 0
			},
		})
		a, b, c := firingAlert("Noisy", "a", 1), firingAlert("Noisy", "b", 1),
			firingAlert("Noisy", "c", 1)
		l.outbox.add(a)
		after(2 * time.Minute)
		l.outbox.add(over(a), b, c, firingAlert("Other", "x", 1))
		after(3 * time.Minute)
		l.outbox.add(over(b), over(c))
		after(3 * time.Minute)
		expect(t, "within the hour", w.sites["hook"].received(),
			"firing Noisy a", "firing Other x", "resolved Noisy a, firing Noisy b",
			"resolved Noisy b")
		expectDetails(t, l.n, c.ID, "limit of notifications is reached", "no receiver was notified")
		after(time.Hour)
		l.outbox.add(firingAlert("Noisy", "c", 2))
		after(time.Minute)
		expect(t, "an hour later", w.sites["hook"].received(), "firing Noisy c")
	})
}

// An alert of a rule in signal mode is not notified, and the reason is kept.
func TestSignalIsNotNotified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a := firingAlert("Signal", "a", 1)
		a.Signal = true
		l.outbox.add(a)
		after(2 * time.Minute)
		end := over(a)
		l.outbox.add(end)
		after(2 * time.Minute)
		expect(t, "webhook", w.sites["hook"].received())
		expectDetails(t, l.n, a.ID, "signal mode", "no receiver was notified")
	})
}

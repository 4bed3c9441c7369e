package notify

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A receiver gets the alert of a quiet rule while the outbox still has a flood that is older.
func TestReceiverGetsQuietRuleBeforeFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "hook"), newOutbox()
		var got []string
		left := -1 // transitions in the outbox when the receiver got the quiet rule
		out.acked = func() {
			time.Sleep(time.Millisecond) // until the receiver has what was sent
			got = append(got, w.sites["hook"].received()...)
			if left < 0 && slices.Contains(got, "firing DatabaseDown db") {
				left = len(out.Pending())
			}
		}
		l := start(t, w, Options{WebhookURL: "http://hook/x", Outbox: out})
		var list []models.Alert
		for i := range 3 * relayBatch {
			list = append(list, firingAlert("LoginFailed", fmt.Sprint(i), 1))
		}
		out.add(append(list, firingAlert("DatabaseDown", "db", 1))...)
		after(time.Minute)
		if left <= 0 {
			t.Errorf("%d transitions were left; the receiver got %d messages", left, len(got))
		}
		if n := len(l.outbox.Pending()); n > 0 {
			t.Errorf("%d transitions were not acknowledged", n)
		}
	})
}

// Transitions of a rule with few overtake those of a flood. All are taken once, those of a rule in
// their order, and nothing is acknowledged before it is taken.
func TestQuietRuleIsTakenFirst(t *testing.T) {
	out := newOutbox()
	n, err := New(Options{WebhookURL: "http://hook/x", DataDir: t.TempDir(), Outbox: out,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var taken []string
	n.states.enqueue = func(a models.Alert) { taken = append(taken, a.ID+string(a.State)) }
	for i := range 10 * fewWaiting {
		out.add(firingAlert("LoginFailed", fmt.Sprint(i), 1))
	}
	down := firingAlert("DatabaseDown", "db", 1)
	for i := range 2 * fewWaiting {
		page := firingAlert("DiskFull", fmt.Sprint(i), 1)
		page.Severity = "page"
		out.add(page)
	}
	out.add(down, over(down))
	const batch = 50
	if more := n.takeBatch(batch, time.Hour); !more {
		t.Error("there are no more")
	}
	want := []string{"DiskFull-0-1firing", "DatabaseDown-db-1firing", "DatabaseDown-db-1resolved",
		"LoginFailed-0-1firing"}
	at := -1
	for _, one := range want {
		i := slices.Index(taken, one)
		if i <= at {
			t.Errorf("%s is at %d, after %d", one, i, at)
		}
		at = i
	}
	if len(taken) != 2*fewWaiting+2+batch || n.taken != batch {
		t.Errorf("%d are taken, up to %d", len(taken), n.taken)
	}
	out.add(firingAlert("DatabaseDown", "db", 2)) // after what overtook
	for n.takeBatch(batch, time.Hour) {
	}
	all := 10*fewWaiting + 2*fewWaiting + 3
	if len(taken) != all || n.taken != uint64(all) || len(n.overtook) > 0 {
		t.Errorf("%d of %d are taken, up to %d, %d overtook", len(taken), all, n.taken,
			len(n.overtook))
	}
	slices.Sort(taken)
	if len(slices.Compact(taken)) != all {
		t.Error("some were taken twice")
	}
}

// Batches are taken from one reading of the outbox, until it changes.
func TestBatchesShareOneReading(t *testing.T) {
	out := newOutbox()
	n, err := New(Options{WebhookURL: "http://hook/x", DataDir: t.TempDir(), Outbox: out,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var taken []string
	n.states.enqueue = func(a models.Alert) { taken = append(taken, a.Labels["g"]) }
	add := func(from, to int) {
		var list []models.Alert
		for i := from; i < to; i++ {
			list = append(list, firingAlert("LoginFailed", fmt.Sprint(i), 1))
		}
		out.add(list...)
	}
	const batch = 10 // New reads once
	expectTaken := func(count, reads int, more bool) {
		t.Helper()
		got := n.takeBatch(batch, time.Hour)
		if got != more || len(taken) != count || out.reads != 1+reads {
			t.Errorf("%d are taken after %d readings, more is %v", len(taken), out.reads, got)
		}
	}
	add(0, 40*batch)
	expectTaken(batch, 1, true)
	expectTaken(2*batch, 1, true)
	out.Ack(2 * batch)
	expectTaken(3*batch, 1, true)
	add(40*batch, 41*batch)
	expectTaken(4*batch, 2, true)
	for n.takeBatch(batch, time.Hour) {
	}
	if len(taken) != 41*batch || out.reads != 3 || n.unread != nil {
		t.Errorf("%d are taken after %d readings", len(taken), out.reads)
	}
	for i, g := range taken {
		if g != fmt.Sprint(i) {
			t.Fatalf("%s is taken at %d", g, i)
		}
	}
	add(41*batch, 90*batch)
	n.takeBatch(batch, time.Hour)
	out.Ack(90 * batch)
	out.add() // as a member does that leads no longer
	if n.takeBatch(batch, time.Hour) || len(taken) != 42*batch {
		t.Error("what was withdrawn is taken")
	}
}

// What fires is handed over anew in portions, and what is new goes with the next of them.
func TestRenewalIsInPortions(t *testing.T) {
	n, err := New(Options{WebhookURL: "http://hook/x", DataDir: t.TempDir(), Outbox: newOutbox(),
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	const alerts = 5*portion + 1
	now := time.Now()
	n.states.take(now)
	for i := range alerts {
		n.states.fire(firingAlert("LoginFailed", fmt.Sprint(i), 1), now)
	}
	if list, _ := n.states.take(now); len(list) != alerts {
		t.Errorf("%d new alerts are handed over", len(list))
	}
	now = now.Add(resendInterval)
	renewed, turns, next := 0, 0, now
	for ; !next.After(now); turns++ {
		fresh := 0
		if turns == 1 {
			n.states.fire(firingAlert("DatabaseDown", "db", 1), now)
			fresh = 1
		}
		var list []*state
		list, next = n.states.take(now)
		if len(list) > portion+fresh {
			t.Errorf("%d are handed over at once", len(list))
		}
		if fresh > 0 && !slices.ContainsFunc(list, func(s *state) bool {
			return s.rule() == "rules/DatabaseDown"
		}) {
			t.Error("a new alert waits for others that are handed over anew")
		}
		renewed += len(list) - fresh
	}
	if renewed != alerts || turns != 6 {
		t.Errorf("%d are handed over anew in %d turns", renewed, turns)
	}
}

package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// When a service logs too many errors I get it at once, and again when it has ended.
func TestRecordToWebhook(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		r := w.start("data")
		w.errors(0, "pay", 10)
		want(t, "after ten errors", w.notices())
		before := time.Now()
		w.errors(0, "pay", 1)
		want(t, "after eleven", w.notices(), "firing pay")
		if n := w.last(); n.at.Sub(before) > 50*time.Millisecond ||
			n.summary != "11 errors of pay" {
			t.Errorf("%q after %v", n.summary, n.at.Sub(before))
		}
		time.Sleep(3 * time.Minute)
		want(t, "a while later", w.notices(), "firing pay", "resolved pay")
		r.end()
	})
}

// A restart neither loses nor repeats an alert, be the stop clean or a power cut.
func TestRestart(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		r := w.start("a")
		w.errors(0, "pay", 11)
		w.errors(1, "cart", 6)
		r.end()
		w.errors(1, "cart", 5) // no process reads
		r = w.start("a")
		want(t, "after a clean stop", w.notices(), "firing cart", "firing pay")

		w.errors(0, "stock", 11)
		w.errors(1, "mail", 6)
		r.kill("b")
		w.errors(1, "mail", 5)
		r = w.start("b")
		time.Sleep(4 * time.Minute) // the group gives up anyone who was killed after a while
		want(t, "when all is over", w.notices(), "firing cart", "firing mail", "firing pay",
			"firing stock", "resolved cart", "resolved mail", "resolved pay", "resolved stock")
		r.end()
	})
}

func contains(list []string, s string) bool {
	return strings.Contains(strings.Join(list, ",")+",", s+",")
}

// A record that cannot be read stops nothing.
func TestPoison(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		for i := range 11 {
			w.errors(0, "pay", 1)
			w.produce(
				0,
				[]string{`{"level":`, "\x00\xff\xfe", "", strings.Repeat("[", 100_000),
					`{"timestamp":"9999-01-01T00:00:00Z","level":"ERROR","service":"future"}`}[i%5],
			)
		}
		want(t, "among poison", w.notices(), "firing pay")
		r.end()
	})
}

// A receiver that is slow or away holds up no other, and gets everything later.
func TestSlowReceiver(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		w.refuseAll(
			func() (int, time.Duration) { return http.StatusServiceUnavailable, 5 * time.Second },
		)
		w.errors(0, "pay", 11)
		w.errors(0, "cart", 11)
		time.Sleep(20 * time.Second)
		want(t, "while the receiver is away", w.notices())
		if lag := r.source.Lag(); lag != 0 {
			t.Errorf("%d logs wait for a receiver", lag)
		}
		w.refuseAll(nil)
		time.Sleep(2 * time.Minute)
		got := w.notices()
		if !contains(got, "firing pay") || !contains(got, "firing cart") {
			t.Errorf("when it is back: %v", got)
		}
		r.end()
	})
}

// New rules take effect while logs flow; what the others have counted is not forgotten, and a
// broken file changes nothing.
func TestReload(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		w.errors(0, "pay", 6)
		w.rules = "version: 1\ngroups: nonsense\n"
		if err := r.reload(w.t.Context()); err == nil ||
			!strings.Contains(err.Error(), "test.rules.yml:2:9") {
			t.Errorf("a broken file: %v", err)
		}
		w.rules = errorRules + "  - {alert: Any, match: 'service:cart', annotations: {summary: " +
			"any}}\n"
		w.routes("route: {receiver: gone}\nreceivers: [{name: hook}]\n")
		if err := r.reload(w.t.Context()); err == nil || !strings.Contains(err.Error(), "gone") {
			t.Errorf("broken routes: %v", err)
		}
		w.errors(0, "cart", 1)
		want(t, "of rules that came with broken routes", w.notices())
		w.routes(everyAlert)
		if err := r.reload(w.t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * time.Second)
		want(t, "of the new rule, which knows its past", w.notices(), "firing ")
		if got := w.last(); got.labels["alertname"] != "Any" {
			t.Errorf("the new rule did not fire: %v", got)
		}
		w.errors(0, "pay", 5)
		want(t, "of the rule that stayed", w.notices(), "firing ", "firing pay")
		r.end()
	})
}

// Reloads in the midst of a storm of logs lose no log and no alert, and tell none twice.
func TestReloadUnderLoad(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		r := w.start("data")
		var expected []string
		var storm sync.WaitGroup
		for p := range int32(4) {
			for n := range 8 {
				name := fmt.Sprintf("service-%d-%d", p, n)
				expected = append(expected, "firing "+name)
				storm.Go(func() { w.errors(p, name, 11) })
			}
		}
		for range 20 {
			time.Sleep(53 * time.Millisecond)
			if err := r.reload(w.t.Context()); err != nil {
				t.Error(err)
			}
		}
		storm.Wait()
		time.Sleep(5 * time.Second)
		slices.Sort(expected)
		want(t, "after twenty reloads", w.notices(), expected...)
		r.end()
	})
}

// What keeps the program from working is said with a hint, and ends it.
func TestRefused(t *testing.T) {
	f := func(change func(c *Config), want string) {
		t.Helper()
		inWorld(t, 1, func(w *world) {
			r := w.prepare("data")
			change(r.config)
			if err := r.process.run(w.t.Context()); err == nil ||
				!strings.Contains(err.Error(), want) {
				t.Errorf("ends with %v, want %s", err, want)
			}
		})
	}
	f(func(c *Config) { c.Kafka.Topics = []string{"log"} }, `topic "log"`)
	f(func(c *Config) { c.Notify.AlertmanagerConfig = "gone.yml" }, "gone.yml")
}

// Two programs on one directory would write over each other's state: the second is refused.
func TestDirectoryInUse(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		if err := w.prepare("data").process.run(w.t.Context()); err == nil ||
			!strings.Contains(err.Error(), "state") {
			t.Errorf("the second program ends with %v", err)
		}
		r.end()
	})
}

package app

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// quietRules has one rule that never fires.
const quietRules = `version: 1
groups:
- name: shop
  lateness: 1s
  rules:
  - {alert: Never, match: 'service:none', annotations: {summary: never}}
`

// tenMinutes is a rule to be added.
const tenMinutes = `  - {alert: Many, match: level>=ERROR, when: count() > 10, window: 10m, by: [service], annotations: {summary: '{{ .Value }}'}}
`

// warmTime is ample for a rule to read its past when nothing is in its way.
const warmTime = 5 * time.Second

// A rule that comes with a reload knows what was logged before it came: eight logs and three more
// are eleven, and neither ten nor twelve.
func TestNewRuleKnowsItsPast(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		w.rules = quietRules
		r := w.start("data")
		w.errors(0, "pay", 5)
		w.errors(1, "pay", 3)
		w.reload(r, quietRules+tenMinutes)
		time.Sleep(warmTime)
		want(t, "states", r.states(), "Many inactive", "Never inactive")
		w.errors(0, "pay", 2)
		want(t, "after ten", w.notices())
		w.errors(1, "pay", 1)
		want(t, "after eleven", w.notices(), "firing pay")
		if n := w.last(); n.summary != "11" {
			t.Errorf("counted %s, want 11", n.summary)
		}
		r.end()
	})
}

// What had ended before a rule came is not notified, and what still holds is notified once.
func TestNewRuleNotifiesActiveAlerts(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = quietRules
		r := w.start("data")
		w.errors(0, "old", 11)
		time.Sleep(9 * time.Minute)
		w.errors(0, "pay", 11)
		// the old ones are out of the window, but not out of what is read
		time.Sleep(90 * time.Second)
		w.reload(r, quietRules+strings.Replace(tenMinutes, "{", "{for: 1m, ", 1))
		time.Sleep(warmTime)
		want(t, "when it has read its past", w.notices(), "firing pay")
		time.Sleep(20 * time.Minute)
		want(t, "when all is over", w.notices(), "firing pay", "resolved pay")
		r.end()
	})
}

// A rule about what is new has learnt from the logs before it came what is not.
func TestNewRuleHasLearnt(t *testing.T) {
	skipShort(t)
	inWorld(t, 1, func(w *world) {
		w.rules = quietRules
		r := w.start("data")
		for i := range 70 {
			w.errors(0, []string{"pay", "cart"}[i%2], 1)
			time.Sleep(time.Minute)
		}
		w.reload(
			r,
			quietRules+"  - {alert: New, match: level>=ERROR, when: new(service) > 0, learn: 1h, annotations: {summary: new}}\n",
		)
		time.Sleep(warmTime)
		w.errors(0, "pay", 1)
		w.errors(0, "cart", 1)
		time.Sleep(time.Minute)
		want(t, "of what is known", w.notices())
		w.errors(0, "mail", 1)
		time.Sleep(time.Minute) // it is decided at the watermark
		if got := w.notices(); len(got) != 1 {
			t.Errorf("of what is new: %v", got)
		}
		r.end()
	})
}

// While logs pour in on all partitions, none of them counts twice and none is missed when rules go
// live.
func TestHandOverIsExact(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		w.rules = quietRules
		r := w.start("data")
		done := make(chan bool)
		for p := range int32(4) {
			go func() { w.errors(p, fmt.Sprintf("service-%d", p), 200); done <- true }()
		}
		for i := range 5 { // each reload adds a rule in the midst of them
			time.Sleep(2100 * time.Millisecond)
			w.reload(
				r,
				w.rules+fmt.Sprintf(
					"  - {alert: All%d, match: level>=ERROR, when: count() >= 200, window: 10m, by: [service]}\n"+
						"  - {alert: TooMany%d, match: level>=ERROR, when: count() > 200, window: 10m, by: [service]}\n",
					i,
					i,
				),
			)
		}
		for range 4 {
			<-done
		}
		time.Sleep(warmTime)
		var expected []string
		for p := range 4 {
			for i := range 5 {
				expected = append(expected, fmt.Sprintf("All%d service-%d", i, p))
			}
		}
		got := w.fired()
		slices.Sort(expected)
		want(t, "rules that counted all", got, expected...)
		r.end()
	})
}

// While a rule reads its past the others continue, users see that it does not fire yet, and nothing
// of what is logged in the meantime is missed.
func TestWhileWarming(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.prepare("data")
		hang := r.hang()
		r.begin()
		w.errors(0, "pay", 10)
		hang.Store(true)
		w.reload(r, errorRules+tenMinutes)
		time.Sleep(3 * warmTime)
		want(t, "states", r.states(), "Errors inactive", "Many backfilling")
		w.errors(0, "pay", 1)
		w.errors(0, "cart", 11)
		want(t, "alerts", w.fired(), "Errors cart", "Errors pay")
		hang.Store(false)
		time.Sleep(time.Minute)
		want(
			t,
			"alerts once it has read its past",
			w.fired(),
			"Errors cart",
			"Errors pay",
			"Many cart",
			"Many pay",
		)
		r.end()
	})
}

// A stop does not wait for a rule that reads its past; after the next start it reads again.
func TestStopWhileWarming(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = quietRules
		r := w.prepare("data")
		hang := r.hang()
		r.begin()
		w.errors(0, "pay", 8)
		hang.Store(true)
		w.reload(r, quietRules+tenMinutes)
		time.Sleep(warmTime)
		want(t, "states", r.states(), "Many backfilling", "Never inactive")
		before := time.Now()
		r.end()
		if took := time.Since(before); took > time.Second {
			t.Errorf("the stop took %v", took)
		}
		r = w.start("data")
		w.errors(0, "pay", 3)
		want(t, "after the next start", w.fired(), "Many pay")
		r.end()
	})
}

// A start that finds other rules than the last run had reads their past as a reload does.
func TestRestartWithNewRules(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		r := w.start("data")
		w.errors(0, "pay", 8)
		r.end()
		w.rules = errorRules + tenMinutes
		r = w.start("data")
		want(t, "states", r.states(), "Errors inactive", "Many inactive")
		w.errors(1, "pay", 2)
		want(t, "after ten", w.fired())
		w.errors(1, "pay", 1)
		want(t, "after eleven", w.fired(), "Errors pay", "Many pay")
		r.end()
	})
}

// A rule whose past cannot be read begins without, and says so.
func TestPastCannotBeRead(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = quietRules
		r := w.prepare("data")
		r.config.Limits.BackfillTimeout = 30 * time.Second
		hang := r.hang()
		r.begin()
		w.errors(0, "pay", 8)
		hang.Store(true)
		w.reload(r, quietRules+tenMinutes)
		time.Sleep(time.Minute)
		want(t, "states", r.states(), "Many inactive", "Never inactive")
		if status := (&rulesView{process: r.process}).Status(); !strings.Contains(
			status[1].Error,
			"without backfill: it took longer",
		) {
			t.Errorf("the status says %q", status[1].Error)
		}
		if !strings.Contains(r.out.String(), "backfill failed; the rules start") {
			t.Errorf("the log says nothing:\n%s", r.out.String())
		}
		w.errors(0, "pay", 10)
		want(t, "after ten", w.fired())
		w.errors(0, "pay", 1)
		want(t, "after eleven", w.fired(), "Many pay")
		r.end()
	})
}

// reload gives a program other rules.
func (w *world) reload(r *run, rules string) {
	w.t.Helper()
	w.rules = rules
	if err := r.reload(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// fired are the alerts that the webhook was notified of: "Name service".
func (w *world) fired() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, n := range w.received {
		if n.status == "firing" {
			list = append(list, n.labels["alertname"]+" "+n.labels["service"])
		}
	}
	slices.Sort(list)
	return list
}

// states are those of all rules: "Name state".
func (r *run) states() []string {
	var list []string
	for _, s := range r.state.Rules() {
		list = append(list, s.Name+" "+s.State)
	}
	slices.Sort(list)
	return list
}

// hang returns a switch with which new connections of the program to Kafka are not answered; those
// that it has continue.
func (r *run) hang() *atomic.Bool {
	var hangs atomic.Bool
	dial := r.process.network.dial
	r.process.network.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if hangs.Load() && address == brokerAddr {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return dial(ctx, network, address)
	}
	return &hangs
}

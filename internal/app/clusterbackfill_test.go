package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// reloadAll gives the members of a cluster other rules.
func (w *world) reloadAll(list []*run, rules string) {
	w.t.Helper()
	for _, r := range list {
		w.rules = rules
		w.clustered(r.process)
		w.reload(r, rules)
	}
}

// cutTime is ample for members to agree on rules, and for these to read their past.
const cutTime = 15 * time.Second

// A rule that is new in a cluster knows at all members what was logged before it came, also at
// those that join later.
func TestClusterNewRuleKnowsItsPast(t *testing.T) {
	inCluster(t, func(w *world) {
		w.rules = quietRules
		list := w.three()
		w.spread("pay", 8)
		w.reloadAll(list, quietRules+tenMinutes)
		time.Sleep(cutTime)
		for _, r := range list {
			want(t, "states", r.states(), "Many inactive", "Never inactive")
		}
		list = append(list, w.start("d", w.clustered))
		w.spread("pay", 2)
		want(t, "after ten", w.notices())
		w.spread("pay", 1)
		time.Sleep(time.Second)
		want(t, "after eleven", w.notices(), "firing pay")
		if n := w.last(); n.summary != "11" {
			t.Errorf("counted %s, want 11", n.summary)
		}
		for i, r := range list {
			if alerts := r.state.Alerts(); len(alerts) != 1 || alerts[0].Count != 11 {
				t.Errorf("member %d has %+v, want an alert of 11 logs", i, alerts)
			}
		}
		for _, r := range list {
			r.end()
		}
	})
}

// While logs pour in on all partitions, none of them counts twice and none is missed when rules go
// live, whatever becomes of the members in the meantime.
func TestClusterRulesGoLiveExactly(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		w.rules = quietRules
		list := w.three()
		done := make(chan bool)
		for s := range 3 {
			go func() { w.spread(fmt.Sprintf("service-%d", s), 1000); done <- true }()
		}
		add := func(i int) {
			w.reloadAll(list, w.rules+fmt.Sprintf(
				"  - {alert: All%d, match: level>=ERROR, when: count() >= 1000, window: 10m, by: [service]}\n"+
					"  - {alert: TooMany%d, match: level>=ERROR, when: count() > 1000, window: 10m, by: [service]}\n",
				i,
				i,
			))
		}
		for i, meanwhile := range []func(){
			func() { time.Sleep(cutTime) },
			func() { // the leader stops before the rules are live
				first := leader(list)
				time.Sleep(5200 * time.Millisecond)
				list = w.without(list, first)
				first.end()
				list = append(list, w.start("d", w.clustered))
			},
			func() { // it is killed
				first := leader(list)
				time.Sleep(5300 * time.Millisecond)
				list = w.without(list, first)
				first.kill("e")
				time.Sleep(30 * time.Second)
				list = append(list, w.start("e", w.clustered))
			},
			func() { // a follower is killed, and begins with nothing
				gone := w.without(list, leader(list))[0]
				list = w.without(list, gone)
				gone.kill("unused")
				list = append(list, w.start("f", w.clustered))
			},
		} {
			add(i)
			meanwhile()
		}
		for range 3 {
			<-done
		}
		time.Sleep(
			time.Minute + cutTime,
		) // those that were killed have their partitions for a while
		var expected []string
		for s := range 3 {
			for i := range 4 {
				expected = append(expected, fmt.Sprintf("All%d service-%d", i, s))
			}
		}
		slices.Sort(expected)
		want(t, "rules that counted all", w.fired(), expected...)
		for i, r := range list {
			if n := len(r.state.Alerts()); n != len(expected) {
				t.Errorf("member %d has %d alerts, want %d", i, n, len(expected))
			}
			if states := strings.Join(r.states(), " "); strings.Contains(states, "backfilling") {
				t.Errorf("member %d: %s", i, states)
			}
			r.end()
		}
	})
}

// A rule whose past the leader cannot read begins without at all members, and they say so; and so
// does one where limits.backfill_timeout is 0.
func TestClusterPastCannotBeRead(t *testing.T) {
	skipShort(t)
	for _, limit := range []time.Duration{30 * time.Second, 0} {
		inCluster(t, func(w *world) {
			w.rules = quietRules
			var list []*run
			for _, name := range []string{"a", "b"} {
				r := w.prepare(name)
				w.clustered(r.process)
				r.config.Limits.BackfillTimeout = limit
				list = append(list, r)
			}
			hang := list[0].hang()
			for _, r := range list {
				r.begin()
			}
			w.spread("pay", 8)
			hang.Store(true)
			w.reloadAll(list, quietRules+tenMinutes)
			time.Sleep(time.Minute)
			for i, r := range list {
				want(t, "states", r.states(), "Many inactive", "Never inactive")
				status := (&rulesView{process: r.process}).Status()
				if why := status[1].Error; (limit > 0) != strings.Contains(why,
					"without backfill: it took longer") {
					t.Errorf("the status of member %d says %q", i, why)
				}
			}
			w.spread("pay", 10)
			want(t, "after ten", w.fired())
			w.spread("pay", 1)
			time.Sleep(time.Second)
			want(t, "after eleven", w.fired(), "Many pay")
			hang.Store(false)
			for _, r := range list {
				r.end()
			}
		})
	}
}

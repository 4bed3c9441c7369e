package app

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// clustered makes a program a member of a cluster.
func (w *world) clustered(p *process) {
	p.config.Cluster.Enabled = true
	rules := w.rules
	p.ruleTexts = func(*Config) ([]rule.File, error) {
		return []rule.File{{Name: "test.rules.yml", Data: []byte(rules)}}, nil
	}
}

// inCluster runs a test in a world whose topic has four partitions and no keys.
func inCluster(t *testing.T, test func(w *world)) {
	inWorld(t, 4, func(w *world) {
		w.recordKey = nil
		test(w)
	})
}

// spread writes n errors of a service, a tenth of a second apart, each to any partition.
func (w *world) spread(service string, n int) {
	for range n {
		w.errors(int32(rand.IntN(4)), service, 1)
	}
}

// skipShort leaves a test out where tests are to be short: several members in fake time take long
// with the race detector.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("several members take long with the race detector")
	}
}

// A single member of a cluster decides and notifies like an instance without a cluster.
func TestClusterOfOne(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		a := w.start("a", w.clustered)
		w.spread("one", 12)
		time.Sleep(2 * time.Second)
		want(t, "while it fires", w.notified(), "one firing")
		time.Sleep(3 * time.Minute)
		want(t, "when it is over", w.notified(), "one firing resolved")
		a.end()
		w.spread("two", 12)
		a = w.start("a", w.clustered)
		want(t, "after a restart", w.notified(), "one firing resolved", "two firing")
		time.Sleep(3 * time.Minute)
		want(t, "at the end", w.notified(), "one firing resolved", "two firing resolved")
		a.end()
	})
}

// Members share a topic without keys: an alert whose logs are on all partitions is decided once, by
// all members alike, and notified once, whatever becomes of the members meanwhile.
func TestClusterNotifiesOnce(t *testing.T) {
	for how, move := range map[string]func(w *world, list []*run) []*run{
		"nothing happens": func(w *world, list []*run) []*run {
			w.spread("s", 100)
			return list
		},
		"a member joins": func(w *world, list []*run) []*run {
			list = append(list, w.start("d", w.clustered))
			w.spread("s", 100)
			return list
		},
		"the leader stops": func(w *world, list []*run) []*run {
			rest := w.without(list, leader(list))
			leader(list).end()
			w.spread("s", 300)
			return rest
		},
		"the leader is killed": func(w *world, list []*run) []*run {
			rest := w.without(list, leader(list))
			leader(list).kill("gone")
			w.spread("s", 900)
			return rest
		},
		"a follower is killed": func(w *world, list []*run) []*run {
			follower := w.without(list, leader(list))[0]
			follower.kill("gone")
			w.spread("s", 900)
			return w.without(list, follower)
		},
		"a follower is cut off, and back later": func(w *world, list []*run) []*run {
			follower := w.without(list, leader(list))[0]
			follower.link.cut()
			w.spread("s", 900)
			follower.link.mend()
			w.spread("s", 300)
			return list
		},
	} {
		t.Run(how, func(t *testing.T) {
			if how != "the leader is killed" {
				skipShort(t)
			}
			inCluster(t, func(w *world) {
				list := []*run{w.start("a", w.clustered), w.start("b", w.clustered),
					w.start("c", w.clustered)}
				w.spread("s", 40)
				time.Sleep(2 * time.Second)
				want(t, "at first", w.notified(), "s firing")
				list = move(w, list)
				want(t, "while it fires", w.notified(), "s firing")
				for i, r := range list {
					if n := len(r.state.Alerts()); n != 1 {
						t.Errorf("member %d has %d alerts, want 1", i, n)
					}
				}
				time.Sleep(5 * time.Minute)
				want(t, "when it is over", w.notified(), "s firing resolved")
				w.spread("s", 40)
				time.Sleep(5 * time.Minute)
				want(t, "once more", w.notified(), "s firing resolved firing resolved")
				for _, r := range list {
					r.end()
				}
			})
		})
	}
}

// leader is the member that notifies.
func leader(list []*run) *run {
	for _, r := range list {
		if r.state.cluster.leads() {
			return r
		}
	}
	panic(fmt.Sprintf("none of %d members leads", len(list)))
}

func (w *world) without(list []*run, gone *run) (rest []*run) {
	for _, r := range list {
		if r != gone {
			rest = append(rest, r)
		}
	}
	return rest
}

// three starts three members.
func (w *world) three() []*run {
	return []*run{w.start("a", w.clustered), w.start("b", w.clustered), w.start("c", w.clustered)}
}

// A silence that is made at a follower keeps the leader from notifying, and the members that have
// it outlive the one that it was made at.
func TestClusterSilence(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		list := w.three()
		follower := w.without(list, leader(list))[0]
		silence(w.t, follower, "s")
		w.spread("s", 40)
		w.spread("other", 40)
		want(w.t, "silenced", w.notified(), "other firing")
		first := leader(list)
		list = w.without(list, first)
		first.end()
		time.Sleep(5 * time.Minute)
		w.spread("s", 40)
		want(w.t, "silenced, with another leader", w.notified(), "other firing resolved")
		for _, r := range list {
			r.end()
		}
	})
}

// silence silences a service for an hour, at a member.
func silence(t *testing.T, at *run, service string) {
	t.Helper()
	body := fmt.Sprintf(`{"matchers":[{"name":"service","value":%q,"isRegex":false}],`+
		`"startsAt":%q,"endsAt":%q,"createdBy":"me","comment":"c"}`, service,
		time.Now().Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339))
	r := httptest.NewRequest("POST", "/api/v2/silences", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	at.notifier.Handler().ServeHTTP(answer, r.WithContext(t.Context()))
	if answer.Code != 200 {
		t.Fatalf("the silence is answered with %d: %s", answer.Code, answer.Body)
	}
}

// An alert that is resolved at a follower is resolved at all members, and notified as such.
func TestClusterResolve(t *testing.T) {
	inCluster(t, func(w *world) {
		list := w.three()
		follower := w.without(list, leader(list))[0]
		w.spread("s", 40)
		id := follower.state.Alerts()[0].ID
		if err := follower.state.cluster.resolve(w.t.Context(), id, "by hand"); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		want(w.t, "resolved by hand", w.notified(), "s firing resolved")
		for i, r := range list {
			if n := len(r.state.Alerts()); n != 0 {
				w.t.Errorf("member %d has %d alerts, want none", i, n)
			}
		}
		if err := follower.state.cluster.resolve(w.t.Context(), id, "again"); err == nil {
			w.t.Error("an alert is resolved that is not active")
		}
		for _, r := range list {
			r.end()
		}
	})
}

// Rules come in force when all members have them, at all members at once; an alert of a rule that
// stays goes on.
func TestClusterRules(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		list := w.three()
		w.spread("s", 40)
		w.rules += `  - {alert: Warnings, match: level>=ERROR, when: count() > 3, window: 1m, by: [level]}
`
		reload := func(r *run) {
			w.clustered(r.process)
			if err := r.reload(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
		}
		inForce := func() (n int) {
			for _, r := range list {
				n += len(r.set.Load().Rules)
			}
			return n
		}
		reload(list[0])
		reload(list[1])
		w.spread("s", 200)
		if n := inForce(); n != 3 {
			w.t.Errorf("%d rules are in force at 3 members, want the old one at each", n)
		}
		reload(list[2])
		w.spread("s", 200)
		if n := inForce(); n != 6 {
			w.t.Errorf("%d rules are in force at 3 members, want 2 at each", n)
		}
		want(w.t, "with more rules", w.notified(), " firing", "s firing")
		time.Sleep(5 * time.Minute)
		want(w.t, "when it is over", w.notified(), " firing resolved", "s firing resolved")
		for _, r := range list {
			r.end()
		}
	})
}

// A leader that claims once more, since its first claim was slow to be read, goes on under the new
// epoch: what it notifies is known to the next leader.
func TestClusterClaimsAgain(t *testing.T) {
	inCluster(t, func(w *world) {
		list := w.three()
		first := leader(list)
		m := first.state.cluster
		m.append(cluster.Claim(m.self), m.noted)
		time.Sleep(5 * time.Second)
		w.spread("s", 40)
		time.Sleep(2 * time.Second)
		for i, r := range list {
			c := r.state.cluster
			c.mu.Lock()
			if n := len(c.fold.Pending()); n > 0 {
				w.t.Errorf("member %d has %d decisions that were not taken", i, n)
			}
			c.mu.Unlock()
		}
		list = w.without(list, first)
		first.kill("gone")
		w.spread("s", 300)
		want(w.t, "with another leader", w.notified(), "s firing")
		for _, r := range list {
			r.end()
		}
	})
}

package app

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/devbroker"
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
	inWorld(t, 4, test)
}

// spread writes n errors of a service, a tenth of a second apart, each to any partition.
func (w *world) spread(service string, n int) {
	for range n {
		w.errors(int32(rand.IntN(4)), service, 1)
	}
}

// skipShort leaves a test out where tests are to be short: several members, and hours, take long
// with the race detector.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes long with the race detector")
	}
}

// Patterns do not match the topics of the cluster, and these are not given as topics of logs.
func TestClusterReadsNoTopicOfItsOwn(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		a := w.start("a", w.often, func(p *process) {
			p.config.Kafka.Topics, p.config.Kafka.TopicPatterns = nil, []string{".*"}
		})
		w.spread("s", 150)
		want(w.t, "with a pattern that matches all topics", w.notified(), "s firing")
		m := a.state.cluster
		m.mu.Lock()
		for _, at := range m.fold.Progress() {
			if at.Topic != worldTopic {
				w.t.Errorf("the topic %s is read", at.Topic)
			}
		}
		m.mu.Unlock()
		if not := a.config.Reader().Exclude; !slices.Contains(not, a.config.framesTopic()) ||
			!slices.Contains(not, a.config.snapshotsTopic()) {
			w.t.Errorf("readers leave out %s alone", not)
		}
		a.end()
	})
	for _, topic := range []string{"log-monitoring-group.frames", "log-monitoring-group.snapshots"} {
		for what, set := range map[string]func(c *Config){
			"kafka.topics":            func(c *Config) { c.Kafka.Topics = append(c.Kafka.Topics, topic) },
			"kafka.records_topic":     func(c *Config) { c.Kafka.RecordsTopic = topic },
			"kafka.dead_letter_topic": func(c *Config) { c.Kafka.DeadLetterTopic = topic },
			"notify.kafka_topic":      func(c *Config) { c.Notify.KafkaTopic = topic },
		} {
			c := DefaultConfig()
			c.Kafka.Topics, c.Cluster.Enabled = []string{"logs"}, true
			set(&c)
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), what+" has") {
				t.Errorf("%s with %s: %v", what, topic, err)
			}
		}
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
// all members alike, and notified once, whatever becomes of the members in the meantime.
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
				if !testing.Short() {
					w.spread("s", 40)
					time.Sleep(5 * time.Minute)
					want(t, "once more", w.notified(), "s firing resolved firing resolved")
				}
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

// A member that is killed and starts again within the session timeout, under the name that it keeps
// beside its state, has its partitions back at once; one without a name waits until the group has
// given the former one up.
func TestReturningMemberKeepsPartitions(t *testing.T) {
	skipShort(t)
	for _, name := range []string{"", "none"} {
		inCluster(t, func(w *world) {
			named := func(p *process) { w.clustered(p); p.config.Kafka.InstanceID = name }
			a, b := w.start("a", named), w.start("b", named)
			time.Sleep(10 * time.Second)
			if a.reads() != 2 || b.reads() != 2 {
				t.Fatalf("the members read %d and %d partitions", a.reads(), b.reads())
			}
			a.kill("again")
			a = w.start("again", named) // ten seconds; the session lasts 45
			if back := a.reads() == 2; back != (name == "") || b.reads() != 2 {
				t.Errorf("under the name %q it reads %d partitions, and the other %d", name,
					a.reads(), b.reads())
			}
			b.end()
			a.end()
		})
	}
}

// reads is how many partitions a member reads.
func (r *run) reads() int { return r.state.cluster.scanner.Partitions() }

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
// stays continues.
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

// A leader that claims once more, since its first claim was slow to be read, continues under the
// new epoch: what it notifies is known to the next leader.
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

// A member that no longer leads reports a change of its outbox. Its notifier takes no more then.
func TestLosingLeadChangesOutbox(t *testing.T) {
	inCluster(t, func(w *world) {
		list := w.three()
		lose := func(how string, do func(other *clusterMember)) {
			t.Helper()
			first := leader(list)
			changed := clusterOutbox{first.state.cluster}.Changed()
			do(w.without(list, first)[0].state.cluster)
			time.Sleep(5 * time.Second)
			select {
			case <-changed:
			default:
				t.Errorf("%s: the outbox has not changed", how)
			}
		}
		lose("another member claims", func(other *clusterMember) {
			other.append(cluster.Claim(other.self), other.noted)
		})
		time.Sleep(time.Minute)
		first := leader(list)
		lose("it stops", func(*clusterMember) { first.end() })
		for _, r := range w.without(list, first) {
			r.end()
		}
	})
}

// The values of record rules are those that an instance without a cluster records, each of them
// once, whichever member leads, and also when leaders are killed.
func TestClusterRecordsValues(t *testing.T) {
	skipShort(t)
	kept := func(o *devbroker.Options) {
		o.Topics = append(o.Topics, devbroker.Topic{Name: "values", Partitions: 2})
	} // not compacted, unlike one that is made
	live := func(t *testing.T, members int, trouble bool) (history []string, records int) {
		inWorld(t, 4, func(w *world) {
			w.rules = strings.Split(recordRules, "- name: over")[0]
			member := func(p *process) {
				if withRecords(p); members > 1 {
					w.clustered(p)
				}
			}
			began := time.Now()
			var list []*run
			for i := range members {
				list = append(list, w.start(string(rune('a'+i)), member))
			}
			for i := range 4 {
				time.Sleep(time.Until(began.Add(time.Duration(i+1) * 80 * time.Second)))
				for n := range 1 + 3*i {
					w.errors(int32(n%4), "pay", 1)
				}
				if !trouble {
					continue
				}
				first := leader(list)
				list = w.without(list, first)
				if i%2 == 0 {
					first.kill("k" + string(rune('a'+i)))
				} else {
					first.end()
				}
				list = append(list, w.start("n"+string(rune('a'+i)), member))
			}
			time.Sleep(5 * time.Minute)
			for _, r := range list {
				if n := len(r.state.values.waiting); n > 0 {
					w.t.Errorf("%d values wait at a member though all are written", n)
				}
				r.end()
			}
			got := w.read("values")
			records = len(got)
			_, history = table(t, got)
		}, kept)
		return history, records
	}
	wanted, _ := live(t, 1, false)
	if len(wanted) < 8 {
		t.Fatalf("an instance alone records %q", wanted)
	}
	got, n := live(t, 3, true)
	want(t, "members of a cluster", got, wanted...)
	if n != len(wanted) {
		t.Errorf("%d records for %d values", n, len(wanted))
	}
}

// Alertmanager's API lists the same alerts and groups at each member, with the silences and
// inhibitions that hold.
func TestClusterAlertsAPI(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		w.routes(everyAlert + `inhibit_rules:
- {source_matchers: [service="one"], target_matchers: [service="two"]}
`)
		list := w.three()
		ask := func(r *run, path string, into any) {
			answer := httptest.NewRecorder()
			r.notifier.Handler().ServeHTTP(answer,
				httptest.NewRequestWithContext(w.t.Context(), "GET", path, nil))
			if err := json.Unmarshal(answer.Body.Bytes(), into); err != nil || answer.Code != 200 {
				w.t.Fatalf("%s is answered with %d: %s", path, answer.Code, answer.Body)
			}
		}
		alike := func(when string, services ...string) {
			time.Sleep(3 * time.Second)
			for i, r := range list {
				var alerts []struct {
					Labels map[string]string
					Status struct {
						State       string
						InhibitedBy []string
					}
					StartsAt  time.Time
					Receivers []struct{ Name string }
				}
				ask(r, "/api/v2/alerts", &alerts)
				var got []string
				for _, a := range alerts {
					got = append(got, a.Labels["service"]+" "+a.Status.State)
					if len(a.Receivers) != 1 || a.Receivers[0].Name != "hook" {
						w.t.Errorf("%s, member %d: %+v", when, i, a)
					}
				}
				slices.Sort(got)
				want(w.t, fmt.Sprintf("%s, alerts at member %d", when, i), got, services...)
				var groups []struct {
					Alerts []struct{ Labels map[string]string }
				}
				ask(r, "/api/v2/alerts/groups", &groups)
				if len(groups) != len(services) {
					w.t.Errorf("%s, member %d has %d groups, want %d", when, i, len(groups),
						len(services))
				}
			}
		}
		alike("at first")
		w.spread("one", 40)
		w.spread("two", 30)
		alike("while both fire", "one active", "two suppressed")
		first := leader(list)
		list = w.without(list, first)
		first.end()
		w.spread("one", 20)
		w.spread("two", 20)
		alike("with another leader", "one active", "two suppressed")
		time.Sleep(5 * time.Minute)
		alike("when it is over")
		for _, r := range list {
			r.end()
		}
	})
}

// A rolling restart of five members with other rules switches the rules once, when the last one has
// them; alerts continue under their IDs, and none is resolved in the meantime.
func TestClusterRollingRestart(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		var list []*run
		for i := range 5 {
			list = append(list, w.start(string(rune('a'+i)), w.clustered))
		}
		w.spread("s", 40)
		time.Sleep(2 * time.Second)
		want(t, "before", w.notified(), "s firing")
		id := list[0].state.Alerts()[0].ID
		w.rules += `  - {alert: Warnings, match: level>=ERROR, when: count() > 3, window: 1m, by: [level]}
`
		for i, r := range list {
			name := filepath.Base(r.dir)
			r.end()
			w.spread("s", 60)
			list[i] = w.start(name, w.clustered)
			for j, other := range list {
				if n := len(other.set.Load().Rules); n != 1 && i < len(list)-1 {
					t.Errorf("after %d restarts member %d has %d rules in force, want the old one",
						i+1, j, n)
				}
			}
		}
		w.spread("s", 60)
		for i, r := range list {
			if n := len(r.set.Load().Rules); n != 2 {
				t.Errorf("at the end member %d has %d rules in force, want 2", i, n)
			}
			var got []string
			for _, a := range r.state.Alerts() {
				got = append(got, a.Labels["service"])
				if a.Labels["service"] == "s" && a.ID != id {
					t.Errorf("member %d: the alert is %s, and was %s", i, a.ID, id)
				}
			}
			slices.Sort(got)
			want(t, fmt.Sprintf("alerts of member %d", i), got, "", "s")
		}
		want(t, "at the end", w.notified(), " firing", "s firing")
		switches := 0
		for _, r := range w.read(list[0].state.cluster.home.Topic) {
			if len(r.Value) > 1 && r.Value[1] == 'U' {
				switches++
			}
		}
		if switches != 2 {
			t.Errorf("rules were switched %d times, want once after the first ones", switches-1)
		}
		for _, r := range list {
			r.end()
		}
	})
}

// After the leader is killed, the next alert is notified of when its session with the group has
// ended; after it stops, within a second.
func TestClusterTakeoverTimes(t *testing.T) {
	skipShort(t)
	for _, c := range []struct {
		how  string
		end  func(r *run)
		most time.Duration
	}{
		{"killed", func(r *run) { r.kill("gone") }, 12 * time.Second},
		{"stopped", (*run).end, time.Second},
	} {
		inCluster(t, func(w *world) {
			list := w.three()
			time.Sleep(10 * time.Second)
			one := func(service int) {
				w.produce(int32(service%4), fmt.Sprintf(
					`{"timestamp":%q,"level":"ERROR","service":"s%03d","message":"boom"}`,
					time.Now().UTC().Format(time.RFC3339Nano), service))
			}
			const services = 200
			for range 10 {
				for service := range services {
					one(service)
				}
			}
			first, done := leader(list), make(chan bool)
			at := time.Now()
			go func() { c.end(first); close(done) }()
			for service := range services { // each of them fires with its eleventh log
				time.Sleep(100 * time.Millisecond)
				one(service)
			}
			<-done
			next := time.Duration(-1)
			w.mu.Lock()
			for _, n := range w.received {
				if since := n.at.Sub(at); since > 50*time.Millisecond && next < 0 {
					next = since
				}
			}
			w.mu.Unlock()
			if t.Logf("%s: the next message after %s", c.how, next); next < 0 || next > c.most {
				t.Errorf("%s: the next message came after %s, want %s at most", c.how, next, c.most)
			}
			for _, r := range w.without(list, first) {
				r.end()
			}
		})
	}
}

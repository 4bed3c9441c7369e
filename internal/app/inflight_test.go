package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// notified is what the webhook got each service, in order, with a mark where a resolve does not
// have the identity of what fired before it.
func (w *world) notified() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	received, ids := map[string]string{}, map[string]string{}
	for _, n := range w.received {
		service := n.labels["service"]
		received[service] += " " + n.status
		if n.status == "resolved" && ids[service] != n.alert && ids[service] != "" {
			received[service] += " (another alert)"
		}
		ids[service] = n.alert
	}
	for service, text := range received {
		list = append(list, service+text)
	}
	slices.Sort(list)
	return list
}

// fourErrors has four services, each on a partition of its own, log an error every four seconds for
// some minutes.
func (w *world) fourErrors(minutes int) {
	for range minutes * 15 {
		for p := range int32(4) {
			w.errors(p, fmt.Sprint("s", p), 1)
		}
		time.Sleep(4*time.Second - 400*time.Millisecond)
	}
}

func everyService(received string) (list []string) {
	for p := range 4 {
		list = append(list, fmt.Sprint("s", p, received))
	}
	return list
}

// An alert goes on with anyone who has its partition, in whatever way that changes hands: it is
// notified once that it fires, and once that it has ended, and as the same alert.
func TestOwnerNotifiesOnce(t *testing.T) {
	for how, move := range map[string]func(w *world) (stop func()){
		"a new member joins": func(w *world) func() {
			a := w.start("a")
			w.fourErrors(2)
			b := w.start("b")
			w.fourErrors(3)
			return func() { a.end(); b.end() }
		},
		"a member leaves, to one that never had its partitions": func(w *world) func() {
			a, b := w.start("a"), w.start("b")
			w.fourErrors(2)
			a.end()
			w.fourErrors(3)
			return b.end
		},
		"a member is killed": func(w *world) func() {
			a, b := w.start("a"), w.start("b")
			w.fourErrors(2)
			a.kill("gone")
			w.fourErrors(3)
			return b.end
		},
		"a member is killed, and comes back later": func(w *world) func() {
			a, b := w.start("a"), w.start("b")
			w.fourErrors(2)
			a.kill("again")
			w.fourErrors(3)
			a = w.start("again")
			w.fourErrors(3)
			b.end()
			w.fourErrors(1)
			return a.end
		},
		"all stop, and others begin": func(w *world) func() {
			a, b := w.start("a"), w.start("b")
			w.fourErrors(2)
			a.end()
			b.end()
			c := w.start("c")
			w.fourErrors(2)
			return c.end
		},
	} {
		if testing.Short() && how != "all stop, and others begin" &&
			how != "a new member joins" {
			continue
		}
		inWorld(t, 4, func(w *world) {
			stop := move(w)
			want(t, how+", while they fire", w.notified(), everyService(" firing")...)
			time.Sleep(3 * time.Minute)
			want(t, how+", when they are over", w.notified(), everyService(" firing resolved")...)
			w.fourErrors(1)
			time.Sleep(3 * time.Minute)
			want(
				t,
				how+", once more",
				w.notified(),
				everyService(" firing resolved firing resolved")...)
			stop()
			want(
				t,
				how+", after all",
				w.notified(),
				everyService(" firing resolved firing resolved")...)
		})
	}
}

// What a member has decided and could not tell, because the receiver was away, is notified by
// anyone who gets the partition: that something fires, and that it has ended.
func TestNextOwnerNotifiesUndelivered(t *testing.T) {
	for _, killed := range []bool{false, true} {
		inWorld(t, 4, func(w *world) {
			a := w.start("a")
			w.errors(0, "over", 11)
			time.Sleep(2 * time.Second)
			w.refuseAll(
				func() (int, time.Duration) { return http.StatusServiceUnavailable, time.Second },
			)
			time.Sleep(3 * time.Minute)
			w.errors(1, "brief", 11)
			time.Sleep(3 * time.Minute)
			w.errors(2, "up", 11)
			time.Sleep(2 * time.Second)
			b := w.start("b")
			if killed {
				a.kill("gone")
				time.Sleep(time.Minute)
			} else {
				a.end()
			}
			w.refuseAll(nil)
			time.Sleep(5 * time.Minute)
			b.end()
			want(t, fmt.Sprintf("killed %v", killed), w.notified(), "brief firing resolved",
				"over firing resolved", "up firing resolved")
		})
	}
}

// With several alerts in one notification, those of another member are not said to have ended when
// ours are, nor notified again with them.
func TestGroupsOfSeveralMembers(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		w.routes(
			strings.NewReplacer("'...'", "alertname", "group_wait: 0s", "group_wait: 2s").
				Replace(everyAlert),
		)
		a := w.start("a")
		w.fourErrors(2)
		b := w.start("b")
		w.fourErrors(4)
		want(t, "while they fire", w.notified(), everyService(" firing")...)
		time.Sleep(3 * time.Minute)
		for _, text := range w.notified() {
			if strings.Count(text, "resolved") != 1 {
				t.Errorf("when they are over: %s", text)
			}
		}
		a.end()
		b.end()
	})
}

// partitions are the numbers of those that a program has.
func (r *run) partitions() (list []int32) {
	r.state.inFlight.mu.Lock()
	defer r.state.inFlight.mu.Unlock()
	for name, t := range r.state.inFlight.acquired {
		if t.active {
			list = append(list, name.Partition)
		}
	}
	slices.Sort(list)
	return list
}

// A member that is killed and starts again within the session timeout, under the name that it keeps
// beside its state, has its partitions back at once; one without a name waits until the group has
// given the former one up.
func TestReturningMemberKeepsPartitions(t *testing.T) {
	for _, name := range []string{"", "none"} {
		inWorld(t, 4, func(w *world) {
			named := func(p *process) { p.config.Kafka.InstanceID = name }
			a, b := w.start("a", named), w.start("b", named)
			time.Sleep(10 * time.Second)
			before, others := a.partitions(), b.partitions()
			if len(before) != 2 || len(others) != 2 {
				t.Fatalf("the members have %v and %v", before, others)
			}
			a.kill("again")
			a = w.start("again", named) // ten seconds; the session lasts 45
			if back := slices.Equal(a.partitions(), before); back != (name == "") ||
				!slices.Equal(b.partitions(), others) {
				t.Errorf(
					"under the name %q it has %v instead of %v, and the other %v instead of %v",
					name, a.partitions(), before, b.partitions(), others)
			}
			if name == "" {
				for p := range int32(4) {
					w.errors(p, fmt.Sprint("s", p), 11)
				}
				want(t, "at once", w.notified(), everyService(" firing")...)
			}
			b.end()
			a.end()
		})
	}
}

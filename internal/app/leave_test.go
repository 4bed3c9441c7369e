package app

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// An instance without a cluster continues with the data_dir of any member, when all are stopped:
// active alerts keep their IDs and are not notified again, silences hold, and alerts end as they
// would have. The member need not be the one that led, or that was stopped last.
func TestInstanceContinuesCluster(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		list := []*run{w.start("a", w.often), w.start("b", w.often), w.start("c", w.often)}
		w.spread("s", 40)
		silence(t, list[0], "quiet")
		time.Sleep(2 * time.Second)
		id := list[0].state.Alerts()[0].ID
		follower := w.without(list, leader(list))[0]
		name := map[*run]string{list[0]: "a", list[1]: "b", list[2]: "c"}[follower]
		follower.end()
		rest := w.without(list, follower)
		w.spread("late", 40)
		want(t, "the cluster", w.notified(), "late firing", "s firing")

		early := w.prepare(name)
		err := early.process.run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "stop all members") {
			t.Errorf("while other members run, an instance without a cluster ends with %v", err)
		}
		rest[0].end()
		rest[1].kill("gone")
		time.Sleep(5 * time.Second)
		w.spread("s", 40) // in the meantime

		single := w.start(name)
		w.spread("s", 40)
		w.spread("quiet", 40)
		want(t, "the instance", w.notified(), "late firing", "s firing")
		ids := map[string]string{}
		for _, a := range single.state.Alerts() {
			ids[a.Labels["service"]] = a.ID
		}
		if ids["s"] != id || ids["late"] == "" {
			t.Errorf("the instance has the alerts %v, want %s", ids, id)
		}
		if n := len(single.store.Positions()); n != 4 {
			t.Errorf("the instance has %d positions, want those of the four partitions", n)
		}
		single.end()
		single = w.start(name) // once more: there is nothing left of the cluster
		time.Sleep(5 * time.Minute)
		want(t, "when it is over", w.notified(), "late firing resolved", "s firing resolved")
		w.spread("s", 40)
		time.Sleep(5 * time.Second)
		want(t, "the next one", w.notified(), "late firing resolved", "s firing resolved firing")
		if list := single.state.Alerts(); len(list) == 0 || list[len(list)-1].Episode != 2 {
			t.Errorf("the next alert is %v, want the second episode", list)
		}
		single.end()
	})
}

// What the members have decided and no leader had notified when all were killed is notified by the
// instance that continues, also when the topics of the cluster are gone.
func TestInstanceNotifiesForCluster(t *testing.T) {
	skipShort(t)
	for _, deleted := range []bool{false, true} {
		inCluster(t, func(w *world) {
			t := w.t
			a := w.start("a", w.often)
			w.spread("one", 40)
			time.Sleep(2 * time.Second)
			w.refuseAll(func() (int, time.Duration) { return 500, 0 })
			w.spread("two", 40)
			time.Sleep(10 * time.Second)
			a.kill("b")
			w.refuseAll(nil)
			time.Sleep(time.Minute)
			if deleted {
				for _, topic := range []string{a.config.framesTopic(), a.config.snapshotsTopic()} {
					if err := w.broker.Cluster().DeleteTopic(topic); err != nil {
						t.Fatal(err)
					}
				}
			}
			single := w.start("b")
			w.spread("one", 40)
			want(t, fmt.Sprint("topics deleted: ", deleted), w.notified(), "one firing resolved firing",
				"two firing resolved")
			single.end()
		})
	}
}

// Where the topics of the cluster are gone, an instance that continues with the data_dir of a
// member that ended earlier reads the logs since. An alert that fired in the meantime is notified
// again, and resolves: no notification state says that the receiver knows of it.
func TestInstanceReadsSinceMember(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		a, b := w.start("a", w.often), w.start("b", w.often)
		w.spread("one", 40)
		time.Sleep(2 * time.Second)
		b.end()
		w.spread("late", 40)
		time.Sleep(10 * time.Second)
		want(t, "the cluster", w.notified(), "late firing", "one firing")
		a.end()
		for _, topic := range []string{a.config.framesTopic(), a.config.snapshotsTopic()} {
			if err := w.broker.Cluster().DeleteTopic(topic); err != nil {
				t.Fatal(err)
			}
		}
		single := w.start("b")
		w.spread("other", 1)
		time.Sleep(5 * time.Minute)
		want(t, "the instance", w.notified(),
			"late firing firing resolved", "one firing resolved")
		single.end()
	})
}

// A data_dir whose place the frames topic no longer has is refused.
func TestInstanceRefusesOldMember(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		late := w.start("b", w.often)
		a := w.start("a", w.often)
		w.spread("s", 40)
		late.end()
		for range 6 {
			w.spread("s", 60)
		}
		if framesBegin(t, a) == 0 {
			t.Fatal("no frame is deleted")
		}
		a.end()
		time.Sleep(10 * time.Second)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		err := w.prepare("b").process.run(ctx)
		if err == nil || !strings.Contains(err.Error(), "another member's data_dir") {
			t.Errorf("the instance ends with %v", err)
		}
	})
}

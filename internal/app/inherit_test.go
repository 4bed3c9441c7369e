package app

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A cluster goes on with the state of the instance that was there before: active alerts keep their
// IDs and are not notified again, silences hold, also at a member that joins with nothing and takes
// over; alerts end as they would have. A member that is not the first one does not bring a state.
func TestClusterInheritsInstance(t *testing.T) {
	inCluster(t, func(w *world) {
		t := w.t
		single := w.start("a")
		silence(t, single, "quiet")
		w.spread("s", 40)
		time.Sleep(2 * time.Second)
		want(t, "the instance", w.notified(), "s firing")
		id := single.state.Alerts()[0].ID
		w.spread("s", 40)
		single.end()
		w.spread("s", 40) // meanwhile
		first := w.start("a", w.often)
		w.spread("s", 40)
		second := w.start("b", w.often)
		w.spread("s", 40)
		for _, r := range []*run{first, second} {
			if list := r.state.Alerts(); len(list) != 1 || list[0].ID != id {
				t.Errorf("a member has %v, want the alert %s", list, id)
			}
		}
		first.end()
		w.spread("s", 40)
		w.spread("quiet", 40)
		time.Sleep(10 * time.Second)
		want(t, "with a member that has joined", w.notified(), "s firing")
		time.Sleep(5 * time.Minute)
		want(t, "when it is over", w.notified(), "s firing resolved")
		w.spread("s", 40)
		time.Sleep(5 * time.Second)
		want(t, "the next one", w.notified(), "s firing resolved firing")
		if list := second.state.Alerts(); len(list) != 1 || list[0].Episode != 2 {
			t.Errorf("the next alert is %v, want the second episode", list)
		}
		second.end()
	})
}

// A member with nothing that reads the frames topic when another one begins it with the state of an
// instance waits for a snapshot of that state, and joins.
func TestClusterBeginsBesideEmptyMember(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		single := w.start("a")
		w.spread("s", 40)
		time.Sleep(2 * time.Second)
		id := single.state.Alerts()[0].ID
		single.end()
		empty := w.prepare("b")
		w.often(empty.process)
		begun := make(chan struct{})
		go func() { defer close(begun); empty.begin() }()
		synctest.Wait() // it has read the topic, which is empty, to its end
		first := w.start("a", w.often)
		<-begun
		w.spread("s", 100)
		for _, r := range []*run{first, empty} {
			if list := r.state.Alerts(); len(list) != 1 || list[0].ID != id {
				t.Errorf("a member has %v, want the alert %s", list, id)
			}
		}
		if n := empty.state.cluster.scanner.Partitions(); n == 0 {
			t.Error("the member that has joined reads no partition")
		}
		first.end()
		w.spread("s", 40)
		want(t, "while it fires", w.notified(), "s firing")
		time.Sleep(5 * time.Minute)
		want(t, "when it is over", w.notified(), "s firing resolved")
		empty.end()
	})
}

// An instance's state is not taken by a cluster that has begun without it.
func TestClusterHasBegun(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		single := w.start("a")
		w.spread("s", 40)
		single.end()
		member := w.start("b", w.clustered)
		late := w.prepare("a")
		w.clustered(late.process)
		if err := late.process.run(t.Context()); err == nil ||
			!strings.Contains(err.Error(), "start this one first") {
			t.Errorf("a member that is not the first one brings a state: %v", err)
		}
		member.end()
	})
}

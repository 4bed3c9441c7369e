package app

import (
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/kafka"
)

// often has a member write snapshots every few seconds.
func (w *world) often(p *process) {
	w.clustered(p)
	p.config.Cluster.SnapshotEvery = 5 * time.Second
}

// framesBegin is the first offset of the frames topic that is left.
func framesBegin(t *testing.T, r *run) int64 {
	t.Helper()
	start, _, err := r.state.cluster.topic.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return start
}

// Frames behind snapshots are deleted. A member that begins with an empty directory, and one that
// was away for so long that it is behind what is left, join from a snapshot: they have the alerts
// that the others have, with their silences, and go on with them.
func TestClusterJoinsFromSnapshot(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		list := []*run{w.start("a", w.often), w.start("b", w.often), w.start("c", w.often)}
		w.spread("s", 40)
		time.Sleep(2 * time.Second)
		want(t, "at first", w.notified(), "s firing")
		id := list[0].state.Alerts()[0].ID
		follower := w.without(list, leader(list))[0]
		name := map[*run]string{list[0]: "a", list[1]: "b", list[2]: "c"}[follower]
		silence(t, follower, "quiet")
		follower.end()
		rest := w.without(list, follower)
		for range 6 { // so that the alert goes on
			w.spread("s", 60)
		}
		begin := framesBegin(t, rest[0])
		if begin == 0 {
			t.Fatal("no frame is deleted")
		}
		late := w.start(name, w.often) // it is behind what is left
		empty := w.start("d", w.often)
		w.spread("s", 40)
		for _, r := range []*run{late, empty} {
			if list := r.state.Alerts(); len(list) != 1 || list[0].ID != id {
				t.Errorf("a member that has joined has %v, want the alert %s", list, id)
			}
			if n := len(r.store.History()); n == 0 {
				t.Error("a member that has joined has no history")
			}
		}
		for _, r := range rest {
			r.end() // those that have joined are alone
		}
		w.spread("s", 40)
		w.spread("quiet", 40)
		want(t, "while it fires", w.notified(), "s firing")
		time.Sleep(5 * time.Minute)
		want(t, "when it is over", w.notified(), "s firing resolved")
		late.end()
		empty.end()
	})
}

// When neither data_dir nor a snapshot goes on where the frames topic does, a member says what to
// do, and decides nothing.
func TestClusterRefusesTornSnapshot(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		a := w.start("a", w.often)
		w.spread("s", 300)
		m := a.state.cluster
		begin := framesBegin(t, a)
		first, last, err := m.snapshots.Ends(t.Context())
		if err != nil || begin == 0 {
			t.Fatal(begin, err)
		}
		a.end()
		for _, cut := range []int64{last - 1, last} { // the end of the newest one is left; nothing
			b := w.prepare("b")
			w.often(b.process)
			o := b.config.source()
			o.Client.Dial = b.network.dial
			topic, err := kafka.NewOrderedTopic(o.Client, b.config.snapshotsTopic(), b.logger)
			if err != nil {
				t.Fatal(err)
			}
			if err := topic.DeleteBefore(t.Context(), cut); err != nil {
				t.Fatal(err)
			}
			topic.Close()
			err = b.process.run(t.Context())
			if err == nil || !strings.Contains(err.Error(), "start a member that has its data_dir") ||
				cut < last && !strings.Contains(err.Error(), "the one at offset") {
				t.Errorf("of %d to %d, %d are left, and the member says: %v", first, last, last-cut,
					err)
			}
		}
	})
}

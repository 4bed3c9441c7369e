package app

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

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
// that the others have, with their silences, and continue with them.
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
		for range 6 { // so that the alert continues
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

// When neither data_dir nor a snapshot continues where the frames topic does, a member says what to
// do, and decides nothing.
func TestClusterRefusesTornSnapshot(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		a := w.start("a", w.often)
		w.spread("s", 300)
		m := a.state.cluster
		begin := framesBegin(t, a)
		first, last, err := m.snapshots.topic.Ends(t.Context())
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

// checked is what a health check says; nil for none of that name.
func checked(r *run, name string) error {
	for _, c := range r.ready() {
		if c.Name == name {
			return c.Err()
		}
	}
	return nil
}

// A snapshot that cannot be written is a problem of health, with the reason, as long as it lasts;
// and /metrics has its age also before the first one.
func TestClusterSnapshotFails(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		allow := w.denyDelete()
		a := w.start("a", w.often)
		w.spread("s", 600)
		err := checked(a, "cluster topics")
		if err == nil || !strings.Contains(err.Error(), "allow DELETE on it") ||
			!strings.Contains(err.Error(), "a snapshot cannot be written") {
			t.Errorf("without DELETE the health check says %v", err)
		}
		const age = "alert_engine_cluster_snapshot_age_seconds"
		if got := gauge(t, a, age); got < 60 {
			t.Errorf("the age of the newest snapshot is %v, want that of the cluster", got)
		}
		allow()
		time.Sleep(2 * time.Minute)
		if err := checked(a, "cluster topics"); err != nil {
			t.Errorf("with DELETE the health check says %v", err)
		}
		if got := gauge(t, a, age); got > 15 {
			t.Errorf("the age of the newest snapshot is %v", got)
		}
		a.end()
	})
}

// gauge is a metric without labels.
func gauge(t *testing.T, r *run, name string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Errorf("there is no metric %s", name)
	return 0
}

// Settings of the topics are checked beside the start, which does not wait for them; those that
// members cannot work with are a problem of health until they are repaired.
func TestClusterChecksTopics(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		admin := kadm.NewClient(w.producer)
		keep, topic := "1000", "log-monitoring-group.frames"
		_, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{
			"retention.ms": &keep, "message.timestamp.type": kadm.StringPtr("LogAppendTime"),
			"max.message.bytes": kadm.StringPtr("8388608"),
		}, topic)
		if err != nil {
			t.Fatal(err)
		}
		answer := w.refuseWhile(kmsg.DescribeConfigs, func(kmsg.Request) bool { return true })
		a := w.start("a", w.clustered)
		if !a.state.cluster.isReady() {
			t.Error("the member waits for the settings of its topics")
		}
		answer()
		time.Sleep(settingsEvery)
		err = checked(a, "cluster topics")
		if err == nil || !strings.Contains(err.Error(), "retention.ms is 1000") {
			t.Errorf("the health check says %v", err)
		}
		_, err = admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{
			{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("-1")}}, topic)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(settingsEvery)
		if err := checked(a, "cluster topics"); err != nil {
			t.Errorf("with the right setting the health check says %v", err)
		}
		a.end()
	})
}

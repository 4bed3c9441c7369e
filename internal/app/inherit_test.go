package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A cluster continues with the state of the instance that was there before: active alerts keep
// their IDs and are not notified again, silences hold, also at a member that joins with nothing and
// takes over; alerts end as they would have. A member that is not the first one does not bring a
// state.
func TestClusterInheritsInstance(t *testing.T) {
	skipShort(t)
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
		w.spread("s", 40) // in the meantime
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

// refuseWhile has the broker close connections with requests of a kind that refuse names, until it
// is stopped.
func (w *world) refuseWhile(key kmsg.Key, refuse func(kmsg.Request) bool) (stop func()) {
	var stopped atomic.Bool
	cluster := w.broker.Cluster()
	cluster.ControlKey(key.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if stopped.Load() {
			return nil, nil, false
		}
		cluster.KeepControl()
		return nil, errors.New("refused"), refuse(r)
	})
	return func() { stopped.Store(true) }
}

// denyDelete denies all clients to delete records, until it is allowed again.
func (w *world) denyDelete() (allow func()) {
	var allowed atomic.Bool
	cluster := w.broker.Cluster()
	cluster.ControlKey(kmsg.DeleteRecords.Int16(),
		func(r kmsg.Request) (kmsg.Response, error, bool) {
			if allowed.Load() {
				return nil, nil, false
			}
			cluster.KeepControl()
			answer := r.ResponseKind().(*kmsg.DeleteRecordsResponse)
			for _, asked := range r.(*kmsg.DeleteRecordsRequest).Topics {
				topic := kmsg.NewDeleteRecordsResponseTopic()
				topic.Topic = asked.Topic
				partition := kmsg.NewDeleteRecordsResponseTopicPartition()
				partition.ErrorCode = kerr.TopicAuthorizationFailed.Code
				topic.Partitions = append(topic.Partitions, partition)
				answer.Topics = append(answer.Topics, topic)
			}
			return answer, nil, true
		})
	return func() { allowed.Store(true) }
}

// A cluster does not begin with the state of an instance if no snapshot of it can be written: other
// members could never join. The error says which right is missing.
func TestClusterInheritsOnlyWithDelete(t *testing.T) {
	skipShort(t)
	inCluster(t, func(w *world) {
		t := w.t
		single := w.start("a")
		w.spread("s", 40)
		single.end()
		allow := w.denyDelete()
		denied := w.prepare("a")
		w.often(denied.process)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		err := denied.process.run(ctx)
		if err == nil || !strings.Contains(err.Error(), "allow DELETE on it") {
			t.Errorf("without DELETE the member ends with %v", err)
		}
		allow()
		first := w.start("a", w.often)
		second := w.start("b", w.often)
		w.spread("s", 20)
		want(t, "with DELETE", w.notified(), "s firing")
		for _, r := range []*run{first, second} {
			if n := len(r.state.Alerts()); n != 1 {
				t.Errorf("a member has %d alerts, want that of the instance", n)
			}
			r.end()
		}
	})
}

// The rules with which a cluster begins have the values of their lists: the member waits for them.
func TestClusterInheritsWithLists(t *testing.T) {
	skipShort(t)
	inWorld(t, 4, func(w *world) {
		t := w.t
		w.rules = listRules
		w.block("ann")
		w.visit("ann")
		single := w.start("a")
		want(t, "the instance", w.notices(), "firing ann")
		id := single.state.Alerts()[0].ID
		single.end()
		stop := w.refuseWhile(kmsg.ListOffsets, func(r kmsg.Request) bool {
			topics := r.(*kmsg.ListOffsetsRequest).Topics
			return len(topics) > 0 && topics[0].Topic == "blocked-users"
		})
		member := w.start("a", w.clustered)
		if _, end, err := member.state.cluster.topic.Ends(t.Context()); err != nil || end > 0 {
			t.Errorf("while the list is not read, the topic has %d records, %v", end, err)
		}
		stop()
		time.Sleep(time.Minute)
		if list := member.state.Alerts(); len(list) != 1 || list[0].ID != id {
			t.Errorf("the member has %v, want the alert %s", list, id)
		}
		w.visit("ann", "bob")
		want(t, "at the end", w.notices(), "firing ann")
		member.end()
	}, withBlocked)
}

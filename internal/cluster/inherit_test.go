package cluster

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A fold that inherits begins behind the genesis record, where the instance's partitions stand,
// with what it had not notified, and its first snapshot is due at once; one with nothing stops
// there, and applies nothing.
func TestFoldInherits(t *testing.T) {
	genesis := Genesis(1, 77)
	if id, ok := ReadGenesis(genesis); !ok || id != 77 {
		t.Fatalf("the genesis record reads %d, %v", id, ok)
	}
	empty := newFolder(t, 2)
	if err := empty.Apply(0, start, genesis); !errors.Is(err, ErrGenesis) || empty.Next() != 0 {
		t.Errorf("a fold with nothing yields %v and goes on at %d", err, empty.Next())
	}
	logs := models.Partition{Topic: "logs", Partition: 2}
	f := newFolder(t, 1)
	f.Inherit(Inheritance{
		Positions: map[models.Partition]Position{logs: {Incarnation: 9, Next: 50}},
		Rules:     rulesOf(1, oldRules),
		Notified:  map[string][]byte{"alert/x": []byte("x")},
		Pending:   []models.Alert{{ID: "a"}, {ID: "b"}},
	})
	if f.Next() != 1 || !f.SnapshotDue(time.Hour, 1<<40) {
		t.Errorf("it goes on at %d, and a snapshot is due: %v", f.Next(),
			f.SnapshotDue(time.Hour, 1<<40))
	}
	if at, ok := f.Position(logs); !ok || at != (Position{9, 50}) {
		t.Errorf("the partition stands at %v", at)
	}
	if n := len(f.Progress()); n != 1 {
		t.Errorf("%d partitions hold back time, want the one that was read", n)
	}
	if err := f.Apply(1, start, Claim(1)); err != nil {
		t.Fatal(err)
	}
	if err := f.Apply(2, start, Covers(1, 1, f.Pending()[0].Seq)); err != nil {
		t.Fatal(err)
	}
	if list := f.Pending(); len(list) != 1 || list[0].Alert.ID != "b" {
		t.Errorf("what waits is %v, want b", list)
	}
	if diff := cmp.Diff(map[string][]byte{"alert/x": []byte("x")}, f.Notified()); diff != "" {
		t.Error(diff)
	}
	if err := f.Apply(3, start, genesis); err != nil || f.Counts().Damaged != 1 {
		t.Errorf("a second genesis yields %v", err)
	}
}

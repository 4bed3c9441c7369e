package cluster

import (
	"encoding/binary"
	"errors"
	"maps"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A cluster may begin with the state of an instance without a cluster. Its member writes a genesis
// record as the first record of the frames topic, and a snapshot at the second: a member that
// begins with nothing waits for that snapshot.

// ErrGenesis is the error of a fold that has reached a genesis record with no state: the member
// must join from a snapshot.
var ErrGenesis = errors.New("the cluster begins with the state of an instance without one, of " +
	"which there is no snapshot yet")

// Genesis is the record with which a cluster begins that has the state of an instance without one,
// of which id is a hash.
func Genesis(by Author, id uint64) []byte {
	return binary.BigEndian.AppendUint64(head(kindGenesis, by), id)
}

// ReadGenesis reads the first record of a frames topic.
func ReadGenesis(record []byte) (id uint64, ok bool) {
	if len(record) != 18 || record[0] != firstVersion || record[1] != kindGenesis {
		return 0, false
	}
	return binary.BigEndian.Uint64(record[10:]), true
}

// Inheritance is what an instance without a cluster leaves to the fold, or the fold to such an
// instance, beside the state of the engine.
type Inheritance struct {
	Positions map[models.Partition]Position
	Rules     Rules
	Notified  map[string][]byte // the notification state
	Pending   []models.Alert    // not in it yet
	Silences  [][]byte
}

// Inherit has a new fold begin after the genesis record.
func (f *Fold) Inherit(i Inheritance) {
	f.next, f.inherited = 1, true
	f.rules, f.newRules = i.Rules, true
	for p, at := range i.Positions {
		f.positions[p] = at
		*f.at(p) = models.Progress{
			Topic: p.Topic, Partition: p.Partition, Next: at.Next, End: at.Next,
		}
		t := f.topics[p.Topic]
		f.topics[p.Topic] = Topic{p.Topic, at.Incarnation, max(t.Partitions, p.Partition+1)}
	}
	for key, value := range i.Notified {
		f.notified[key], f.dirty[key] = value, true
	}
	f.pending = nil
	for n, a := range i.Pending {
		f.pending = append(f.pending, Decision{Seq(n + 1), a})
	}
	for _, s := range i.Silences {
		f.silence(s)
	}
}

// Leave returns what the fold leaves to an instance without a cluster.
func (f *Fold) Leave() Inheritance {
	i := Inheritance{
		Positions: maps.Clone(f.positions), Rules: f.rules, Notified: f.Notified(),
	}
	for _, d := range f.pending {
		i.Pending = append(i.Pending, d.Alert)
	}
	for _, s := range f.silences {
		i.Silences = append(i.Silences, s.value)
	}
	return i
}

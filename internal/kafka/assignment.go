package kafka

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// assignment is the partitions that are assigned to us.
type assignment struct {
	mu    sync.Mutex // guards the fields below, those of partitions, and some of the consumer
	parts map[models.Partition]*partition
	// partitions that were revoked, with their last position
	released        map[models.Partition]models.SourcePosition
	changed         bool // since takeChange
	cluster         string
	topicPartitions int // of our topics in the cluster, from the last probe
	availability    map[models.Partition]*availability
}

// partition is an assigned partition. Its positions, which only move forward but for rewindTo:
//
//	log start      committed         next            fetched          end
//	  |  deleted…      |               |                |               |
//	--+----------------+---------------+----------------+---------------+-->
//	                   | evaluated,    | in the batch   | lag of the    |
//	                   | in the next   | that is being  | client        | not written yet
//	                   | commit        | evaluated      |               |
//
// Records before replayUntil were evaluated by an earlier run and only rebuild state; nothing
// below it is committed.
type partition struct {
	models.Partition
	id      [16]byte
	next    int64 // offset of the first record that is not processed
	fetched int64 // offset of the first record that is not fetched
	epoch   int32 // leader epoch of the record before next
	// records before next with at most this epoch are those that were read, when the client went
	// back
	readEpoch int32
	// the group's offset; -1 for none, or committedUnknown
	committedOffset int64
	replayUntil     int64 // records before it were processed by an earlier run
	end, start      int64 // of the log; end is the high watermark
	probedEnd       int64 // end of the last probe; -1 before the first
	// start of the probe that brought end; zero when a fetch brought it
	endProbedAt time.Time
	lastTime    time.Time // timestamp of the last record
	lastMoved   time.Time // last change of next
	// since when there is lag without progress; zero for none
	laggingSince time.Time
	stuck        error // why nothing can be read; nil when all is well
	// until when it is not fetched, since its next record cannot be read yet; zero for not
	heldUntil time.Time
	// fetched records that may be joined with later ones, and since when nothing has come
	waiting      []*kgo.Record
	waitingSince time.Time
	read         decode.Waiting // what was read of them
	// the log is unreadable at fetched; the client may skip the damage
	damaged      bool
	pin          bool  // commit it although nothing was read
	processed    int64 // records since the assignment
	worker       int   // index + 1 of its worker; 0 for none
	revoking     bool  // queued messages are dropped
	queued       int   // messages
	future       futureRecords
	availability *availability // at its assignment; the consumer's map has the present one
	away         bool          // at its assignment, that a broker was away is certain
}

// committedUnknown means that a commit is in flight.
const committedUnknown = -2

// sorted are all partitions in order. The caller holds mu.
func (a *assignment) sorted() []*partition {
	return slices.SortedFunc(maps.Values(a.parts), byPartition)
}

// all are all partitions in order.
func (a *assignment) all() []*partition {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sorted()
}

// partition returns an assigned partition, or nil.
func (a *assignment) partition(topic string, number int32) *partition {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.parts[models.Partition{Topic: topic, Partition: number}]
}

func byPartition(a, b *partition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition.Partition) - int(b.Partition.Partition)
}

// partitionNames lists partitions as topic/number, shortened to one line.
func partitionNames(parts []*partition) string {
	const most = 12
	var list []string
	for i, p := range parts {
		if i == most {
			list = append(list, fmt.Sprintf("and %d more", len(parts)-most))
			break
		}
		list = append(list, fmt.Sprintf("%s/%d", p.Topic, p.Partition.Partition))
	}
	return strings.Join(list, " ")
}

// takeChange reports whether the assignment changed since the last call.
func (a *assignment) takeChange() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := a.changed
	a.changed = false
	return changed
}

// position is a partition's position for a checkpoint. The caller holds mu.
func (a *assignment) position(p *partition) models.SourcePosition {
	at := models.SourcePosition{
		Cluster:   a.cluster,
		TopicID:   p.id,
		Topic:     p.Topic,
		Partition: p.Partition.Partition,
		Next:      p.next,
		Committed: max(p.committedOffset, -1),
		Epoch:     p.epoch,
	}
	a.availability[p.Partition].save(&at)
	return at
}

// positions are those of the given partitions; nil for all.
func (a *assignment) positions(of []*partition) []models.SourcePosition {
	a.mu.Lock()
	defer a.mu.Unlock()
	if of == nil {
		of = a.sorted()
	}
	list := make([]models.SourcePosition, len(of))
	for i, p := range of {
		list[i] = a.position(p)
	}
	return list
}

// releasedPositions are the positions of revoked partitions.
func (a *assignment) releasedPositions() []models.SourcePosition {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Values(a.released))
}

// hasAll reports whether we have all partitions of our topics, or none yet.
func (a *assignment) hasAll() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.parts) == 0 || len(a.parts) >= a.topicPartitions
}

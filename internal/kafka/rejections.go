package kafka

import (
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// RejectedRecord is a record, or a log within it, that could not be decoded.
type RejectedRecord struct {
	Position models.Position `json:"position"`
	Reason   string          `json:"reason"`
	Detail   string          `json:"detail,omitempty"`
	Sample   []byte          `json:"sample"` // the start of the record
}

const (
	maxRecentRejections = 8
	rejectionSample     = 300 // bytes
)

// rejectionRing keeps the newest rejections for the engine page. It reuses its memory: a topic
// full of garbage allocates nothing.
type rejectionRing struct {
	mu   sync.Mutex // guards the fields below
	ring [maxRecentRejections]RejectedRecord
	n    int // total
}

func (u *rejectionRing) note(r *kgo.Record, rejected models.Rejection) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := &u.ring[u.n%maxRecentRejections]
	u.n++
	*at = RejectedRecord{
		Position: models.Position{
			Topic:     r.Topic,
			Partition: r.Partition,
			Offset:    r.Offset,
		},
		Reason: rejected.Reason,
		Detail: rejected.Detail,
		Sample: append(at.Sample[:0], r.Value[:min(len(r.Value), rejectionSample)]...),
	}
}

// all returns them, newest first. The caller owns them.
func (u *rejectionRing) all() []RejectedRecord {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []RejectedRecord
	for i := u.n - 1; i >= max(u.n-maxRecentRejections, 0); i-- {
		one := u.ring[i%maxRecentRejections]
		one.Sample = slices.Clone(one.Sample)
		list = append(list, one)
	}
	return list
}

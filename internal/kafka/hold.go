package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// holdRetry is after how long a partition that is held back is fetched again.
const holdRetry = 2 * time.Second

// holdBack cuts off what cannot be read yet, such as values whose schema cannot be had, and all
// that follows it in its partition. The partition waits there, stuck and counted, and is fetched
// again until it can be read: nothing is skipped.
func (s *Source) holdBack(batches []batch) {
	if s.cfg.Readable == nil {
		return
	}
	for i := range batches {
		b := &batches[i]
		readable := s.cfg.Readable(b.part.Topic)
		if readable == nil {
			continue
		}
		for k, r := range b.records {
			m := modelRecord(r)
			if err := readable(&m); err != nil {
				b.records, b.next, b.err = b.records[:k], r.Offset, nil
				s.group.hold(b.part, r.Offset, err)
				break
			}
		}
	}
}

// Readable returns, for the records of a topic, why one cannot be read yet; nil where all can.
type Readable func(topic string) func(*models.Record) error

// hold lets a partition wait at an offset.
func (g *groupConsumer) hold(p *partition, offset int64, err error) {
	g.markStuck(p, "unreadable", err)
	g.client.PauseFetchPartitions(p.asFetch())
	g.seek(p, offset, -1)
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	p.fetched, p.heldUntil = offset, time.Now().Add(holdRetry)
}

// resumeHeld fetches partitions again that have waited long enough.
func (g *groupConsumer) resumeHeld() {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	for _, p := range g.assignment.parts {
		if !p.heldUntil.IsZero() && !time.Now().Before(p.heldUntil) {
			g.unhold(p)
		}
	}
}

// unhold lets the client fetch a partition again. The caller holds mu.
func (g *groupConsumer) unhold(p *partition) {
	if p.heldUntil.IsZero() {
		return
	}
	p.heldUntil = time.Time{}
	g.client.ResumeFetchPartitions(p.asFetch())
}

// asFetch names the partition as the client wants it.
func (p *partition) asFetch() map[string][]int32 {
	return map[string][]int32{p.Topic: {p.Partition.Partition}}
}

// unreadable returns why a record cannot be read yet.
func (r *Reader) unreadable(record *kgo.Record) error {
	if r.cfg.Readable == nil {
		return nil
	}
	readable := r.cfg.Readable(record.Topic)
	if readable == nil {
		return nil
	}
	m := modelRecord(record)
	return readable(&m)
}

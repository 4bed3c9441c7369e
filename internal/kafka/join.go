package kafka

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// join joins the records of each partition whose topic has a joiner, and returns the batches of
// events. Records that may be continued by later ones wait in the partition, and those behind them,
// too: the position stays before them, so a restart or the next owner reads them again, whole. They
// wait as long as lines may be apart, by the clock; what continues them later begins an event.
func (s *Source) join(batches []batch) []batch {
	if s.cfg.Joiner == nil {
		return batches
	}
	now := time.Now()
	for i := range batches {
		b := &batches[i]
		j := s.joiner(b.part.Topic)
		if j == nil || len(b.records) == 0 && b.next <= b.part.next {
			continue
		}
		if len(b.records) > 0 {
			b.part.waitingSince = now
		}
		s.joinBatch(j, b, len(b.part.waiting) > 0 && now.Sub(b.part.waitingSince) > j.Wait())
	}
	for _, p := range s.group.assignment.all() {
		j := s.joiner(p.Topic)
		if j == nil || len(p.waiting) == 0 || now.Sub(p.waitingSince) <= j.Wait() ||
			slices.ContainsFunc(batches, func(b batch) bool { return b.part == p }) {
			continue
		}
		b := batch{part: p, next: p.waiting[len(p.waiting)-1].Offset + 1}
		s.joinBatch(j, &b, true)
		batches = append(batches, b)
	}
	return batches
}

// joinBatch joins what waits in a partition with the records of a batch.
func (s *Source) joinBatch(j *decode.Joiner, b *batch, flush bool) {
	p := b.part
	if len(b.records) > 0 { // they may come again
		first := b.records[0].Offset
		p.waiting = slices.DeleteFunc(
			p.waiting,
			func(r *kgo.Record) bool { return r.Offset >= first },
		)
	}
	p.read.Keep(len(p.waiting))
	all := append(p.waiting, b.records...)
	records := make([]models.Record, len(all))
	for i, r := range all {
		records[i] = modelRecord(r)
	}
	events, used := j.JoinWaiting(&p.read, records, flush)
	b.records = make([]*kgo.Record, len(events))
	for i, e := range events {
		b.records[i] = all[e.First]
		if e.Value != nil {
			r := *all[e.First]
			r.Value = e.Value
			b.records[i] = &r
		}
	}
	if used < len(all) {
		b.next = all[used].Offset
	}
	p.waiting = slices.Clone(all[used:])
}

// joiner returns the joiner of a topic, nil for none. It is made when it is first needed.
func (s *Source) joiner(topic string) *decode.Joiner {
	j, ok := s.joiners[topic]
	if !ok {
		var err error
		if j, err = decode.NewJoiner(s.cfg.Joiner(topic)); err != nil {
			s.log.Error(
				"records are not joined",
				"topic",
				topic,
				"error",
				err,
			) // it was validated before
		}
		if s.joiners == nil {
			s.joiners = map[string]*decode.Joiner{}
		}
		s.joiners[topic] = j
	}
	return j
}

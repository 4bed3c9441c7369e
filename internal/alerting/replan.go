package alerting

import (
	"bytes"
	"sync"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The index over the rules looks for the rarest part of each. Only the logs show which part that
// is.

const (
	sampleSize   = 2048    // records that are kept
	sampleBytes  = 8 << 10 // of a record that is
	sampleEarly  = 32      // of so many records one is kept until there are enough,
	sampleLate   = 512     // and of so many later
	sampleEnough = 500     // records by which rules are planned at once when they change
)

// sample is what was kept of the records that were scanned: the last ones.
type sample struct {
	mu      sync.Mutex // guards what follows
	records []models.Record
	next    int    // the oldest, once there are sampleSize
	fresh   int    // kept since the last plan
	kept    uint64 // since the start
}

// offer keeps a few of some records, before which others were passed over, and returns how many now
// are.
func (s *sample) offer(records []models.Record, passed int) int {
	if passed+len(records) < sampleEarly {
		return passed + len(records)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	every := sampleEarly
	if len(s.records) == sampleSize {
		every = sampleLate
	}
	for passed+len(records) >= every {
		n := max(every-passed, 1)
		s.keep(&records[n-1])
		records, passed = records[n:], 0
	}
	return passed + len(records)
}

func (s *sample) keep(r *models.Record) {
	if len(r.Value) > sampleBytes {
		return
	}
	s.fresh++
	s.kept++
	if len(s.records) < sampleSize {
		s.records = append(
			s.records,
			models.Record{
				Topic:     r.Topic,
				Partition: r.Partition,
				Timestamp: r.Timestamp,
				Value:     bytes.Clone(r.Value),
			},
		)
		return
	}
	old := &s.records[s.next]
	old.Topic, old.Partition, old.Timestamp = r.Topic, r.Partition, r.Timestamp
	old.Value = append(old.Value[:0], r.Value...)
	s.next = (s.next + 1) % sampleSize
}

// size is how many records there are.
func (s *sample) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

// due reports whether the records are others than those of the last plan; it is then taken for
// granted that one is made.
func (s *sample) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh < sampleSize {
		return false
	}
	s.fresh = 0
	return true
}

// copied returns the records, the oldest first, which scanners continue to overwrite, and how many
// were kept since the start.
func (s *sample) copied() (list []models.Record, kept uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list = make([]models.Record, 0, len(s.records))
	for _, part := range [][]models.Record{s.records[s.next:], s.records[:s.next]} {
		for _, r := range part {
			r.Value = bytes.Clone(r.Value)
			list = append(list, r)
		}
	}
	return list, s.kept
}

// recent is what a plan is made by; nil when too little has gone by.
func (ss *scanners) recent() func(*decode.Fields, func(*decode.Log)) {
	if ss.sample.size() < sampleEnough {
		return nil
	}
	records, _ := ss.sample.copied()
	return func(fields *decode.Fields, each func(*decode.Log)) {
		decoders := map[string]*decode.Decoder{}
		for i := range records {
			r := &records[i]
			d := decoders[r.Topic]
			if d == nil {
				d = ss.newDecoder(r.Topic, fields)
				decoders[r.Topic] = d
			}
			if !safely(func() { d.Decode(r, each, nil) }) {
				delete(decoders, r.Topic) // its state after the panic is unknown
			}
		}
	}
}

// safely reports whether f did not panic: a record that makes the decoder do so was rejected when
// it was scanned, and shall not end the program here.
func safely(f func()) (ok bool) {
	defer func() { ok = recover() == nil }()
	f()
	return
}

// Sample returns a few of the records that were scanned recently, the oldest first; none when too
// few were. kept is how many records were kept for it since the start, so two samples show how many
// records of the second are new. The records are the caller's.
func (e *Engine) Sample() (records []models.Record, kept uint64) {
	if e.scanners.sample.size() < sampleEnough {
		return nil, 0
	}
	return e.scanners.sample.copied()
}

// Replan plans the index anew when other records have gone by than it was planned by, and reports
// whether it did. That takes about as long as reading the rules does. It may be called while logs
// are evaluated.
func (e *Engine) Replan() (bool, error) {
	if !e.scanners.sample.due() {
		return false, nil
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	p := e.scanners.ruleSet.Load()
	former := p.match.Load()
	m, err := match.Compile(
		p.queries,
		match.Options{
			Fields: p.paths,
			Lists:  match.ListsOf(p.set),
			Now:    e.opts.clock,
			Sample: e.scanners.recent(),
			Former: former,
			Cut:    &e.scanners.regexpsCut,
		},
	)
	if err != nil {
		return false, err
	}
	p.match.Store(m)
	return true, nil
}

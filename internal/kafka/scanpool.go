package kafka

import (
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// chunk is a run of records of one partition that one goroutine scans.
type chunk struct {
	partition    *partition
	kafkaRecords []*kgo.Record
	records      []models.Record
	scans        []models.Scan // one, unless a record made the scanner panic
	rejected     []models.Rejection
	replay       bool  // processed by an earlier run
	next         int64 // the offset after it; the last chunk of a batch includes control records
	done         chan struct{}
	now          time.Time   // by the clock of the rules
	future       int         // records whose timestamps were ahead of it
	ahead        *kgo.Record // one of them
	mark         *scanMark
	slow         *slowRange // of an earlier run, which overlaps the chunk; nil for none
}

// scanPool decodes and matches chunks on several goroutines.
type scanPool struct {
	engine        Engine
	inlineScanner models.Scanner
	chunks        chan *chunk
	running       sync.WaitGroup
	free          []*chunk
	slow          *slowRecords // nil for none

	mu      sync.Mutex // guards current
	current []*chunk   // that are being evaluated
}

// eachScanning calls f for the chunks that are being evaluated.
func (w *scanPool) eachScanning(f func(models.Partition, *scanMark)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.current {
		f(c.partition.Partition, c.mark)
	}
}

func (w *scanPool) setCurrent(chunks []*chunk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current = chunks
}

func newScanPool(engine Engine, n int) *scanPool {
	w := &scanPool{
		engine:        engine,
		inlineScanner: engine.NewScanner(),
		chunks:        make(chan *chunk, 2*n),
	}
	for range n {
		w.running.Go(func() {
			scanner := engine.NewScanner()
			for c := range w.chunks {
				scanner = c.scan(engine, scanner)
				c.done <- struct{}{}
			}
		})
	}
	return w
}

func (w *scanPool) close() {
	close(w.chunks)
	w.running.Wait()
}

// cut cuts a batch into chunks. A chunk has either replayed or new records.
func (w *scanPool) cut(b batch, into []*chunk) []*chunk {
	for records := b.records; len(records) > 0; {
		n := min(len(records), chunkRecords)
		replay := records[0].Offset < b.part.replayUntil
		for i := range n {
			if replay && records[i].Offset >= b.part.replayUntil {
				n = i
				break
			}
		}
		c := w.newChunk()
		c.partition, c.kafkaRecords, c.replay = b.part, records[:n], replay
		c.next = records[n-1].Offset + 1
		if w.slow != nil {
			if r, ok := w.slow.find(b.part.Partition, records[0].Offset, c.next); ok {
				c.slow = &r
			}
		}
		into, records = append(into, c), records[n:]
	}
	return into
}

func (w *scanPool) newChunk() *chunk {
	if n := len(w.free); n > 0 {
		c := w.free[n-1]
		w.free = w.free[:n-1]
		return c
	}
	return &chunk{done: make(chan struct{}, 1), mark: &scanMark{}}
}

// recycle keeps a chunk's memory, without references to records.
func (w *scanPool) recycle(c *chunk) {
	clear(c.records)
	clear(c.scans)
	*c = chunk{
		records:  c.records[:0],
		scans:    c.scans[:0],
		rejected: c.rejected[:0],
		done:     c.done,
		mark:     c.mark,
	}
	w.free = append(w.free, c)
}

// scan scans the chunk and returns the scanner to use next. If a record makes the scanner panic,
// it is rejected, and the others are scanned one by one with a new scanner.
func (c *chunk) scan(engine Engine, scanner models.Scanner) models.Scanner {
	c.records = c.records[:0]
	latest := c.now.Add(maxFuture)
	for _, r := range c.kafkaRecords {
		m := modelRecord(r)
		if m.Timestamp.After(latest) {
			m.Timestamp = c.now
			c.future, c.ahead = c.future+1, r
		}
		c.records = append(c.records, m)
	}
	c.mark.start(c.kafkaRecords[0].Offset, c.next)
	defer c.mark.since.Store(0)
	if c.slow == nil {
		s, err := scanSafely(scanner, c.records)
		if err == nil {
			c.scans = append(c.scans, s)
			return scanner
		}
		scanner = engine.NewScanner()
	}
	for i := range c.records {
		offset := c.kafkaRecords[i].Offset
		if r := c.slow; r != nil {
			if r.From == offset && r.To == offset+1 && r.Attempts >= slowAttempts {
				c.rejected = append(c.rejected, models.Rejection{
					Record: i,
					Reason: "too_slow",
					Detail: "the process was killed while it was read, several times",
				})
				continue
			}
			c.mark.start(offset, offset+1)
		}
		s, err := scanSafely(scanner, c.records[i:i+1])
		if err != nil {
			c.rejected = append(
				c.rejected,
				models.Rejection{Record: i, Reason: "panic", Detail: err.Error()},
			)
			scanner = engine.NewScanner()
			continue
		}
		for _, r := range s.Rejected() {
			r.Record += i
			c.rejected = append(c.rejected, r)
		}
		c.scans = append(c.scans, s)
	}
	return scanner
}

func scanSafely(scanner models.Scanner, records []models.Record) (s models.Scan, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the scanner panicked: %.150v", p)
		}
	}()
	return scanner.Scan(records), nil
}

// modelRecord converts a record. It aliases the client's memory.
func modelRecord(r *kgo.Record) models.Record {
	m := models.Record{
		Topic:     r.Topic,
		Partition: r.Partition,
		Offset:    r.Offset,
		Timestamp: plausibleTime(r.Timestamp),
		Key:       r.Key,
		Value:     r.Value,
	}
	if len(r.Headers) > 0 {
		m.Headers = make([]models.Header, len(r.Headers))
		for i, h := range r.Headers {
			m.Headers[i] = models.Header{Key: h.Key, Value: h.Value}
		}
	}
	return m
}

// evaluate scans batches on all workers and applies the chunks in order on this goroutine.
func (w *scanPool) evaluate(batches []batch, now time.Time, apply func(*chunk)) {
	var chunks []*chunk
	for _, b := range batches {
		chunks = w.cut(b, chunks)
	}
	for _, c := range chunks {
		c.now = now
	}
	w.setCurrent(chunks)
	defer w.setCurrent(nil)
	var feeders sync.WaitGroup
	// the usual case without lag: no other goroutine is woken
	if len(chunks) == 1 {
		c := chunks[0]
		w.inlineScanner = c.scan(w.engine, w.inlineScanner)
		c.done <- struct{}{}
	} else {
		feeders.Go(func() {
			for _, c := range chunks {
				w.chunks <- c
			}
		})
	}
	for _, c := range chunks {
		<-c.done
		apply(c)
	}
	feeders.Wait()
	w.setCurrent(nil)
	for _, c := range chunks {
		w.recycle(c)
	}
}

// evaluate scans the batches and applies the scans in order.
func (s *Source) evaluate(batches []batch) {
	s.scanPool.evaluate(batches, s.group.clock.at(time.Now()), s.apply)
	for _, b := range batches {
		s.group.advance(b.part, b.next, nil, 0) // control records at the end
	}
}

// apply passes one chunk's scans to the engine.
func (s *Source) apply(c *chunk) {
	if !c.replay && c.partition.replayUntil >= 0 &&
		c.kafkaRecords[0].Offset >= c.partition.replayUntil {
		s.replayed(c.partition)
	}
	logs, bytes := 0, 0
	for _, scan := range c.scans {
		logs += scan.Logs()
	}
	for i := range c.records {
		bytes += len(c.records[i].Value)
	}
	if c.slow != nil || c.mark.noted.Load() {
		if err := s.slow.done(c.partition.Partition, c.kafkaRecords[0].Offset, c.next); err != nil {
			s.group.limited.error("slow file", "slow records cannot be noted", "error", err)
		}
	}
	if len(c.rejected) == 0 && len(c.scans) == 1 && c.slow == nil {
		s.deadLetters.reject(c.kafkaRecords, c.scans[0].Rejected())
	} else {
		s.deadLetters.reject(c.kafkaRecords, c.rejected)
	}
	for _, scan := range c.scans {
		s.engine.Apply(scan)
	}
	s.group.noteFuture(c.partition, len(c.records), c.future, c.ahead, c.now)
	s.counters.logs.Add(int64(logs))
	s.counters.bytes.Add(int64(bytes))
	s.group.advance(c.partition, c.next, c.kafkaRecords[len(c.kafkaRecords)-1], len(c.kafkaRecords))
}

// replayed reports to the engine that a partition's replay has ended, before its first new record.
func (s *Source) replayed(p *partition) {
	s.group.assignment.mu.Lock()
	p.next, p.replayUntil = max(p.next, p.replayUntil), -1
	s.group.assignment.mu.Unlock()
	s.log.Info("state is rebuilt; continuing at the committed offset", "topic", p.Topic,
		"partition", p.Partition.Partition, "offset", p.next)
	s.advance()
}

// Replay evaluates records from memory like a Source, for benchmarks.
type Replay struct {
	engine  Engine
	workers *scanPool
	part    *partition
}

// NewReplay starts scanning goroutines; Close ends them.
func NewReplay(engine Engine, workers int) *Replay {
	return &Replay{
		engine:  engine,
		workers: newScanPool(engine, workers),
		part:    &partition{replayUntil: -1},
	}
}

// Evaluate scans and applies the records of partitions.
func (r *Replay) Evaluate(partitions ...[]*kgo.Record) {
	batches := make([]batch, len(partitions))
	for i, records := range partitions {
		batches[i] = batch{part: r.part, records: records}
	}
	r.workers.evaluate(batches, latestTime, func(c *chunk) {
		for _, scan := range c.scans {
			r.engine.Apply(scan)
		}
	})
}

// Close ends the goroutines and waits for them.
func (r *Replay) Close() { r.workers.close() }

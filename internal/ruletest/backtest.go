package ruletest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// chunk is how many records are scanned at once.
const chunk = 512

// Backtest evaluates records as a catch-up would, with time that follows the data alone, and
// returns what the rules would have raised. At the end of the records time stands at the newest
// log: what the rules would have decided after it is not known.
//
// The records of a file have no times of their own but those of their logs, so the time of a record
// is that of its first log, unless it lies in the future of the file; a record whose logs have none
// has the time of the one before, and those at the beginning that of the first one that has. A file
// whose logs are mostly from its future was written by a clock that differs from theirs, and they
// are believed. The records of a topic have offsets and times, and keep them.
type Backtest struct {
	Factory  Factory
	Rules    []string                           // IDs of the rules to report on
	Decode   decode.Config                      // as the engine's own
	Rejected func(error)                        // gets what could not be read
	Progress func(records int, until time.Time) // is called every 100,000 records

	// Partitions are those of a topic, as they begin (Next) and end (End); nil for a file. Time
	// does not pass any of them before its records were read.
	Partitions []models.Progress
}

// Run evaluates the records. When ctx ends before they do, the report says so. It returns an error
// when the records cannot be read to their end.
func (b Backtest) Run(
	ctx context.Context,
	samples iter.Seq2[decode.Sample, error],
) (*Report, error) {
	decoder, err := decode.New(b.Decode, decode.NewFields())
	if err != nil {
		return nil, err
	}
	r := &backtestRun{
		Backtest:   b,
		decoder:    decoder,
		partitions: make(map[models.Partition]*models.Progress),
		offsets:    make(map[models.Partition]int64),
	}
	r.engine, err = b.Factory.past(
		func(a models.Alert) { r.report.Alerts = append(r.report.Alerts, a) },
	)
	if err != nil {
		return nil, err
	}
	for _, p := range b.Partitions {
		r.partitions[models.Partition{Topic: p.Topic, Partition: p.Partition}] = &p
	}
	r.scanner = r.engine.NewScanner()
	for s, err := range samples {
		if err != nil && ctx.Err() == nil {
			if s.Line == 0 { // not of a line: the rest cannot be read
				return nil, err
			}
			r.reject(err)
			continue
		}
		if err == nil {
			r.take(s)
		}
		if r.report.Truncated = ctx.Err() != nil; r.report.Truncated {
			break
		}
	}
	r.open()
	r.apply()
	r.end()
	r.report.summarise(b.Rules)
	return &r.report, nil
}

// backtestRun is one run of a backtest.
type backtestRun struct {
	Backtest
	engine  Engine
	scanner models.Scanner
	decoder *decode.Decoder
	opening []decode.Sample // of a file, held back until there are enough to determine its time
	opened  bool
	// that of the file, if its logs are in another format than it was said to have
	clock      time.Time
	batch      []models.Record // of one partition, not scanned yet
	last       time.Time       // of the last record
	now        time.Time       // of the newest record
	partitions map[models.Partition]*models.Progress
	offsets    map[models.Partition]int64
	report     Report
}

func (r *backtestRun) reject(err error) {
	r.report.Rejected++
	r.Rejected(err)
}

// take takes the next record. Those at the beginning of a file wait for each other.
func (r *backtestRun) take(s decode.Sample) {
	if r.Partitions != nil || r.opened {
		r.add(s)
		return
	}
	if r.opening = append(r.opening, s); len(r.opening) == chunk {
		r.open()
	}
}

// open finds out what time it was when the file began, and evaluates the records that waited for
// that.
func (r *backtestRun) open() {
	if r.opened {
		return
	}
	r.opened = true
	var times []time.Time
	for _, s := range r.opening {
		if !s.Timed {
			times = append(times, r.ownTimes(s.Record)...)
		}
	}
	sorted := slices.SortedFunc(slices.Values(times), time.Time.Compare)
	if n := len(sorted); n > 0 && sorted[n/2].After(limit(r.opening[0].Timestamp)) {
		r.clock = sorted[n/2].AddDate(1, 0, 0)
	}
	for _, at := range times {
		if known := cmp.Or(r.clock, r.opening[0].Timestamp); !at.After(limit(known)) {
			r.last = at
			break
		}
	}
	for _, s := range r.opening {
		r.add(s)
	}
	r.opening = nil
}

// ownTimes are the times that the logs of a record have of their own, whatever they are.
func (r *backtestRun) ownTimes(record models.Record) (times []time.Time) {
	// so that none is taken to be from its future
	record.Timestamp = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	r.decoder.Decode(&record, func(l *decode.Log) {
		if l.TimeSource() != "kafka" {
			times = append(times, time.Unix(0, l.Time()).UTC())
		}
	}, func(decode.Reason, string) {})
	return times
}

// limit is the latest time that is believed of a log in a record of that time.
func limit(record time.Time) time.Time { return record.Add(time.Minute) }

func (r *backtestRun) add(s decode.Sample) {
	r.report.Records++
	r.setTime(&s)
	if p := (models.Partition{Topic: s.Topic, Partition: s.Partition}); r.Partitions == nil {
		s.Offset = r.offsets[p]
		r.offsets[p]++
	}
	if n := len(r.batch); n == chunk ||
		n > 0 && (r.batch[0].Topic != s.Topic || r.batch[0].Partition != s.Partition) {
		r.apply()
	}
	r.batch = append(r.batch, s.Record)
	if r.Progress != nil && r.report.Records%100_000 == 0 {
		r.Progress(r.report.Records, r.report.To)
	}
}

// setTime gives the record of a file the time of its first log, and widens the report's span.
func (r *backtestRun) setTime(s *decode.Sample) {
	borrows := r.Partitions == nil && !s.Timed
	if borrows {
		s.Timestamp = cmp.Or(r.clock, s.Timestamp)
	}
	first, latest := borrows, limit(s.Timestamp)
	r.decoder.Decode(&s.Record, func(l *decode.Log) {
		at := time.Unix(0, l.Time()).UTC()
		if l.TimeSource() == "kafka" && borrows && !r.last.IsZero() {
			at = r.last
		}
		if at.After(latest) {
			return
		}
		if first {
			s.Timestamp, r.last, first = at, at, false
		}
		if r.report.From.IsZero() || at.Before(r.report.From) {
			r.report.From = at
		}
		if at.After(r.report.To) {
			r.report.To = at
		}
	}, func(decode.Reason, string) {})
	if first && !r.last.IsZero() {
		s.Timestamp = r.last
	}
}

// apply evaluates the batch.
func (r *backtestRun) apply() {
	if len(r.batch) == 0 {
		return
	}
	if r.now.IsZero() { // all partitions are known before the first record is evaluated
		r.engine.Advance(r.batch[0].Timestamp, r.progress())
	}
	scan := r.scanner.Scan(r.batch)
	r.report.Logs += scan.Logs()
	for _, rejection := range scan.Rejected() {
		record := r.batch[rejection.Record]
		place := fmt.Sprintf("record %d", record.Offset+1) // of the file
		if r.Partitions != nil {
			place = fmt.Sprintf("record at offset %d of %s/%d", record.Offset, record.Topic,
				record.Partition)
		}
		r.reject(fmt.Errorf("%s: %s: %s", place, rejection.Reason, rejection.Detail))
	}
	r.engine.Apply(scan)
	last := r.batch[len(r.batch)-1]
	p := models.Partition{Topic: last.Topic, Partition: last.Partition}
	if r.partitions[p] == nil {
		r.partitions[p] = &models.Progress{Topic: p.Topic, Partition: p.Partition}
	}
	r.partitions[p].Next = last.Offset + 1
	if r.Partitions == nil {
		// there is more to come, as far as the engine knows: so its time follows the logs
		r.partitions[p].End = last.Offset + 2
	}
	if last.Timestamp.After(r.now) {
		r.now = last.Timestamp
	}
	r.engine.Advance(r.now, r.progress())
	r.batch = r.batch[:0]
}

// end lets time reach the newest log.
func (r *backtestRun) end() {
	progress := r.progress()
	for i := range progress {
		progress[i].End, progress[i].CaughtUp = progress[i].Next, true
	}
	at := r.report.To
	if r.Factory.Past == nil { // an engine that waits for the lateness also where the logs end
		at = at.Add(r.Factory.Lateness)
	}
	r.engine.Advance(at, progress)
}

// progress is that of all partitions, in an order that is always the same.
func (r *backtestRun) progress() []models.Progress {
	var list []models.Progress
	for _, p := range r.partitions {
		p.CaughtUp = p.Next >= p.End
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b models.Progress) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return list
}

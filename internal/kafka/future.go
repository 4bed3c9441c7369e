package kafka

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The timestamp of a record is what its producer claims: brokers accept one that is an hour ahead,
// older ones any. Event time would follow it, and the logs of all other producers would be late. So
// a timestamp that is more than maxFuture ahead of the clock is replaced by the clock's time, and a
// log's own time is never far ahead of its record's.

const (
	maxFuture = time.Minute
	// the share of recent records with such timestamps that is a health problem
	badFutureShare = 0.01
	minFutureCount = 5
	futureInterval = 5 * time.Minute
)

// The range of times that are nanoseconds in an int64; a record may claim any millisecond.
var (
	earliestTime = time.Unix(0, 0)
	latestTime   = time.Unix(1<<63/1_000_000_000-1, 0)
)

// plausibleTime keeps a record's timestamp within the range of times. A negative one is none.
func plausibleTime(t time.Time) time.Time {
	switch s := t.Unix(); {
	case s < earliestTime.Unix():
		return time.UnixMilli(-1)
	case s > latestTime.Unix():
		return latestTime
	}
	return t
}

// futureRecords counts the records of a partition with timestamps ahead of the clock. The group
// consumer's mu guards it.
type futureRecords struct {
	total    int64
	since    time.Time // start of the current interval
	records  [2]int64  // of the current and the previous interval
	future   [2]int64
	ahead    time.Duration // of the worst of the two intervals
	producer string        // of the last such record
}

// note counts records, and those of them that were ahead.
func (f *futureRecords) note(now time.Time, records, future int) {
	if age := now.Sub(f.since); age > futureInterval {
		f.since = now
		f.records = [2]int64{0, f.records[0]}
		f.future = [2]int64{0, f.future[0]}
		if age > 2*futureInterval {
			f.records[1], f.future[1] = 0, 0
		}
		if f.future[1] == 0 {
			f.ahead = 0
		}
	}
	f.records[0] += int64(records)
	f.future[0] += int64(future)
	f.total += int64(future)
}

// problem describes a share of future records that harms; "" for none.
func (f *futureRecords) problem(p models.Partition) string {
	records, future := f.records[0]+f.records[1], f.future[0]+f.future[1]
	share := float64(future) / float64(max(records, 1))
	if future < minFutureCount || share < badFutureShare {
		return ""
	}
	return fmt.Sprintf(
		"%.0f%% of the records of %s/%d have timestamps up to %s ahead of the clock%s; "+
			"they count as written now (correct the clock of their producer)",
		100*share,
		p.Topic,
		p.Partition,
		duration.Format(f.ahead.Round(time.Second)),
		f.producer,
	)
}

// futureProblems are the problems of all partitions. The caller holds mu.
func (g *groupConsumer) futureProblems() (list []string) {
	for _, p := range g.assignment.sorted() {
		if text := p.future.problem(p.Partition); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// noteFuture counts the records of a chunk, reports those that were ahead, and names the producer
// of one of them.
func (g *groupConsumer) noteFuture(
	p *partition,
	records, future int,
	one *kgo.Record,
	now time.Time,
) {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	p.future.note(now, records, future)
	if future == 0 {
		return
	}
	ahead := plausibleTime(one.Timestamp).Sub(now)
	p.future.ahead = max(p.future.ahead, ahead)
	if p.future.producer == "" || p.future.total%1024 < int64(future) {
		p.future.producer = producerOf(one)
	}
	g.limited.warn(
		"future "+p.Topic, "records have timestamps ahead of the clock; they count as written now",
		"topic", p.Topic, "partition", p.Partition.Partition, "offset", one.Offset,
		"records", future, "ahead", duration.Format(ahead.Round(time.Second)),
		"producer", p.future.producer,
	)
}

// producerOf names the service and host of a record's first log, as far as they can be read.
func producerOf(r *kgo.Record) (name string) {
	d, err := newDecoder("auto")
	if err != nil {
		return ""
	}
	safely(func() error {
		m := modelRecord(r)
		d.Decode(&m, func(l *decode.Log) {
			if e := l.Entry(); name == "" && e.Service+e.Host != "" {
				name = fmt.Sprintf(
					" (service %s, host %s)",
					safetext.Clip(safetext.Line(e.Service), 64),
					safetext.Clip(safetext.Line(e.Host), 64),
				)
			}
		}, func(decode.Reason, string) {})
		return nil
	})
	return name
}

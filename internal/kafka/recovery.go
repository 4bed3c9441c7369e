package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Failures of a partition, and the reactions. Each is counted and reported; none stops the
// process.
//
//	log truncated below our position         follow the client, skip what was read: new records
//	                                         have a later leader epoch
//	batch expands beyond the limit           skip it
//	damaged batch                            fetch again; if still damaged, skip it by its header
//	damaged batch header                     stuck for 30 s; then skip to the next readable batch
//	lag, but no records and no error         fetch by hand to find the reason; stuck
//	offset no longer exists                  continue at the start of the log
//	topic deleted or created again           start over
//	open transaction                         stuck until it ends
//	permission denied                        stuck until granted; an error at the start
//	schema of a record cannot be had         stuck before it until it can
//	anything else                            stuck until records come again

// clientError handles an error of the client itself. The caller holds mu.
func (g *groupConsumer) clientError(err error) error {
	var session *kgo.ErrGroupSession
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return nil // the end of a poll
	case errors.Is(err, kgo.ErrClientClosed):
		return err
	case errors.As(err, &session):
		return g.groupError(err)
	}
	g.counters.errors.add("client", 1)
	g.limited.warn("client", "Kafka client error", "error", err)
	return nil
}

// groupError handles a refused join. Before the first join, missing permissions are final. The
// caller holds mu.
func (g *groupConsumer) groupError(err error) error {
	if !g.joined && needsOperator(err) {
		return withHint(err)
	}
	g.problems.set("group", withHint(err))
	return nil
}

// foreignError handles the error of a partition that is not assigned to us.
func (g *groupConsumer) foreignError(topic string, n int32, err error) error {
	var session *kgo.ErrGroupSession
	switch {
	case errors.As(err, &session):
		return g.groupError(err)
	case errors.Is(err, kerr.UnknownTopicID):
		return errReopen
	case errors.Is(err, kerr.TopicAuthorizationFailed) && !g.joined:
		return withHint(fmt.Errorf("topic %q: %w", topic, err))
	}
	g.counters.errors.add("partition", 1)
	g.limited.warn("partition "+topic, "a partition cannot be read", "topic", topic, "partition", n,
		"error", withHint(err))
	return nil
}

// handlePartitionError handles the error of an assigned partition, after the records before it
// were processed.
func (g *groupConsumer) handlePartitionError(ctx context.Context, p *partition, err error) error {
	var loss *kgo.ErrDataLoss
	var bomb *kgo.ErrDecompressTooLarge
	switch {
	case errors.As(err, &loss):
		g.assignment.mu.Lock()
		g.dataLoss(p, loss)
		g.assignment.mu.Unlock()
	case errors.As(err, &bomb):
		g.skip(p, "bomb", bomb.NextOffset, bomb.Epoch, err)
	case errors.Is(err, kerr.UnknownTopicID):
		g.counters.errors.add("recreated", 1)
		return errReopen
	case kerr.IsRetriable(err):
		g.markStuck(p, "retriable", err)
	case isDamage(err):
		g.handleDamage(ctx, p, err)
	default:
		g.markStuck(p, "other", err)
	}
	return nil
}

// isDamage reports whether an error may mean damaged bytes: it is neither a broker's answer nor a
// network error.
func isDamage(err error) bool {
	var answer *kerr.Error
	return !errors.As(err, &answer) && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, kerr.CorruptMessage)
}

// dataLoss continues where the client does. The client may go back further than the log was
// truncated, or nothing may be lost and the leader only lacks the history. So the records that
// come are compared by epoch with those that were read. Our position stays until a new record
// comes or the log is known to end below it; otherwise a crash would count records twice. The
// caller holds mu.
func (g *groupConsumer) dataLoss(p *partition, loss *kgo.ErrDataLoss) {
	g.counters.errors.add("data_loss", 1)
	g.log.Error("the broker may have lost records that were read before; continuing with the log",
		"topic", p.Topic, "partition", p.Partition.Partition, "read_to", loss.ConsumedTo,
		"resumed_at", loss.ResetTo)
	p.fetched, p.readEpoch, p.probedEnd = loss.ResetTo, p.epoch, -1
	if p.epoch < 0 { // unknown
		g.rewindTo(p, p.fetched)
	}
}

// rewindTo moves back to an offset from which on the log has other records. The caller holds mu.
func (g *groupConsumer) rewindTo(p *partition, offset int64) {
	if offset >= p.next {
		return
	}
	g.log.Error("records that were read before are replaced by others", "topic", p.Topic,
		"partition", p.Partition.Partition, "from", offset, "records", p.next-offset)
	g.counters.errors.add("replaced", 1)
	p.next, p.pin = offset, true
}

// rewindAll has partitions read again from some offsets.
func (g *groupConsumer) rewindAll(at map[models.Partition]int64) {
	for name, next := range at {
		g.assignment.mu.Lock()
		p := g.assignment.parts[name]
		if p != nil {
			p.next, p.fetched, p.waiting, p.probedEnd = next, next, nil, -1
		}
		g.assignment.mu.Unlock()
		if p != nil {
			g.seek(p, next, -1)
		}
	}
}

// skip leaves out an unreadable batch.
func (g *groupConsumer) skip(p *partition, kind string, next int64, epoch int32, err error) {
	g.assignment.mu.Lock()
	g.skipLocked(p, kind, next, err)
	g.assignment.mu.Unlock()
	g.seek(p, next, epoch)
}

// skipLocked counts and reports a skipped batch, and moves behind it. The caller holds mu.
func (g *groupConsumer) skipLocked(p *partition, kind string, next int64, err error) {
	n := max(next-p.next, 0)
	g.counters.errors.add(kind, 1)
	g.counters.lost.Add(n)
	g.limited.error(kind+" "+p.Topic, "an unreadable batch is skipped", "topic", p.Topic,
		"partition", p.Partition.Partition, "offset", p.next, "records", n, "resumed_at", next,
		"error", err)
	p.next, p.epoch, p.stuck, p.laggingSince, p.damaged = max(p.next, next), -1, nil,
		time.Time{}, false
	p.fetched = p.next
}

// seek makes the client fetch from an offset.
func (g *groupConsumer) seek(p *partition, offset int64, epoch int32) {
	g.client.SetOffsets(
		map[string]map[int32]kgo.EpochOffset{
			p.Topic: {p.Partition.Partition: {Epoch: epoch, Offset: offset}},
		},
	)
}

// markStuck records why a partition cannot be read.
func (g *groupConsumer) markStuck(p *partition, kind string, err error) {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	g.counters.errors.add(kind, 1)
	p.stuck = withHint(err)
	g.limited.error("stuck "+p.Topic, "a partition cannot be read", "topic", p.Topic,
		"partition", p.Partition.Partition, "offset", p.next, "error", p.stuck)
}

// handleDamage skips a batch that is damaged in the log, not only in transit. Its end comes from
// its header; if that is damaged too, the next readable batch is searched after a delay, since a
// new leader may have an intact log.
func (g *groupConsumer) handleDamage(ctx context.Context, p *partition, err error) {
	g.assignment.mu.Lock()
	at, end := p.next, p.end
	p.damaged = p.damaged || p.fetched == at
	patient := p.laggingSince.IsZero() || time.Since(p.laggingSince) < stalledAfter
	g.assignment.mu.Unlock()
	answer, failed := fetchRaw(ctx, g.client, p, at)
	if failed == nil {
		if _, ok := firstBatch(answer, p, at); ok {
			// until it comes again; the client must not pass over it
			g.markStuck(p, "corrupt", err)
			g.seek(p, at, -1)
			return
		}
		end = max(end, answer.HighWatermark)
		if next, ok := batchEnd(answer.RecordBatches, at); ok && next <= end {
			g.skip(p, "corrupt", next, -1, err)
			return
		}
	}
	if !patient && (failed == nil || errors.Is(failed, kerr.CorruptMessage)) {
		if next, ok := nextReadable(ctx, g.client, p, at, end); ok {
			g.skip(p, "corrupt", next, -1, err)
			return
		}
	}
	g.markStuck(
		p,
		"corrupt",
		fmt.Errorf("the log is damaged at offset %d, and nothing behind it is readable yet: %w",
			at, err),
	)
}

const (
	stalledAfter = 30 * time.Second // without progress despite lag
	examineEvery = 10 * time.Second
)

// diagnoseStalled finds out why partitions with lag deliver nothing. The client hides errors that
// it takes for temporary, such as a leader with a damaged log, and it is silent about a batch
// with a damaged length.
func (g *groupConsumer) diagnoseStalled(ctx context.Context) {
	if time.Since(g.lastDiagnosis) < examineEvery || g.client.BufferedFetchRecords() > 0 {
		return
	}
	g.lastDiagnosis = time.Now()
	for _, p := range g.stalledPartitions() {
		answer, err := fetchRaw(ctx, g.client, p, p.next)
		if err == nil {
			if err := g.openTransaction(ctx, p, answer); err != nil {
				g.markStuck(p, "transaction", err)
				continue
			}
			if _, ok := firstBatch(answer, p, p.next); ok {
				continue // another partition is slow
			}
			err = errors.New("its bytes are not a record batch")
		} else if !errors.Is(err, kerr.CorruptMessage) {
			g.markStuck(p, "stalled", err)
			continue
		}
		g.handleDamage(ctx, p, err)
	}
}

// stalledPartitions have lag without progress, although brokers answer.
func (g *groupConsumer) stalledPartitions() []*partition {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	var list []*partition
	for _, p := range g.assignment.sorted() {
		if time.Since(g.lastProbe) <= probeFresh && p.next == p.fetched && p.next < p.end &&
			p.next >= p.start &&
			!p.laggingSince.IsZero() &&
			time.Since(p.laggingSince) > stalledAfter {
			list = append(list, p)
		}
	}
	return list
}

// skipDeleted continues at the start of logs whose next record was deleted while nothing new
// came. Records that the client still holds are read first.
func (g *groupConsumer) skipDeleted() {
	if g.client.BufferedFetchRecords() > 0 {
		return
	}
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	for _, p := range g.assignment.parts {
		// the log ends below our position
		if p.fetched < p.next && p.probedEnd >= 0 && p.probedEnd <= p.fetched {
			g.rewindTo(p, p.probedEnd)
			p.fetched, p.end = p.probedEnd, p.probedEnd
		}
		if p.next == p.fetched && p.next < p.start && isIdle(p) {
			g.recordsDeleted(p, p.start)
			p.pin = true
		}
	}
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What can be wrong with a partition, and what is done about it. Everything is counted and said;
// nothing stops the process, and nothing passes in silence.
//
//	the log was cut off behind us (data loss)   go on where the client found that it can, and leave out what we have read: what is new has a later leader
//	a batch that expands beyond all measure     skip it: nobody meant it to be read
//	a batch that is damaged                     fetch it again; if it still is, skip it, by what its header says of its end
//	a batch of which the header is damaged      the partition is stuck for half a minute; then skip to where the log can be read again
//	nothing comes, although the log goes on     ask why, since the client keeps errors to itself that it takes for passing; the partition is stuck
//	an offset that is no longer there           go on at the beginning of the log
//	the topic was deleted or created again      begin afresh
//	we may not read it                          the partition is stuck until we may; at the start it is an error
//	anything else                               the partition is stuck until records come again

// clientError decides an error of the client itself. The caller holds mu.
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
	g.limited.warn("client", "the Kafka client has a problem", "error", err)
	return nil
}

// groupError decides why the group would not have us. Before it ever had us, missing rights are the
// operator's to grant. The caller holds mu.
func (g *groupConsumer) groupError(err error) error {
	if !g.joined && needsOperator(err) {
		return withHint(err)
	}
	g.setProblemLocked("group", withHint(err))
	return nil
}

// foreignError decides an error of a partition that is not ours, such as that of a topic before it
// is assigned.
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
	g.limited.warn(
		"partition "+topic,
		"a partition cannot be read",
		"topic",
		topic,
		"partition",
		n,
		"error",
		withHint(err),
	)
	return nil
}

// decide decides the error of a partition of ours, after the records before it were worked off.
func (g *groupConsumer) handlePartitionError(ctx context.Context, p *partition, err error) error {
	var loss *kgo.ErrDataLoss
	var bomb *kgo.ErrDecompressTooLarge
	switch {
	case errors.As(err, &loss):
		g.dataLoss(p, loss)
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

// isBroken says whether an error may be that of damaged bytes: it is neither an answer of the
// broker nor of the network.
func isDamage(err error) bool {
	var answer *kerr.Error
	return !errors.As(err, &answer) && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, kerr.CorruptMessage)
}

// dataLoss goes on where the client does. The client may have gone back further than the log was
// cut off, or nothing may be missing at all and the leader only does not know its history; so what
// comes is held against the epoch of what was read. Until something new has come, or the log is
// known to end before what we have read, our position stays: a crash in between would have what was
// read before count once more.
func (g *groupConsumer) dataLoss(p *partition, loss *kgo.ErrDataLoss) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counters.errors.add("data_loss", 1)
	g.log.Error(
		"the broker may have lost records that were read already; going on where the log goes on",
		"topic",
		p.Topic,
		"partition",
		p.Partition.Partition,
		"read_to",
		loss.ConsumedTo,
		"resumed_at",
		loss.ResetTo,
	)
	p.fetched, p.readEpoch, p.probedEnd = loss.ResetTo, p.epoch, -1
	if p.epoch < 0 { // nobody can tell
		g.rewindTo(p, p.fetched)
	}
}

// backTo goes back to an offset, from which on all records are others than those that were read.
// The caller holds mu.
func (g *groupConsumer) rewindTo(p *partition, offset int64) {
	if offset >= p.next {
		return
	}
	g.log.Error(
		"records that were read are lost, and others come in their place",
		"topic",
		p.Topic,
		"partition",
		p.Partition.Partition,
		"from",
		offset,
		"records",
		p.next-offset,
	)
	g.counters.errors.add("replaced", 1)
	p.next, p.pin = offset, true
}

// skip leaves out a batch that cannot be read.
func (g *groupConsumer) skip(p *partition, kind string, next int64, epoch int32, err error) {
	g.mu.Lock()
	g.skipLocked(p, kind, next, err)
	g.mu.Unlock()
	g.seek(p, next, epoch)
}

// leftOut counts and says that a batch is left out, and goes on behind it. The caller holds mu.
func (g *groupConsumer) skipLocked(p *partition, kind string, next int64, err error) {
	n := max(next-p.next, 0)
	g.counters.errors.add(kind, 1)
	g.counters.lost.Add(n)
	g.limited.error(
		kind+" "+p.Topic,
		"a batch cannot be read and is left out",
		"topic",
		p.Topic,
		"partition",
		p.Partition.Partition,
		"offset",
		p.next,
		"records",
		n,
		"resumed_at",
		next,
		"error",
		err,
	)
	p.next, p.epoch, p.stuck, p.laggingSince, p.damaged = max(p.next, next), -1, nil, time.Time{}, false
	p.fetched = p.next
}

// seek has the client fetch a partition from an offset on.
func (g *groupConsumer) seek(p *partition, offset int64, epoch int32) {
	g.client.SetOffsets(
		map[string]map[int32]kgo.EpochOffset{
			p.Topic: {p.Partition.Partition: {Epoch: epoch, Offset: offset}},
		},
	)
}

// stick notes that nothing comes of a partition.
func (g *groupConsumer) markStuck(p *partition, kind string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counters.errors.add(kind, 1)
	p.stuck = withHint(err)
	g.limited.error(
		"stuck "+p.Topic,
		"a partition cannot be read",
		"topic",
		p.Topic,
		"partition",
		p.Partition.Partition,
		"offset",
		p.next,
		"error",
		p.stuck,
	)
}

// damaged skips a batch that is damaged in the log, and not only on its way to us. The end of a
// batch is what its header tells, or, if that is damaged as well, where the log can be read again.
// For the latter it waits a little: a leader that moves may have a log that is whole.
func (g *groupConsumer) handleDamage(ctx context.Context, p *partition, err error) {
	g.mu.Lock()
	at, end := p.next, p.end
	p.damaged = p.damaged || p.fetched == at
	patient := p.laggingSince.IsZero() || time.Since(p.laggingSince) < stalledAfter
	g.mu.Unlock()
	answer, failed := fetchRaw(ctx, g.client, p, at)
	if failed == nil {
		if _, ok := firstBatch(answer, p, at); ok {
			// until it comes again, for which the client must not have passed over it
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
		fmt.Errorf(
			"the log is damaged at offset %d, and nothing behind it can be read yet: %w",
			at,
			err,
		),
	)
}

const (
	stalledAfter = 30 * time.Second // without a record, although there are some
	examineEvery = 10 * time.Second
)

// examine finds out why nothing comes of partitions of which there is something. The client says
// nothing of errors that it takes for passing, such as that of a leader whose log is damaged, even
// if they never pass; and of a batch whose length is damaged it says nothing at all.
func (g *groupConsumer) diagnoseStalled(ctx context.Context) {
	if time.Since(g.lastDiagnosis) < examineEvery || g.client.BufferedFetchRecords() > 0 {
		return
	}
	g.lastDiagnosis = time.Now()
	for _, p := range g.stalledPartitions() {
		answer, err := fetchRaw(ctx, g.client, p, p.next)
		if err == nil {
			if _, ok := firstBatch(answer, p, p.next); ok {
				continue // somebody else is slow
			}
			err = errors.New("its bytes make no batch")
		} else if !errors.Is(err, kerr.CorruptMessage) {
			g.markStuck(p, "stalled", err)
			continue
		}
		g.handleDamage(ctx, p, err)
	}
}

// stalled are the partitions that have something, of which nothing has come for a while, although
// brokers answer.
func (g *groupConsumer) stalledPartitions() []*partition {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*partition
	for _, p := range g.sorted() {
		if time.Since(g.lastProbe) <= probeFresh && p.next == p.fetched && p.next < p.end &&
			p.next >= p.start &&
			!p.laggingSince.IsZero() &&
			time.Since(p.laggingSince) > stalledAfter {
			list = append(list, p)
		}
	}
	return list
}

// deleted goes on at the beginning of logs of which what we were to read next was deleted while
// nothing new came. What the client still holds is read first.
func (g *groupConsumer) skipDeleted() {
	if g.client.BufferedFetchRecords() > 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.parts {
		// it ends before what we have read
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

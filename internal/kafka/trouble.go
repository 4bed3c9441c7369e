package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What can be wrong with a partition, and what is done about it. Everything is counted and said; nothing stops the process, and nothing passes in silence.
//
//	the log was cut off behind us (data loss)   go on where the client found that it can; records may come twice
//	a batch that expands beyond all measure     skip it: nobody meant it to be read
//	a batch that is damaged                     skip it, when its end can be found; else the partition is stuck, and is tried again
//	an offset that is no longer there           go on at the beginning of the log
//	the topic was deleted or created again      begin afresh
//	we may not read it                          the partition is stuck until we may; at the start it is an error
//	anything else                               the partition is stuck until records come again

// clientError decides an error of the client itself. The caller holds mu.
func (f *feed) clientError(err error) error {
	var session *kgo.ErrGroupSession
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return nil // the end of a poll
	case errors.Is(err, kgo.ErrClientClosed):
		return err
	case errors.As(err, &session):
		return f.groupError(err)
	}
	f.count.errors.add("client", 1)
	f.sparing.warn("client", "the Kafka client has a problem", "error", err)
	return nil
}

// groupError decides why the group would not have us. Before it ever had us, missing rights are the operator's to grant. The caller holds mu.
func (f *feed) groupError(err error) error {
	if !f.joined && fatal(err) {
		return hinted(err)
	}
	f.hasLocked("group", hinted(err))
	return nil
}

// foreignError decides an error of a partition that is not ours, such as that of a topic before it is assigned.
func (f *feed) foreignError(topic string, n int32, err error) error {
	var session *kgo.ErrGroupSession
	switch {
	case errors.As(err, &session):
		return f.groupError(err)
	case errors.Is(err, kerr.UnknownTopicID):
		return errReopen
	case errors.Is(err, kerr.TopicAuthorizationFailed) && !f.joined:
		return hinted(fmt.Errorf("topic %q: %w", topic, err))
	}
	f.count.errors.add("partition", 1)
	f.sparing.warn("partition "+topic, "a partition cannot be read", "topic", topic, "partition", n, "error", hinted(err))
	return nil
}

// decide decides the error of a partition of ours, after the records before it were worked off.
func (f *feed) decide(ctx context.Context, p *partition, err error) error {
	var loss *kgo.ErrDataLoss
	var bomb *kgo.ErrDecompressTooLarge
	switch {
	case errors.As(err, &loss):
		f.dataLoss(p, loss)
	case errors.As(err, &bomb):
		f.skip(p, "bomb", bomb.NextOffset, bomb.Epoch, err)
	case errors.Is(err, kerr.UnknownTopicID):
		f.count.errors.add("recreated", 1)
		return errReopen
	case kerr.IsRetriable(err):
		f.stick(p, "retriable", err)
	case isBroken(err):
		f.damaged(ctx, p, err)
	default:
		f.stick(p, "other", err)
	}
	return nil
}

// isBroken says whether an error may be that of damaged bytes: it is neither an answer of the broker nor of the network.
func isBroken(err error) bool {
	var answer *kerr.Error
	return !errors.As(err, &answer) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kerr.CorruptMessage)
}

// dataLoss goes on where the client does.
func (f *feed) dataLoss(p *partition, loss *kgo.ErrDataLoss) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count.errors.add("data_loss", 1)
	f.log.Error("the broker has lost records that were read already; going on where the log goes on",
		"topic", p.Topic, "partition", p.Partition.Partition, "read_to", loss.ConsumedTo, "resumed_at", loss.ResetTo)
	p.next, p.fetched, p.epoch, p.pin = loss.ResetTo, loss.ResetTo, loss.ResetToEpoch, true
}

// skip leaves out a batch that cannot be read.
func (f *feed) skip(p *partition, kind string, next int64, epoch int32, err error) {
	f.mu.Lock()
	n := next - p.next
	if n < 0 {
		n = 0
	}
	f.count.errors.add(kind, 1)
	f.count.lost.Add(n)
	f.sparing.error(kind+" "+p.Topic, "a batch cannot be read and is left out",
		"topic", p.Topic, "partition", p.Partition.Partition, "offset", p.next, "records", n, "resumed_at", next, "error", err)
	p.next, p.epoch, p.stuck = max(p.next, next), -1, nil
	p.fetched = p.next
	f.mu.Unlock()
	f.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.Topic: {p.Partition.Partition: {Epoch: epoch, Offset: next}}})
}

// stick notes that nothing comes of a partition.
func (f *feed) stick(p *partition, kind string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count.errors.add(kind, 1)
	p.stuck = hinted(err)
	f.sparing.error("stuck "+p.Topic, "a partition cannot be read", "topic", p.Topic, "partition", p.Partition.Partition, "offset", p.next, "error", p.stuck)
}

// damaged skips a damaged batch, the end of which its header tells.
func (f *feed) damaged(ctx context.Context, p *partition, err error) {
	end, found := batchEnd(ctx, f.client, p)
	if !found {
		f.stick(p, "corrupt", err)
		return
	}
	f.skip(p, "corrupt", end, -1, err)
}

// deleted goes on at the beginning of logs of which what we were to read next was deleted while nothing new came. What the client still holds is read first.
func (f *feed) deleted() {
	if f.client.BufferedFetchRecords() > 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.parts {
		if p.next == p.fetched && p.next < p.start && quiet(p) {
			f.expired(p, p.start)
			p.pin = true
		}
	}
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// committer commits positions to the group.
type committer struct {
	cfg        groupConfig
	assignment *assignment
	counters   *counters
	limited    *rateLimitedLogger
	client     *kgo.Client
	resumes    bool // positions are kept elsewhere; those of the group are for others to see
	// how far partitions are applied; nil but for a Resumer
	applied func(models.Partition) int64

	committing bool // a commit is in flight; guarded by the lock of the assignment
}

// commitTimeout bounds a commit: a slow rebalance of other members delays it.
const commitTimeout = 10 * time.Second

// commit commits the positions and waits. Replaying partitions are not committed.
func (c *committer) commit(ctx context.Context, parts []*partition) error {
	c.assignment.mu.Lock()
	if parts == nil {
		parts = c.assignment.sorted()
	}
	offsets := c.offsets(parts)
	c.assignment.mu.Unlock()
	return c.send(ctx, offsets)
}

// offsets are the current positions. The caller holds mu, and sends them.
func (c *committer) offsets(
	parts []*partition,
) map[string]map[int32]kgo.EpochOffset {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range parts {
		next := p.next
		if c.applied != nil {
			next = min(next, c.applied(p.Partition))
		}
		if (next == p.committedOffset && !p.pin) || next < p.replayUntil {
			continue
		}
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.Topic][p.Partition.Partition] = kgo.EpochOffset{Epoch: p.epoch, Offset: next}
		p.committedOffset = committedUnknown
	}
	return offsets
}

// send sends offsets to the group.
func (c *committer) send(
	ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset,
) error {
	if len(offsets) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	var failed error
	noted := func(
		_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error,
	) {
		failed = err
		if err == nil {
			failed = c.note(offsets, answer)
		}
	}
	if c.resumes {
		req := c.request(offsets)
		if len(req.Topics) == 0 {
			return nil // none of them is ours any more
		}
		answer, err := req.RequestWith(ctx, c.client)
		if err == nil {
			nameTopics(req, answer)
		}
		noted(nil, nil, answer, err)
	} else {
		c.client.CommitOffsetsSync(ctx, offsets, noted)
	}
	c.counters.commits.Add(1)
	if c.resumes && errors.Is(failed, kerr.RebalanceInProgress) {
		return failed // the next commit follows soon
	}
	if failed != nil {
		c.counters.errors.add("commit", 1)
		failed = withHint(failed)
		c.limited.warn("commit "+failed.Error(),
			"offsets could not be committed; retried with the next commit", "group", c.cfg.group,
			"error", failed)
	}
	return failed
}

// request is a commit that does not wait for a rebalance, as the client's own does. A broker
// refuses it in the meantime, which is not a harm to a Resumer: its offsets are for others to see.
func (c *committer) request(
	offsets map[string]map[int32]kgo.EpochOffset,
) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = c.cfg.group
	req.MemberID, req.Generation = c.client.GroupMetadata()
	if c.cfg.instance != "" {
		req.InstanceID = &c.cfg.instance
	}
	for topic, parts := range offsets {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = topic
		for number, at := range parts {
			of := c.assignment.partition(topic, number)
			if of == nil {
				continue
			}
			t.TopicID = of.id
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch = number, at.Offset, at.Epoch
			t.Partitions = append(t.Partitions, p)
		}
		if len(t.Partitions) > 0 {
			req.Topics = append(req.Topics, t)
		}
	}
	return req
}

// nameTopics sets the names of an answer's topics, which newer brokers name by their IDs alone.
func nameTopics(req *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse) {
	for i := range answer.Topics {
		for j := range req.Topics {
			if t := &answer.Topics[i]; t.Topic == "" && t.TopicID == req.Topics[j].TopicID {
				t.Topic = req.Topics[j].Topic
			}
		}
	}
}

// note records the group's new offsets.
func (c *committer) note(
	offsets map[string]map[int32]kgo.EpochOffset,
	answer *kmsg.OffsetCommitResponse,
) error {
	var errs []error
	c.assignment.mu.Lock()
	defer c.assignment.mu.Unlock()
	for _, t := range answer.Topics {
		for _, a := range t.Partitions {
			if err := kerr.ErrorForCode(a.ErrorCode); err != nil {
				errs = append(errs, fmt.Errorf("%s/%d: %w", t.Topic, a.Partition, err))
				continue
			}
			name := models.Partition{Topic: t.Topic, Partition: a.Partition}
			if p := c.assignment.parts[name]; p != nil {
				p.committedOffset, p.pin = offsets[t.Topic][a.Partition].Offset, false
			}
		}
	}
	return errors.Join(errs...)
}

// commitSoon commits in the background unless a commit is in flight.
func (c *committer) commitSoon(ctx context.Context, wg *sync.WaitGroup) {
	if t := c.take(); t != nil {
		wg.Go(func() { c.sendTaken(ctx, t, true) })
	}
}

// taken are positions that are to be committed.
type taken struct {
	offsets map[string]map[int32]kgo.EpochOffset
	before  map[*partition]int64 // what the group had, as far as it is known
}

// take takes the positions as they are now, to be sent by sendTaken; nil when a commit is in
// flight. When they are sent more records were read, which no checkpoint covers, and a crash would
// lose them.
func (c *committer) take() *taken {
	c.assignment.mu.Lock()
	defer c.assignment.mu.Unlock()
	if c.committing {
		return nil
	}
	c.committing = true
	t := &taken{before: map[*partition]int64{}}
	for _, p := range c.assignment.parts {
		t.before[p] = p.committedOffset
	}
	t.offsets = c.offsets(c.assignment.sorted())
	return t
}

// sendTaken sends what was taken, if the checkpoint that covers it is durable. Otherwise the group
// has what it had.
func (c *committer) sendTaken(ctx context.Context, t *taken, durable bool) {
	if t == nil {
		return
	}
	if durable {
		c.send(ctx, t.offsets)
	}
	c.assignment.mu.Lock()
	defer c.assignment.mu.Unlock()
	c.committing = false
	for p, at := range t.before {
		if !durable && p.committedOffset == committedUnknown {
			p.committedOffset = at
		}
	}
}

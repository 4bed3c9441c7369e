package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The places where a group that has committed nothing may begin; anything above zero is an offset.
const (
	StartBeginning int64 = -2
	StartEnd       int64 = -1
)

// claim is all that decides where the reading of a partition begins.
type startInput struct {
	id        [16]byte
	cluster   string
	committed int64 // -1 for nothing
	// of the last checkpoint, or as we left it; nil when there is none
	saved           *models.SourcePosition
	groupHasOffsets bool  // the group has committed offsets of the topic
	newTopic        bool  // the topic was created after we began
	start           int64 // the option
	low, high       int64 // of the log
	// where a partition without a position begins to replay; -1 when it does not
	rewind        int64
	rebuildsState bool // the engine rebuilds its state from what it reads again
	// by another member; nil when it is ours still, or nobody hands over anything
	acquired *models.AcquiredPosition
}

// place is where reading begins, and why.
type startPosition struct {
	next, replayUntil int64
	floor             int64 // of what is committed
	epoch             int32
	pin               bool // to be committed at once
	reason            string
	warn              bool // somebody should know
}

// decide says where reading begins. Positions of a checkpoint win over committed offsets, because
// state is only right together with them; but an operator who has reset the group is obeyed, and a
// topic that was created again has nothing in common with the one we knew.
func (c startInput) resolve() startPosition {
	p := startPosition{epoch: -1, replayUntil: -1}
	pos := c.saved
	switch {
	case c.recreated():
		p.next, p.pin, p.warn, p.reason = c.low, true, true, "the topic was deleted and created again since the last checkpoint; starting over"
	case c.acquired != nil && c.acquired.Next <= c.high && !c.resetSinceRelease():
		p.next, p.replayUntil, p.floor, p.reason = c.acquired.Next, c.acquired.Next, c.committed, "as another member has handed it over"
		switch {
		case pos != nil: // with a gap in what it reads, a window would be wrong
			p.next = pos.Next
		case c.rewind >= 0:
			p.next = min(c.rewind, p.next)
		}
	case pos != nil && c.committedByUs():
		p.next, p.epoch, p.reason = pos.Next, pos.Epoch, "as the checkpoint says"
		if c.committed > pos.Next {
			p.replayUntil = c.committed // the checkpoint was taken during a replay
		}
	case pos != nil && c.readByOther():
		p.next, p.reason = c.committed, "another member has read on"
		// with a gap in what it reads, an alert that is up all the time would be over in between
		if c.rebuildsState {
			p.next, p.replayUntil = pos.Next, c.committed
		}
	case pos != nil:
		p.next, p.warn, p.reason = c.committed, true, "the group's offset was reset; it is obeyed, and state from before the reset is kept"
	case c.committed >= 0 && c.rewind >= 0 && c.rewind < c.committed:
		p.next, p.replayUntil, p.reason = c.rewind, c.committed, "no checkpoint; reading again, silently, what state needs"
	case c.committed >= 0:
		p.next, p.reason = c.committed, "as the group has committed"
	case c.groupHasOffsets || c.newTopic:
		p.next, p.reason = c.low, "a new partition is read from its beginning"
	case c.start == StartEnd:
		p.next, p.pin, p.reason = c.high, true, "a new group begins at the end"
	case c.start > 0:
		p.next, p.reason = c.start, "a new group begins at the offset that was asked for"
	default:
		p.next, p.reason = c.low, "a new group begins at the start"
	}
	return p.clamp(c.low, c.high)
}

// reset says whether somebody has moved the group's offset since the partition was handed over.
// Members commit no less than they have before, and whoever gives a partition up no more than it
// leaves; but one that has crashed may have committed more.
func (c startInput) resetSinceRelease() bool {
	return c.committed >= 0 &&
		(c.committed < c.acquired.Committed || c.acquired.Final && c.committed > c.acquired.Next)
}

// overtaken says whether another member has read the partition on since we gave it up.
func (c startInput) readByOther() bool {
	pos := c.saved
	return pos.Left && !c.recreated() && c.committed > pos.Next
}

// recreated says whether the position is of another topic, or another cluster, of the same name.
func (c startInput) recreated() bool {
	pos, none := c.saved, [16]byte{}
	return pos != nil &&
		(pos.TopicID != c.id && pos.TopicID != none && c.id != none || pos.Cluster != c.cluster && pos.Cluster != "" && c.cluster != "")
}

// ours says whether the group holds what we committed. Between a checkpoint and its commit the
// group holds what the checkpoint calls Committed.
func (c startInput) committedByUs() bool {
	pos := c.saved
	switch {
	case c.committed == -1 || c.committed == pos.Next || c.committed == pos.Committed:
		return true
	// unknown when the checkpoint was taken: a commit was under way, which can only have been for
	// less
	case pos.Committed == -1:
		return c.committed < pos.Next
	}
	return false
}

// within keeps a place within the log.
func (p startPosition) clamp(low, high int64) startPosition {
	switch {
	case p.next < low:
		p.reason += fmt.Sprintf("; but records before offset %d are deleted", low)
		p.warn = p.warn || p.next > 0
		p.next, p.epoch = low, -1
	case p.next > high:
		p.reason += fmt.Sprintf(
			"; but the log ends at offset %d: records were lost, or the topic is another",
			high,
		)
		p.next, p.epoch, p.warn = high, -1, true
	}
	return p
}

// assign decides where partitions that were assigned to us begin. An error has the group try again.
func (g *groupConsumer) assign(
	ctx context.Context,
	offsets map[string]map[int32]kgo.Offset,
) (map[string]map[int32]kgo.Offset, error) {
	if len(offsets) == 0 {
		return offsets, nil
	}
	parts, err := g.resolveStarts(ctx, offsets)
	if err != nil {
		g.counters.errors.add("assign", 1)
		g.limited.warn(
			"assign",
			"where to begin could not be found out; trying again",
			"error",
			withHint(err),
		)
		return nil, err
	}
	g.mu.Lock()
	for _, p := range parts {
		offsets[p.Topic][p.Partition.Partition] = kgo.NewOffset().At(p.next).WithEpoch(p.epoch)
		g.parts[p.Partition] = p
		delete(g.released, p.Partition)
	}
	g.assignmentChanged = true
	g.mu.Unlock()
	g.wake()
	return offsets, nil
}

// place looks up what a claim needs to know of each partition, and decides.
func (g *groupConsumer) resolveStarts(
	ctx context.Context,
	offsets map[string]map[int32]kgo.Offset,
) ([]*partition, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var topics []string
	for t := range offsets {
		topics = append(topics, t)
	}
	slices.Sort(topics)
	meta, err1 := g.admin.Metadata(ctx, topics...)
	low, err2 := g.admin.ListStartOffsets(ctx, topics...)
	high, err3 := g.admin.ListEndOffsets(ctx, topics...)
	group, err4 := g.admin.FetchOffsetsForTopics(ctx, g.cfg.group, topics...)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.cluster = meta.Cluster
	g.mu.Unlock()
	claims, err := g.startInputs(offsets, meta, low, high, group)
	if err != nil {
		return nil, err
	}
	if err := g.acquireState(ctx, claims); err != nil {
		return nil, err
	}
	if err := g.findRewinds(ctx, claims); err != nil {
		return nil, err
	}
	return g.newPartitions(claims), nil
}

func (g *groupConsumer) startInputs(
	offsets map[string]map[int32]kgo.Offset,
	meta kadm.Metadata,
	low, high kadm.ListedOffsets,
	group kadm.OffsetResponses,
) (map[models.Partition]*startInput, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	claims := map[models.Partition]*startInput{}
	for topic, numbers := range offsets {
		knows := false
		for _, o := range group[topic] {
			knows = knows || o.Err == nil && o.At >= 0
		}
		for n := range numbers {
			l, _ := low.Lookup(topic, n)
			h, _ := high.Lookup(topic, n)
			o, found := group.Lookup(topic, n)
			if err := errors.Join(l.Err, h.Err, o.Err); err != nil {
				return nil, fmt.Errorf("%s/%d: %w", topic, n, err)
			}
			c := &startInput{
				id: meta.Topics[topic].ID, cluster: meta.Cluster, committed: -1, groupHasOffsets: knows, newTopic: g.initialTopics != nil && !g.initialTopics[topic],
				start: g.cfg.start, low: l.Offset, high: h.Offset, rewind: -1, rebuildsState: g.rewind > 0,
			}
			if found && o.At >= 0 {
				c.committed = o.At
			}
			p := models.Partition{Topic: topic, Partition: n}
			if pos, ok := g.released[p]; ok {
				c.saved = &pos
			} else if pos, ok := g.restoredPosition(p, c.id); ok {
				c.saved = &pos
			}
			if c.recreated() {
				g.forget = append(g.forget, *c.saved)
			}
			claims[p] = c
		}
	}
	return claims, nil
}

// handed asks what other members have left.
func (g *groupConsumer) acquireState(ctx context.Context, claims map[models.Partition]*startInput) error {
	if g.acquire == nil {
		return nil
	}
	var at []models.SourcePosition
	for name, c := range claims {
		p := models.SourcePosition{
			Cluster:   c.cluster,
			TopicID:   c.id,
			Topic:     name.Topic,
			Partition: name.Partition,
			Next:      -1,
			Committed: c.committed,
		}
		if c.saved != nil && !c.recreated() {
			p.Next = c.saved.Next
		}
		at = append(at, p)
	}
	handed, err := g.acquire(ctx, at)
	for name, h := range handed {
		claims[name].acquired = &h
	}
	return err
}

// take makes partitions of claims, and says how each was decided.
func (g *groupConsumer) newPartitions(claims map[models.Partition]*startInput) []*partition {
	var parts []*partition
	for name, c := range claims {
		at := c.resolve()
		p := &partition{
			Partition: name, id: c.id, next: at.next, fetched: at.next, epoch: at.epoch, committedOffset: c.committed, replayUntil: at.replayUntil, floor: at.floor, pin: at.pin,
			end: c.high, start: c.low, probedEnd: -1, lastMoved: time.Now(),
		}
		if at.warn {
			g.counters.errors.add("reset", 1)
			g.log.Warn(
				"reading does not go on where it ended: "+at.reason,
				"topic",
				name.Topic,
				"partition",
				name.Partition,
				"offset",
				at.next,
				"committed",
				c.committed,
			)
			if c.saved != nil {
				g.log.Warn(
					"the position was",
					"topic",
					name.Topic,
					"partition",
					name.Partition,
					"offset",
					c.saved.Next,
					"committed",
					c.saved.Committed,
				)
			}
		} else {
			g.log.Debug("partition assigned: "+at.reason, "topic", name.Topic, "partition", name.Partition, "offset", at.next, "committed", c.committed)
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, byPartition)
	g.log.Info("partitions were assigned to us", "group", g.cfg.group, "partitions", partitionNames(parts))
	return parts
}

// rewindAll finds where partitions begin that have a committed offset but no position: state is
// rebuilt from what the time before the commit brought.
func (g *groupConsumer) findRewinds(ctx context.Context, claims map[models.Partition]*startInput) error {
	if g.rewind <= 0 {
		return nil
	}
	last := map[models.Partition]int64{} // the last record that was worked off
	for name, c := range claims {
		end := c.committed
		if c.acquired != nil {
			end = c.acquired.Next
		}
		if c.saved == nil && end > c.low && end <= c.high {
			last[name] = end - 1
		}
	}
	if len(last) == 0 {
		return nil
	}
	times, err := timesAt(ctx, g.cfg.ClientConfig, g.log, last)
	if err != nil {
		return fmt.Errorf("find the time of the committed offsets: %w", err)
	}
	byTopic := map[string]time.Time{}
	for name, at := range times {
		if t, ok := byTopic[name.Topic]; !ok || at.Before(t) {
			byTopic[name.Topic] = at
		}
	}
	for topic, at := range byTopic {
		listed, err := g.admin.ListOffsetsAfterMilli(ctx, at.Add(-g.rewind).UnixMilli(), topic)
		if err != nil {
			return err
		}
		for name := range last {
			if o, ok := listed.Lookup(name.Topic, name.Partition); ok && o.Err == nil &&
				o.Offset >= 0 {
				claims[name].rewind = min(o.Offset, last[name]+1)
			}
		}
	}
	return nil
}

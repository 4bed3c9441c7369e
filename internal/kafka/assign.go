package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Start positions of a group that has no committed offsets; a value above zero is an offset.
const (
	StartBeginning int64 = -2
	StartEnd       int64 = -1
)

// startInput is what the start position of a partition is decided from.
type startInput struct {
	id        [16]byte
	cluster   string
	committed int64 // -1 for none
	// from the last checkpoint, or from when we released the partition; nil for none
	saved           *models.SourcePosition
	groupHasOffsets bool  // the group has committed offsets of this topic
	newTopic        bool  // the topic was created after the start
	start           int64 // SourceConfig.Start
	epoch           int32 // of the leader
	stateful        bool  // the engine has checkpoints
	low, high       int64 // of the log
	// where a partition without a saved position begins to replay; -1 for no replay
	rewind        int64
	rebuildsState bool // the engine rebuilds its state by replaying
}

// startPosition is the offset at which reading starts, with the reason.
type startPosition struct {
	next, replayUntil int64
	epoch             int32
	pin               bool // commit it at once
	reason            string
	warn              bool  // log it as a warning
	lost              int64 // records that were deleted before they were read
}

// resolve decides where reading starts. A checkpoint's position takes precedence over committed
// offsets, because state is only correct together with it. Two cases are different: an operator
// has reset the group's offset, or the topic was deleted and created again.
func (c startInput) resolve() startPosition {
	p := startPosition{epoch: -1, replayUntil: -1}
	pos := c.saved
	switch {
	case c.recreated():
		p.next, p.pin, p.warn, p.reason = c.low, true, true, "the topic was deleted and created "+
			"again since the last checkpoint; starting at its beginning"
	case pos != nil && c.committedByUs():
		p.next, p.epoch, p.reason = pos.Next, pos.Epoch, "position of the checkpoint"
		if c.committed > pos.Next {
			p.replayUntil = c.committed // the checkpoint was taken during a replay
		}
	case pos != nil && c.readByOther():
		p.next, p.reason = c.committed, "another member has consumed it since"
		// a gap would end an alert that was active throughout
		if c.rebuildsState {
			p.next, p.replayUntil = pos.Next, c.committed
		}
	case pos != nil && c.stateful && c.committed < pos.Next:
		p.next, p.epoch, p.pin, p.warn = pos.Next, pos.Epoch, true, true
		p.reason = fmt.Sprintf(
			"the group's offset was reset to %d, but the records before %d are evaluated already "+
				"and are left out (to evaluate them again, stop, move data_dir away, and start)",
			c.committed,
			pos.Next,
		)
	case pos != nil:
		p.reason = fmt.Sprintf(
			"the group's offset was reset; %d records from offset %d on are skipped",
			c.committed-pos.Next, pos.Next)
		p.next, p.warn = c.committed, true
	case c.committed >= 0 && c.rewind >= 0 && c.rewind < c.committed:
		p.next, p.replayUntil, p.reason = c.rewind, c.committed,
			"no checkpoint; replaying the past to rebuild state, without notifications"
	case c.committed >= 0:
		p.next, p.reason = c.committed, "committed offset of the group"
	case c.groupHasOffsets || c.newTopic:
		p.next, p.reason = c.low, "new partition, read from the start"
	case c.start == StartEnd:
		p.next, p.pin, p.reason = c.high, true, "new group, starts at the end"
	case c.start > 0:
		p.next, p.reason = c.start, "new group, starts at the configured offset"
	default:
		p.next, p.reason = c.low, "new group, starts at the beginning"
	}
	return p.clamp(c.low, c.high)
}

// readByOther reports whether another member has consumed the partition since we released it.
func (c startInput) readByOther() bool {
	pos := c.saved
	return pos.Left && !c.recreated() && c.committed > pos.Next
}

// recreated reports whether the saved position belongs to another topic or cluster of the same
// name.
func (c startInput) recreated() bool {
	pos, none := c.saved, [16]byte{}
	return pos != nil &&
		(pos.TopicID != c.id && pos.TopicID != none && c.id != none ||
			pos.Cluster != c.cluster && pos.Cluster != "" && c.cluster != "")
}

// committedByUs reports whether the group's offset is one that we committed. Between a checkpoint
// and its commit that is the offset which the checkpoint calls Committed.
func (c startInput) committedByUs() bool {
	pos := c.saved
	switch {
	case c.committed == -1 || c.committed == pos.Next || c.committed == pos.Committed:
		return true
	// A commit was in flight when the checkpoint was taken; it can only have been for less.
	case pos.Committed == -1:
		return c.committed < pos.Next
	}
	return false
}

// availability is that of a partition that is assigned now. Producers that had not delivered yet,
// at the last checkpoint, what they had buffered continue with that.
func (c startInput) availability(now time.Time, unreachable bool) *availability {
	a := &availability{answered: now}
	if c.current() && c.saved.OutageEnded.Before(now) {
		a.ended, a.outage, a.began = c.saved.OutageEnded, c.saved.Outage, c.saved.WaitBegan
		if a.began.IsZero() {
			a.began = a.ended
		}
	}
	switch outage := c.outage(now, unreachable); {
	case outage == 0:
	case c.away(unreachable):
		a.end(now, outage)
	default:
		a.prolong(now, outage)
	}
	return a
}

// away reports whether a broker was away for certain: none answered at first, or the partition has
// another leader.
func (c startInput) away(unreachable bool) bool {
	return unreachable || c.saved != nil && c.saved.Epoch >= 0 && c.epoch > c.saved.Epoch
}

// current reports whether no other member has read the partition since the last checkpoint. One
// that has, has reached it.
func (c startInput) current() bool {
	return c.saved != nil && !c.readByOther()
}

// outage is how long the partition may not have been reachable since the last checkpoint, which a
// restart hides from us: the process was stopped, or the broker was away. It is 0 if that is too
// short to matter, and at least reconnectMax if a broker was away for certain.
func (c startInput) outage(now time.Time, unreachable bool) time.Duration {
	if c.saved == nil {
		return 0
	}
	gap := time.Duration(0)
	if c.current() && !c.saved.Answered.IsZero() {
		gap = now.Sub(c.saved.Answered)
	}
	if c.away(unreachable) {
		gap = max(gap, reconnectMax)
	}
	if gap <= outageMin {
		return 0
	}
	return gap
}

// clamp keeps a position within the log.
func (p startPosition) clamp(low, high int64) startPosition {
	switch {
	case p.next < low:
		p.reason += fmt.Sprintf("; records before offset %d were deleted", low)
		p.warn, p.lost = true, max(low-max(p.next, p.replayUntil), 0)
		p.next, p.epoch = low, -1
	case p.next > high:
		p.reason += fmt.Sprintf(
			"; the log ends at offset %d: records were lost, or the topic was recreated",
			high,
		)
		p.next, p.epoch, p.warn = high, -1, true
	}
	return p
}

// assign sets the start offsets of newly assigned partitions. On an error the client retries.
func (g *groupConsumer) assign(
	ctx context.Context,
	offsets map[string]map[int32]kgo.Offset,
) (map[string]map[int32]kgo.Offset, error) {
	if len(offsets) == 0 {
		return offsets, nil
	}
	parts, err := g.starts.resolve(ctx, offsets)
	if err != nil {
		g.counters.errors.add("assign", 1)
		g.limited.warn("assign "+err.Error(), "start offsets could not be determined; retrying",
			"error", withHint(err))
		return nil, err
	}
	settling := map[bool][]*partition{} // by whether an outage is certain
	g.assignment.mu.Lock()
	for _, p := range parts {
		g.assignment.availability[p.Partition] = p.availability
		if !p.availability.ended.IsZero() {
			settling[p.away] = append(settling[p.away], p)
		}
		offsets[p.Topic][p.Partition.Partition] = kgo.NewOffset().At(p.next).WithEpoch(p.epoch)
		g.assignment.parts[p.Partition] = p
		delete(g.assignment.released, p.Partition)
	}
	g.reportOutage(settling[true], true)
	g.reportOutage(settling[false], false)
	g.assignment.changed = true
	g.assignment.mu.Unlock()
	g.wake()
	return offsets, nil
}

// starts decides where the reading of partitions starts.
type starts struct {
	cfg        groupConfig
	assignment *assignment
	clock      *clockGuard
	counters   *counters
	log        *slog.Logger
	side       *kgo.Client // for requests

	// the position of the last checkpoint, preferably of this topic ID
	restoredPosition func(models.Partition, [16]byte) (models.SourcePosition, bool)
	// how far back a partition without a saved position replays
	rewind   time.Duration
	stateful bool // the owner keeps state together with positions
	// where partitions are continued; nil but for a Resumer
	resume func(ctx context.Context, at []models.SourcePosition) (
		map[models.Partition]models.SourcePosition, error)

	// The fields below are guarded by the lock of the assignment.

	initialTopics map[string]bool         // that existed at the start; nil before that is known
	unreachable   bool                    // no broker was reachable at first
	dropped       []models.SourcePosition // positions of topics that no longer exist
}

// resolve fetches what startInput needs for each partition and decides.
func (s *starts) resolve(
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
	admin := kadm.NewClient(s.side)
	meta, err1 := admin.Metadata(ctx, topics...)
	low, err2 := admin.ListStartOffsets(ctx, topics...)
	high, err3 := admin.ListEndOffsets(ctx, topics...)
	group, err4 := admin.FetchOffsetsForTopics(ctx, s.cfg.group, topics...)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	s.assignment.mu.Lock()
	s.assignment.cluster = meta.Cluster
	s.assignment.mu.Unlock()
	claims, err := s.inputs(offsets, meta, low, high, group)
	if err != nil {
		return nil, err
	}
	if err := s.resumePositions(ctx, claims); err != nil {
		return nil, err
	}
	if err := s.findRewinds(ctx, claims); err != nil {
		return nil, err
	}
	return s.newPartitions(claims), nil
}

func (s *starts) inputs(
	offsets map[string]map[int32]kgo.Offset,
	meta kadm.Metadata,
	low, high kadm.ListedOffsets,
	group kadm.OffsetResponses,
) (map[models.Partition]*startInput, error) {
	s.assignment.mu.Lock()
	defer s.assignment.mu.Unlock()
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
				id:              meta.Topics[topic].ID,
				cluster:         meta.Cluster,
				committed:       -1,
				groupHasOffsets: knows,
				newTopic:        s.initialTopics != nil && !s.initialTopics[topic],
				start:           s.cfg.start,
				low:             l.Offset,
				high:            h.Offset,
				epoch:           h.LeaderEpoch,
				rewind:          -1,
				rebuildsState:   s.rewind > 0,
				stateful:        s.stateful,
			}
			if found && o.At >= 0 {
				c.committed = o.At
			}
			p := models.Partition{Topic: topic, Partition: n}
			if pos, ok := s.assignment.released[p]; ok {
				c.saved = &pos
			} else if pos, ok := s.restoredPosition(p, c.id); ok {
				c.saved = &pos
			}
			if c.recreated() {
				s.dropped = append(s.dropped, *c.saved)
			}
			claims[p] = c
		}
	}
	return claims, nil
}

// resumePositions asks a Resumer where partitions are continued.
func (s *starts) resumePositions(
	ctx context.Context, claims map[models.Partition]*startInput,
) error {
	if s.resume == nil {
		return nil
	}
	var at []models.SourcePosition
	for name, c := range claims {
		at = append(at, models.SourcePosition{
			Cluster: c.cluster, TopicID: c.id, Topic: name.Topic, Partition: name.Partition,
			Committed: c.committed,
		})
	}
	resumed, err := s.resume(ctx, at)
	for name, c := range claims {
		c.saved = nil
		if p, ok := resumed[name]; ok {
			c.saved = &p
		}
	}
	return err
}

// newPartitions creates partitions from their inputs and logs how each start was decided.
func (s *starts) newPartitions(claims map[models.Partition]*startInput) []*partition {
	s.assignment.mu.Lock()
	unreachable := s.unreachable
	s.assignment.mu.Unlock()
	var parts []*partition
	for name, c := range claims {
		at := c.resolve()
		s.counters.lost.Add(at.lost)
		p := &partition{
			Partition:       name,
			id:              c.id,
			next:            at.next,
			fetched:         at.next,
			epoch:           at.epoch,
			committedOffset: c.committed,
			replayUntil:     at.replayUntil,
			pin:             at.pin,
			end:             c.high,
			start:           c.low,
			probedEnd:       -1,
			lastMoved:       time.Now(),
			availability:    c.availability(s.clock.at(time.Now()), unreachable),
			away:            c.away(unreachable),
		}
		if at.warn {
			s.counters.errors.add("reset", 1)
			s.log.Warn("reading does not continue at the saved position: "+at.reason,
				"topic", name.Topic, "partition", name.Partition, "offset", at.next,
				"committed", c.committed)
			if c.saved != nil {
				s.log.Warn("saved position", "topic", name.Topic, "partition", name.Partition,
					"offset", c.saved.Next, "committed", c.saved.Committed)
			}
		} else {
			s.log.Debug("partition assigned: "+at.reason, "topic", name.Topic,
				"partition", name.Partition, "offset", at.next, "committed", c.committed)
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, byPartition)
	s.log.Info("partitions assigned", "group", s.cfg.group, "partitions", partitionNames(parts))
	return parts
}

// findRewinds finds the replay offsets of partitions that have a committed offset but no saved
// position. Their state is rebuilt from the time before the commit.
func (s *starts) findRewinds(
	ctx context.Context, claims map[models.Partition]*startInput,
) error {
	if s.rewind <= 0 {
		return nil
	}
	last := map[models.Partition]int64{} // the last processed record
	for name, c := range claims {
		if end := c.committed; c.saved == nil && end > c.low && end <= c.high {
			last[name] = end - 1
		}
	}
	if len(last) == 0 {
		return nil
	}
	times, err := timesAt(ctx, s.cfg.ClientConfig, s.log, last)
	if err != nil {
		return fmt.Errorf("find the time of the committed offsets: %w", err)
	}
	byTopic, now := map[string]time.Time{}, s.clock.at(time.Now())
	for name, at := range times {
		if at.After(now) {
			at = now
		}
		if t, ok := byTopic[name.Topic]; !ok || at.Before(t) {
			byTopic[name.Topic] = at
		}
	}
	for topic, at := range byTopic {
		listed, err := kadm.NewClient(s.side).
			ListOffsetsAfterMilli(ctx, at.Add(-s.rewind).UnixMilli(), topic)
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

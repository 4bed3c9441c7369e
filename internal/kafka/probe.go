package kafka

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const (
	probeInterval = time.Second
	probeFresh    = 3 * time.Second // older answers do not describe the present

	memberCountEvery = 10 // probes per count of members
)

// probe lists the end offsets once a second until ctx is done. The client does not report empty
// fetches, so this is how we know that a partition has no more records. It also keeps the lag
// right while nothing can be fetched.
func (g *groupConsumer) probe(ctx context.Context) {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for n := 0; ; n++ {
		g.probeOnce(ctx)
		if n%memberCountEvery == 0 {
			g.countMembers(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// probeOnce lists the end offsets, and the start offsets when a partition does not progress.
func (g *groupConsumer) probeOnce(ctx context.Context) {
	g.clock.check()
	asked := time.Now()
	topics, odd := g.probeTargets()
	if len(topics) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := g.admin().ListEndOffsets(ctx, topics...)
	var starts kadm.ListedOffsets
	if err == nil && odd {
		starts, err = g.admin().ListStartOffsets(ctx, topics...)
	}
	g.recordProbe(asked, ends, starts, err)
	g.wake()
}

// countMembers counts the group's members; 0 when unknown.
func (g *groupConsumer) countMembers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	groups, err := g.admin().DescribeGroups(ctx, g.cfg.group)
	n := 0
	if group := groups[g.cfg.group]; err == nil && group.Err == nil {
		n = len(group.Members)
	}
	if groups, err := g.admin().DescribeConsumerGroups(ctx, g.cfg.group); err == nil {
		n = max(n, len(groups[g.cfg.group].Members)) // those of the new protocol
	}
	g.assignment.mu.Lock()
	g.memberCount = n
	g.assignment.mu.Unlock()
	if g.problems.has("patterns") {
		if meta, err := g.metadata(ctx); err == nil {
			g.checkPatterns(meta)
			g.lookForTopics()
		}
	}
}

// lookForTopics has the client find topics at once that match our patterns since a moment ago.
func (g *groupConsumer) lookForTopics() {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	if !g.problems.has("patterns") && g.client != nil {
		g.client.ForceMetadataRefresh()
	}
}

// probeTargets returns our topics, and whether a partition has lag but does not progress: its
// records may have been deleted.
func (g *groupConsumer) probeTargets() (topics []string, odd bool) {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	names := map[string]bool{}
	for name, p := range g.assignment.parts {
		names[name.Topic] = true
		odd = odd || p.next < p.end && isIdle(p)
	}
	return slices.Sorted(maps.Keys(names)), odd
}

func (g *groupConsumer) recordProbe(asked time.Time, ends, starts kadm.ListedOffsets, err error) {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	if err != nil && len(ends) == 0 {
		g.unansweredProbes++
		return
	}
	g.lastProbe, g.unansweredProbes, g.assignment.topicPartitions = asked, 0, 0
	g.partitionCounts = map[string]int32{}
	ends.Each(func(o kadm.ListedOffset) {
		g.assignment.topicPartitions++
		g.partitionCounts[o.Topic] = max(g.partitionCounts[o.Topic], o.Partition+1)
	})
	g.noteUnassigned(ends)
	var answered []*partition
	for name, p := range g.assignment.parts {
		if e, ok := ends.Lookup(name.Topic, name.Partition); ok && e.Err == nil {
			answered = append(answered, p)
			p.probedEnd = e.Offset
			if e.Offset >= p.next {
				p.end, p.endProbedAt = e.Offset, asked
			}
			if p.laggingSince.IsZero() && p.next < p.end {
				p.laggingSince = asked
			}
		}
		if s, ok := starts.Lookup(name.Topic, name.Partition); ok && s.Err == nil && s.Offset >= 0 {
			p.start = s.Offset
		}
	}
	g.reachable(answered)
}

// isIdle reports whether a partition has not progressed for longer than a fetch takes.
func isIdle(p *partition) bool { return time.Since(p.lastMoved) > 2*probeInterval }

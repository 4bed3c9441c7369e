package kafka

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const (
	probeEvery = time.Second
	probeFresh = 3 * time.Second // older answers say nothing about now

	countEvery = 10 // questions for ends, after which the members of the group are counted
)

// probe asks once a second where the partitions end, until ctx is done. The client says nothing of
// fetches that brought no record, so this is how we know that there is none; and lag is right even
// while nothing can be fetched.
func (f *feed) probe(ctx context.Context) {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		f.ask(ctx)
		if n%countEvery == 0 {
			f.countMembers(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// ask asks for the ends of all partitions, and where something does not add up also for their
// beginnings.
func (f *feed) ask(ctx context.Context) {
	f.clock.look()
	asked := time.Now()
	topics, odd := f.toAsk()
	if len(topics) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := f.admin.ListEndOffsets(ctx, topics...)
	var starts kadm.ListedOffsets
	if err == nil && odd {
		starts, err = f.admin.ListStartOffsets(ctx, topics...)
	}
	f.answer(asked, ends, starts, err)
	f.wake()
}

// countMembers asks how many the group has. Whoever may not know, or gets no answer, does not know.
func (f *feed) countMembers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	groups, err := f.admin.DescribeGroups(ctx, f.cfg.group)
	n := 0
	if group := groups[f.cfg.group]; err == nil && group.Err == nil {
		n = len(group.Members)
	}
	f.mu.Lock()
	f.members = n
	f.mu.Unlock()
}

// toAsk returns the topics of our partitions, and whether a partition has not moved although its
// log goes on: its records may have been deleted.
func (f *feed) toAsk() (topics []string, odd bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := map[string]bool{}
	for name, p := range f.parts {
		names[name.Topic] = true
		odd = odd || p.next < p.end && quiet(p)
	}
	return slices.Sorted(maps.Keys(names)), odd
}

func (f *feed) answer(asked time.Time, ends, starts kadm.ListedOffsets, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && len(ends) == 0 {
		f.asked++
		return
	}
	f.probed, f.asked, f.all = asked, 0, 0
	ends.Each(func(kadm.ListedOffset) { f.all++ })
	for name, p := range f.parts {
		if e, ok := ends.Lookup(name.Topic, name.Partition); ok && e.Err == nil {
			p.asked = e.Offset
			if e.Offset >= p.next {
				p.end, p.endAsked = e.Offset, asked
			}
			if p.behind.IsZero() && p.next < p.end {
				p.behind = asked
			}
		}
		if s, ok := starts.Lookup(name.Topic, name.Partition); ok && s.Err == nil && s.Offset >= 0 {
			p.start = s.Offset
		}
	}
}

// quiet says whether a partition has not moved for longer than a fetch takes.
func quiet(p *partition) bool { return time.Since(p.moved) > 2*probeEvery }

package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Members of a group each read some of the partitions. An engine whose groups of logs are spread
// over partitions would count a part of each in every member, and all of them would be wrong.
// SourceConfig.Alone says whether the engine is of that kind; then no member joins that would not
// be alone, and whoever finds itself in company all the same, because two started at the same
// instant, says so instead of being silently wrong.

// admit refuses to join a group that others are in, when the engine has to be alone. It also has
// the clock checked, by which the engine is told the time.
func (s *Source) beforeJoin(ctx context.Context) error {
	if err := s.checkExclusive(ctx); err != nil {
		return err
	}
	s.group.checkClock(ctx)
	return ctx.Err()
}

func (s *Source) checkExclusive(ctx context.Context) error {
	if s.cfg.Exclusive == nil {
		return nil
	}
	why := s.cfg.Exclusive()
	if why == nil {
		return nil
	}
	groups, err := s.group.admin.DescribeGroups(ctx, s.cfg.Group)
	if err != nil {
		s.log.Warn(
			"it could not be found out whether others read for the group",
			"group",
			s.cfg.Group,
			"error",
			err,
		)
		return nil
	}
	if others := s.otherMembers(groups[s.cfg.Group].Members); len(others) > 0 {
		return fmt.Errorf(
			"group %q has another member, %s, and we would have to be alone: %w; stop the other one, or wait until its session is over if it was killed",
			s.cfg.Group,
			strings.Join(others, ", "),
			why,
		)
	}
	return nil
}

// others are the members of the group that we are not.
func (s *Source) otherMembers(members []kadm.DescribedGroupMember) []string {
	var names []string
	for _, m := range members {
		switch {
		case m.InstanceID == nil:
			names = append(names, m.MemberID+" of "+m.ClientHost)
		case *m.InstanceID != s.cfg.InstanceID:
			names = append(names, *m.InstanceID+" of "+m.ClientHost)
		}
	}
	return names
}

// company is an error while others read partitions of our topics although the engine has to be
// alone.
func (s *Source) sharedPartitionsError() error {
	if s.cfg.Exclusive == nil || s.group.hasAllPartitions() {
		return nil
	}
	if why := s.cfg.Exclusive(); why != nil {
		return errors.Join(
			errors.New(
				"other members of the group read partitions of our topics, so that counts are wrong",
			),
			why,
		)
	}
	return nil
}

// whole says whether all partitions of our topics are ours, or none yet.
func (g *groupConsumer) hasAllPartitions() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.parts) == 0 || len(g.parts) >= g.topicPartitions
}

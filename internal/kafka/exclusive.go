package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Members of a group read different partitions. An engine whose groups of logs spread over
// partitions would count only a part in each member. SourceConfig.Exclusive tells whether the
// engine is of that kind. Then a second member refuses to start, and members that started at the
// same instant report the problem.

// beforeJoin refuses to join a group with other members when the engine must be alone, and checks
// the clock.
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
			"the group's members could not be listed",
			"group",
			s.cfg.Group,
			"error",
			err,
		)
		return nil
	}
	if others := s.otherMembers(groups[s.cfg.Group].Members); len(others) > 0 {
		return fmt.Errorf(
			"group %q has another member, %s, but this engine must be its only member: %w (stop the other one; if it was killed, wait for its session timeout)",
			s.cfg.Group,
			strings.Join(others, ", "),
			why,
		)
	}
	return nil
}

// otherMembers are the members of the group except us.
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

// sharedPartitionsError is an error while other members read partitions of our topics although
// the engine must be alone.
func (s *Source) sharedPartitionsError() error {
	if s.cfg.Exclusive == nil || s.group.hasAllPartitions() {
		return nil
	}
	if why := s.cfg.Exclusive(); why != nil {
		return errors.Join(
			errors.New(
				"other members of the group read partitions of our topics; counts are wrong",
			),
			why,
		)
	}
	return nil
}

// hasAllPartitions reports whether we have all partitions of our topics, or none yet.
func (g *groupConsumer) hasAllPartitions() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.parts) == 0 || len(g.parts) >= g.topicPartitions
}

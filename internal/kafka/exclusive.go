package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/wait"
)

// Members of a group read different partitions. An engine whose groups of logs spread over
// partitions would count only a part in each member. SourceConfig.Exclusive tells whether the
// engine is of that kind. Then a second member does not join, and members that started at the
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

// expirySlack is how much later than a session's end the group may let go of a member.
const expirySlack = 5 * time.Second

// listPatience is how long a coordinator may need to be found.
const listPatience = 15 * time.Second

// checkExclusive waits until the group has no other member. A process that was killed stays a
// member until its session times out: as one of its own to a start that has lost its instance ID,
// or that never had one. Members that stay longer are alive.
func (s *Source) checkExclusive(ctx context.Context) error {
	if s.cfg.Exclusive == nil {
		return nil
	}
	why := s.cfg.Exclusive()
	if why == nil {
		return nil
	}
	patience := s.cfg.SessionTimeout + expirySlack
	for began := time.Now(); ; {
		others, err := s.others(ctx)
		if kerr.IsRetriable(firstKafkaError(err)) && time.Since(began) < listPatience {
			if !wait.Sleep(ctx, time.Second) { // the coordinator is only being found
				return ctx.Err()
			}
			continue
		}
		if err != nil {
			s.log.Warn(
				"the group's members could not be listed",
				"group", s.cfg.Group, "error", err,
			)
			return nil
		}
		names := strings.Join(others, ", ")
		switch {
		case len(others) == 0:
			s.group.problems.clear("alone")
			return nil
		case time.Since(began) >= patience:
			return fmt.Errorf(
				"group %q has another member, %s, but this engine must be its only member: %w "+
					"(stop the other one; it has stayed for %s, so it was not killed)",
				s.cfg.Group, names, why, duration.Format(patience),
			)
		}
		s.group.problems.set(
			"alone", fmt.Errorf("waiting for the end of another member, %s", names),
		)
		s.group.limited.warn("alone", "the group has another member; waiting until it has left, "+
			"or until its session times out if it was killed",
			"group", s.cfg.Group, "members", names, "at_most", duration.Format(patience))
		if !wait.Sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// firstKafkaError is the error that a broker answered with; nil if there is none.
func firstKafkaError(err error) error {
	if answer := (*kerr.Error)(nil); errors.As(err, &answer) {
		return answer
	}
	return nil
}

// others are the members of the group except us.
func (s *Source) others(ctx context.Context) ([]string, error) {
	groups, err := s.group.admin().DescribeGroups(ctx, s.cfg.Group)
	if err != nil {
		return nil, err
	}
	return append(s.otherMembers(groups[s.cfg.Group].Members), s.newProtocolMembers(ctx)...), nil
}

// otherMembers are those of the classic protocol.
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

// newProtocolMembers are members that use the group protocol of KIP-848, which DescribeGroups does
// not know.
func (s *Source) newProtocolMembers(ctx context.Context) (names []string) {
	groups, err := s.group.admin().DescribeConsumerGroups(ctx, s.cfg.Group)
	if err != nil {
		return nil
	}
	for _, m := range groups[s.cfg.Group].Members {
		if m.InstanceID == nil || *m.InstanceID != s.cfg.InstanceID {
			names = append(names, m.MemberID+" of "+m.ClientHost)
		}
	}
	return names
}

// sharedPartitionsError is an error while other members read partitions of our topics although
// the engine must be alone.
func (s *Source) sharedPartitionsError() error {
	if s.cfg.Exclusive == nil || s.group.assignment.hasAll() {
		s.sharedSince.Store(nil)
		return nil
	}
	now := time.Now()
	s.sharedSince.CompareAndSwap(nil, &now)
	if since := s.sharedSince.Load(); since == nil || now.Sub(*since) < sharedAfter {
		return nil // partitions that were created a moment ago are not assigned at once
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

// reportShared logs that other members read partitions of our topics.
func (s *Source) reportShared() {
	if err := s.sharedPartitionsError(); err != nil {
		s.group.limited.error("shared", "this engine must be the only member of its group",
			"error", err)
	}
}

// sharedAfter is how long partitions may be missing before another member is held to have them.
const sharedAfter = 10 * time.Second

package evaluator

import (
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// room is the groups that a rule has while its logs are read, of which it has not more than its
// limit; and the alert that says that some were refused.
type room struct {
	e      *Evaluation
	r      *rule.Rule
	groups map[string]*group
	ended  []*group // taken out to make room for others
	newest instant  // of the logs that were read, or of the clock

	refused bool
	last    instant // when the newest refused log counts
	since   instant // when a group ended that made room; 0 while there is none
	alerts  int
}

// admits reports whether there is room for the group of a log. A group has ended when nothing of it
// is in a window and its alert has resolved, as far as that is decided.
func (m *room) admits(l *Log, key string) bool {
	if len(m.groups) >= m.r.Limit || m.refused {
		m.close(m.newest - m.e.lateness(m.r) - 1)
	}
	if m.groups[key] != nil {
		return true
	}
	if len(m.groups) < m.r.Limit {
		if len(m.groups) == m.r.Limit-1 {
			m.since = 0
		}
		return true
	}
	at := max(l.At, l.Visible)
	m.since = 0
	if !m.refused {
		m.refused, m.last = true, at
		m.alerts++
		m.tell("firing", at)
	}
	m.last = max(m.last, at)
	return false
}

// close takes out the groups that have ended at an instant, and ends the alert when there is room
// and none was refused for as long as the rule looks back.
func (m *room) close(decided instant) {
	if m.r.Limit == 0 || len(m.groups) == 0 {
		return
	}
	then := *m.e
	then.end = decided
	for key, g := range m.groups {
		at, over := m.over(g, &then)
		if !over {
			continue
		}
		m.ended = append(m.ended, g)
		delete(m.groups, key)
		if m.refused && (m.since == 0 || at < m.since) {
			m.since = at
		}
	}
	if end := max(m.since, m.last+reach(m.r)); m.refused && m.since != 0 && end <= decided {
		m.refused, m.since = false, 0
		m.tell("resolved", end)
	}
}

// over reports whether a group has ended, and when.
func (m *room) over(g *group, then *Evaluation) (at instant, over bool) {
	if len(g.logs) == 0 || g.expected || len(m.r.By) == 0 {
		return 0, false
	}
	now := newGroup(then, m.r, g.labels)
	now.logs, now.began = append([]*Log{}, g.logs...), g.logs[0].At
	sortByTime(now.logs)
	now.run()
	for _, l := range g.logs {
		if g.looksAt(l) {
			at = max(at, l.At+reach(m.r))
		}
	}
	for _, t := range now.notified {
		if t.State == "resolved" {
			at = max(at, t.At.UnixNano())
		}
	}
	return at, at <= then.end && !now.up && !now.waiting
}

func (m *room) tell(state string, at instant) {
	if at > m.e.end {
		return
	}
	m.e.refusals[m.r.ID()] = append(m.e.refusals[m.r.ID()], Transition{
		Rule: m.r.ID(), State: state, At: timeOf(at), Count: -1, Episode: m.alerts,
		Labels: map[string]string{
			"alertname": models.GroupLimitAlert, "rule": m.r.ID(), "severity": "warning",
		},
	})
}

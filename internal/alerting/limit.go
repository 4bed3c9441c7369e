package alerting

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// refusals is what is known of the groups that a rule was not given, because it has as many as it
// may. Those it has continue as before; which groups a rule watches must never be a matter of
// chance.
type refusals struct {
	count    int64 // since the engine was made
	first    int64 // event time of the first one read in the present shortage; 0 for none
	last     int64 // event time of the newest one
	room     int64 // since when there is room again, in event time; 0 while there is none
	episodes uint32
}

// expirationsForRoom is how many groups of each rule are dropped that have expired when there is no
// room.
const expirationsForRoom = 64

const limitKey = "\xffgroup limit" // in place of the key of a group

const (
	// reservedGroups is the part of the bound of all groups together that is kept for rules with
	// few of them, and pageWeight how much more of it a rule gets whose alerts page.
	reservedGroups = 10
	pageWeight     = 10
)

// reserveGroups gives each rule its part of the groups that are reserved: beyond the bound of all
// groups together, a rule may still have so many. So the flood of one rule takes none of the groups
// of others, nor those of rules that come later.
func (st *state) reserveGroups() {
	weight := func(rs *ruleState) int {
		pages := models.IsPage(rs.rule.Labels["severity"])
		for _, l := range rs.rule.Levels {
			pages = pages || models.IsPage(l.Severity)
		}
		if pages {
			return pageWeight
		}
		return 1
	}
	sum := 0
	for _, rs := range st.rules {
		sum += weight(rs)
	}
	for _, rs := range st.rules {
		rs.reserved = max(1, st.opts.maxGroups/reservedGroups*weight(rs)/sum)
	}
}

// full reports whether a rule may have no further group: by its own limit, or by that of all rules.
func (st *state) full(rs *ruleState) bool {
	return rs.groups.live >= rs.limit() ||
		st.live >= st.opts.maxGroups && rs.groups.live >= rs.reserved
}

// room reports whether a rule may have another group for a hit, and counts it when it may not.
// Groups that have ended by the time of the hit make room, and so do quiet ones that are only
// remembered.
func (st *state) room(rs *ruleState, pt *partitionTime, h *hit) bool {
	r := &rs.refused
	if st.full(rs) || r.first != 0 {
		st.expireBefore(rs, pt, h.reached)
	}
	if st.full(rs) {
		for _, other := range st.rules {
			if other == rs || rs.groups.live < rs.limit() {
				st.expireGroups(other, expirationsForRoom)
			}
		}
	}
	if st.full(rs) {
		st.evictQuiet(rs)
	}
	if !st.full(rs) {
		if rs.groups.live+1 >= rs.limit() && r.room != 0 {
			r.room, rs.changed = 0, true
		}
		return true
	}
	at := h.time
	if rs.watermark != always { // one that comes too late is seen from the watermark on
		at = max(at, rs.watermark+1)
	}
	r.count++
	r.last, r.room, rs.changed = max(r.last, at), 0, true
	if r.first == 0 {
		r.first, r.last = at, at
		r.episodes = max(r.episodes, rs.counters.last[limitKey].episode) + 1
		rs.counters.set(limitKey, episodeCounter{r.episodes, rs.now()})
		st.transitions = append(st.transitions, st.limitAlert(rs, models.AlertFiring, r.first))
		st.opts.logger.Error("group limit reached: logs of further groups raise no alert",
			"rule", rs.id, "groups", rs.groups.live, "limit", rs.limit(),
			"all_groups", st.live, "limit_of_all", st.opts.maxGroups)
	}
	return false
}

// expireBefore decides what was due in the groups of a rule when a partition had reached a time: of
// records that are read at once, those that come first have ended by then.
func (st *state) expireBefore(rs *ruleState, pt *partitionTime, reached int64) {
	if len(rs.observes) > 0 || len(rs.suppressedBy) > 0 || rs.readsAlerts {
		return // it depends on others that were not decided so far
	}
	base := pt.base
	pt.base = max(base, reached)
	d := st.watermarks.progressOf(rs.topics)
	pt.base = base
	to := rs.decides(d.base, d.watermark)
	if !d.known || d.base == always || !st.watermarks.advanced || to <= rs.waitedTo {
		return
	}
	rs.waitedTo = to
	for _, h := range []*timerHeap{&rs.timers, &rs.expiring} {
		for n, due := h.first(); due <= to; n, due = h.first() {
			st.decideTo(rs, n, to)
		}
	}
	st.resolveRefusals(rs, to)
}

// evictQuiet forgets a part of the groups of a rule that are only kept because it matters since
// when they are known: those that have been quiet for longest. When they log again they are as new.
func (st *state) evictQuiet(rs *ruleState) {
	if rs.condition.HoldsEmpty() || !rs.condition.KeepsKeys() || rs.waitedTo == rs.evictedAt {
		return
	}
	type quiet struct {
		number uint32
		last   int64
	}
	var list []quiet
	before := rs.watermark - int64(rs.condition.Lookback())
	rs.groups.each(func(number uint32, g *group) {
		if last := rs.lastSeen[number]; g.alert == nil && !g.expected && last < before {
			list = append(list, quiet{number, last})
		}
	})
	slices.SortFunc(list, func(a, b quiet) int {
		return cmp.Or(cmp.Compare(a.last, b.last), cmp.Compare(a.number, b.number))
	})
	n := max(rs.limit()/10, 1)
	if len(list) <= n { // no others are quiet until the watermark moves on
		n, rs.evictedAt = len(list), rs.waitedTo
	}
	for _, q := range list[:n] {
		rs.drop(q.number)
		rs.madeRoom(rs.watermark + 1)
		st.live--
	}
}

// endsBy is when a group of a rule that has refused others ends, if it does so until an instant: it
// is decided from one instant to the next, where otherwise all is decided at once.
func (m *machine) endsBy(decided int64) int64 {
	if m.u.condition.KeepsKeys() {
		return min(m.g.due, decided+1)
	}
	for last := int64(always); ; {
		at, _ := m.nextDue()
		if at > decided || at <= last {
			return decided + 1
		}
		last = at
		if m.sweep(at); m.g.alert == nil && m.g.win.Empty() {
			return at
		}
	}
}

// madeRoom notes that a group was dropped that had ended at an instant.
func (rs *ruleState) madeRoom(at int64) {
	if r := &rs.refused; r.first != 0 && (r.room == 0 || at < r.room) {
		r.room, rs.changed = at, true
	}
}

// resolveRefusals ends the alert about refused groups when there is room again, and none was
// refused for as long as the rule looks back; both as far as it is decided. It ends at the instant
// of the later, so it does not matter how many logs were read at once.
func (st *state) resolveRefusals(rs *ruleState, decided int64) {
	r := &rs.refused
	if r.first == 0 || st.full(rs) {
		return
	}
	if r.room == 0 { // groups of other rules made it
		r.room, rs.changed = decided+1, true
	}
	at := max(r.room, r.last+int64(rs.condition.Lookback()))
	if at > decided {
		return
	}
	st.transitions = append(st.transitions, st.limitAlert(rs, models.AlertResolved, at))
	r.first, r.room, rs.changed = 0, 0, true
}

// limitAlert is the alert about refused groups: one for the rule, however many they are.
func (st *state) limitAlert(rs *ruleState, state models.AlertState, at int64) models.Alert {
	r := &rs.refused
	which, limit := "its limit", rs.limit()
	if rs.groups.live < limit {
		which, limit = "its part of the limit of all rules", rs.reserved
	}
	a := models.Alert{
		ID:      alertID(rs.id, limitKey, uint64(r.episodes)),
		Rule:    rs.id,
		Episode: int64(r.episodes),
		State:   state,
		Reason: fmt.Sprintf(
			"the rule has %d groups, %s: logs of further groups raise no alert",
			rs.groups.live, which,
		),
		Value:     float64(rs.groups.live),
		Threshold: fmt.Sprintf(">= %d", limit),
		At:        instant(at),
		StartsAt:  instant(r.first),
		Count:     r.count,
		Source:    place(rs.rule.Pos),
		Severity:  "warning",
		Labels: map[string]string{
			"alertname": models.GroupLimitAlert,
			"rule":      rs.id,
			"severity":  "warning",
		},
		Shadow: rs.rule.Mode == rule.Shadow,
	}
	if state == models.AlertResolved {
		a.EndsAt, a.Reason = a.At, "there is room for further groups again"
	}
	a.Annotations = map[string]string{
		"summary": fmt.Sprintf("Rule %s has reached %s of %d groups", rs.id, which, limit),
		"description": "Groups that exist are watched as before; new ones are refused. Group by " +
			"a field with fewer values, narrow the match, or raise limit.",
	}
	return a
}

// limit is how many groups the rule may have.
func (c *compiledRule) limit() int {
	if c.rule.Limit == 0 {
		return maxGroups
	}
	return min(c.rule.Limit, maxGroups)
}

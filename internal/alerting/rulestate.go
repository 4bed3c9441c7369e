package alerting

import (
	"hash/maphash"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// ruleState is what a rule has seen. The lock of the engine guards it. A reload replaces the
// compiled rule and keeps the rest, as long as the rule means the same.
type ruleState struct {
	*compiledRule
	createdIn    int64 // the generation of the rule set that it came with
	counters     *episodeCounters
	suppressedBy []*suppressionState
	hoursSpan    hoursSpan // that was found last

	groups   table
	expiring timerHeap // of groups that only expire
	timers   timerHeap // of the others
	// when the newest event of a group was, for rules that wait for silence
	lastSeen map[uint32]int64
	// silences that were longer than a key is remembered, and are not decided yet
	gaps    map[uint32][]gap
	dirty   []uint32        // chunks with groups that were changed since the last save began
	removed []string        // keys of groups that are gone since then
	saving  *Saving         // that has not passed on all groups yet; nil for none
	changed bool            // the state itself was changed
	alerts  map[uint32]bool // groups with an alert
	// alerts by appearance; of those that are not shown the number means nothing
	shown [appearances]int
	// event time that the logs of the rule have reached; it never goes back
	base          int64
	watermark     int64  // the last instant that is decided; the watermark is the next one
	autoLateness  int64  // of a rule whose lateness follows the delays: the one in force
	started       int64  // when the rule began to look; always before that
	sampled       int    // groups that keep lines although they have no alert
	seriesHeld    bool   // the log has said that metrics do not show all of its groups
	backfilling   bool   // its past is being read; until then its logs do not count
	backfillError string // why it began without its past
	deferred      bool   // an active alert was too old to be notified when it was found
	refused       refusals
	reserved      int                     // groups that it may have however many others have
	firingSpans   map[string][]firingSpan // by group, for rules that ask about its alerts
	spans         int                     // how many there are
	spanChanges   int64                   // how often they changed
	spansExpired  int64                   // those that ended before were forgotten
	// the changes of the alerts that it asks about, when it was decided
	observedAt int64
	waitedTo   int64        // see room
	evictedAt  int64        // when quiet groups last made room for others
	values     *valueSample // nil unless they are noted
	// by group: windows of logs that came too late
	missed      map[string]*missedWindow
	missedSwept int64 // when quiet ones were last looked for
	// the end of the time in which an earlier run, or another version of the rule, may have had
	// alerts that are not in ended
	missedFrom int64
	ended      endedAlerts
	ruleCounters
}

// ruleCounters are the counters of a rule.
type ruleCounters struct {
	matches int64
	late    int64
	tooLate int64
	// alerts that did not fire because their logs came too late
	missedAlerts int64
	missedLogged int64 // when the log said so last
	// logs that came too late, of groups that are not followed
	missedUnchecked int64
	fired           int64
	resolved        int64
	lastMatch       int64
	behind          bool // no time for this rule: a broker is away, or a backlog is being read
}

// reached is the watermark: the instant before which everything is decided.
func (rs *ruleState) reached() time.Time {
	if rs.watermark == always {
		return time.Time{}
	}
	return instant(rs.watermark + 1)
}

func newRuleState(c *compiledRule, o *options, seed maphash.Seed) *ruleState {
	s := &ruleState{
		compiledRule: c,
		groups:       newTable(seed),
		alerts:       make(map[uint32]bool),
		lastSeen:     make(map[uint32]int64),
		gaps:         make(map[uint32][]gap),
		firingSpans:  make(map[string][]firingSpan),
		spansExpired: always / 2,
		waitedTo:     always,
		base:         always,
		watermark:    always,
		started:      always,
		missedFrom:   always,
		autoLateness: int64(rule.FirstLateness),
	}
	s.timers, s.expiring = timerHeap{table: &s.groups}, timerHeap{table: &s.groups}
	if o.values != nil {
		s.values = o.values.rules[c.id]
	}
	return s
}

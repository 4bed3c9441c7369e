package alerting

import (
	"hash/maphash"
	"time"

	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// state is what the engine has seen and decided. The engine holds its lock for all methods, and for
// those of rule states, groups and machines that they call.
type state struct {
	opts    *options
	seed    maphash.Seed
	ruleSet *ruleSet // the one in use
	// the state of the rules of ruleSet, in its order; and the same by name and by fingerprint
	rules         []*ruleState
	byName        map[string][]*ruleState
	byFingerprint map[uint64]*ruleState
	suppressions  []*suppressionState // in the order of ruleSet
	watermarks    watermarks
	transitions   []models.Alert // decided, and not emitted yet
	alertLogs     []models.Alert // decided, and not yet passed on to the rules that read alerts
	machine       machine        // scratch
	prefetch      prefetcher     // scratch
	alertScanner  *scanner
	event         window.Event // scratch
	total         totals
	persisted     persistedKeys
	// by the fingerprint of the rule's ID, also of rules that are gone
	counters    map[uint64]*episodeCounters
	late        lateLog
	missed      []Missed // the newest
	live        int      // groups of all rules
	expirations int      // groups that may still be dropped in this move
	step        int64    // event time at which logs that come one by one last moved time
}

// totals are counters of the engine as a whole.
type totals struct {
	logs, rejected, dropped, futureTimes, hits int64
}

// init prepares the state of an engine. The scanner is for transitions that rules read.
func (st *state) init(o *options, s *scanner) {
	st.opts, st.seed, st.alertScanner = o, maphash.MakeSeed(), s
	st.watermarks = newWatermarks()
	st.watermarks.except = o.recordedTopic
	st.counters = make(map[uint64]*episodeCounters)
	st.machine.state = st
	st.machine.onEdge = st.machine.edge
}

// advanceAlone moves time after logs that came one by one, once in a second of event time.
func (st *state) advanceAlone() {
	at := st.watermarks.progressOf(nil).base
	if at == always || at < st.step+int64(time.Second) {
		return
	}
	st.step = at
	st.watermarks.now = max(st.watermarks.now, at)
	st.advance()
}

// stateOf returns the state of a rule of a set, which may be older than the one in use; nil when
// the rule is gone, or came after that set.
func (st *state) stateOf(set *ruleSet, c *compiledRule) *ruleState {
	if set == st.ruleSet {
		return st.rules[c.index]
	}
	if rs := st.byFingerprint[c.fingerprint]; rs != nil && rs.createdIn <= set.generation {
		return rs
	}
	return nil
}

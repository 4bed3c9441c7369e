package window

import (
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Condition is the compiled condition of one rule. It is immutable and shared by all groups.
type Condition struct {
	window   int64
	text     string // of the window, for people: "5m"
	every    int64  // truth changes only at multiples of it; 0 for any time
	learn    int64
	remember int64
	count    *counting // the condition if it is no more than that; the following is then not used

	any        bool // no when: any match
	when       truth
	recovery   truth // resolve.when, nil for none
	levels     []rule.Level
	calls      []*call
	series     []seriesSpec
	history    []historySpec
	grid       int64
	ago        []int64    // how long ago the windows are that history is asked about
	daily      bool       // history is asked about days of the same kind
	paneLength int64      // length of the panes of a window
	paneLimit  int        // a pane with more events is high-volume
	logs       seriesSpec // of the events of a group, whatever is asked of them
	exactly    int        // so many different texts are counted exactly
	sequence   *sequence
	// filter that tells events of the rule from those that only resolve it; -1 when all are its own
	ownFilter     int
	resolveFilter int // filter of the events that resolve; -1 for none

	match   rule.Query
	filters []rule.Query
	fields  []string
	alerts  []string

	eager, known bool
	keepsKeys    bool // it matters since when a group is known
	// what came before all that the windows hold matters, or since when a group is known
	beyond           bool
	novel            bool // values are remembered
	past             bool // some part is about an earlier window
	undefinedAtFirst bool // something is undefined until the key was known for a window
	steady           bool // while it does not hold, only an event can make it hold
	simple           bool // every window is known from its place in the series alone
	// filters of which an event satisfies one that any part of the condition looks at; 0 for all
	// events
	lookedAt uint64
	retains  int64 // how long events are kept
	reads    int64 // how far back events matter
}

// Match selects the logs that are events of the rule. It is narrower than the rule's own where only
// some of its matches matter, and wider where logs that resolve are events too.
func (p *Condition) Match() rule.Query { return p.match }

// Filters are the queries whose truth each event carries in its bits.
func (p *Condition) Filters() []rule.Query { return p.filters }

// Fields are the canonical paths of the fields whose values each event carries; "@template" is the
// masked message, see Mask.
func (p *Condition) Fields() []string { return p.fields }

// Alerts are the names of the alerts that the condition asks Env about.
func (p *Condition) Alerts() []string { return p.alerts }

// FiresEarly says that more events can only make the condition truer, and that it need not last: so
// it is decided with the event that completes it.
func (p *Condition) FiresEarly() bool { return p.eager }

// ReadsPast says whether some part of the condition is about an earlier window, which an event
// enters later than the present one.
func (p *Condition) ReadsPast() bool { return p.past }

// HoldsEmpty says that the condition may hold without events, so that groups are kept while their
// key is known.
func (p *Condition) HoldsEmpty() bool { return p.known }

// MakesKnown says whether an event with these bits makes its group known: it is one of the rule,
// and not only one that resolves, and some part of the condition looks at it. A rule that can hold
// without logs looks at all.
func (p *Condition) MakesKnown(bits uint64) bool {
	return (p.ownFilter < 0 || bits>>p.ownFilter&1 != 0) &&
		(p.known || p.lookedAt == 0 || p.lookedAt&bits != 0)
}

// Counts says that the condition is that the window holds so many events.
func (p *Condition) Counts() bool { return p.count != nil }

// OutlivesWindow says that a group knows more than its windows hold.
func (p *Condition) OutlivesWindow() bool { return p.beyond }

// RemembersValues says that values are new or known.
func (p *Condition) RemembersValues() bool { return p.novel }

// KeepsKeys says that it matters since when a group is known, or what its last events were, even
// when its windows are empty: so the group is to be kept.
func (p *Condition) KeepsKeys() bool { return p.keepsKeys }

// Retains is for how long an event can have an influence from its own time on, so one that comes
// later than that is left out.
func (p *Condition) Retains() int64 { return p.retains }

// Lookback is how far back events matter.
func (p *Condition) Lookback() time.Duration { return time.Duration(p.reads) }

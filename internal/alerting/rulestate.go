package alerting

import (
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
)

// ruleState is a rule at work: what is compiled of it, and the state of its groups. The compiled
// part is made anew with every set of rules; the state moves on to the next rule of the same rule.
type ruleState struct {
	rule        *rule.Rule
	id          string
	fingerprint uint64
	condition   *window.Condition
	topics      map[string]bool // nil for all
	topicsID    string          // tells these apart from those of other rules
	readsAlerts bool            // its logs are the transitions of other rules
	observes    map[string]bool // the names of the alerts that its condition asks about
	by          []byLabel
	fields      []decode.FieldID // whose values events carry
	// whose values only people see: those of samples, then those of top
	shownFields  []decode.FieldID
	maxLines     int // that an alert shows at most
	labels       []textTemplate
	annotations  []textTemplate
	hours        calendar
	suppressedBy []*suppression
	expected     []string // the members of the list of keys that must exist
	counters     *episodeCounters

	recorded      bool          // its values are told
	step          int64         // of the grid of their instants
	excludedTopic string        // a topic that only those read who name it
	extraLateness time.Duration // by which what it reads comes later than logs do

	observed  bool       // some rule asks whether its alerts are up
	successor *ruleState // of the same rule in the newest set; nil when there is none
	retired   bool       // a newer set has taken its place
	*state
}

// state is what a rule has seen. The engine's lock guards it.
type state struct {
	groups   table
	expiring []timerHeap   // the same, of groups that only expire
	timers   []timerHeap   // by owner; one alone when nobody else reads our topics
	owners   []partitionID // of groups, by number; none when nobody else reads our topics
	// when the newest event of a group was, for rules that wait for silence
	lastSeen map[uint32]int64
	// silences that were longer than a key is remembered, and are not decided yet
	gaps    map[uint32][]gap
	dirty   []uint32        // chunks with groups that were changed since the last save
	removed []string        // keys of groups that are gone since then
	changed bool            // the state itself was changed
	alerts  map[uint32]bool // groups with an alert
	// event time that the logs of the rule have reached; it never goes back
	base          int64
	watermark     int64  // the same less the lateness: nothing older is expected
	started       int64  // when the rule began to look; always before that
	sampled       int    // groups that keep lines although they have no alert
	backfilling   bool   // its past is being read; until then its logs do not count
	backfillError string // why it began without its past
	deferred      bool   // some alert is up that was too old to be told when it was found
	refused       refusals
	firingSpans   []firingSpan // recent alerts that are over, for rules that ask
	values        *valueSample // nil unless they are noted
	ruleCounters
}

// ruleCounters are what is told of a rule.
type ruleCounters struct {
	matches   int64
	late      int64
	tooLate   int64
	fired     int64
	resolved  int64
	lastMatch int64
	behind    bool // no time for this rule: a broker is away, or a backlog is being read
}

func (e *Engine) newRule(set *rule.Set, r *rule.Rule) (*ruleState, error) {
	plan, err := window.Compile(conditionOf(r))
	if err != nil {
		return nil, err
	}
	rs := &ruleState{
		rule:        r,
		id:          r.ID(),
		fingerprint: fingerprint(r),
		condition:   plan,
		observes:    make(map[string]bool),
	}
	for _, name := range plan.Alerts() {
		rs.observes[name] = true
	}
	rs.topics, rs.readsAlerts = e.topicsOf(r)
	rs.topicsID = topicsID(rs.topics)
	rs.setRecordGrid(&e.opts)
	if r.Samples.First+r.Samples.Last > 0 && !r.Record {
		rs.maxLines = r.Samples.First + r.Samples.Last
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		rs.labels = append(rs.labels, newTextTemplate(name, r.Labels[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Annotations)) {
		rs.annotations = append(rs.annotations, newTextTemplate(name, r.Annotations[name]))
	}
	rs.hours = newCalendar(set, r.Active)
	if list := set.Lists[r.Expect]; list != nil {
		rs.expected = list.Values
	}
	rs.state = newState(e.seed)
	if e.opts.values != nil {
		rs.values = e.opts.values.rules[rs.id]
	}
	return rs, nil
}

// CheckCompiles says what a rule's condition asks for that cannot be computed, as a *problem.Error, or
// what its templates ask for that alerts do not have, as problem.List; nil if nothing.
func CheckCompiles(r *rule.Rule) error {
	if _, err := window.Compile(conditionOf(r)); err != nil {
		return err
	}
	if errs := append(unknownFields(r, "label", r.Labels), unknownFields(r, "annotation", r.Annotations)...); len(
		errs,
	) > 0 {
		return errs
	}
	return nil
}

// conditionOf is the rule as its window sees it: a sequence that was completed counts for as long
// as the rule takes to resolve, and a record, whose when is a number, is a condition that holds
// whenever the number is defined.
func conditionOf(r *rule.Rule) *rule.Rule {
	c := *r
	if len(r.Sequence) > 0 && r.Resolve.After > 0 {
		c.Window = r.Resolve.After
	}
	if r.Record {
		number := r.When
		if number == nil {
			number = &rule.Call{Func: "count"}
		}
		c.When = &rule.Binary{Op: ">=", Left: number, Right: &rule.Number{Value: -math.MaxFloat64}}
	}
	return &c
}

func newState(seed maphash.Seed) *state {
	s := &state{
		groups:    newTable(seed),
		alerts:    make(map[uint32]bool),
		lastSeen:  make(map[uint32]int64),
		gaps:      make(map[uint32][]gap),
		base:      always,
		watermark: always,
		started:   always,
	}
	s.timers, s.expiring = []timerHeap{{table: &s.groups}}, []timerHeap{{table: &s.groups}}
	return s
}

// alertsSource is the name of the source whose logs are the transitions of all other rules.
const alertsSource = "alerts"

// topicsOf are the topics that a rule reads, nil for all; or the transitions of other rules.
func (e *Engine) topicsOf(r *rule.Rule) (topics map[string]bool, alerts bool) {
	for _, name := range append([]string{r.Source}, r.Sources...) {
		switch mapped, ok := e.opts.sources[name]; {
		case name == alertsSource:
			return nil, true
		case name == "":
		case topics == nil:
			topics = make(map[string]bool)
			fallthrough
		default:
			if !ok {
				mapped = []string{name}
			}
			for _, topic := range mapped {
				topics[topic] = true
			}
		}
	}
	return topics, false
}

// reads says whether the logs of a topic are the rule's.
func (rs *ruleState) reads(topic string) bool {
	if rs.readsAlerts {
		return topic == alertsTopic
	}
	return rs.topics == nil && topic != alertsTopic && (topic != rs.excludedTopic || topic == "") ||
		rs.topics[topic]
}

// query is the one of the logs that are events of the rule.
func (rs *ruleState) query() rule.Query {
	if q := rs.condition.Match(); q != nil {
		return q
	}
	return rs.rule.Match
}

// fieldPaths are the fields that the rule asks of logs.
func (rs *ruleState) fieldPaths() []string {
	paths := slices.Concat(rs.condition.Fields(), rs.rule.Samples.Fields, rs.rule.Top)
	for _, l := range rs.rule.By {
		paths = append(paths, l.Fields...)
	}
	return slices.DeleteFunc(paths, func(p string) bool { return p == templateField })
}

// locateFields finds the places of those fields.
func (rs *ruleState) locateFields(fields *decode.Fields) {
	rs.by = labelFields(rs.rule.By, fields)
	rs.fields = fieldIDs(rs.condition.Fields(), fields)
	rs.shownFields = fieldIDs(slices.Concat(rs.rule.Samples.Fields, rs.rule.Top), fields)
}

// current is the rule that now holds the state of the rule, or nil when the rule is gone.
func (rs *ruleState) current() *ruleState {
	for rs != nil && rs.retired {
		rs = rs.successor
	}
	return rs
}

// keyLifetime is how long a key is known after its last event: when the rule does not say, a week,
// and for a record as long as the window holds it.
func (rs *ruleState) keyLifetime() int64 {
	switch {
	case rs.rule.Remember > 0:
		return int64(rs.rule.Remember)
	case rs.rule.Record:
		return int64(rs.condition.Lookback())
	default:
		return int64(7 * 24 * time.Hour)
	}
}

// lateness is the disorder that is allowed.
func (rs *ruleState) lateness() int64 { return int64(rs.rule.Lateness + rs.extraLateness) }

// levelOf is the number of the level that an edge has reached, from 1; 0 for none.
func (rs *ruleState) levelOf(ed window.Edge) int {
	if len(rs.rule.Levels) == 0 {
		return 0
	}
	return ed.Level + 1
}

// groupLabels are the labels of a group: those whose value is not empty.
func (rs *ruleState) groupLabels(key string) map[string]string {
	labels := make(map[string]string, len(rs.by)+4)
	for _, l := range rs.rule.By {
		var value string
		value, key = cutText(key)
		if value != "" {
			labels[l.Name] = value
		}
	}
	return labels
}

// appendText appends a text preceded by its length. Lengths are below 2^14.
func appendText[T string | []byte](dst []byte, t T) []byte {
	if len(t) < 128 {
		dst = append(dst, byte(len(t)))
	} else {
		dst = append(dst, byte(len(t)&127|128), byte(len(t)>>7))
	}
	return append(dst, t...)
}

// cutText cuts a text off that appendText appended.
func cutText(s string) (text, rest string) {
	if s == "" {
		return "", ""
	}
	n := int(s[0])
	s = s[1:]
	if n >= 128 && s != "" {
		n = n&127 | int(s[0])<<7
		s = s[1:]
	}
	n = min(n, len(s))
	return s[:n], s[n:]
}

// keyOf is the key of a group by the values of its labels, in the order of the rule.
func keyOf(values []string) string {
	var key []byte
	for _, v := range values {
		key = appendText(key, v[:min(len(v), maxLabel)])
	}
	return string(key)
}

// lingerTime is how long an alert stays up after its condition ceased to hold; never when it waits
// for something else.
func (rs *ruleState) lingerTime() int64 {
	switch r := &rs.rule.Resolve; {
	case r.Manual || r.After == 0 && (r.Match != nil || r.When != nil):
		return never
	case len(rs.rule.Sequence) > 0: // how long one counts that was completed is its window's affair
		return int64(rs.rule.KeepFiringFor)
	default:
		return int64(max(rs.rule.KeepFiringFor, r.After))
	}
}

func instant(n int64) time.Time {
	if n == always || n == never || n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

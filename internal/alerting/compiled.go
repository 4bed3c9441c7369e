package alerting

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
)

// compiledRule is what follows from the text of a rule and the options of the engine. It never
// changes once its ruleSet is in use, so scanners read it without a lock.
type compiledRule struct {
	index       int // in ruleSet.rules
	rule        *rule.Rule
	id          string
	place       string // in its file
	fingerprint uint64
	// of what users see of its hits
	shownFingerprint uint64
	condition        *window.Condition
	topics           map[string]bool // nil for all
	topicsID         string          // identifies these topics
	readsAlerts      bool            // its logs are the transitions of other rules
	observes         map[string]bool // the names of the alerts that its condition asks about
	observed         bool            // the condition of some rule asks about its alerts
	by               []byLabel
	fields           []decode.FieldID // whose values events carry
	// whose values only users see: those of samples, then those of top
	shownFields []decode.FieldID
	maxLines    int // that an alert shows at most
	labels      []textTemplate
	// a label reads what is known only when the alert fires, such as the value
	labelsAtFiring bool
	annotations    []textTemplate
	hours          calendar
	expected       []string // the members of the list of keys that must exist

	recorded      bool          // its values are recorded
	step          int64         // of the grid of their instants
	excludedTopic string        // a topic that only those read who name it
	extraLateness time.Duration // by which what it reads comes later than logs do
}

func (ss *scanners) compileRule(set *rule.Set, r *rule.Rule) (*compiledRule, error) {
	plan, err := window.Compile(conditionOf(r))
	if err != nil {
		return nil, err
	}
	c := &compiledRule{
		rule:        r,
		id:          r.ID(),
		place:       place(r.Pos),
		fingerprint: fingerprint(r),
		condition:   plan,

		shownFingerprint: fingerprintShown(r),
		observes:         make(map[string]bool),

		labelsAtFiring: r.LabelsAtFiring(),
	}
	for _, name := range plan.Alerts() {
		c.observes[name] = true
	}
	c.topics, c.readsAlerts = topicsOf(r, ss.opts.sources)
	c.topicsID = topicsID(c.topics)
	c.setRecordGrid(ss.opts)
	if r.Samples.First+r.Samples.Last > 0 && !r.Record {
		c.maxLines = r.Samples.First + r.Samples.Last
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		c.labels = append(c.labels, newTextTemplate(name, r.Labels[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Annotations)) {
		c.annotations = append(c.annotations, newTextTemplate(name, r.Annotations[name]))
	}
	c.hours = newCalendar(set, r.Active)
	if list := set.Lists[r.Expect]; list != nil {
		c.expected = list.Values
	}
	return c, nil
}

// CheckCompiles says what a rule's condition asks for that cannot be computed, as a *problem.Error,
// or what its templates ask for that alerts do not have, as problem.List; nil if nothing.
func CheckCompiles(r *rule.Rule) error {
	if _, err := window.Compile(conditionOf(r)); err != nil {
		return err
	}
	errs := append(templateProblems(r, "label", r.Labels),
		templateProblems(r, "annotation", r.Annotations)...)
	if len(errs) > 0 {
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

// alertsSource is the name of the source whose logs are the transitions of all other rules.
const alertsSource = "alerts"

// topicsOf are the topics that a rule reads, nil for all; or the transitions of other rules.
func topicsOf(r *rule.Rule, sources map[string][]string) (topics map[string]bool, alerts bool) {
	for _, name := range append([]string{r.Source}, r.Sources...) {
		switch mapped, ok := sources[name]; {
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

// reads reports whether the logs of a topic are the rule's.
func (c *compiledRule) reads(topic string) bool {
	if c.readsAlerts {
		return topic == alertsTopic
	}
	return c.topics == nil && topic != alertsTopic && (topic != c.excludedTopic || topic == "") ||
		c.topics[topic]
}

// query is the one of the logs that are events of the rule.
func (c *compiledRule) query() rule.Query {
	if q := c.condition.Match(); q != nil {
		return q
	}
	return c.rule.Match
}

// fieldPaths are the fields that the rule asks of logs.
func (c *compiledRule) fieldPaths() []string {
	paths := slices.Concat(c.condition.Fields(), c.rule.Samples.Fields, c.rule.Top)
	for _, l := range c.rule.By {
		paths = append(paths, l.Fields...)
	}
	return slices.DeleteFunc(paths, func(p string) bool { return p == templateField })
}

// labelQueries are the selections that labels name, in the order of their numbers. They are only
// asked of logs that match.
func (c *compiledRule) labelQueries() (queries []rule.Query) {
	for _, l := range c.rule.By {
		for _, of := range l.Of {
			q := of.Query
			if matches := c.query(); matches != nil {
				q = &rule.And{Of: []rule.Query{matches, q}}
			}
			queries = append(queries, q)
		}
	}
	return queries
}

// locateFields finds the places of those fields.
func (c *compiledRule) locateFields(fields *decode.Fields) {
	c.by = labelFields(c.rule.By, fields)
	c.fields = fieldIDs(c.condition.Fields(), fields)
	c.shownFields = fieldIDs(slices.Concat(c.rule.Samples.Fields, c.rule.Top), fields)
}

const (
	// rememberedKeys is how long a rule about silence remembers a group, if it does not say.
	rememberedKeys = int64(7 * 24 * time.Hour)
	// quietKeys is how long any other rule knows a quiet group for which it matters since when it
	// is known.
	quietKeys = int64(35 * 24 * time.Hour)
)

// keyLifetime is how long a key is known after its last event.
func (c *compiledRule) keyLifetime() int64 {
	switch {
	case c.rule.Remember > 0 && (c.aboutAbsence() || c.condition.RemembersValues()):
		return int64(c.rule.Remember)
	case c.rule.Record && !c.condition.OutlivesWindow():
		return int64(c.condition.Lookback())
	case c.aboutAbsence():
		return rememberedKeys
	}
	return max(quietKeys, int64(c.condition.Lookback()))
}

// aboutAbsence reports whether the rule can hold without logs. A record holds nothing.
func (c *compiledRule) aboutAbsence() bool { return c.condition.HoldsEmpty() && !c.rule.Record }

// mostLateness is the disorder that is allowed at most.
func (c *compiledRule) mostLateness() int64 {
	return int64(c.rule.MostLateness() + c.extraLateness)
}

// lateness is the disorder that is allowed now.
func (rs *ruleState) lateness() int64 {
	if rs.rule.LatenessAuto {
		return rs.autoLateness + int64(rs.extraLateness)
	}
	return int64(rs.rule.Lateness + rs.extraLateness)
}

// decides is the last instant that a rule decides, of partitions whose time has come to base. A log
// that is exactly as late as the lateness allows is in time. The watermark is that of rules whose
// lateness follows the delays.
func (rs *ruleState) decides(base, watermark int64) int64 {
	switch {
	case base == always || rs.rule.LatenessAuto && watermark == always:
		return always
	case rs.rule.LatenessAuto:
		return watermark - int64(rs.extraLateness) - 1
	}
	return base - rs.lateness() - 1
}

// levelOf is the number of the level that an edge has reached, from 1; 0 for none.
func (c *compiledRule) levelOf(ed window.Edge) int {
	if len(c.rule.Levels) == 0 {
		return 0
	}
	return ed.Level + 1
}

// groupLabels are the labels of a group: those whose value is not empty. One of the rule takes the
// place of one of the envelope.
func (c *compiledRule) groupLabels(key string) map[string]string {
	labels := c.keyLabels(key)
	if c.byStream() {
		for name := range c.rule.Labels {
			if !slices.ContainsFunc(c.rule.By, func(l rule.Label) bool { return l.Name == name }) {
				delete(labels, name)
			}
		}
	}
	return labels
}

// byStream reports whether the rule groups by all labels of the envelope.
func (c *compiledRule) byStream() bool {
	return slices.ContainsFunc(c.rule.By, func(l rule.Label) bool {
		return decode.IsStream(l.Fields[0])
	})
}

// keyLabels are the labels that the key of a group has.
func (c *compiledRule) keyLabels(key string) map[string]string {
	labels := make(map[string]string, len(c.by)+4)
	for _, l := range c.rule.By {
		var value string
		value, key = cutText(key)
		switch {
		case value == "":
		case decode.IsStream(l.Fields[0]):
			for name, text := range decode.LabelsOf(value) {
				if _, given := labels[name]; !given {
					labels[name] = text
				}
			}
		default:
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
		key = appendText(key, v[:min(len(v), maxLabels)])
	}
	return string(key)
}

// lingerTime is how long an alert stays up after its condition ceased to hold; never when it waits
// for something else.
func (c *compiledRule) lingerTime() int64 {
	r := &c.rule.Resolve
	waits := r.Match != nil || r.When != nil
	switch {
	case r.Manual || r.After == 0 && waits:
		return never
	case len(c.rule.Sequence) > 0: // how long one counts that was completed is its window's affair
		return int64(c.rule.KeepFiringFor)
	case waits:
		return int64(max(c.rule.KeepFiringFor, r.After))
	default:
		return int64(c.rule.KeepFiringFor + r.After)
	}
}

func instant(n int64) time.Time {
	if n == always || n == never || n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

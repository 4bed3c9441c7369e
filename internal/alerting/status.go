package alerting

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// RuleStatus is how a rule does.
type RuleStatus struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Group string `json:"group"`
	Place string `json:"place"` // file:line
	Mode  string `json:"mode"`
	// firing, pending, suppressed or inactive; unknown when it waits for silence and nothing can be
	// read; backfilling while it reads its past; off
	State string `json:"state"`
	// why it knows nothing of its past, as long as that matters
	BackfillError string        `json:"backfill_error,omitempty"`
	Match         string        `json:"match"`
	When          string        `json:"when"`
	Window        time.Duration `json:"window"`
	By            []string      `json:"by"`
	// fires with the log that completes its condition
	FiresEarly bool      `json:"fires_early"`
	Record     bool      `json:"record"`
	Groups     int       `json:"groups"`
	Limit      int       `json:"limit"`
	Refused    int64     `json:"refused"` // logs of groups beyond the limit
	Matches    int64     `json:"matches"`
	Late       int64     `json:"late"`     // matches that came later than the lateness allows
	TooLate    int64     `json:"too_late"` // of these, those that counted for nothing
	Missed     int64     `json:"missed"`   // alerts that did not fire because logs came too late
	Fired      int64     `json:"fired"`
	Firing     int       `json:"firing"`
	Pending    int       `json:"pending"`
	Suppressed int       `json:"suppressed"`
	LastMatch  time.Time `json:"last_match,omitzero"`
	Watermark  time.Time `json:"watermark,omitzero"`
	// the lateness in force, and whether it follows the delays
	Lateness     time.Duration `json:"lateness"`
	LatenessAuto bool          `json:"lateness_auto,omitempty"`
	Memory       int           `json:"memory"` // bytes, about
	Cost         match.Cost    `json:"cost"`   // of finding its logs
}

// WatermarkStatus is how far time has come in a partition.
type WatermarkStatus struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Time      time.Time `json:"time,omitzero"`    // what was read up to here, but for disorder
	Reached   time.Time `json:"reached,omitzero"` // event time of the newest log
	// the clock moves it, since there is nothing left to read
	CaughtUp bool   `json:"caught_up"`
	Replay   bool   `json:"replay"`
	Logs     int64  `json:"logs"`
	Late     int64  `json:"late"` // matches that came later than their rule allows
	Delays   Delays `json:"delays"`
	// the lateness that is in force for rules whose lateness follows the delays
	Lateness time.Duration `json:"lateness"`
}

// GroupStatus is what a rule knows of a group.
type GroupStatus struct {
	Rule      string            `json:"rule"`
	Labels    map[string]string `json:"labels"`
	Known     bool              `json:"known"` // the rule has seen the group
	State     models.AlertState `json:"state"` // empty when nothing is up
	Holds     bool              `json:"holds"` // the condition, at the watermark
	Value     float64           `json:"value"` // at the newest of watermark and event
	Threshold string            `json:"threshold,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Episodes  int64             `json:"episodes"`
	Since     time.Time         `json:"since,omitzero"`
	Seen      time.Time         `json:"seen,omitzero"`
	Watermark time.Time         `json:"watermark,omitzero"`
	Expected  bool              `json:"expected"`
	Bytes     int               `json:"bytes"`
}

// Stats is how the engine does.
type Stats struct {
	Logs     int64 `json:"logs"`
	Rejected int64 `json:"rejected"`
	Hits     int64 `json:"hits"`
	// logs whose time lay too far ahead of their record
	FutureTimes int64         `json:"future_times"`
	Late        int64         `json:"late"`
	TooLate     int64         `json:"too_late"`
	Refused     int64         `json:"refused"`
	Rules       int           `json:"rules"`
	Groups      int           `json:"groups"`
	Firing      int           `json:"firing"`
	Pending     int           `json:"pending"`
	Suppressed  int           `json:"suppressed"`
	Memory      int           `json:"memory"`
	Now         time.Time     `json:"now,omitzero"`       // the time that was last set
	Watermark   time.Time     `json:"watermark,omitzero"` // of the slowest rule
	Behind      time.Duration `json:"behind"`             // how far that lies before now
}

// Point is the value of a condition at an instant.
type Point struct {
	Time  int64   `json:"t"` // nanoseconds since 1970
	Value float64 `json:"v"`
}

const (
	plotEvery = int64(10 * time.Second)
	maxPoints = 360
)

// addPoint keeps the value of an alert for its graph.
func (m *machine) addPoint(at int64) {
	a := m.g.alert
	if a.phase == idle {
		return
	}
	if n := len(a.points); n > 0 && at-a.points[n-1].Time < plotEvery {
		return
	}
	if len(a.points) >= maxPoints {
		a.points = slices.Delete(a.points, 0, maxPoints/2)
	}
	value := m.g.win.Value(m.u.condition, at, m.env())
	a.reach(value)
	a.points = append(a.points, Point{at, finite(value)})
}

// peakEvery is how often the value of an alert that is more than a count is looked at.
const peakEvery = int64(time.Second)

// notePeak looks whether an event has brought the value of the alert to a new peak.
func (m *machine) notePeak(at int64) {
	a := m.g.alert
	if a == nil || m.u.rule.Record {
		return
	}
	ep := &a.episode
	if a.early != nil {
		ep = a.early
	} else if a.phase == idle {
		return
	}
	if !m.u.condition.Counts() && at < ep.peakAt+peakEvery {
		return
	}
	ep.peakAt = max(ep.peakAt, at)
	look := func(at int64) {
		if value := m.g.win.Value(m.u.condition, at, m.env()); !math.IsNaN(value) {
			ep.reach(value)
		}
	}
	look(at)
	if newest := m.g.newest(); newest > at { // an event out of order counts at the newest one, too
		look(newest)
	}
}

// Rules returns how every rule does, in the order of the files.
func (e *Engine) Rules() []RuleStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.scanners.ruleSet.Load()
	units := make(map[*rule.Rule]*ruleState, len(e.state.rules))
	for _, rs := range e.state.rules {
		units[rs.rule] = rs
	}
	queries := make(map[*compiledRule]int, len(p.rules))
	for i, r := range p.queryOwners {
		if r.rule != nil && r.role == roleMatch {
			queries[r.rule] = i
		}
	}
	list := make([]RuleStatus, 0, len(p.set.Rules))
	for _, r := range p.set.Rules {
		s := RuleStatus{
			ID:     r.ID(),
			Name:   r.Name,
			Group:  r.Group,
			Place:  place(r.Pos),
			Mode:   string(r.Mode),
			State:  string(rule.Off),
			Match:  r.MatchText,
			When:   r.WhenText,
			Window: r.Window,
			Record: r.Record,
			Limit:  r.Limit,
		}
		for _, l := range r.By {
			s.By = append(s.By, l.Name)
		}
		if rs := units[r]; rs != nil {
			rs.describe(&s)
			s.Firing, s.Pending = rs.shown[shownFiring], rs.shown[shownPending]
			s.Suppressed = rs.shown[shownSuppressed]
			s.State = rs.stateOf(&s)
			s.Cost = p.match.Load().Cost(queries[rs.compiledRule])
		}
		list = append(list, s)
	}
	return list
}

func (rs *ruleState) describe(s *RuleStatus) {
	s.FiresEarly, s.Groups, s.Refused, s.Matches, s.Late, s.TooLate, s.Fired = rs.firesEarly(),
		rs.groups.live, rs.refused.count, rs.matches, rs.late, rs.tooLate, rs.fired
	s.LastMatch, s.Watermark, s.Memory = instant(rs.lastMatch), rs.reached(), rs.memory()
	s.Missed = rs.missedAlerts
	s.Lateness, s.LatenessAuto = time.Duration(rs.lateness()), rs.rule.LatenessAuto
	if rs.backfillError != "" && rs.watermark < rs.started+int64(rs.backfillSpan()) {
		s.BackfillError = rs.backfillError
	}
}

func (rs *ruleState) stateOf(s *RuleStatus) string {
	switch {
	case rs.backfilling:
		return "backfilling"
	case rs.condition.HoldsEmpty() && rs.behind:
		return string(models.AlertUnknown)
	case s.Firing > 0:
		return string(models.AlertFiring)
	case s.Pending > 0:
		return string(models.AlertPending)
	case s.Suppressed > 0:
		return string(models.AlertSuppressed)
	}
	return "inactive"
}

// looked is how many groups of a kind are looked at to say how much memory a rule holds.
const looked = 256

// memory is about how much a rule holds. It looks at some of the groups that have a timer, of those
// that only expire, and of the others, so that asking costs little, also of a table whose groups
// have nearly all ended.
func (rs *ruleState) memory() int {
	sum, others := rs.groups.bytes(), rs.groups.live
	for _, h := range []*timerHeap{&rs.timers, &rs.expiring} {
		sum += cap(h.numbers)*4 + bytesOf(len(h.numbers), len(h.numbers), looked,
			func(i int) *group { return rs.groups.at(h.numbers[i]) })
		others -= len(h.numbers)
	}
	return sum + bytesOf(others, int(rs.groups.next), 4*looked, func(i int) *group {
		if g := rs.groups.at(uint32(i)); g.live && g.due == never {
			return g
		}
		return nil
	})
}

// bytesOf is about what groups hold beside the table. They are in some of the places, of which it
// looks at a number that is bounded, evenly spread; at finds the group of a place, nil for none.
func bytesOf(groups, places, most int, at func(place int) *group) int {
	if groups == 0 {
		return 0
	}
	seen, sum, step := 0, 0, (places+most-1)/most
	for i := 0; i < places; i += step {
		if g := at(i); g != nil {
			sum += len(g.key) + g.win.Bytes()
			seen++
		}
	}
	return sum / max(seen, 1) * groups
}

// Alerts returns summaries of the alerts that are pending, firing or suppressed at one instant, the
// newest first. Annotations, lines and the most frequent values are left out; Detailed adds them.
// The labels are shared and must not be changed.
func (e *Engine) Alerts() []models.Alert {
	list := e.summaries(math.MaxInt)
	slices.SortFunc(list, func(a, b models.Alert) int {
		return cmp.Or(b.StartsAt.Compare(a.StartsAt), cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.ID, b.ID))
	})
	return list
}

// alertsBatch is how many alerts are listed before logs may be evaluated again.
const alertsBatch = 64

// AlertSummaries is Alerts for pages: evaluation continues in the meantime, so the list may lack an
// alert that fired, or hold one that ended, while it was made. The list has no order.
func (e *Engine) AlertSummaries() []models.Alert { return e.summaries(alertsBatch) }

// Detailed returns alerts of Alerts or AlertSummaries as they are now, with annotations, lines and
// the most frequent values. One that has ended in the meantime stays as it is.
func (e *Engine) Detailed(list []models.Alert) []models.Alert {
	detailed := make([]models.Alert, len(list))
	for i, a := range list {
		now, ok := e.Alert(a)
		if !ok {
			now = a
		}
		detailed[i] = now
	}
	return detailed
}

func (e *Engine) summaries(batch int) []models.Alert {
	e.mu.Lock()
	most := 0
	for _, rs := range e.state.rules {
		most += len(rs.alerts)
	}
	e.mu.Unlock()
	// The memory for very many alerts is taken while logs may be evaluated.
	list := make([]models.Alert, 0, most)
	e.mu.Lock()
	for _, rs := range slices.Clone(e.state.rules) {
		if rs.rule.Record {
			continue
		}
		for i, number := range slices.Collect(maps.Keys(rs.alerts)) {
			if i%batch == batch-1 {
				e.mu.Unlock()
				e.mu.Lock()
			}
			if e.state.byFingerprint[rs.fingerprint] != rs {
				break // the rule was removed or replaced in the meantime
			}
			if !rs.alerts[number] {
				continue
			}
			if a, ok := e.state.listed(e.state.at(rs, number), false); ok {
				list = append(list, a)
			}
		}
		if rs.refused.first != 0 {
			list = append(list, e.state.limitAlert(rs, models.AlertFiring, rs.refused.first))
		}
	}
	e.mu.Unlock()
	return list
}

// listed is the alert of a group as it is now, if it is to be shown.
func (st *state) listed(m *machine, full bool) (models.Alert, bool) {
	ep, state := m.current()
	if ep == nil {
		return models.Alert{}, false
	}
	at, of := max(ep.firedAt, ep.startsAt), m.alertOf
	if !full && ep.labels != nil {
		of = m.summaryOf
	}
	a := of(ep, state, at, ep.edge.Reason)
	a.Value = finite(m.newestValue())
	a.Count = m.count(ep, never) // whatever was seen so far
	if s := m.g.samples; s != nil && full {
		a.First, a.Last, a.Top = s.ofEpisode(m.u.compiledRule, ep.startsAt, never)
	}
	a.Historical = ep.notified == tooOld || ep.notified == notifiedEarlier
	return a, true
}

// Alert returns an alert as it is now. Of the one it is given it uses rule, labels and ID.
func (e *Engine) Alert(a models.Alert) (models.Alert, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, ep := e.state.locate(a)
	if m == nil {
		return models.Alert{}, false
	}
	if shown, _ := m.current(); shown != ep {
		return models.Alert{}, false
	}
	return e.state.listed(m, true)
}

// locate finds the group and the episode of an alert by its rule and labels; nil if there is none.
func (st *state) locate(a models.Alert) (*machine, *episode) {
	rs := st.ruleByID(a.Rule)
	if rs == nil {
		return nil, nil
	}
	of := func(number uint32) *episode {
		g := rs.groups.at(number)
		for _, ep := range []*episode{&g.alert.episode, g.alert.early} {
			if ep != nil && rs.alertID(g.key, ep.number) == a.ID {
				return ep
			}
		}
		return nil
	}
	values := make([]string, len(rs.by))
	for i, l := range rs.by {
		values[i] = a.Labels[l.name]
	}
	if number, ok := rs.groups.find([]byte(keyOf(values))); ok && rs.alerts[number] {
		if ep := of(number); ep != nil {
			return st.at(rs, number), ep
		}
	}
	if !slices.ContainsFunc(rs.by, func(l byLabel) bool {
		return l.name == "alertname" || l.name == "severity"
	}) {
		return nil, nil
	}
	for number := range rs.alerts { // the rule's labels hide those of the group
		if ep := of(number); ep != nil {
			return st.at(rs, number), ep
		}
	}
	return nil, nil
}

// current is the episode of the group's alert, and its state; nil if there is none.
func (m *machine) current() (*episode, models.AlertState) {
	a := m.g.alert
	switch {
	case a == nil || m.u.rule.Record:
		return nil, ""
	case a.early != nil && !a.early.byHand:
		return a.early, models.AlertFiring
	case a.phase == pending:
		return &a.episode, models.AlertPending
	case a.phase == firing:
		return &a.episode, models.AlertFiring
	case a.phase == suppressed:
		return &a.episode, models.AlertSuppressed
	}
	return nil, ""
}

// newestValue is the value of the condition at the newest of watermark and event.
func (m *machine) newestValue() float64 {
	at := max(m.u.watermark, m.g.newest(), m.g.win.SweptTo())
	return m.g.win.Value(m.u.condition, at, m.env())
}

// LatenessFollows reports whether the lateness of some rule follows the delays of logs.
func (e *Engine) LatenessFollows() bool {
	return slices.ContainsFunc(e.scanners.ruleSet.Load().rules, func(c *compiledRule) bool {
		return c.rule.LatenessAuto
	})
}

// Watermarks returns how far time has come in every partition.
func (e *Engine) Watermarks() []WatermarkStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]WatermarkStatus, 0, len(e.state.watermarks.partitions))
	for p, pt := range e.state.watermarks.partitions {
		if pt.gone {
			continue
		}
		list = append(list, WatermarkStatus{
			Topic:     p.Topic,
			Partition: p.Partition,
			Time:      instant(pt.base),
			Reached:   instant(pt.reached),
			CaughtUp:  pt.caughtUp,
			Replay:    pt.replay,
			Logs:      pt.logs,
			Late:      pt.late,
			Delays:    pt.delays,
			Lateness:  time.Duration(pt.lateness),
		})
	}
	slices.SortFunc(list, func(a, b WatermarkStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return list
}

// Stats returns how the engine does.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := &e.state.total
	s := Stats{
		Logs:        t.logs,
		Rejected:    t.rejected,
		Hits:        t.hits,
		FutureTimes: t.futureTimes,
		Now:         instant(e.state.watermarks.now),
	}
	slowest := int64(never)
	for _, rs := range e.state.rules {
		s.Rules++
		s.Groups += rs.groups.live
		s.Late += rs.late
		s.TooLate += rs.tooLate
		s.Refused += rs.refused.count
		s.Firing += rs.shown[shownFiring]
		s.Pending += rs.shown[shownPending]
		s.Suppressed += rs.shown[shownSuppressed]
		s.Memory += rs.memory()
		if rs.watermark != always {
			slowest = min(slowest, rs.watermark)
		}
	}
	if slowest != never {
		s.Watermark, s.Behind = instant(slowest+1), time.Duration(e.state.watermarks.now-slowest-1)
	}
	return s
}

// Group returns what a rule knows of the group that some labels select; labels that the rule does
// not group by are ignored. It is false when there is no such rule.
func (e *Engine) Group(ruleID string, labels map[string]string) (GroupStatus, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rs := e.state.ruleByID(ruleID)
	if rs == nil {
		return GroupStatus{}, false
	}
	values := make([]string, len(rs.by))
	for i, l := range rs.by {
		values[i] = labels[l.name]
		if l.all {
			values[i] = decode.LabelsText(envelopeLabels(rs.by, labels))
		}
	}
	return e.state.group(rs, keyOf(values)), true
}

// envelopeLabels are the labels of a group that no other label of the rule gives.
func envelopeLabels(by []byLabel, labels map[string]string) map[string]string {
	rest := maps.Clone(labels)
	for _, l := range by {
		delete(rest, l.name)
	}
	return rest
}

// ruleByID finds a rule by its ID, group/name, or by its name alone; nil if there is none.
func (st *state) ruleByID(id string) *ruleState {
	if same := st.byName[id]; len(same) > 0 {
		return same[0]
	}
	for at, c := range id { // either part of an ID may have slashes
		if c != '/' {
			continue
		}
		for _, rs := range st.byName[id[at+1:]] {
			if rs.id == id {
				return rs
			}
		}
	}
	return nil
}

func (st *state) group(rs *ruleState, key string) GroupStatus {
	s := GroupStatus{Rule: rs.id, Labels: rs.groupLabels(key), Watermark: rs.reached()}
	number, ok := rs.groups.find([]byte(key))
	if !ok {
		s.Episodes = int64(rs.counters.last[key].episode)
		return s
	}
	m := st.at(rs, number)
	g := m.g
	s.Known, s.Episodes, s.Expected, s.Bytes = true, int64(g.episodes), g.expected,
		groupBytes+len(g.key)+g.win.Bytes()
	if newest := g.newest(); newest > 0 {
		s.Seen = time.Unix(0, newest).UTC()
	}
	ep, state := m.current()
	s.State = state
	s.Holds, s.Value = g.win.Holds(), finite(m.newestValue())
	if ep != nil {
		s.Threshold, s.Reason, s.Since = ep.edge.Threshold, ep.edge.Reason, instant(ep.startsAt)
	}
	return s
}

// Series returns the values of an alert's condition over time, as far as they are known: while it
// is up, one every ten seconds. Of the alert it uses rule, labels and ID.
func (e *Engine) Series(a models.Alert) []Point {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ep := e.state.locate(a); ep != nil {
		return slices.Clone(ep.points)
	}
	return nil
}

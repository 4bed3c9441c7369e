package alerting

import (
	"cmp"
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
	// read; warming while its past is read; off
	State string `json:"state"`
	// why it knows nothing of its past, as long as that matters
	Cold       string        `json:"cold,omitempty"`
	Match      string        `json:"match"`
	When       string        `json:"when"`
	Window     time.Duration `json:"window"`
	By         []string      `json:"by"`
	Eager      bool          `json:"eager"` // fires with the log that completes its condition
	Record     bool          `json:"record"`
	Groups     int           `json:"groups"`
	Limit      int           `json:"limit"`
	Refused    int64         `json:"refused"` // logs of groups beyond the limit
	Matches    int64         `json:"matches"`
	Late       int64         `json:"late"`     // matches that came later than the lateness allows
	TooLate    int64         `json:"too_late"` // of these, those that counted for nothing
	Fired      int64         `json:"fired"`
	Firing     int           `json:"firing"`
	Pending    int           `json:"pending"`
	Suppressed int           `json:"suppressed"`
	LastMatch  time.Time     `json:"last_match,omitzero"`
	Watermark  time.Time     `json:"watermark,omitzero"`
	Memory     int           `json:"memory"` // bytes, about
	Cost       match.Cost    `json:"cost"`   // of finding its logs
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
	Logs       int64         `json:"logs"`
	Rejected   int64         `json:"rejected"`
	Hits       int64         `json:"hits"`
	Absurd     int64         `json:"absurd"` // logs whose time lay too far ahead of their record
	Late       int64         `json:"late"`
	TooLate    int64         `json:"too_late"`
	Refused    int64         `json:"refused"`
	Rules      int           `json:"rules"`
	Groups     int           `json:"groups"`
	Firing     int           `json:"firing"`
	Pending    int           `json:"pending"`
	Suppressed int           `json:"suppressed"`
	Memory     int           `json:"memory"`
	Now        time.Time     `json:"now,omitzero"`       // the time that was last told
	Watermark  time.Time     `json:"watermark,omitzero"` // of the slowest rule
	Behind     time.Duration `json:"behind"`             // how far that lies before now
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

// plot keeps the value of an alert for its graph.
func (l *life) plot(at int64) {
	a := l.g.alert
	if a.phase == idle {
		return
	}
	if n := len(a.points); n > 0 && at-a.points[n-1].Time < plotEvery {
		return
	}
	if len(a.points) >= maxPoints {
		a.points = slices.Delete(a.points, 0, maxPoints/2)
	}
	a.points = append(a.points, Point{at, finite(l.g.win.Value(l.u.plan, at))})
}

// phases counts a unit's alerts.
func (e *Engine) phases(u *unit) (firing, waiting, suppressed int) {
	for number := range u.open {
		if !e.ours(u, number) {
			continue
		}
		switch u.groups.at(number).alert.phase {
		case up:
			firing++
		case pending:
			waiting++
		case muted:
			suppressed++
		}
	}
	return firing, waiting, suppressed
}

// Rules returns how every rule does, in the order of the files.
func (e *Engine) Rules() []RuleStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.program.Load()
	units := make(map[*rule.Rule]*unit, len(p.units))
	for _, u := range p.units {
		units[u.rule] = u
	}
	queries := make(map[*unit]int, len(p.units))
	for i, r := range p.refs {
		if r.unit != nil && r.role == roleMatch {
			queries[r.unit] = i
		}
	}
	list := make([]RuleStatus, 0, len(p.set.Rules))
	for _, r := range p.set.Rules {
		s := RuleStatus{
			ID: r.ID(), Name: r.Name, Group: r.Group, Place: place(r.Pos), Mode: string(r.Mode), State: string(rule.Off), Match: r.MatchText, When: r.WhenText, Window: r.Window,
			Record: r.Record, Limit: r.Limit,
		}
		for _, l := range r.By {
			s.By = append(s.By, l.Name)
		}
		if u := units[r]; u != nil {
			u.describe(&s)
			s.Firing, s.Pending, s.Suppressed = e.phases(u)
			s.State = u.stateOf(&s)
			s.Cost = p.match.Load().Cost(queries[u])
		}
		list = append(list, s)
	}
	return list
}

func (u *unit) describe(s *RuleStatus) {
	s.Eager, s.Groups, s.Refused, s.Matches, s.Late, s.TooLate, s.Fired = u.plan.Eager(), u.groups.live, u.refused.count, u.matches, u.late, u.tooLate, u.fired
	s.LastMatch, s.Watermark, s.Memory = instant(u.lastMatch), instant(u.watermark), u.memory()
	if u.cold != "" && u.watermark < u.start+int64(u.reach()) {
		s.Cold = u.cold
	}
}

func (u *unit) stateOf(s *RuleStatus) string {
	switch {
	case u.warming:
		return "warming"
	case u.plan.Known() && u.behind:
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

// memory is about how much a unit holds. It looks at a part of the groups, so that asking costs
// little.
func (u *unit) memory() int {
	const looked = 256
	seen, sum := 0, 0
	for number := range u.groups.next {
		if g := u.groups.at(number); g.live {
			sum += len(g.key) + g.win.Bytes()
			if seen++; seen == looked {
				break
			}
		}
	}
	if seen > 0 {
		sum = sum / seen * u.groups.live
	}
	for i := range u.due {
		sum += (cap(u.due[i].numbers) + cap(u.fading[i].numbers)) * 4
	}
	return sum + u.groups.bytes() + 2*cap(u.owners)
}

// Alerts returns the alerts that are pending, firing or suppressed, the newest first.
func (e *Engine) Alerts() []models.Alert {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []models.Alert
	for _, u := range e.program.Load().units {
		if u.rule.Record {
			continue
		}
		for number := range u.open {
			l := e.at(u, number)
			state, ok := l.state()
			if !ok || !e.ours(u, number) || e.mute(u.owner(number)) {
				continue
			}
			a := l.alertNow(state, max(l.g.alert.fired, l.g.alert.start), l.g.alert.edge.Reason)
			a.Count = l.count(never) // whatever was seen so far
			a.Historical = l.g.alert.told == recorded || l.g.alert.told == replayed
			list = append(list, a)
		}
		if u.refused.first != 0 {
			list = append(list, e.limitAlert(u, models.AlertFiring, u.refused.first))
		}
	}
	slices.SortFunc(list, func(a, b models.Alert) int {
		return cmp.Or(
			b.StartsAt.Compare(a.StartsAt),
			cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.ID, b.ID),
		)
	})
	return list
}

// state is that of the group's alert, if it has an episode.
func (l *life) state() (models.AlertState, bool) {
	a := l.g.alert
	if a == nil {
		return "", false
	}
	switch a.phase {
	case pending:
		return models.AlertPending, true
	case up:
		return models.AlertFiring, true
	case muted:
		return models.AlertSuppressed, true
	}
	return "", false
}

// Watermarks returns how far time has come in every partition.
func (e *Engine) Watermarks() []WatermarkStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]WatermarkStatus, 0, len(e.times.partitions))
	for p, pt := range e.times.partitions {
		list = append(list, WatermarkStatus{
			Topic: p.Topic, Partition: p.Partition, Time: instant(pt.base), Reached: instant(pt.reached), CaughtUp: pt.caughtUp, Replay: pt.replay, Logs: pt.logs, Late: pt.late, Delays: pt.delays,
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
	t := &e.total
	s := Stats{
		Logs:     t.logs,
		Rejected: t.rejected,
		Hits:     t.hits,
		Absurd:   t.absurd,
		Now:      instant(e.times.now),
	}
	slowest := int64(never)
	for _, u := range e.program.Load().units {
		firing, waiting, suppressed := e.phases(u)
		s.Rules++
		s.Groups += u.groups.live
		s.Late += u.late
		s.TooLate += u.tooLate
		s.Refused += u.refused.count
		s.Firing += firing
		s.Pending += waiting
		s.Suppressed += suppressed
		s.Memory += u.memory()
		if u.watermark != always {
			slowest = min(slowest, u.watermark)
		}
	}
	if slowest != never {
		s.Watermark, s.Behind = instant(slowest), time.Duration(e.times.now-slowest)
	}
	return s
}

// Group returns what a rule knows of the group that some labels select; labels that the rule does
// not group by are ignored. It is false when there is no such rule.
func (e *Engine) Group(ruleID string, labels map[string]string) (GroupStatus, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	u := e.unit(ruleID)
	if u == nil {
		return GroupStatus{}, false
	}
	values := make([]string, len(u.by))
	for i, l := range u.by {
		values[i] = labels[l.name]
	}
	return e.group(u, keyOf(values)), true
}

// Groups returns what a rule knows of its groups, at most so many of them.
func (e *Engine) Groups(ruleID string, most int) []GroupStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	u := e.unit(ruleID)
	if u == nil {
		return nil
	}
	var list []GroupStatus
	for number := range u.groups.next {
		if g := u.groups.at(number); g.live && len(list) < most {
			list = append(list, e.group(u, g.key))
		}
	}
	return list
}

func (e *Engine) unit(id string) *unit {
	for _, u := range e.program.Load().units {
		if u.id == id || u.rule.Name == id {
			return u
		}
	}
	return nil
}

func (e *Engine) group(u *unit, key string) GroupStatus {
	s := GroupStatus{Rule: u.id, Labels: u.groupLabels(key), Watermark: instant(u.watermark)}
	number, ok := u.groups.find([]byte(key))
	if !ok {
		s.Episodes = int64(u.numbers.last[key].episode)
		return s
	}
	l := e.at(u, number)
	g := l.g
	s.Known, s.Episodes, s.Expected, s.Bytes = true, int64(
		g.episodes,
	), g.expected, groupBytes+len(
		g.key,
	)+g.win.Bytes()
	if newest := g.newest(); newest > 0 {
		s.Seen = time.Unix(0, newest).UTC()
	}
	s.State, _ = l.state()
	s.Holds, s.Value = g.win.True(), finite(g.win.Value(u.plan, max(l.watermark(), g.newest())))
	if a := g.alert; a != nil {
		s.Threshold, s.Reason, s.Since = a.edge.Threshold, a.edge.Reason, instant(a.start)
	}
	return s
}

// Explanation is why a rule takes notice of a log, or does not, and what it knows of the log's
// group.
type Explanation struct {
	Rule  string      `json:"rule"`
	Reads bool        `json:"reads"` // the rule reads the log's topic
	Match match.Tree  `json:"match"`
	Group GroupStatus `json:"group"`
}

// Explain explains every log of a record for a rule. It is false when there is no such rule.
func (e *Engine) Explain(ruleID string, record models.Record) ([]Explanation, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	u := e.unit(ruleID)
	if u == nil {
		return nil, false
	}
	p := e.program.Load()
	d, err := decode.New(e.opts.decode(record.Topic), p.match.Load().Fields())
	if err != nil {
		return nil, true
	}
	var list []Explanation
	s := &scanner{}
	d.Decode(&record, func(l *decode.Log) {
		key := string(s.appendKey(nil, l, u.by))
		list = append(
			list,
			Explanation{
				Rule:  u.id,
				Reads: u.reads(record.Topic),
				Match: match.Explain(u.rule.Match, l, listsOf(p.set)),
				Group: e.group(u, key),
			},
		)
	}, nil)
	return list, true
}

// Series returns the values of an alert's condition over time, as far as they are known: while it
// is up, one every ten seconds.
func (e *Engine) Series(alertID string) []Point {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, u := range e.program.Load().units {
		for number := range u.open {
			if g := u.groups.at(number); u.alertID(g) == alertID {
				return slices.Clone(g.alert.points)
			}
		}
	}
	return nil
}

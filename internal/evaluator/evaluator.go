// Package evaluator says which alerts rules must raise over some logs.
//
// It is a second reading of the rule reference, independent of the engine, against which the engine
// is tested. It has none of the engine's ideas: no windows that are kept, no state that is saved,
// nothing that is incremental. It holds all logs at once, lists every instant at which anything can
// change, and at each of them looks at all logs again. Clarity comes before speed.
//
// An instant is decided from the logs that are visible at it. A log is visible from its own time
// on, and a late log from the watermark that it was too late for.
//
// Search reads queries a second time: from their text, over logs as only objects of JSON. It shares
// neither the parser nor the decoder with the engine.
//
// Numbers are exact decimal fractions, so 7 of 1000 is not more than 0.7%.
package evaluator

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Transition is a change of an alert that must be notified.
type Transition struct {
	Rule   string
	Labels map[string]string // with alertname, and severity where the rule has levels
	State  string            // firing or resolved
	At     time.Time
	Value  Number // undefined where the rule reference does not define it
	// of the logs that the alert is about; -1 where the rule reference leaves it open
	Count   int
	Episode int
}

// Course is how the logs were read.
type Course struct {
	Began time.Time // when the rules began to look; the time of the first log when it is zero
	End   time.Time // the last instant that is decided
}

// Evaluation is what rules must do over some logs.
type Evaluation struct {
	set   *Rules
	logs  []*Log
	began instant
	end   instant
	done  map[string]*outcome // by rule
	mutes map[muteKey]*mute

	refusals map[string][]Transition // of the alert about refused groups, by rule
}

// Evaluate returns the transitions of all alerts. The logs are in the order of their places.
func Evaluate(set *Rules, logs []*Log, course Course) []Transition {
	e := newEvaluation(set, logs, course)
	var list []Transition
	for _, r := range set.Rules {
		if r.Record || r.Mode == rule.Off {
			continue
		}
		list = append(list, e.outcome(r).notified...)
	}
	slices.SortStableFunc(list, func(a, b Transition) int { return a.At.Compare(b.At) })
	return list
}

func newEvaluation(set *Rules, logs []*Log, course Course) *Evaluation {
	e := &Evaluation{
		set:   set,
		logs:  slices.Clone(logs),
		end:   course.End.UnixNano(),
		done:  map[string]*outcome{},
		mutes: map[muteKey]*mute{},

		refusals: map[string][]Transition{},
	}
	if !course.Began.IsZero() {
		e.began = course.Began.UnixNano()
	}
	slices.SortStableFunc(e.logs, func(a, b *Log) int { return cmp.Compare(a.At, b.At) })
	return e
}

// outcome evaluates a rule once. Rules about other alerts evaluate those first.
func (e *Evaluation) outcome(r *rule.Rule) *outcome {
	o := e.done[r.ID()]
	if o == nil {
		o = e.evaluate(r)
		e.done[r.ID()] = o
	}
	return o
}

// instant is an event time in nanoseconds since 1970.
type instant = int64

// outcome is what a rule did.
type outcome struct {
	notified []Transition
	all      []Transition // with pending and suppressed ones, for rules about alerts
	firing   []span       // when which group was firing
}

// span is a stretch of time, without its end, of the group with some labels.
type span struct {
	labels   map[string]string
	from, to instant
}

// evaluate evaluates every group of a rule.
func (e *Evaluation) evaluate(r *rule.Rule) *outcome {
	logs := e.source(r)
	groups := e.groups(r, logs)
	o := &outcome{}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		g := groups[key]
		g.run()
		o.notified = append(o.notified, g.notified...)
		o.all = append(o.all, g.all...)
		o.firing = append(o.firing, g.firing...)
	}
	o.notified = append(o.notified, e.refusals[r.ID()]...)
	return o
}

// source is the logs that a rule reads, those of alerts for a rule about alerts. A log that comes
// so late that it could not be in any window of the rule is left out.
func (e *Evaluation) source(r *rule.Rule) []*Log {
	names := append([]string{r.Source}, r.Sources...)
	if r.Source == "alerts" {
		return e.alertLogs(r)
	}
	var logs []*Log
	for _, l := range e.logs {
		if r.Source == "" && l.Topic != e.set.Records || l.Topic == "" ||
			slices.Contains(names, l.Topic) {
			if l := l.seenWith(e.lateness(r)); l.Visible == l.At || l.At+reach(r) > l.Visible {
				logs = append(logs, l)
			}
		}
	}
	return logs
}

// lateness is how late the logs of a rule may be. A rule that asks about an alert waits for that.
func (e *Evaluation) lateness(r *rule.Rule) int64 {
	most := int64(r.Lateness)
	calls(r.When, func(c *rule.Call) {
		for _, other := range e.set.Rules {
			if c.Func == "firing" && other.Name == c.Alert && other != r && !other.Record &&
				other.Mode != rule.Off {
				most = max(most, e.lateness(other))
			}
		}
	})
	return most
}

// seenWith is the log as a rule with some lateness sees it. What is decided when it arrives, which
// is everything before the watermark, does not see it.
func (l *Log) seenWith(lateness int64) *Log {
	if watermark := l.Clock - lateness; watermark > l.At {
		late := *l
		late.Visible = watermark
		return &late
	}
	return l
}

// groups sorts the logs of a rule by its groups.
func (e *Evaluation) groups(r *rule.Rule, logs []*Log) map[string]*group {
	groups := map[string]*group{}
	get := func(labels map[string]string) *group {
		key := keyOf(r.By, labels)
		if groups[key] == nil {
			groups[key] = newGroup(e, r, labels)
		}
		return groups[key]
	}
	if len(r.By) == 0 {
		get(map[string]string{})
	}
	if r.Expect != "" {
		for _, member := range e.set.Lists[r.Expect].Values {
			get(map[string]string{r.By[0].Name: member}).expected = true
		}
	}
	room := &room{e: e, r: r, groups: groups}
	// which groups there is room for depends on the order in which logs are read
	read := slices.SortedStableFunc(slices.Values(logs), func(a, b *Log) int {
		return cmp.Compare(a.Place, b.Place)
	})
	for _, l := range read {
		room.newest = max(room.newest, l.At, l.Clock)
		if r.Match == nil || e.set.matches(r.Match, l) {
			labels := e.set.labelsOf(r.By, l)
			key := keyOf(r.By, labels)
			if !newGroup(e, r, labels).looksAt(l) { // which does not make a group known
				if g := groups[key]; g != nil {
					g.logs = append(g.logs, l)
				}
				continue
			}
			if room.admits(l, key) {
				g := get(labels)
				g.logs = append(g.logs, l)
			}
		}
	}
	if room.refused {
		room.close(e.end)
	}
	if r.Resolve.Match != nil {
		for _, l := range logs {
			if g := groups[keyOf(r.By, e.set.labelsOf(r.By, l))]; g != nil &&
				e.set.matches(r.Resolve.Match, l) {
				g.resolvers = append(g.resolvers, l)
			}
		}
	}
	for i, g := range room.ended {
		groups[fmt.Sprintf("%s\x02%d", keyOf(r.By, g.labels), i)] = g
	}
	oldest := logs
	if r.Source == "alerts" {
		oldest = e.logs
	}
	for _, g := range groups {
		sortByTime(g.logs)
		if g.began = e.began; g.began == 0 && len(oldest) > 0 {
			g.began = oldest[0].At
		}
	}
	return groups
}

// labelsOf is the labels of the group that a log belongs to. One that the log does not have is left
// out.
func (s *Rules) labelsOf(by []rule.Label, l *Log) map[string]string {
	labels := map[string]string{}
	for _, b := range by {
		for _, field := range b.FieldsIn(func(q rule.Query) bool { return s.matches(q, l) }) {
			if text, ok := l.text(field); ok {
				if decode.IsStream(field) {
					maps.Copy(labels, decode.LabelsOf(text))
				} else {
					labels[b.Name] = text
				}
				break
			}
		}
	}
	return labels
}

func keyOf(by []rule.Label, labels map[string]string) string {
	var key string
	for _, b := range by {
		value, ok := labels[b.Name]
		if decode.IsStream(b.Fields[0]) {
			value, ok = decode.LabelsText(labels), true
		}
		if ok {
			key += "\x01" + value
		}
		key += "\x00"
	}
	return key
}

package alerting

import (
	"cmp"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
)

// compiledSuppression is what follows from the text of a suppression. It never changes.
type compiledSuppression struct {
	index       int // in ruleSet.suppressions
	rule        *rule.Suppression
	fingerprint uint64
	by          []byLabel
}

// suppressionState is the logs that a suppression has seen, by key. The lock of the engine guards
// it. A suppression holds from one log to another, in event time.
type suppressionState struct {
	*compiledSuppression
	times map[string]*suppressionTimes
	dirty map[string]bool
}

// suppressionTimes are the logs that begin and end a suppression, in order. Which end belongs to
// which start is worked out when it is asked for, so that the order in which they arrive does not
// matter.
type suppressionTimes struct{ starts, ends []logPlace }

// logPlace is the time of a log, and its place among those of one instant.
type logPlace struct {
	at    int64
	order window.Order
}

func (p logPlace) compare(o logPlace) int {
	return cmp.Or(cmp.Compare(p.at, o.at), p.order.Compare(o.order))
}

func newSuppressionState(c *compiledSuppression) *suppressionState {
	return &suppressionState{
		compiledSuppression: c,
		times:               make(map[string]*suppressionTimes),
		dirty:               make(map[string]bool),
	}
}

// suppressionOf returns the state of a suppression of a set, which may be older than the one in
// use; nil when it is gone.
func (st *state) suppressionOf(set *ruleSet, c *compiledSuppression) *suppressionState {
	if set == st.ruleSet {
		return st.suppressions[c.index]
	}
	for _, s := range st.suppressions {
		if s.fingerprint == c.fingerprint {
			return s
		}
	}
	return nil
}

const maxSuppressionTimes = 100 // of a key that are remembered

// note takes in a log that begins or ends the suppression.
func (s *suppressionState) note(key string, log logPlace, end bool) {
	m := s.times[key]
	if m == nil {
		m = &suppressionTimes{}
		s.times[key] = m
	}
	s.dirty[key] = true
	list := &m.starts
	if end {
		list = &m.ends
	}
	i, known := slices.BinarySearchFunc(*list, log, logPlace.compare)
	if known {
		return // it was read again
	}
	*list = slices.Insert(*list, i, log)
	if n := len(*list); n > maxSuppressionTimes {
		*list = slices.Delete(*list, 0, n-maxSuppressionTimes)
	}
}

// until is when the suppression ends that is on at an instant; always when none is. Each start
// mutes until after the first end that follows it, and never for longer than max.
func (s *suppressionState) until(key string, at int64) int64 {
	until := int64(always)
	m := s.times[key]
	if m == nil {
		return until
	}
	for _, from := range m.starts {
		if from.at > at {
			break
		}
		to := from.at + int64(s.rule.Max)
		i, same := slices.BinarySearchFunc(m.ends, from, logPlace.compare)
		if same { // one log is both
			i++
		}
		if i < len(m.ends) {
			to = min(to, m.ends[i].at+int64(s.rule.After))
		}
		if to > at {
			until = max(until, to)
		}
	}
	return until
}

// expire drops what can no longer mute anything at or after an instant.
func (s *suppressionState) expire(before int64) {
	before -= int64(s.rule.Max) + int64(s.rule.After)
	for key, m := range s.times {
		old := logPlace{at: before, order: window.Order{Partition: -1}}
		i, _ := slices.BinarySearchFunc(m.starts, old, logPlace.compare)
		j, _ := slices.BinarySearchFunc(m.ends, old, logPlace.compare)
		if i+j == 0 {
			continue
		}
		m.starts, m.ends = slices.Delete(m.starts, 0, i), slices.Delete(m.ends, 0, j)
		s.dirty[key] = true
		if len(m.starts)+len(m.ends) == 0 {
			delete(s.times, key)
		}
	}
}

// suppressed returns the suppression that mutes a group at an instant, and until when; until is not
// after at when none does. A suppression without labels mutes every group; one with labels those
// that have the same values.
func (st *state) suppressed(rs *ruleState, key string, at int64) (name string, until int64) {
	until = always
	for _, s := range rs.suppressedBy {
		if to := s.until(s.keyFor(rs.compiledRule, key), at); to > until {
			name, until = s.rule.Name, to
		}
	}
	return name, until
}

// keyFor is the key under which a suppression knows a group of a rule. A label that the alert lacks
// is empty, like that of a log that lacks its field.
func (c *compiledSuppression) keyFor(rs *compiledRule, key string) string {
	if len(c.rule.By) == 0 {
		return ""
	}
	labels := rs.groupLabels(key)
	values := make([]string, len(c.rule.By))
	for i, l := range c.rule.By {
		values[i] = cmp.Or(labels[l.Name], rs.rule.Labels[l.Name])
	}
	return keyOf(values)
}

package evaluator

import (
	"maps"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// firing reports whether another alert fires for the same values of the labels that both rules
// have. A value that is missing is one too.
func (e *Evaluation) firing(g *group, alert string, at instant) bool {
	for _, r := range e.set.Rules {
		if r.Name != alert || r.Record || r.Mode == rule.Off || !sees(g.r, r) {
			continue
		}
		for _, s := range e.outcome(r).firing {
			if s.from <= at && at < s.to && agree(g.r, r, g.labels, s.labels) {
				return true
			}
		}
	}
	return false
}

// sees reports whether a rule sees the alerts of another. Only shadow rules see those of shadow
// rules.
func sees(r, other *rule.Rule) bool { return other.Mode != rule.Shadow || r.Mode == rule.Shadow }

// agree reports whether two groups have the same values of the labels that both rules have. Where
// one has all labels of the envelope, those are meant that both groups have.
func agree(a, b *rule.Rule, labels, others map[string]string) bool {
	if slices.ContainsFunc(slices.Concat(a.By, b.By), func(l rule.Label) bool {
		return decode.IsStream(l.Fields[0])
	}) {
		for name, value := range labels {
			if other, ok := others[name]; ok && other != value {
				return false
			}
		}
		return true
	}
	for _, one := range a.By {
		for _, other := range b.By {
			if one.Name == other.Name && labels[one.Name] != others[one.Name] {
				return false
			}
		}
	}
	return true
}

// changes are the instants at which another alert begins or ceases to fire.
func (e *Evaluation) changes(alert string) (list []instant) {
	for _, r := range e.set.Rules {
		if r.Name == alert && !r.Record && r.Mode != rule.Off {
			for _, s := range e.outcome(r).firing {
				list = append(list, s.from, s.to)
			}
		}
	}
	return list
}

// mute is when a suppression is in force, and for which labels.
type mute struct {
	s     *rule.Suppression
	spans []span
}

// muteKey is a suppression, and how late its logs may be.
type muteKey struct {
	name     string
	lateness int64
}

// muteOf is a suppression as a rule sees it. Its logs may be as late as those of the rule.
func (e *Evaluation) muteOf(name string, r *rule.Rule) *mute {
	key := muteKey{name, e.lateness(r)}
	if e.mutes[key] == nil {
		i := slices.IndexFunc(e.set.Suppressions, func(s *rule.Suppression) bool {
			return s.Name == name
		})
		e.mutes[key] = e.suppression(e.set.Suppressions[i], key.lateness)
	}
	return e.mutes[key]
}

// suppression finds when a suppression is in force: from each start to the first end after it that
// is seen, or until it has lasted for as long as it may.
func (e *Evaluation) suppression(s *rule.Suppression, lateness int64) *mute {
	m := &mute{s: s}
	var logs []*Log
	for _, l := range e.logs {
		logs = append(logs, l.seenWith(lateness))
	}
	for i, start := range logs {
		if !e.set.matches(s.Start, start) {
			continue
		}
		labels := e.set.labelsOf(s.By, start)
		to := start.At + int64(s.Max)
		for _, end := range logs[i+1:] {
			if e.set.matches(s.End, end) &&
				keyOf(s.By, e.set.labelsOf(s.By, end)) == keyOf(s.By, labels) {
				to = min(to, max(end.At+int64(s.After), end.Visible))
			}
		}
		m.spans = append(m.spans, span{labels, start.Visible, to})
	}
	return m
}

// muted reports whether a suppression is in force for an alert, which has the labels of its group
// and those of the rule.
func (e *Evaluation) muted(r *rule.Rule, group map[string]string, at instant) bool {
	labels := maps.Clone(r.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, group)
	return slices.ContainsFunc(r.SuppressedBy, func(name string) bool {
		m := e.muteOf(name, r)
		return slices.ContainsFunc(m.spans, func(s span) bool {
			return s.from <= at && at < s.to && keyOf(m.s.By, s.labels) == keyOf(m.s.By, labels)
		})
	})
}

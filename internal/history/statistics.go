package history

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// RuleStatistics say how a rule did in a time.
type RuleStatistics struct {
	Rule         string        `json:"rule"`
	Fired        int           `json:"fired"` // episodes that fired
	Resolved     int           `json:"resolved"`
	Firing       int           `json:"firing"` // episodes without an end within the time
	Total        time.Duration `json:"total"`  // of the episodes that ended, together
	Median       time.Duration `json:"median"`
	Longest      time.Duration `json:"longest"`
	Short        int           `json:"short"` // episodes of less than a minute
	Notified     int           `json:"notified"`
	Failed       int           `json:"failed"`
	NotNotified  int           `json:"not_notified"`
	Acknowledged int           `json:"acknowledged"` // episodes that a user acknowledged
	LastFired    time.Time     `json:"last_fired,omitzero"`
}

// Noise is the share of a rule's episodes that were short and not acknowledged.
func (r RuleStatistics) Noise() float64 {
	if r.Fired == 0 {
		return 0
	}
	return float64(max(0, r.Short-r.Acknowledged)) / float64(r.Fired)
}

const shortEpisode = time.Minute

// Statistics returns how the rules did between two event times, those that fired most first. rules
// are the names to look for: the index has only hashes of them.
func (l *Log) Statistics(from, to time.Time, rules ...string) ([]RuleStatistics, error) {
	byHash := map[uint64]*tally{}
	for _, name := range rules {
		byHash[hashOf(name)] = &tally{stats: RuleStatistics{Rule: name}}
	}
	err := l.ordered(from, to, func(r ref) bool { return byHash[r.rule] != nil },
		func(r ref) { byHash[r.rule].add(r) })
	if err != nil {
		return nil, err
	}
	list := make([]RuleStatistics, 0, len(byHash))
	for _, t := range slices.SortedFunc(maps.Values(byHash), func(a, b *tally) int {
		return cmp.Or(cmp.Compare(b.stats.Fired, a.stats.Fired),
			cmp.Compare(a.stats.Rule, b.stats.Rule))
	}) {
		list = append(list, t.result())
	}
	return list, nil
}

// Span is how long an alert fired, in event time.
type Span struct {
	From time.Time
	To   time.Time // zero of one that has not ended
}

// Episodes returns the spans in which alerts of rules fired that began between two event times, by
// rule and sorted by their beginning. It reads the index alone.
func (l *Log) Episodes(from, to time.Time, rules ...string) (map[string][]Span, error) {
	names := map[uint64]string{}
	for _, name := range rules {
		names[hashOf(name)] = name
	}
	spans, open := map[string][]Span{}, map[uint64]int{} // alerts by their place in the rule's list
	wanted := func(r ref) bool {
		return names[r.rule] != "" && kinds[min(int(r.kind), len(kinds)-1)] == Transition
	}
	err := l.ordered(from, to, wanted, func(r ref) {
		name, at := names[r.rule], time.UnixMilli(r.at).UTC()
		i, up := open[r.alert]
		switch alertStates[min(int(r.state), len(alertStates)-1)] {
		case models.AlertFiring:
			if !up {
				open[r.alert] = len(spans[name])
				spans[name] = append(doubled(spans[name]), Span{From: at})
			}
		case models.AlertResolved:
			if up {
				spans[name][i].To = at
				delete(open, r.alert)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for _, list := range spans {
		slices.SortStableFunc(list, func(a, b Span) int { return a.From.Compare(b.From) })
	}
	return spans, nil
}

// doubled is a list with room for one more: twice as much as before, since append alone would leave
// several times as much garbage of a list of very many.
func doubled[T any](list []T) []T {
	if len(list) == cap(list) {
		return slices.Grow(list, max(4, len(list)))
	}
	return list
}

// RuleIDs are the rules that have transitions between two event times, also those that are gone.
// It reads the index, and one entry of each rule.
func (l *Log) RuleIDs(from, to time.Time) (ids []string, err error) {
	segments := l.all()
	defer release(segments)
	low, high, known := from.UnixMilli(), to.UnixMilli(), map[uint64]bool{}
	for _, s := range segments {
		if !s.mayHave(&Query{From: from, To: to}) {
			continue
		}
		unknown := map[uint64]uint32{} // the place of an entry of each
		err := s.each(func(r ref) {
			if r.at >= low && r.at < high && !known[r.rule] &&
				kinds[min(int(r.kind), len(kinds)-1)] == Transition {
				unknown[r.rule] = r.offset
			}
		})
		if err != nil {
			return nil, err
		}
		for rule, offset := range unknown {
			if e, err := s.entry(int64(offset)); err == nil && hashOf(e.Rule) == rule {
				known[rule], ids = true, append(ids, e.Rule)
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// ordered passes on the entries of the index between two event times that are wanted, in the order
// in which they were written.
func (l *Log) ordered(from, to time.Time, wanted func(ref) bool, each func(ref)) error {
	segments := l.all()
	defer release(segments)
	low, high := from.UnixMilli(), to.UnixMilli()
	for _, s := range segments {
		if !s.mayHave(&Query{From: from, To: to}) {
			continue
		}
		within := func(r ref) bool { return r.at >= low && r.at < high && wanted(r) }
		if err := s.ordered(within, each); err != nil {
			return err
		}
	}
	return nil
}

// tally counts the entries of one rule.
type tally struct {
	stats  RuleStatistics
	open   map[uint64]int64 // by alert: when it fired
	acked  map[uint64]bool
	lasted []time.Duration
}

func (t *tally) add(r ref) {
	if t.open == nil {
		t.open, t.acked = map[uint64]int64{}, map[uint64]bool{}
	}
	switch kinds[min(int(r.kind), len(kinds)-1)] {
	case Transition:
		switch alertStates[min(int(r.state), len(alertStates)-1)] {
		case models.AlertFiring:
			if _, known := t.open[r.alert]; !known {
				t.open[r.alert] = r.at
				t.stats.Fired++
			}
			if at := time.UnixMilli(r.at); at.After(t.stats.LastFired) {
				t.stats.LastFired = at
			}
		case models.AlertResolved:
			at, known := t.open[r.alert]
			if !known {
				return
			}
			t.stats.Resolved++
			t.lasted = append(t.lasted, time.Duration(max(0, r.at-at))*time.Millisecond)
			delete(t.open, r.alert)
		}
	case Notified:
		t.stats.Notified++
	case Failed:
		t.stats.Failed++
	case NotNotified:
		t.stats.NotNotified++
	case Acknowledged:
		if !t.acked[r.alert] {
			t.acked[r.alert] = true
			t.stats.Acknowledged++
		}
	}
}

func (t *tally) result() RuleStatistics {
	t.stats.Firing = len(t.open)
	slices.Sort(t.lasted)
	for _, d := range t.lasted {
		t.stats.Total += d
		if d < shortEpisode {
			t.stats.Short++
		}
	}
	if n := len(t.lasted); n > 0 {
		t.stats.Median, t.stats.Longest = t.lasted[n/2], t.lasted[n-1]
	}
	return t.stats
}

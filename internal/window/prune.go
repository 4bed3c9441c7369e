package window

import (
	"cmp"
	"slices"

	"github.com/axiomhq/hyperloglog"
)

// Of the events behind the watermark whose texts are counted, only the last one of each text can
// still matter; and only the newest of these, one more than Exactly, can decide whether the window
// holds more than so many. So these alone are held one by one. The texts of the others remain in a
// sketch of their pane.

// prunedPane is the texts of events that were dropped from a pane.
type prunedPane struct {
	last   int64 // time of the last of them
	values *hyperloglog.Sketch
}

// prunes says whether a series holds only what can decide.
func (sp *seriesSpec) prunes() bool { return sp.kind == texts && sp.spare == 0 }

// prune drops what cannot decide, as far as all windows have taken it in, once there is enough of
// it.
func (st *state) prune(p *Condition, series int, swept int64) {
	s := &st.series[series]
	upTo := after(s.times, swept-p.series[series].lag)
	if s.hardly(upTo, 4*p.exactly) {
		return
	}
	keep, seen := make([]bool, upTo), make(map[string]bool, p.exactly)
	for i := upTo - 1; i >= 0; i-- {
		full, fresh := len(seen) > p.exactly, false
		members(s.texts[i], func(text string) { fresh = fresh || !seen[text] })
		switch {
		case !fresh:
		case full && st.countsAfterReset(s, i): // though its pane does not
			keep[i] = true
		case full:
			begin, end := st.pane(p, s.times[i])
			s.drop(begin, end, s.times[i], s.texts[i])
		default:
			keep[i] = true
			members(s.texts[i], func(text string) { seen[text] = true })
		}
	}
	n := 0
	for i := range s.times {
		if i >= upTo || keep[i] {
			s.times[n], s.texts[n] = s.times[i], s.texts[i]
			if s.orders != nil {
				s.orders[n] = s.orders[i]
			}
			n++
		}
	}
	clear(s.texts[n:])
	s.times, s.texts = s.times[:n], s.texts[:n]
	if s.orders != nil {
		s.orders = s.orders[:n]
	}
	s.checked = after(s.times, swept-p.series[series].lag)
	s.clip()
	st.restart(p, series)
}

// drop remembers the texts of an event that is no longer held, of the pane from begin to end.
// Events are dropped from a pane in any order.
func (s *series) drop(begin, end, t int64, texts string) {
	at, _ := slices.BinarySearchFunc(s.pruned, begin+1, func(d prunedPane, t int64) int {
		return cmp.Compare(d.last, t)
	})
	if at == len(s.pruned) || s.pruned[at].last > end {
		s.pruned = slices.Insert(s.pruned, at, prunedPane{t, newSketch()})
	}
	s.pruned[at].last = max(s.pruned[at].last, t)
	members(texts, func(text string) { s.pruned[at].values.InsertHash(hashOf(text)) })
}

// evictPruned drops the panes that ended until an instant.
func (s *series) evictPruned(until int64) {
	s.pruned = slices.DeleteFunc(s.pruned, func(d prunedPane) bool { return d.last <= until })
}

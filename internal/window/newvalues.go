package window

import (
	"maps"
	"slices"
)

// novelty remembers which texts a group has seen, and when. A text that was not seen for longer
// than remember is forgotten, and new when it comes again; so what is kept of it are the stretches
// of time without such a gap, and it was new at the beginning of each. They depend on the set of
// events alone, not on the order in which they arrive.
type novelty struct {
	seen  map[string][]stretch
	purge int64 // when to look for forgotten texts next
}

// stretch is the first and last event of a text between gaps.
type stretch struct{ first, last int64 }

// maxSeen is how many texts a group remembers. Beyond, those not seen for longest are forgotten.
const maxSeen = 100_000

// see takes in that a text was seen at t. It returns the beginnings of stretches that are no more,
// and the one that came about, if any.
func (n *novelty) see(text string, t, remember int64) (gone []int64, begun int64, changed bool) {
	if n.seen == nil {
		n.seen = map[string][]stretch{}
	}
	merged := stretch{t, t}
	var kept []stretch
	for _, s := range n.seen[text] {
		if remember > 0 && (s.first > t+remember || s.last < t-remember) {
			kept = append(kept, s)
			continue
		}
		if s.first <= t && t <= s.last {
			return nil, 0, false
		}
		merged = stretch{min(merged.first, s.first), max(merged.last, s.last)}
		gone = append(gone, s.first)
	}
	n.seen[text] = append(kept, merged)
	if len(gone) == 1 && gone[0] == merged.first {
		return nil, 0, false
	}
	return gone, merged.first, true
}

// addNovel takes in an event of a field's values; the times of a novel series are the beginnings of
// stretches.
func (s *series) addNovel(p *Condition, sp *seriesSpec, ev *Event, moved func(at, by int)) {
	if sp.filter >= 0 && ev.Bits>>sp.filter&1 == 0 {
		return
	}
	text := ev.value(sp.field).appendText(nil)
	if len(text) == 0 {
		return
	}
	members(string(text), func(member string) {
		gone, begun, changed := s.see(member, ev.Time, p.remember)
		for _, t := range gone {
			if at := after(s.times, t) - 1; at >= 0 && s.times[at] == t && changed {
				s.times = slices.Delete(s.times, at, at+1)
				moved(at, -1)
			}
		}
		if changed {
			at := after(s.times, begun)
			s.times = slices.Insert(s.times, at, begun)
			moved(at, 1)
		}
	})
}

// purgeSeen forgets texts that will be new when they come after the watermark.
func (n *novelty) purgeSeen(remember, swept int64) {
	if len(n.seen) > maxSeen {
		n.evict()
	}
	if remember == 0 || swept < n.purge {
		return
	}
	n.purge = swept + remember/8
	for text, stretches := range n.seen {
		if kept := slices.DeleteFunc(stretches, func(s stretch) bool { return s.last+remember < swept }); len(
			kept,
		) > 0 {
			n.seen[text] = kept
		} else {
			delete(n.seen, text)
		}
	}
}

// forgetSeen forgets what was seen until an instant.
func (n *novelty) forgetSeen(until int64) {
	for text, stretches := range n.seen {
		kept := slices.DeleteFunc(stretches, func(s stretch) bool { return s.last <= until })
		if n.seen[text] = kept; len(kept) == 0 {
			delete(n.seen, text)
		}
	}
}

// evict forgets the tenth pane that was not seen for longest.
func (n *novelty) evict() {
	age := func(text string) int64 { return n.seen[text][len(n.seen[text])-1].last }
	texts := slices.SortedFunc(maps.Keys(n.seen), func(a, b string) int {
		if age(a) != age(b) {
			return int(min(max(age(a)-age(b), -1), 1))
		}
		if a < b {
			return -1
		}
		return 1
	})
	for _, text := range texts[:len(texts)/10] {
		delete(n.seen, text)
	}
}

func (n *novelty) bytes() int {
	total := 0
	for text := range n.seen {
		total += 64 + len(text)
	}
	return total
}

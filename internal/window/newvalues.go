package window

import (
	"cmp"
	"encoding/binary"
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

// stretch is the first and last event of a text between gaps, and the place of the first where
// events of one instant have an order.
type stretch struct {
	first, last int64
	order       Order
}

// start is where a stretch begins.
func (s stretch) start() reset { return reset{s.first, s.order} }

// maxSeen is how many texts a group remembers. Beyond, those not seen for longest are forgotten.
const maxSeen = 100_000

// see notes that a text was seen. It returns the beginnings of the stretches that became part of
// another, and of the new one, if any.
func (n *novelty) see(
	text string,
	at reset,
	remember int64,
) (gone []reset, begun reset, changed bool) {
	if n.seen == nil {
		n.seen = map[string][]stretch{}
	}
	merged := stretch{at.at, at.at, at.order}
	var kept []stretch
	for _, s := range n.seen[text] {
		if remember > 0 && (s.first > at.at+remember || s.last < at.at-remember) {
			kept = append(kept, s)
			continue
		}
		if s.start().compare(at) <= 0 && at.at <= s.last {
			return nil, reset{}, false
		}
		if s.start().compare(merged.start()) < 0 {
			merged.first, merged.order = s.first, s.order
		}
		merged.last = max(merged.last, s.last)
		gone = append(gone, s.start())
	}
	n.seen[text] = append(kept, merged)
	if len(gone) == 1 && gone[0] == merged.start() {
		return nil, reset{}, false
	}
	return gone, merged.start(), true
}

// addNovel adds an event of a field's values; the times of a novel series are the beginnings of
// stretches.
func (s *series) addNovel(p *Condition, sp *seriesSpec, ev *Event, moved func(at, by int)) {
	if sp.filter >= 0 && ev.Bits>>sp.filter&1 == 0 {
		return
	}
	text := ev.value(sp.field).appendText(nil)
	if len(text) == 0 {
		return
	}
	seen := reset{at: ev.Time}
	if sp.ordered {
		seen.order = ev.Order
	}
	each := members
	if len(sp.also) > 0 {
		if text = combination(text, sp, ev); text == nil {
			return
		}
		each = func(whole string, f func(string)) { f(whole) }
	}
	each(string(text), func(member string) {
		gone, begun, changed := s.see(member, seen, p.remember)
		for _, r := range gone {
			if at := s.until(sp, r) - 1; at >= 0 && s.times[at] == r.at && changed {
				s.times = slices.Delete(s.times, at, at+1)
				if sp.ordered {
					s.orders = slices.Delete(s.orders, at, at+1)
				}
				moved(at, -1)
			}
		}
		if changed {
			at := s.until(sp, begun)
			s.times = slices.Insert(s.times, at, begun.at)
			if sp.ordered {
				s.orders = slices.Insert(s.orders, at, begun.order)
			}
			moved(at, 1)
		}
	})
}

// placed says whether places of values are kept.
func (n *novelty) placed() bool {
	for _, stretches := range n.seen {
		for _, s := range stretches {
			if s.order != (Order{}) {
				return true
			}
		}
	}
	return false
}

// until is how many events of the series are not after a place.
func (s *series) until(sp *seriesSpec, r reset) int {
	if sp.ordered {
		return s.afterReset(r)
	}
	return after(s.times, r.at)
}

// combination appends the texts of the further fields, each with its length behind it, so that no
// two combinations have one text; nil when one is missing.
func combination(text []byte, sp *seriesSpec, ev *Event) []byte {
	for _, field := range sp.also {
		at := len(text)
		text = ev.value(field).appendText(text)
		if len(text) == at {
			return nil
		}
		text = binary.AppendUvarint(text, uint64(len(text)-at))
	}
	return text
}

// purgeSeen drops texts that will be new when they come again, which they may do late: events
// that are older than the watermark by less than late still count.
func (n *novelty) purgeSeen(remember, late, swept int64) {
	if len(n.seen) > maxSeen {
		n.evict()
	}
	if remember == 0 || swept < n.purge {
		return
	}
	n.purge = swept + remember/8
	for text, stretches := range n.seen {
		outdated := func(s stretch) bool { return s.last+remember < swept-late }
		if kept := slices.DeleteFunc(stretches, outdated); len(kept) > 0 {
			n.seen[text] = kept
		} else {
			delete(n.seen, text)
		}
	}
}

// evictSeen forgets what was seen until an instant.
func (n *novelty) evictSeen(until int64) {
	for text, stretches := range n.seen {
		kept := slices.DeleteFunc(stretches, func(s stretch) bool { return s.last <= until })
		if n.seen[text] = kept; len(kept) == 0 {
			delete(n.seen, text)
		}
	}
}

// evict forgets a tenth of the texts, those not seen for longest.
func (n *novelty) evict() {
	type aged struct {
		text string
		last int64
	}
	texts := make([]aged, 0, len(n.seen))
	for text, stretches := range n.seen {
		texts = append(texts, aged{text, stretches[len(stretches)-1].last})
	}
	slices.SortFunc(texts, func(a, b aged) int {
		if a.last != b.last {
			return cmp.Compare(a.last, b.last)
		}
		return cmp.Compare(a.text, b.text)
	})
	for _, t := range texts[:len(texts)/10] {
		delete(n.seen, t.text)
	}
}

func (n *novelty) bytes() int {
	total := 0
	for text := range n.seen {
		total += 88 + len(text)
	}
	return total
}

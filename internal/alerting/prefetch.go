package alerting

import "hash/maphash"

const (
	prefetchHits  = 64     // hits whose groups are touched together
	prefetchAbove = 10_000 // groups of a rule; fewer of them are in the processor's caches anyway
)

// prefetcher touches the groups of several hits before they are applied one by one. Of a million
// groups nothing is in the processor's caches, and a hit would wait for its slot, then for its
// group, then for the key and the times; touched side by side, those of many hits are waited for at
// once. It decides nothing: it leaves a guess at the group of each hit.
type prefetcher struct {
	found   [prefetchHits]prefetched
	units   [prefetchHits]*ruleState
	touched uint64 // of everything that was looked at, so that looking is not optimised away
}

// prefetched is the number of the group that a hit is likely to belong to, if it was looked for at
// all. It must be compared with the key, for much may have happened since.
type prefetched struct {
	hash   uint64
	number uint32
	looked bool
	found  bool
}

// prefetch looks for the groups of at most prefetchHits hits.
func (w *prefetcher) prefetch(st *state, sc *scan, hits []hit) {
	touched := uint64(0)
	for i := range hits {
		rs := st.stateOf(sc.rules, hits[i].rule)
		if rs == nil || rs.groups.live < prefetchAbove {
			w.units[i], w.found[i] = nil, prefetched{}
			continue
		}
		w.units[i], w.found[i] = rs, prefetched{
			hash:   maphash.Bytes(rs.groups.seed, sc.bytes(hits[i].key)),
			looked: true,
		}
	}
	for i := range hits { // by itself: between two hashes the processor would look at few slots
		if rs := w.units[i]; rs != nil {
			touched += uint64(rs.groups.slots[rs.groups.home(w.found[i].hash)])
		}
	}
	for i := range hits {
		if rs := w.units[i]; rs != nil {
			w.found[i].number, w.found[i].found = rs.groups.likely(w.found[i].hash)
		}
	}
	for i := range hits {
		if w.found[i].found {
			g := w.units[i].groups.at(w.found[i].number)
			touched += uint64(len(g.key)) + uint64(g.due)
		}
	}
	for i := range hits {
		if w.found[i].found {
			g := w.units[i].groups.at(w.found[i].number)
			touched += uint64(g.win.Newest())
			if n := len(g.key); n > 0 {
				touched += uint64(g.key[0]) + uint64(g.key[n-1])
			}
		}
	}
	w.touched += touched
}

// group is the group of a hit's key: the one that was guessed, or the one that is found.
func (t *table) group(key []byte, g prefetched) (uint32, bool) {
	switch {
	case !g.looked:
		return t.find(key)
	case g.found && t.at(g.number).key == string(key) && t.at(g.number).live:
		return g.number, true
	}
	return t.findHashed(key, g.hash)
}

// likely is the number of the first group that may be that of a hash.
func (t *table) likely(hash uint64) (uint32, bool) {
	mask := uint32(len(t.slots) - 1)
	for i := t.home(hash); t.slots[i] != 0; i = (i + 1) & mask {
		if s := t.slots[i]; uint64(s)>>numberBits == hash>>56 {
			return s.number(), true
		}
	}
	return 0, false
}

package alerting

import "hash/maphash"

const (
	warmHits  = 64     // hits whose groups are touched together
	warmAbove = 10_000 // groups of a unit; fewer of them are in the processor's caches anyway
)

// warmer touches the groups of several hits before they are applied one by one. Of a million groups
// nothing is in the processor's caches, and a hit would wait for its slot, then for its group, then
// for the key and the times; touched side by side, those of many hits are waited for at once. It
// decides nothing: it leaves a guess at the group of each hit.
type warmer struct {
	guesses [warmHits]guess
	units   [warmHits]*unit
	touched uint64 // of everything that was looked at, so that looking is not optimised away
}

// guess is the number of the group that a hit is likely to belong to, if it was looked for at all.
// It has to be compared with the key, for much may have happened since.
type guess struct {
	hash   uint64
	number uint32
	looked bool
	found  bool
}

// warm looks for the groups of at most warmHits hits.
func (w *warmer) warm(sc *scan, hits []hit) {
	touched := uint64(0)
	for i := range hits {
		u := hits[i].unit.current()
		if u == nil || u.groups.live < warmAbove {
			w.units[i], w.guesses[i] = nil, guess{}
			continue
		}
		w.units[i], w.guesses[i] = u, guess{
			hash:   maphash.Bytes(u.groups.seed, sc.bytes(hits[i].key)),
			looked: true,
		}
		touched += uint64(u.groups.slots[u.groups.home(w.guesses[i].hash)])
	}
	for i := range hits {
		if u := w.units[i]; u != nil {
			w.guesses[i].number, w.guesses[i].found = u.groups.likely(w.guesses[i].hash)
		}
	}
	for i := range hits {
		if w.guesses[i].found {
			g := w.units[i].groups.at(w.guesses[i].number)
			touched += uint64(len(g.key)) + uint64(g.due)
		}
	}
	for i := range hits {
		if w.guesses[i].found {
			g := w.units[i].groups.at(w.guesses[i].number)
			touched += uint64(g.win.Newest())
			if n := len(g.key); n > 0 {
				touched += uint64(g.key[0]) + uint64(g.key[n-1])
			}
		}
	}
	w.touched += touched
}

// group is the group of a hit's key: the one that was guessed, or the one that is found.
func (t *table) group(key []byte, g guess) (uint32, bool) {
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

package alerting

import "hash/maphash"

const (
	warmHits  = 64     // hits whose groups are touched together
	warmAbove = 10_000 // groups of a unit; fewer of them are in the processor's caches anyway
)

// warmer touches the groups of several hits before they are applied one by one. Of a million groups nothing is in the processor's caches, and a hit would wait for
// its slot, then for its group, then for the key; touched side by side, those of many hits are waited for at once. It decides nothing.
type warmer struct {
	tables  [warmHits]*table
	hashes  [warmHits]uint64
	numbers [warmHits]uint32
	keys    [warmHits]string
	touched uint64 // of everything that was looked at, so that looking is not optimised away
}

func (w *warmer) warm(sc *scan, hits []hit) {
	n := 0
	for i := range hits {
		if u := hits[i].unit.current(); u != nil && u.groups.live >= warmAbove {
			w.tables[n], w.hashes[n] = &u.groups, maphash.Bytes(u.groups.seed, sc.bytes(hits[i].key))
			n++
		}
	}
	for i, t := range w.tables[:n] {
		w.touched += uint64(t.slots[t.home(w.hashes[i])])
	}
	found := 0
	for i, t := range w.tables[:n] {
		if number, ok := t.likely(w.hashes[i]); ok {
			w.tables[found], w.numbers[found] = t, number
			found++
		}
	}
	for i, t := range w.tables[:found] {
		g := t.at(w.numbers[i])
		w.keys[i] = g.key
		w.touched += uint64(g.win.Swept()) + uint64(g.seen)
	}
	for _, key := range w.keys[:found] {
		if len(key) > 0 {
			w.touched += uint64(key[0])
		}
	}
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

package alerting

import "hash/maphash"

// table finds the groups of a unit by their keys: open addressing over numbers, and the groups themselves in chunks that never move. It costs 14 bytes a group
// beside the group, where a map of strings costs 40.
type table struct {
	seed   maphash.Seed
	slots  []slot // a power of two
	live   int
	chunks [][]group
	free   []uint32 // numbers of groups that were removed
	next   uint32   // the number after the highest that was ever given
}

// slot holds a part of a key's hash and the number of its group, from 1.
type slot struct{ hash, number uint32 }

const chunkGroups = 256

func newTable(seed maphash.Seed) table { return table{seed: seed} }

// at returns the group of a number; the pointer is valid until the group is removed.
func (t *table) at(number uint32) *group {
	return &t.chunks[number/chunkGroups][number%chunkGroups]
}

// find returns the group of a key.
func (t *table) find(key []byte) (uint32, bool) {
	if t.live == 0 {
		return 0, false
	}
	h := uint32(maphash.Bytes(t.seed, key))
	mask := uint32(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.number == 0 {
			return 0, false
		}
		if s.hash == h && t.at(s.number-1).key == string(key) {
			return s.number - 1, true
		}
	}
}

// add makes the group of a key that has none.
func (t *table) add(key string) uint32 {
	if (t.live+1)*4 > len(t.slots)*3 {
		t.grow()
	}
	var number uint32
	if n := len(t.free); n > 0 {
		number, t.free = t.free[n-1], t.free[:n-1]
	} else {
		number = t.next
		t.next++
		if number%chunkGroups == 0 {
			t.chunks = append(t.chunks, make([]group, chunkGroups))
		}
	}
	g := t.at(number)
	*g = group{key: key, due: never, pos: -1, live: true}
	t.live++
	t.insert(slot{uint32(maphash.String(t.seed, key)), number + 1})
	return number
}

func (t *table) insert(s slot) {
	mask := uint32(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].number != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, max(8, 2*len(old)))
	for _, s := range old {
		if s.number != 0 {
			t.insert(s)
		}
	}
}

// remove forgets a group. What follows it in its run of slots moves up, so that no marks of removed groups are left to be skipped.
func (t *table) remove(number uint32) {
	g := t.at(number)
	mask := uint32(len(t.slots) - 1)
	i := uint32(maphash.String(t.seed, g.key)) & mask
	for t.slots[i].number != number+1 {
		i = (i + 1) & mask
	}
	for j := i; ; {
		j = (j + 1) & mask
		s := t.slots[j]
		if s.number == 0 {
			break
		}
		if (j-s.hash)&mask >= (j-i)&mask { // its home is not after the gap
			t.slots[i] = s
			i = j
		}
	}
	t.slots[i] = slot{}
	*g = group{pos: -1}
	t.live--
	t.free = append(t.free, number)
}

// each calls f for every group, in the order of their numbers. f may remove the group it is called for.
func (t *table) each(f func(number uint32, g *group)) {
	for number := range t.next {
		if g := t.at(number); g.live {
			f(number, g)
		}
	}
}

// bytes is the memory of the table and its groups, without what they point to.
func (t *table) bytes() int {
	return len(t.slots)*8 + len(t.chunks)*chunkGroups*groupBytes + cap(t.free)*4
}

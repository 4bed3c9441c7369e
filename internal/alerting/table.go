package alerting

import "hash/maphash"

// table finds the groups of a rule by their keys: open addressing over numbers, and the groups
// themselves in chunks that never move. It costs 8 bytes a group beside the group, where a map of
// strings costs 40. Where there are many, chunks are cut from slabs in huge pages of the kernel.
type table struct {
	seed   maphash.Seed
	slots  []slot // a power of two
	live   int
	chunks [][]group
	slab   []group // room for further chunks, none in a small table
	dirty  []bool  // by chunk: it has groups that were changed since the last save began
	marks  marks
	free   []uint32 // numbers of groups that were removed
	next   uint32   // the number after the highest that was ever given
}

// slot holds the number of a group, from 1, in its lower 24 bits, and a part of its key's hash in
// the upper 8.
type slot uint32

// mark says of a group whether it was changed since a save of its rule began. Each of the two has
// two values, of which a save makes the others the ones in use: so it finds out which groups it has
// not passed on yet without looking at all of them when it begins.
type mark uint8

// marks are the marks in use.
type marks struct{ clean, changed mark }

var firstMarks = marks{clean: 0, changed: 2}

// pending reports whether a group with a mark is still to be passed on by a save that is under way.
func (m marks) pending(of mark) bool { return of != m.clean && of != m.changed }

// begin makes what was changed pending; or all groups, if a save is full.
func (m *marks) begin(full bool) {
	if m.changed ^= 1; full {
		m.clean ^= 1
	}
}

const (
	chunkGroups = 64                // 6,144 bytes, which the allocator has a size for
	slabGroups  = 682 * chunkGroups // 4 MB, of which at least one huge page is whole
	slabsAbove  = 4 * slabGroups    // groups of a table that grows by slabs from here on
	hugeSlots   = 1 << 20           // slots that are as large as a slab
	numberBits  = 24
	maxGroups   = 1<<numberBits - 2 // of one rule
)

func (s slot) number() uint32 { return uint32(s)&(1<<numberBits-1) - 1 }

func newTable(seed maphash.Seed) table { return table{seed: seed, marks: firstMarks} }

// at returns the group of a number; the pointer is valid until the group is removed.
func (t *table) at(number uint32) *group {
	return &t.chunks[number/chunkGroups][number%chunkGroups]
}

// home is where the slot of a hash should be.
func (t *table) home(hash uint64) uint32 { return uint32(hash) & uint32(len(t.slots)-1) }

// find returns the group of a key.
func (t *table) find(key []byte) (uint32, bool) {
	return t.findHashed(key, maphash.Bytes(t.seed, key))
}

func (t *table) findHashed(key []byte, h uint64) (uint32, bool) {
	if t.live == 0 {
		return 0, false
	}
	mask := uint32(len(t.slots) - 1)
	for i := t.home(h); t.slots[i] != 0; i = (i + 1) & mask {
		if s := t.slots[i]; uint64(s)>>numberBits == h>>56 && t.at(s.number()).key == string(key) {
			return s.number(), true
		}
	}
	return 0, false
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
			t.chunks, t.dirty = append(t.chunks, t.chunk()), append(t.dirty, false)
		}
	}
	*t.at(number) = group{
		key: key, more: &none, due: never, pos: -1, live: true, mark: t.marks.clean,
	}
	t.live++
	t.insert(number)
	return number
}

// chunk is room for the next groups: by itself in a small table, of a slab in a large one.
func (t *table) chunk() []group {
	if t.next < slabsAbove {
		return make([]group, chunkGroups)
	}
	if len(t.slab) == 0 {
		t.slab = make([]group, slabGroups)
		huge(t.slab)
	}
	chunk := t.slab[:chunkGroups:chunkGroups]
	t.slab = t.slab[chunkGroups:]
	return chunk
}

func (t *table) insert(number uint32) {
	h := maphash.String(t.seed, t.at(number).key)
	mask := uint32(len(t.slots) - 1)
	i := t.home(h)
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = slot(number+1) | slot(h>>56)<<numberBits
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, max(8, 2*len(old)))
	if len(t.slots) >= hugeSlots {
		huge(t.slots)
	}
	for _, s := range old {
		if s != 0 {
			t.insert(s.number())
		}
	}
}

// remove forgets a group. What follows it in its run of slots moves up, so that no marks of removed
// groups are left to be skipped.
func (t *table) remove(number uint32) {
	mask := uint32(len(t.slots) - 1)
	i := t.home(maphash.String(t.seed, t.at(number).key))
	for t.slots[i] == 0 || t.slots[i].number() != number {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; t.slots[j] != 0; j = (j + 1) & mask {
		home := t.home(maphash.String(t.seed, t.at(t.slots[j].number()).key))
		if (j-home)&mask >= (j-i)&mask { // its home is not after the gap
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = 0
	*t.at(number) = group{more: &none, pos: -1}
	t.live--
	t.free = append(t.free, number)
}

// each calls f for every group, in the order of their numbers. f may remove the group it is called
// for.
func (t *table) each(f func(number uint32, g *group)) {
	for number := range t.next {
		if g := t.at(number); g.live {
			f(number, g)
		}
	}
}

// bytes is the memory of the table and its groups, without what they point to.
func (t *table) bytes() int {
	groups := len(t.chunks)*chunkGroups + len(t.slab)
	return len(t.slots)*4 + groups*groupBytes + cap(t.free)*4
}

package match

import "encoding/binary"

const mix = 0x9E3779B97F4A7C15

// table maps keys of 64 bits to lists of literals. Its keys are known when it is built; whatever a
// log holds cannot make a search in it longer than the longest run of them.
type table struct {
	slots []tableSlot
	shift uint8
	list  []int32
}

type tableSlot struct {
	key      uint64
	start, n int32
}

func newTable(m map[uint64][]int32) *table {
	bits := 2
	for 1<<bits < 2*len(m)+2 {
		bits++
	}
	t := &table{slots: make([]tableSlot, 1<<bits), shift: uint8(64 - bits)}
	for key, list := range m {
		i := t.place(key)
		for t.slots[i].n != 0 {
			i = (i + 1) & uint64(len(t.slots)-1)
		}
		t.slots[i] = tableSlot{key, int32(len(t.list)), int32(len(list))}
		t.list = append(t.list, list...)
	}
	return t
}

func (t *table) place(key uint64) uint64 { return (key ^ key>>32) * mix >> t.shift }

// find returns the list of a key, nil for none.
func (t *table) find(key uint64) []int32 {
	from, to := t.span(key)
	return t.list[from:to]
}

// span is where in the table's list that of a key lies.
func (t *table) span(key uint64) (from, to int32) {
	for i := t.place(key); ; i++ {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		if s.key == key || s.n == 0 {
			return s.start, s.start + s.n
		}
	}
}

// longest is the length of the longest list.
func (t *table) longest() int {
	n := 0
	for i := range t.slots {
		n = max(n, int(t.slots[i].n))
	}
	return n
}

func word8(b []byte) uint64 { return binary.LittleEndian.Uint64(b) | wordCase }
func word4(b []byte) uint64 { return uint64(binary.LittleEndian.Uint32(b) | ngramCase) }

// The first and last bytes of values are looked up by classes of length, the longest first. Four
// bytes alone select too little: most programs of Windows end in .exe.
var anchorLengths = [...]int{1, 2, 3, 4, 8, 12}

func anchorClass(n int) int {
	c := len(anchorLengths) - 1
	for anchorLengths[c] > n {
		c--
	}
	return c
}

// anchorKey is the key of the first or last bytes of a class. Both cases of a letter have the same
// key, and so have some other characters.
func anchorKey(b []byte, class int, suffix bool) uint64 {
	n := anchorLengths[class]
	if suffix {
		b = b[len(b)-n:]
	}
	tag := uint64(2*class + 2)
	if suffix {
		tag++
	}
	tag *= 0xD6E8FEB86659FD93
	switch n {
	case 12:
		return word8(b)*mix ^ word4(b[8:]) ^ tag
	case 8:
		return word8(b) ^ tag
	case 4:
		return word4(b) ^ tag
	}
	var w uint64
	for i := range n {
		w = w<<8 | uint64(b[i]|0x20)
	}
	return w ^ tag
}

// equalKey is the key of a whole value.
func equalKey(b []byte) uint64 {
	n := len(b)
	h := uint64(n)*mix + 1
	i := 0
	for ; i+8 <= n; i += 8 {
		h = (h ^ word8(b[i:])) * 0xD6E8FEB86659FD93
		h ^= h >> 32
	}
	if i < n {
		var w uint64
		if n >= 8 {
			w = word8(b[n-8:])
		} else {
			for j, c := range b {
				w |= uint64(c|0x20) << (8 * j)
			}
		}
		h = (h ^ w) * 0xD6E8FEB86659FD93
		h ^= h >> 29
	}
	return h
}

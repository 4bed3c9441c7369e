package match

import (
	"encoding/binary"
	"math/bits"
)

// prefilter finds where in a value literals may begin, by n-grams. The scan advances by a stride of
// several bytes. Each literal of five bytes or more is represented by as many consecutive n-grams
// of four bytes as the stride is long, the rarest in the sample, so that the scan reads one of them
// wherever the literal begins. A bitmap of the n-grams' hashes nearly always decides that no
// literal is here. Where it does not, a table is searched by the n-gram and the four bytes after it
// (before it, where the literal ends with it), so that few literals are compared without need. The
// cost hardly depends on the number of literals.
//
// Literals of three and four bytes have a filter of their own, with n-grams of three bytes at every
// place.
type prefilter struct {
	size   int // of an n-gram: 3 or 4
	stride int
	small  *[smallMap]byte // one of the two bitmaps
	large  *[largeMap]byte
	starts *table // key -> literal<<8 | offset of the n-gram in it
	looks  uint8  // a bit for each look that some key has
}

// look is where a key takes its bytes from, relative to the n-gram.
type look uint8

const (
	lookAlone  look = iota // the n-gram only: the literal is too short for more
	lookAhead              // and the four bytes behind it
	lookBehind             // and those before it
	looks
)

const (
	smallMap   = 1 << 12
	largeMap   = 1 << 16
	smallShift = 32 - 15
	largeShift = 32 - 19
	ngramMix   = 0x9E3779B1
	maxOffset  = 255 // of an n-gram in its literal
)

// ngramFreq counts the n-grams of sampled logs.
type ngramFreq struct {
	counts []uint32
	total  int
}

func newNgramFreq() *ngramFreq { return &ngramFreq{counts: make([]uint32, 1<<16)} }

func (f *ngramFreq) add(b []byte) {
	for i := 0; i >= 0 && i <= len(b)-4; i++ {
		f.counts[(binary.LittleEndian.Uint32(b[i:])|ngramCase)*ngramMix>>16]++
		f.total++
	}
}

// of is how often an n-gram occurs: counted, or guessed without a sample.
func (f *ngramFreq) of(ngram uint32) uint32 {
	if f != nil && f.total > 0 {
		return 8 * f.counts[ngram*ngramMix>>16]
	}
	n := uint32(1)
	for ; ngram != 0; ngram >>= 8 {
		switch c := byte(ngram); {
		case c == ' ' || c == 'e' || c == 't' || c == 'o' || c == 'n' || c == 'i' || c == 'r' ||
			c == 's' || c == 'a':
			n *= 4
		case c-'a' < 26 && c != 'q' && c != 'x' && c != 'z' && c != 'j':
			n *= 2
		}
	}
	return n
}

// newPrefilter builds the filter of some literals, given by their numbers in lits.
func newPrefilter(size int, lits []literal, ids []int32, freq *ngramFreq) *prefilter {
	g := &prefilter{size: size, stride: 1}
	if size == 4 {
		g.stride = 4
		if len(ids) > 200 {
			g.stride = 2
		}
		for _, id := range ids {
			if len(lits[id].text) < 7 {
				g.stride = 2
			}
		}
	}
	m := make(map[uint64][]int32, len(ids)*g.stride)
	windows := make(map[uint32]bool, len(ids))
	for _, id := range ids {
		t := lits[id].text
		at := g.rarest(t, m, freq)
		for i := at; i < at+g.stride; i++ {
			l := g.look(t, i)
			key := g.key(t, i, l)
			m[key] = append(m[key], id<<8|int32(i))
			windows[g.window(t, i)] = true
			g.looks |= 1 << l
		}
	}
	g.starts = newTable(m)
	if len(windows) <= 600 {
		g.small = new([smallMap]byte)
		for w := range windows {
			h := w * ngramMix >> smallShift
			g.small[h>>3] |= 1 << (h & 7)
		}
		return g
	}
	g.large = new([largeMap]byte)
	for w := range windows {
		h := w * ngramMix >> largeShift
		g.large[h>>3] |= 1 << (h & 7)
	}
	return g
}

// look is how a literal with an n-gram at t[i] is looked up.
func (g *prefilter) look(t []byte, i int) look {
	switch {
	case g.size == 4 && i+8 <= len(t):
		return lookAhead
	case g.size == 4 && i >= 4:
		return lookBehind
	}
	return lookAlone
}

// key is the key of the n-gram at b[i].
func (g *prefilter) key(b []byte, i int, l look) uint64 {
	switch l {
	case lookAhead:
		return word8(b[i:])
	case lookBehind:
		return word8(b[i-4:]) ^ mix
	}
	return uint64(g.window(b, i))
}

// maxShared is how many literals may share a key before a more frequent n-gram is preferred, so
// that no log can cause thousands of comparisons at one place.
const maxShared = 24

// rarest is where in a literal its n-grams are rarest.
func (g *prefilter) rarest(t []byte, taken map[uint64][]int32, freq *ngramFreq) int {
	best, at := ^uint64(0), 0
	for p := 0; p+g.size+g.stride-1 <= len(t) && p+g.stride-1 <= maxOffset; p++ {
		var cost uint64
		for i := p; i < p+g.stride; i++ {
			if n := len(taken[g.key(t, i, g.look(t, i))]); n < maxShared {
				cost += uint64(n) / 8
			} else {
				cost += uint64(n) << 20
			}
			if g.size == 4 {
				cost += uint64(freq.of(g.window(t, i)))
			}
		}
		if cost < best {
			best, at = cost, p
		}
	}
	return at
}

func (g *prefilter) window(b []byte, i int) uint32 {
	if g.size == 4 {
		return binary.LittleEndian.Uint32(b[i:]) | ngramCase
	}
	return uint32(b[i]) | uint32(b[i+1])<<8 | uint32(b[i+2])<<16 | ngramCase&0xffffff
}

// scan calls hit for each place of b with an n-gram of some literal.
func (g *prefilter) scan(m *Matcher, s *scan, b []byte) {
	switch {
	case g.size == 3:
		g.scan3(m, s, b)
	case g.stride == 2 && g.small != nil:
		g.scan2small(m, s, b)
	case g.stride == 2:
		g.scan2large(m, s, b)
	case g.small != nil:
		g.scan4small(m, s, b)
	default:
		g.scan4large(m, s, b)
	}
}

// word and half are eight and four bytes. Where it is known to the compiler that they are there,
// and written as b[i:i+8:i+8], they are a single instruction.
func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
func half(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// The scans are written out for each bitmap, because a shift by a constant lets the compiler see
// that no index is out of bounds.

func (g *prefilter) scan2small(m *Matcher, s *scan, b []byte) {
	set := g.small
	i := 0
	for ; i >= 0 && i <= len(b)-10; i += 8 {
		w := word(b[i:i+8:i+8]) | wordCase
		h0 := uint32(w) * ngramMix >> smallShift
		h1 := uint32(w>>16) * ngramMix >> smallShift
		h2 := uint32(w>>32) * ngramMix >> smallShift
		h3 := (half(b[i+6:i+10:i+10]) | ngramCase) * ngramMix >> smallShift
		hits := set[h0>>3]>>(h0&7)&1 | set[h1>>3]>>(h1&7)&1<<2 |
			set[h2>>3]>>(h2&7)&1<<4 | set[h3>>3]>>(h3&7)&1<<6
		for ; hits != 0; hits &= hits - 1 {
			g.hit(m, s, b, i+bits.TrailingZeros8(hits))
		}
	}
	for ; i >= 0 && i <= len(b)-4; i += 2 {
		h := (half(b[i:i+4:i+4]) | ngramCase) * ngramMix >> smallShift
		if set[h>>3]>>(h&7)&1 != 0 {
			g.hit(m, s, b, i)
		}
	}
}

func (g *prefilter) scan2large(m *Matcher, s *scan, b []byte) {
	set := g.large
	i := 0
	for ; i >= 0 && i <= len(b)-10; i += 8 {
		w := word(b[i:i+8:i+8]) | wordCase
		h0 := uint32(w) * ngramMix >> largeShift
		h1 := uint32(w>>16) * ngramMix >> largeShift
		h2 := uint32(w>>32) * ngramMix >> largeShift
		h3 := (half(b[i+6:i+10:i+10]) | ngramCase) * ngramMix >> largeShift
		hits := set[h0>>3]>>(h0&7)&1 | set[h1>>3]>>(h1&7)&1<<2 |
			set[h2>>3]>>(h2&7)&1<<4 | set[h3>>3]>>(h3&7)&1<<6
		for ; hits != 0; hits &= hits - 1 {
			g.hit(m, s, b, i+bits.TrailingZeros8(hits))
		}
	}
	for ; i >= 0 && i <= len(b)-4; i += 2 {
		h := (half(b[i:i+4:i+4]) | ngramCase) * ngramMix >> largeShift
		if set[h>>3]>>(h&7)&1 != 0 {
			g.hit(m, s, b, i)
		}
	}
}

func (g *prefilter) scan4small(m *Matcher, s *scan, b []byte) {
	set := g.small
	i := 0
	for ; i >= 0 && i <= len(b)-16; i += 16 {
		v, w := word(b[i:i+8:i+8])|wordCase, word(b[i+8:i+16:i+16])|wordCase
		h0 := uint32(v) * ngramMix >> smallShift
		h1 := uint32(v>>32) * ngramMix >> smallShift
		h2 := uint32(w) * ngramMix >> smallShift
		h3 := uint32(w>>32) * ngramMix >> smallShift
		hits := set[h0>>3]>>(h0&7)&1 | set[h1>>3]>>(h1&7)&1<<1 |
			set[h2>>3]>>(h2&7)&1<<2 | set[h3>>3]>>(h3&7)&1<<3
		for ; hits != 0; hits &= hits - 1 {
			g.hit(m, s, b, i+4*bits.TrailingZeros8(hits))
		}
	}
	for ; i >= 0 && i <= len(b)-4; i += 4 {
		h := (half(b[i:i+4:i+4]) | ngramCase) * ngramMix >> smallShift
		if set[h>>3]>>(h&7)&1 != 0 {
			g.hit(m, s, b, i)
		}
	}
}

func (g *prefilter) scan4large(m *Matcher, s *scan, b []byte) {
	set := g.large
	i := 0
	for ; i >= 0 && i <= len(b)-16; i += 16 {
		v, w := word(b[i:i+8:i+8])|wordCase, word(b[i+8:i+16:i+16])|wordCase
		h0 := uint32(v) * ngramMix >> largeShift
		h1 := uint32(v>>32) * ngramMix >> largeShift
		h2 := uint32(w) * ngramMix >> largeShift
		h3 := uint32(w>>32) * ngramMix >> largeShift
		hits := set[h0>>3]>>(h0&7)&1 | set[h1>>3]>>(h1&7)&1<<1 |
			set[h2>>3]>>(h2&7)&1<<2 | set[h3>>3]>>(h3&7)&1<<3
		for ; hits != 0; hits &= hits - 1 {
			g.hit(m, s, b, i+4*bits.TrailingZeros8(hits))
		}
	}
	for ; i >= 0 && i <= len(b)-4; i += 4 {
		h := (half(b[i:i+4:i+4]) | ngramCase) * ngramMix >> largeShift
		if set[h>>3]>>(h&7)&1 != 0 {
			g.hit(m, s, b, i)
		}
	}
}

func (g *prefilter) scan3(m *Matcher, s *scan, b []byte) {
	if g.small != nil {
		for i := 0; i >= 0 && i <= len(b)-4; i++ {
			h := (half(b[i:i+4:i+4])&0xffffff | ngramCase&0xffffff) * ngramMix >> smallShift
			if g.small[h>>3]>>(h&7)&1 != 0 {
				g.hit(m, s, b, i)
			}
		}
	} else {
		for i := 0; i >= 0 && i <= len(b)-4; i++ {
			h := (half(b[i:i+4:i+4])&0xffffff | ngramCase&0xffffff) * ngramMix >> largeShift
			if g.large[h>>3]>>(h&7)&1 != 0 {
				g.hit(m, s, b, i)
			}
		}
	}
	if len(b) >= 3 {
		g.hit(m, s, b, len(b)-3)
	}
}

// hit compares the literals that have an n-gram at b[i].
//
//go:noinline
func (g *prefilter) hit(m *Matcher, s *scan, b []byte, i int) {
	for l := lookAlone; l < looks; l++ {
		if g.looks>>l&1 == 0 || l == lookAhead && i > len(b)-8 ||
			l == lookBehind && (i < 4 || i > len(b)-4) {
			continue
		}
		for _, c := range g.starts.find(g.key(b, i, l)) {
			m.compared++
			l := &s.fieldIndex.lits[c>>8]
			from := i - int(c&maxOffset)
			to := from + len(l.text)
			if from >= 0 && to <= len(b) && s.wants(l) && l.is(b[from:to]) {
				m.found(s, c>>8)
			}
		}
	}
}

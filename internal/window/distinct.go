package window

import (
	mathbits "math/bits"

	"github.com/axiomhq/hyperloglog"
	"github.com/cespare/xxhash/v2"
)

// ExactDistinct is how many different values a window is sure to count exactly. Beyond, it
// estimates them from sketches of its panes: of all values since the beginning of the pane that it
// begins in. The error of the estimate is 1.04 divided by the root of the number of registers, 1.6
// %.
const (
	ExactDistinct = 1024
	precision     = 12
	registers     = 1 << precision
)

// values counts how often each text is in a window, of those that are held one by one, which is all
// of them while they are few.
type values struct {
	counts map[string]int32
	union  *union // of all that the estimate is about; nil while there is none
}

func (v *values) add(s *series, i int) {
	if v.counts == nil {
		v.counts = map[string]int32{}
	}
	members(s.texts[i], func(text string) {
		n := v.counts[text]
		if v.counts[text] = n + 1; n == 0 && v.union != nil {
			v.union.insert(text)
		}
	})
}

func (v *values) remove(s *series, i int) {
	members(s.texts[i], func(text string) {
		if v.counts[text]--; v.counts[text] == 0 {
			delete(v.counts, text)
		}
	})
}

func (v *values) value(*call, int) float64 { return float64(len(v.counts)) }

func (v *values) bytes() int {
	n := 64 + 32*len(v.counts)
	if v.union != nil {
		n += 2*registers + 64
	}
	return n
}

// different is how many different texts there are in the window. If that is an estimate, there are
// more than Exactly, of which so many at least are held one by one: so a comparison with a number
// that is not greater is not in doubt.
func (v *values) different(x *instant, c *call, cur *cursor) float64 {
	if len(v.counts) <= x.p.exactly {
		v.union = nil
		return float64(len(v.counts))
	}
	begin, _ := x.g.state.pane(x.p, x.g.state.from(x.p, c, x.at)+1)
	s := &x.g.state.series[c.series]
	instant := cur.lo < after(s.times, begin)
	if v.union == nil || v.union.begin != begin || v.union.instant != instant {
		v.union = s.unite(begin, cur.lo, cur.hi)
	}
	return max(v.union.size(), float64(x.p.exactly+1))
}

// union is the sketch of all values since the beginning of a pane. Estimating costs much more than
// inserting, so it is done only when a register has changed, which becomes the rarer the more
// values there are: some thousand times while a window passes, however many events it holds.
type union struct {
	begin    int64
	instant  bool // some events of its beginning count: those after the one that resolved
	sketch   *hyperloglog.Sketch
	ranks    [registers]uint8 // as they are in the sketch, which does not show them
	estimate float64
	changed  bool
}

// unite makes the union of all texts of the series since a pane began, or from place lo on, until
// place hi.
func (s *series) unite(begin int64, lo, hi int) *union {
	u := &union{
		begin:   begin,
		instant: lo < after(s.times, begin),
		sketch:  newSketch(),
		changed: true,
	}
	for i := range s.pruned {
		if s.pruned[i].last > begin {
			u.sketch.Merge(s.pruned[i].values) // fails only for another precision
		}
	}
	copy(u.ranks[:], rawRegisters(u.sketch))
	for i := min(after(s.times, begin), lo); i < hi; i++ {
		members(s.texts[i], u.insert)
	}
	return u
}

func (u *union) insert(text string) {
	hash := hashOf(text)
	if i, rank := hash>>(64-precision), rankOf(hash); rank > u.ranks[i] {
		u.ranks[i], u.changed = rank, true
		u.sketch.InsertHash(hash)
	}
}

func hashOf(text string) uint64 { return xxhash.Sum64String(text) }

// rankOf is the place of the first bit that is set behind those that choose the register.
func rankOf(hash uint64) uint8 {
	return uint8(mathbits.LeadingZeros64(hash<<precision|1<<(precision-1))) + 1
}

func (u *union) size() float64 {
	if u.changed {
		u.estimate, u.changed = float64(u.sketch.Estimate()), false
	}
	return u.estimate
}

// newSketch is a sketch that holds its registers from the beginning: the sparse form of the library
// says something else of the same values.
func newSketch() *hyperloglog.Sketch {
	s, _ := hyperloglog.NewSketch(precision, false) // the error is about the precision
	return s
}

// rawRegisters is the registers of a sketch; its encoding ends with them.
func rawRegisters(s *hyperloglog.Sketch) []byte {
	data, _ := s.MarshalBinary() // the error is about the precision
	return data[len(data)-registers:]
}

package window

import (
	"math"

	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// accuracy is by how much a percentile of a window with high-volume panes may be off, in relation
// to its value.
const accuracy = 0.01

// Numbers nearer to zero than tiny are ranked as zeros, and those beyond huge as huge; so a sketch
// has no more than some thousand bins.
const (
	tiny = 1e-9
	huge = 1e18
)

var scale, _ = mapping.NewLogarithmicMapping(accuracy) // the error is about a constant

// sketch ranks numbers: a DDSketch whose numbers may leave again. It counts how many are in each of
// the bins, whose bounds are fixed; so what it says depends on the numbers alone, not on the order
// in which they come or sketches are joined.
type sketch struct {
	above, under bins // numbers above zero, and under it by their magnitude
	zeros        int64
}

// bins are a store of the library, nil while it is empty.
type bins struct{ *store.DenseStore }

func (b *bins) add(bin int, n float64) {
	if b.DenseStore == nil {
		b.DenseStore = store.NewDenseStore()
	}
	if b.AddWithCount(bin, n); b.IsEmpty() {
		b.DenseStore = nil
	}
}

func (b *bins) total() int64 {
	if b.DenseStore == nil {
		return 0
	}
	return int64(b.TotalCount())
}

func (b *bins) each(f func(bin int, n float64)) {
	if b.DenseStore != nil {
		b.ForEach(func(bin int, n float64) bool { f(bin, n); return false })
	}
}

func (b *bins) width() (n int) {
	if b.DenseStore != nil {
		least, _ := b.MinIndex()
		most, _ := b.MaxIndex()
		n = most - least + 1
	}
	return n
}

// add takes in a number n times, or takes it out for a negative n.
func (k *sketch) add(v float64, n int64) {
	switch {
	case math.Abs(v) < tiny:
		k.zeros += n
	case v > 0:
		k.above.add(scale.Index(min(v, huge)), float64(n))
	default:
		k.under.add(scale.Index(min(-v, huge)), float64(n))
	}
}

// join takes in all numbers of another sketch, or takes them out for a negative sign.
func (k *sketch) join(o *sketch, sign int64) {
	k.zeros += sign * o.zeros
	o.above.each(func(bin int, n float64) { k.above.add(bin, float64(sign)*n) })
	o.under.each(func(bin int, n float64) { k.under.add(bin, float64(sign)*n) })
}

// at is about the number that has at numbers before it in order.
func (k *sketch) at(at int64) float64 {
	switch under := k.under.total(); {
	case at < under:
		return -scale.Value(k.under.KeyAtRank(float64(under - 1 - at)))
	case at < under+k.zeros || k.above.DenseStore == nil:
		return 0
	default:
		return scale.Value(k.above.KeyAtRank(float64(at - under - k.zeros)))
	}
}

func (k *sketch) bytes() int { return 176 + 9*(k.above.width()+k.under.width()) }

package window

import (
	"encoding/binary"
	"math"
)

func (s *series) appendAggregates(dst []byte) []byte {
	n := 0
	for _, c := range s.aggregates {
		n += int(one(c != nil))
	}
	dst = binary.AppendUvarint(dst, uint64(n))
	before := -1
	for i, c := range s.aggregates {
		if c != nil {
			if dst = binary.AppendVarint(binary.AppendUvarint(dst, uint64(i-before-1)),
				c.begin); s.orders != nil {
				dst = appendOrders(dst, []Order{c.order})
			}
			dst = c.append(dst)
			before = i
		}
	}
	return dst
}

func (c *paneAggregate) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(c.n))
	dst = appendNumbers(dst, []float64{c.first, c.low, c.high})
	for _, sum := range []exact{c.total, c.squares} {
		dst = appendNumbers(binary.AppendUvarint(dst, uint64(len(sum))), sum)
	}
	if c.ranks == nil {
		return dst
	}
	for i := range c.below {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(c.below[i])), uint64(c.upTo[i]))
	}
	dst = binary.AppendUvarint(dst, uint64(c.ranks.zeros))
	return c.ranks.under.append(c.ranks.above.append(dst))
}

func (b *bins) append(dst []byte) []byte {
	n := 0
	b.each(func(int, float64) { n++ })
	dst = binary.AppendUvarint(dst, uint64(n))
	b.each(
		func(bin int, n float64) {
			dst = binary.AppendUvarint(binary.AppendVarint(dst, int64(bin)), uint64(n))
		},
	)
	return dst
}

func (r *reading) aggregates(p *seriesSpec, s *series) {
	s.aggregates = make([]*paneAggregate, len(s.times))
	at := -1
	for n := r.Count(); n > 0 && r.Err == nil; n-- {
		if at += 1 + int(min(r.count(), int64(len(s.times)))); at >= len(s.times) {
			r.Fail()
			return
		}
		s.aggregates[at] = r.aggregate(p)
	}
	if at < 0 {
		r.Fail()
	}
}

func (r *reading) aggregate(p *seriesSpec) *paneAggregate {
	c := &paneAggregate{begin: r.time()}
	if p.ordered {
		if orders := r.orders(1); orders != nil {
			c.order = orders[0]
		}
	}
	c.n = r.count()
	edges := r.floats(3)
	c.first, c.low, c.high = edges[0], edges[1], edges[2]
	c.total, c.squares = r.sum(), r.sum()
	if p.kind != numbers || !p.ranked {
		if c.n < 1 {
			r.Fail()
		}
		return c
	}
	c.below, c.upTo = make([]int64, len(p.bounds)), make([]int64, len(p.bounds))
	for i := range p.bounds {
		c.below[i], c.upTo[i] = r.count(), r.count()
	}
	c.ranks = &sketch{zeros: r.count()}
	ranked := c.ranks.zeros + r.bins(&c.ranks.above) + r.bins(&c.ranks.under)
	if c.n < 1 || ranked != c.n {
		r.Fail()
	}
	return c
}

func (r *reading) sum() exact {
	n := r.Count()
	if n == 0 {
		return nil
	}
	return r.floats(n)
}

// bins reads bins, and returns how many numbers are in them.
func (r *reading) bins(b *bins) (total int64) {
	least, most := int64(scale.Index(tiny)), int64(scale.Index(huge))
	for n := r.Count(); n > 0 && r.Err == nil; n-- {
		bin, count := r.Varint(), r.count()
		if bin < least || bin > most || count < 1 || count > 1<<40 {
			r.Fail()
			return 0
		}
		b.add(int(bin), float64(count))
		total += count
	}
	return total
}

// floats reads n numbers, none of which is NaN.
func (r *reading) floats(n int) []float64 {
	nums := make([]float64, n)
	data := r.Take(8 * n)
	for i := range len(data) / 8 {
		if nums[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])); math.IsNaN(
			nums[i]) {
			r.Fail()
		}
	}
	return nums
}

func (s *series) appendPruned(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.pruned)))
	for i := range s.pruned {
		dst = append(
			binary.AppendVarint(dst, s.pruned[i].last),
			rawRegisters(s.pruned[i].values)...)
	}
	return dst
}

func (r *reading) pruned(s *series) {
	header := rawHeader()
	for n := r.Count(); n > 0 && r.Err == nil; n-- {
		one := prunedPane{r.time(), newSketch()}
		if one.values.UnmarshalBinary(
			append(header[:len(header):len(header)], r.Take(registers)...),
		) != nil ||
			len(s.pruned) > 0 && one.last <= s.pruned[len(s.pruned)-1].last {
			r.Fail()
			return
		}
		s.pruned = append(s.pruned, one)
	}
	if len(s.pruned) == 0 {
		r.Fail()
	}
}

// rawHeader is what stands before the registers in the encoding of a sketch.
func rawHeader() []byte {
	data, _ := newSketch().MarshalBinary()
	return data[:len(data)-registers]
}

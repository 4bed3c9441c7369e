package window

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/wire"
)

// version is the first byte of an encoded group. Change it with the encoding.
const version = 6

var errCorrupt = errors.New("state of a window cannot be read")

// Append appends the group to dst, for Decode with the same condition.
func (g *Group) Append(dst []byte) []byte {
	dst = append(dst, version, g.flags())
	dst = binary.AppendUvarint(binary.AppendVarint(dst, g.swept), uint64(g.gone))
	dst = appendTimes(dst, g.times)
	switch {
	case g.thinned:
		return g.state.appendThinned(dst)
	case g.state != nil:
		return g.state.append(dst)
	}
	return dst
}

func (g *Group) flags() byte { return bits(g.up, g.late, g.thinned) }

// Decode reads a group that Append wrote.
func (p *Condition) Decode(data []byte) (*Group, error) {
	r := &reading{wire.Reader{B: data}}
	if r.Byte() != version {
		return nil, errCorrupt
	}
	flags := r.Byte()
	g := &Group{
		swept:   r.time(),
		gone:    r.count(),
		times:   r.times(),
		up:      flags&1 != 0,
		late:    flags&2 != 0,
		thinned: flags&4 != 0,
	}
	switch {
	case p.count == nil:
		g.state = r.state(p, g.swept)
		if g.thinned {
			r.Fail()
		}
	case g.thinned:
		g.state = &state{thinned: r.thinned()}
	}
	if p.count != nil && g.up && !p.count.holds(g.times, p.window, g.swept) {
		r.Fail()
	}
	if r.Err != nil || len(r.B) > 0 || flags > 7 {
		return nil, errCorrupt
	}
	return g, nil
}

func (st *state) append(dst []byte) []byte {
	dst = binary.AppendVarint(dst, st.known)
	dst = append(
		dst,
		bits(
			st.evaluationDue,
			st.recovered,
			st.early != nil,
			st.early != nil && st.early.chain != nil,
			st.logs != nil,
			st.spent,
		),
	)
	dst = binary.AppendVarint(
		binary.AppendVarint(binary.AppendVarint(dst, st.earlyFrom), int64(st.credit)),
		int64(st.level),
	)
	if st.early != nil {
		dst = binary.AppendVarint(dst, st.early.at)
	}
	dst = appendResets(appendResets(dst, st.resolves), st.resets)
	for i := range st.series {
		dst = st.series[i].append(dst)
	}
	for i := range st.history {
		dst = appendNumbers(appendTimes(dst, st.history[i].times), st.history[i].values)
	}
	dst = appendOrders(appendTimes(dst, st.steps.times), st.steps.orders)
	for _, b := range st.steps.bits {
		dst = binary.AppendUvarint(dst, b)
	}
	if st.logs != nil {
		dst = st.logs.append(dst)
	}
	return dst
}

func (r *reading) state(p *Condition, swept int64) *state {
	st := p.newState()
	st.known = r.time()
	flags := r.Byte()
	st.evaluationDue, st.recovered, st.spent = flags&1 != 0, flags&2 != 0, flags&32 != 0
	st.earlyFrom, st.credit, st.level = r.Varint(), int(r.Varint()), int(r.Varint())
	ahead := int64(unswept)
	if st.early != nil {
		ahead = r.time()
	}
	st.resolves, st.resets = r.resets(), r.resets()
	for i := range st.series {
		s := &st.series[i]
		r.series(&p.series[i], s)
		if n := len(s.times); p.series[i].kind == derived && n > 0 && s.times[n-1] > swept {
			r.Fail()
		}
	}
	for i := range st.history {
		st.history[i].times = r.times()
		st.history[i].values = r.numbers(len(st.history[i].times))
	}
	r.steps(&st.steps)
	for i := range st.series {
		st.rebuildFoldedPanes(p, &st.series[i])
	}
	if flags&16 != 0 {
		st.logs = &series{}
		r.series(&p.logs, st.logs)
		st.rebuildFoldedPanes(p, st.logs)
		if len(st.logs.times) == 0 {
			r.Fail()
		}
	}
	chained := flags&8 != 0
	if r.Err != nil || flags&4 != 0 != (st.early != nil) || flags > 63 || st.credit < 0 ||
		st.credit > maxCredit || st.level < -1 || st.level >= len(p.levels) ||
		chained && (st.early == nil || p.sequence == nil) {
		r.Fail()
		return st
	}
	st.place(p, swept, ahead, chained)
	return st
}

// place finds again where the views were.
func (st *state) place(p *Condition, swept, ahead int64, chained bool) {
	st.final.start(p, st, swept)
	if p.sequence != nil {
		st.final.chain.seek(p.sequence, &st.steps, st.resets, swept, func(int64, Order) {})
	}
	if st.early == nil {
		return
	}
	st.early.start(p, st, ahead)
	if st.early.chain = nil; chained {
		st.early.chain = st.final.chain.clone()
		st.early.chain.seek(p.sequence, &st.steps, st.resets, ahead, func(int64, Order) {})
	}
}

func (s *series) append(dst []byte) []byte {
	dst = appendTimes(dst, s.times)
	dst = append(
		dst,
		bits(
			len(s.nums) > 0,
			len(s.texts) > 0,
			len(s.orders) > 0,
			s.aggregates != nil,
			len(s.pruned) > 0,
			s.placed(),
		),
	)
	dst = appendOrders(appendNumbers(dst, s.nums), s.orders)
	for _, text := range s.texts {
		dst = appendText(dst, text)
	}
	if s.aggregates != nil {
		dst = s.appendAggregates(dst)
	}
	if len(s.pruned) > 0 {
		dst = s.appendPruned(dst)
	}
	dst = binary.AppendUvarint(binary.AppendVarint(dst, s.purge), uint64(len(s.seen)))
	placed := s.placed()
	for _, text := range slices.Sorted(maps.Keys(s.seen)) {
		dst = binary.AppendUvarint(appendText(dst, text), uint64(len(s.seen[text])))
		for _, st := range s.seen[text] {
			dst = binary.AppendVarint(binary.AppendVarint(dst, st.first), st.last)
			if placed {
				dst = appendOrders(dst, []Order{st.order})
			}
		}
	}
	return dst
}

func (r *reading) series(p *seriesSpec, s *series) {
	s.times = r.times()
	n := len(s.times)
	has := r.Byte()
	want := bits(n > 0 && p.kind == numbers, n > 0 && p.kind == texts, n > 0 && p.ordered)
	if p.kind == novel && p.ordered && n > 0 &&
		has&4 == 0 { // an earlier version did not keep the order of new values
		s.orders, want = make([]Order, n), want&^4
	}
	if has&7 != want || has > 63 ||
		has&8 != 0 && !p.folds() ||
		has&16 != 0 && !p.prunes() {
		r.Fail()
	}
	if has&1 != 0 {
		s.nums = r.numbers(n)
	}
	if has&4 != 0 {
		s.orders = r.orders(n)
	}
	if has&2 != 0 {
		s.texts = make([]string, 0, n)
		for i := range n {
			s.texts = append(s.texts, s.shared(i, r.Block()))
		}
	}
	if has&8 != 0 {
		r.aggregates(p, s)
	}
	if has&16 != 0 {
		r.pruned(s)
	}
	s.purge = r.Varint()
	for range r.Count() {
		text := string(r.Block())
		stretches := make([]stretch, 0, 1)
		for range r.Count() {
			one := stretch{first: r.time(), last: r.time()}
			if has&32 != 0 {
				one.order = r.order()
			}
			stretches = append(stretches, one)
		}
		if len(stretches) == 0 {
			r.Fail()
			return
		}
		if s.seen == nil {
			s.seen = map[string][]stretch{}
		}
		s.seen[text] = stretches
	}
}

func (r *reading) steps(h *stepEvents) {
	h.times = r.times()
	h.orders = r.orders(len(h.times))
	for range h.times {
		h.bits = append(h.bits, r.Uvarint())
	}
}

// bits packs what is true into a byte, the first lowest.
func bits(set ...bool) (b byte) {
	for i, s := range set {
		if s {
			b |= 1 << i
		}
	}
	return b
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

func appendNumbers(dst []byte, nums []float64) []byte {
	for _, num := range nums {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(num))
	}
	return dst
}

func (r *reading) numbers(n int) []float64 {
	data := r.Take(8 * n)
	if data == nil {
		return nil
	}
	nums := make([]float64, n)
	for i := range nums {
		nums[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
		if !(math.Abs(nums[i]) < maxNumber) {
			r.Fail()
		}
	}
	return nums
}

func appendOrders(dst []byte, orders []Order) []byte {
	for _, o := range orders {
		dst = binary.AppendUvarint(dst, uint64(o.Topic))
		dst = binary.AppendVarint(
			binary.AppendVarint(binary.AppendVarint(dst, int64(o.Partition)), o.Offset),
			int64(o.Index),
		)
	}
	return dst
}

func (r *reading) orders(n int) []Order {
	if n > len(r.B) {
		r.Fail()
		return nil
	}
	var orders []Order
	for range n {
		orders = append(orders, Order{
			uint32(r.Uvarint()), int32(r.Varint()), r.Varint(), int32(r.Varint()),
		})
	}
	return orders
}

func (r *reading) order() Order {
	if list := r.orders(1); len(list) == 1 {
		return list[0]
	}
	return Order{}
}

func appendResets(dst []byte, resets []reset) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(resets)))
	for _, r := range resets {
		dst = appendOrders(binary.AppendVarint(dst, r.at), []Order{r.order})
	}
	return dst
}

func (r *reading) resets() (list []reset) {
	for range r.Count() {
		at, order := r.time(), r.orders(1)
		if r.Err != nil || len(list) > 0 && list[len(list)-1].at > at {
			r.Fail()
			return nil
		}
		list = append(list, reset{at, order[0]})
	}
	return list
}

// appendTimes appends times in order, each as what it is after the one before.
func appendTimes(dst []byte, times []int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(times)))
	before := int64(0)
	for _, t := range times {
		dst = binary.AppendVarint(dst, t-before)
		before = t
	}
	return dst
}

// reading reads an encoded group.
type reading struct{ wire.Reader }

// count reads how many of something there were.
func (r *reading) count() int64 { return int64(r.UpTo(Never / 2)) }

// time reads an instant.
func (r *reading) time() int64 {
	t := r.Varint()
	if t < unswept || t > Never/2 {
		r.Fail()
		return 0
	}
	return t
}

func (r *reading) times() []int64 {
	n := r.Count()
	if n == 0 {
		return nil
	}
	times, at := make([]int64, 0, n), int64(0)
	for range n {
		step := r.Varint()
		if at += step; len(times) > 0 && step < 0 || at < unswept || at > Never/2 {
			r.Fail()
		}
		times = append(times, at)
	}
	return times
}

package decode

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// extractor finds the values of a plan in one object, in one pass over its bytes, and keeps where
// they are.
//
// Programs write the same keys in the same order, so that what stands between two values,
// `","level":"` for example, is nearly always what stood there before. The extractor remembers it
// as a step that leads from the key of the one value to the key of the next. When one of the two
// steps that were taken last fits, a few comparisons of words replace the search for punctuation,
// blanks, quotes and the end of the key, its hash and its lookup; that is what makes the pass fast.
// Where no step fits, the same bytes are read by the book, and a step is made of them. Nothing but
// speed depends on what was remembered.
type extractor struct {
	plan  *plan
	doc   []byte
	has   bitset
	spans []span

	seen   []uint32 // by node: the parse in which an object of it was entered last
	opened []int32  // by node: where the object begins that is being read
	parse  uint32

	start     *key              // the key, so to speak, behind whose value documents begin
	known     []map[string]*key // by node
	strangers []key             // by node: a key that is not remembered
	sink      struct {          // what keys that nobody asked for point to
		seen uint32
		has  uint64
		span span
	}
	unknown int // keys and steps met since the extractor stopped learning
	steps   int // remembered, of all keys
	scratch []byte
	moves   []move

	parts bool // a part was met in the document
}

// key is a key that was met in the objects of a node.
type key struct {
	slot        slot
	node, child int32
	plain       bool // the key is spelled as its path is, and its value is no part
	exact       bool
	part        bool // its value makes a log more than one object
	next, next2 *step

	seen *uint32 // when an object that it leads into was entered last
	place

	steps []*step // all that were taken from here, next and next2 included
	text  string
}

// step is the bytes between two values, and where they lead.
type step struct {
	words, masks [3]uint64 // its first 24 bytes
	size         int
	to           *key // nil at the end of the document
	isString     bool // the step ends with the quote before a string
	plain        bool // it does, has no more than 24 bytes, and enters and leaves no object
	moves        []move
	text         string
}

// move is an object that is entered or left within a step.
type move struct {
	node   int32
	at     int32 // where its first byte is in the step, or the byte behind its last
	leave  bool
	seen   *uint32
	opened *int32
	place
	part bool
}

// place is where the value of a key is kept.
type place struct {
	has  *uint64
	bit  uint64
	span *span
}

const (
	// keys remembered by node; whoever writes more has invented them for the occasion
	maxKnown = 512
	maxNext  = 16   // steps remembered by key
	maxSteps = 4096 // and in all
	maxStep  = 256  // bytes of a step that is remembered
	// unknown keys and steps after which a full memory is given up, for the writers may have
	// changed
	relearnAll = 1 << 16
)

// noStep fits nowhere.
var noStep = &step{size: 1 << 30, words: [3]uint64{1}}

func newExtractor(p *plan) *extractor {
	x := &extractor{
		plan:   p,
		has:    newBitset(p.slots),
		spans:  make([]span, p.slots),
		seen:   make([]uint32, len(p.nodes)),
		opened: make([]int32, len(p.nodes)),
	}
	x.forget()
	return x
}

func (x *extractor) forget() {
	x.start = x.newKey("", -1)
	x.known = make([]map[string]*key, len(x.plan.nodes))
	x.strangers = make([]key, len(x.plan.nodes))
	for i := range x.known {
		x.known[i] = map[string]*key{}
		x.strangers[i] = *x.newKey("", int32(i))
	}
	x.unknown, x.steps = 0, 0
}

func (x *extractor) newKey(text string, node int32) *key {
	k := &key{node: node, next: noStep, next2: noStep, text: text}
	x.point(k, edge{slot: noSlot}, true)
	return k
}

// point makes a key lead to a place of the plan.
func (x *extractor) point(k *key, e edge, exact bool) {
	k.slot, k.child, k.exact = e.slot, e.child, exact
	k.part = e.slot != noSlot && x.plan.isPart(e.slot)
	k.plain = e.slot == noSlot || k.exact && !k.part
	k.place = x.place(e.slot)
	k.seen = &x.sink.seen
	if e.child != 0 {
		k.seen = &x.seen[e.child]
	}
}

// place is that of a slot; what nobody asked for has one too, which nobody looks at.
func (x *extractor) place(s slot) place {
	if s == noSlot {
		return place{&x.sink.has, 0, &x.sink.span}
	}
	return place{&x.has[s>>6], 1 << (uint(s) & 63), &x.spans[s]}
}

func (x *extractor) newMove(node int32, at int, leave bool) move {
	s := x.plan.nodes[node].slot
	return move{
		node,
		int32(at),
		leave,
		&x.seen[node],
		&x.opened[node],
		x.place(s),
		s != noSlot && x.plan.isPart(s),
	}
}

// reset makes the extractor that of an empty object.
func (x *extractor) reset() {
	x.doc = nil
	x.parts = false
	clear(x.has)
}

// read extracts the object that begins at b[0] and returns the index behind it, or broken, or cut.
// What was found before the object broke stays. It is one long function because it is the hot loop
// of the whole engine: the comparison of a step and the search for the end of a string stand in it
// by hand.
func (x *extractor) read(b []byte) int {
	x.begin(b)
	k, i := x.start, 0
	for {
		isString, s := true, k.next
		if i < 0 || i > len(b)-24 {
			if k, i, isString = x.lead(k, b, i); k == nil {
				return i
			}
		} else if w := (*[24]byte)(b[i : i+24 : i+24]); (word(w[0:8])&s.masks[0]^s.words[0])|(word(w[8:16])&s.masks[1]^s.words[1])|(word(w[16:24])&s.masks[2]^s.words[2]) != 0 {
			if k, i, isString = x.lead(k, b, i); k == nil {
				return i
			}
		} else {
			if !s.plain {
				if !s.ends(b, i) {
					if k, i, isString = x.lead(k, b, i); k == nil {
						return i
					}
					goto value
				}
				if s.moves != nil {
					x.move(s.moves, int32(i))
				}
				if s.to == nil {
					return i + s.size
				}
				isString = s.isString
			}
			i += s.size
			k = s.to
			if *k.seen == x.parse {
				x.again(k.child)
			}
		}
	value:
		start, kind, flags := i, String, uint8(0)
		if isString {
			var seen uint64
			for {
				if i < 0 || i > len(b)-16 {
					e, f := scanString(b, i)
					if e < 0 {
						return e
					}
					flags |= f
					i = e
					break
				}
				v, w := word(b[i:i+8:i+8]), word(b[i+8:i+16:i+16])
				// and with it what comes behind the text: that it is wide is but a warning
				seen |= v | w
				first, second := endBytes(v), endBytes(w)
				if first|second == 0 {
					i += 16
					continue
				}
				n := bits.TrailingZeros64(first)
				// n is 64 when there is nothing in the first word
				i += (n + bits.TrailingZeros64(second)&-(n>>6)) >> 3
				if b[i] == '"' {
					break
				}
				flags |= escaped
				if i+1 < len(b) {
					seen |= uint64(b[i+1])
				}
				i += 2
			}
			flags |= wideness(seen)
		} else {
			if i, kind = scanOther(b, i); i < 0 {
				return i
			}
		}
		if k.plain {
			*k.has |= k.bit
			*k.span = span{int32(start), int32(i), kind, flags}
		} else {
			x.put(k, span{int32(start), int32(i), kind, flags})
		}
	}
}

// begin makes the extractor forget the document before.
func (x *extractor) begin(b []byte) {
	x.doc = b
	for i := range x.has {
		x.has[i] = 0
	}
	x.parts = false
	// after four billion documents, an object of an old one might be taken for one of this
	if x.parse++; x.parse == 0 {
		clear(x.seen)
		x.parse = 1
	}
	if x.unknown > relearnAll {
		x.forget()
	}
}

// lead goes from behind the value of a key to the next value: by a step that is remembered, or by
// the book. For a string, the index it returns is that of the first byte behind the quote. At the
// end of the object it returns no key, and the index behind it; when the bytes are not JSON, no key
// and what is wrong.
func (x *extractor) lead(k *key, b []byte, i int) (*key, int, bool) {
	s := k.next
	if !s.fits(b, i) {
		if s = k.other(b, i); s == nil {
			return x.search(k, b, i)
		}
	}
	if s.moves != nil {
		x.move(s.moves, int32(i))
	}
	i += s.size
	if s.to != nil && *s.to.seen == x.parse {
		x.again(s.to.child)
	}
	return s.to, i, s.isString
}

func (x *extractor) search(k *key, b []byte, i int) (*key, int, bool) {
	k, i = x.between(k, b, i)
	if k == nil {
		return nil, i, false
	}
	if *k.seen == x.parse {
		x.again(k.child)
	}
	if b[i] == '"' {
		return k, i + 1, true
	}
	return k, i, false
}

// scanOther reads any value but a string.
func scanOther(b []byte, i int) (int, Kind) {
	if i >= len(b) {
		return cut, Absent
	}
	c := b[i]
	if c != '{' && c != '[' {
		return scanScalar(b, i)
	}
	kind := Object
	if c == '[' {
		kind = Array
	}
	if i = skipContainer(b, i+1, c); i >= 0 && i < len(b) && b[i] == '"' {
		return broken, Absent // a step that begins with a quote leads on from a string
	}
	return i, kind
}

// word is eight bytes. Where it is known to the compiler that they are there, and written as
// b[i:i+8:i+8], it is a single instruction.
func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// endBytes has bits set where there is a quote or a backslash among eight bytes; the lowest of them
// is the first byte's.
func endBytes(w uint64) uint64 {
	// the characters' own top bits are clear, so ^w has those of ^(w^quotes)
	return ((w ^ quotes - ones) | (w ^ slashes - ones)) &^ w & tops
}

// fits says whether the step stands at b[i].
func (s *step) fits(b []byte, i int) bool {
	return i+s.size <= len(b) && string(b[i:i+s.size]) == s.text &&
		(s.isString || s.leads(b, i+s.size))
}

// ends says whether the step stands at b[i], when its first 24 bytes do.
func (s *step) ends(b []byte, i int) bool {
	if s.size > 24 && (i+s.size > len(b) || string(b[i+24:i+s.size]) != s.text[24:]) {
		return false
	}
	return s.isString || s.leads(b, i+s.size)
}

// leads says whether, behind a step that ends with a colon, there is a value of the kind that the
// step leads to: no blank, no string, no object to be entered.
func (s *step) leads(b []byte, i int) bool {
	return s.to == nil ||
		i < len(b) && b[i] > ' ' && b[i] != '"' && (b[i] != '{' || s.to.child == 0)
}

// other finds another step than the next that stands at b[i], nil for none.
func (k *key) other(b []byte, i int) *step {
	if k.next2.fits(b, i) {
		return k.next2
	}
	for _, s := range k.steps {
		if s.fits(b, i) {
			k.next2 = s
			return s
		}
	}
	return nil
}

// move enters and leaves the objects of a step that begins at i.
func (x *extractor) move(moves []move, i int32) {
	for j := range moves {
		m := &moves[j]
		if m.leave {
			*m.has |= m.bit
			*m.span = span{*m.opened, i + m.at, Object, 0}
			x.parts = x.parts || m.part
			continue
		}
		if *m.seen == x.parse {
			x.again(m.node)
		}
		*m.seen = x.parse
		*m.opened = i + m.at
	}
}

// put keeps a value. The last of several equal keys wins; but a key in another spelling never wins
// over the exact one.
func (x *extractor) put(k *key, v span) {
	if !k.exact {
		if x.has.has(k.slot) && x.spans[k.slot].flags&folded == 0 {
			return
		}
		v.flags |= folded
	}
	x.has.set(k.slot)
	x.spans[k.slot] = v
	x.parts = x.parts || k.part
}

// again forgets what was found in the object of a key that is met for the second time: its second
// value replaces the first one whole, not member by member.
func (x *extractor) again(node int32) { x.has.remove(x.plan.nodes[node].below) }

// between reads by the book what stands between the value of a key and the next one: from the quote
// that ends a string, or from behind any other value, to the first byte of the next. At the end of
// the object it returns no key, and the index behind it; when the bytes are not JSON, no key and
// what is wrong.
func (x *extractor) between(from *key, b []byte, i int) (*key, int) {
	x.moves = x.moves[:0]
	begin, at, first := i, from.node, from == x.start
	switch {
	case first && (len(b) == 0 || b[0] != '{'):
		return nil, broken
	case first:
		at = 0
		i++
	case i < len(b) && b[i] == '"':
		i++
	}
	for {
		if i = skipBlank(b, i); i >= len(b) {
			return nil, cut
		}
		if b[i] == '}' {
			i++
			if at == 0 {
				x.learn(from, nil, b[begin:i])
				return nil, i
			}
			x.moves = append(x.moves, x.newMove(at, i-begin, true))
			x.move(x.moves[len(x.moves)-1:], int32(begin))
			at, first = x.plan.nodes[at].parent, false
			continue
		}
		if !first {
			if b[i] != ',' {
				return nil, broken
			}
			i = skipBlank(b, i+1)
		}
		k, e := x.key(b, i, at)
		if e < 0 {
			return nil, e
		}
		if i = e; k.child == 0 || b[i] != '{' {
			if b[i] == '"' {
				e++
			}
			x.learn(from, k, b[begin:e])
			return k, i
		}
		x.moves = append(x.moves, x.newMove(k.child, i-begin, false))
		x.move(x.moves[len(x.moves)-1:], int32(begin))
		at, first = k.child, true
		i++
	}
}

// key reads the key that begins at b[i] and returns it with the index of its value.
func (x *extractor) key(b []byte, i int, at int32) (*key, int) {
	if i >= len(b) {
		return nil, cut
	}
	if b[i] != '"' {
		return nil, broken
	}
	e, flags := scanString(b, i+1)
	if e < 0 {
		return nil, e
	}
	k := x.find(b[i+1:e], flags, at)
	if i = skipBlank(b, e+1); i < len(b) && b[i] != ':' {
		return nil, broken
	}
	if i = skipBlank(b, i+1); i >= len(b) {
		return nil, cut
	}
	return k, i
}

// find returns what is known of a key.
func (x *extractor) find(text []byte, flags uint8, at int32) *key {
	k := x.known[at][string(text)]
	if k == nil {
		if len(x.known[at]) >= maxKnown {
			return x.unlearned(text, flags, at)
		}
		k = x.newKey(string(text), at)
		x.aim(k, text, flags)
		x.known[at][k.text] = k
	}
	return k
}

// unlearned resolves a key without remembering it. The key it returns is valid until the next call.
func (x *extractor) unlearned(text []byte, flags uint8, at int32) *key {
	x.unknown++
	k := &x.strangers[at] // what follows it is the likeliest guess at what follows any other
	if flags&escaped != 0 || len(text) <= maxLoose && x.mayMean(text, at) {
		x.aim(k, text, flags)
		return k
	}
	x.point(k, edge{slot: noSlot}, true)
	return k
}

// learn remembers the step from a key to another. One that leads to a stranger would lead astray
// the next time.
func (x *extractor) learn(from, to *key, text []byte) {
	if to != nil && to.text == "" && to == &x.strangers[to.node] {
		return
	}
	if len(from.steps) >= maxNext || x.steps >= maxSteps || len(text) > maxStep {
		x.unknown++
		return
	}
	s := &step{
		size:     len(text),
		to:       to,
		isString: to != nil && text[len(text)-1] == '"',
		text:     string(text),
		moves:    slices.Clone(x.moves),
	}
	var b [24]byte
	copy(b[:], text)
	for i := range s.words {
		s.words[i] = binary.LittleEndian.Uint64(b[8*i:])
		s.masks[i] = lowBytes(len(text) - 8*i)
	}
	s.plain = s.isString && s.size <= 24 && s.moves == nil
	x.steps++
	from.steps = append(from.steps, s)
	if from.next == noStep {
		from.next = s
	} else {
		from.next2 = s
	}
}

// maxLoose is the length of the longest key that is looked for in another spelling than its own.
const maxLoose = 64

// mayMean says whether a key may lead anywhere, without making a string of it.
func (x *extractor) mayMean(text []byte, at int32) bool {
	n := &x.plan.nodes[at]
	if _, ok := n.edges[string(text)]; ok || n.labels {
		return true
	}
	if at != 0 {
		return false
	}
	if len(text) > 1 && (text[0] == '_' || text[0] == '@') {
		if _, ok := n.edges[string(text[1:])]; ok {
			return true
		}
	}
	var low [maxLoose]byte
	for i, c := range text {
		if c-'A' < 26 {
			c |= 0x20
		}
		low[i] = c
	}
	_, ok := n.loose[string(low[:len(text)])]
	return ok
}

// aim sets where a key leads.
func (x *extractor) aim(k *key, text []byte, flags uint8) {
	name := string(text)
	if flags&(escaped|wide) != 0 {
		x.scratch = appendText(x.scratch[:0], text, flags)
		name = string(x.scratch)
	}
	e, exact := x.plan.resolve(k.node, name)
	x.point(k, e, exact)
}

// lowBytes is the mask of the first n bytes of a little-endian word.
func lowBytes(n int) uint64 {
	if n >= 8 {
		return ^uint64(0)
	}
	return 1<<(uint(max(n, 0))*8) - 1
}

// Package jsonscan finds values in JSON objects by their paths, in one pass over the bytes and
// without allocation.
//
// A Plan holds the paths of interest, in all spellings in which records have them: nested, as a
// literal dotted key, or mixed. Each spelling has a Slot. An Extractor reads an object and notes
// the position of the value of each slot. The package also holds the functions with which callers
// scan values and strings, resolve escapes and write JSON.
package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Extractor finds the values of a plan in one object, in one pass over its bytes.
//
// Programs write the same keys in the same order. The bytes between two values, `","level":"` for
// example, are nearly always the same as in the object before. The extractor keeps them as a
// learned transition from the key of one value to the key of the next. Where one of the two newest
// transitions matches, a few comparisons of words replace the scan for punctuation, blanks, quotes
// and the end of the key, and its hash and lookup. Where none matches, the bytes are parsed and
// become a transition. Learning affects speed only, never the result.
//
// An Extractor is not safe for concurrent use.
type Extractor struct {
	plan  *Plan
	Doc   []byte
	Has   Bitset
	Spans []Span

	seen   []uint32 // by node: the parse that entered an object of it last
	opened []int32  // by node: start of the object that is being read
	parse  uint32
	failed int32 // node in which parsing failed

	start       *key              // pseudo-key before the first member of a document
	known       []map[string]*key // by node
	unknownKeys []key             // by node: a key that is not kept
	sink        struct {          // place of keys that are in no path
		seen uint32
		has  uint64
		span Span
	}
	unknown     int // keys and transitions met while the memory was full
	transitions int // kept, of all keys
	scratch     []byte
	moves       []move
	marks       marks

	Parts bool // the document has a value of a part slot
}

// key is a key of the objects of a node.
type key struct {
	slot        Slot
	node, child int32
	loose       []Slot // slots of other spellings that the key matches too
	plain       bool   // no loose slots, and not a part
	part        bool   // its slot is a part (see Plan.Parts)
	next, next2 *transition

	seen *uint32 // the parse that entered its object last
	place

	transitions []*transition // all transitions from here, including next and next2
	text        string
}

// transition is the bytes between two values, and the key of the second.
type transition struct {
	words, masks [3]uint64 // first 24 bytes
	size         int
	to           *key // nil at the end of the document
	isString     bool // ends with the quote before a string
	plain        bool // isString, at most 24 bytes, and no moves
	moves        []move
	text         string
}

// move is an object that a transition enters or leaves.
type move struct {
	node   int32
	at     int32 // offset of its first byte in the transition, or of the byte after its last
	seen   *uint32
	opened *int32
	place
	leave, part bool
	loose       bool // the object's key has loose slots
}

// place is where the span of a key is stored.
type place struct {
	has  *uint64
	bit  uint64
	span *Span
}

const (
	// keys kept by node; a node with more has generated keys
	maxKnown       = 512
	maxNext        = 16   // transitions kept by key
	maxTransitions = 4096 // transitions kept in all
	maxTransition  = 256  // bytes of a transition that is kept
	// unknown keys and transitions after which a full memory is cleared, because writers may have
	// changed
	relearnAll = 1 << 16
)

// noTransition matches nothing.
var noTransition = &transition{size: 1 << 30, words: [3]uint64{1}}

// NewExtractor returns an extractor of a finished plan.
func NewExtractor(p *Plan) *Extractor {
	x := &Extractor{
		plan:   p,
		Has:    NewBitset(p.Slots),
		Spans:  make([]Span, p.Slots),
		seen:   make([]uint32, len(p.nodes)),
		opened: make([]int32, len(p.nodes)),
	}
	x.reset()
	return x
}

func (x *Extractor) reset() {
	x.start = x.newKey("", -1)
	x.known = make([]map[string]*key, len(x.plan.nodes))
	x.unknownKeys = make([]key, len(x.plan.nodes))
	for i := range x.known {
		x.known[i] = map[string]*key{}
		x.unknownKeys[i] = *x.newKey("", int32(i))
	}
	x.unknown, x.transitions = 0, 0
}

func (x *Extractor) newKey(text string, node int32) *key {
	k := &key{node: node, next: noTransition, next2: noTransition, text: text}
	x.point(k, Edge{Slot: NoSlot}, nil)
	return k
}

// point sets the slot and child of a key.
func (x *Extractor) point(k *key, e Edge, loose []Slot) {
	k.slot, k.child, k.loose = e.Slot, e.Child, loose
	k.part = e.Slot != NoSlot && x.plan.isPart(e.Slot)
	k.plain = !k.part && len(loose) == 0
	k.place = x.place(e.Slot)
	k.seen = &x.sink.seen
	if e.Child != 0 {
		k.seen = &x.seen[e.Child]
	}
}

// place returns the place of a slot, or the sink's for NoSlot.
func (x *Extractor) place(s Slot) place {
	if s == NoSlot {
		return place{&x.sink.has, 0, &x.sink.span}
	}
	return place{&x.Has[s>>6], 1 << (uint(s) & 63), &x.Spans[s]}
}

func (x *Extractor) newMove(node int32, at int, leave bool) move {
	s := x.plan.nodes[node].slot
	return move{
		node:   node,
		at:     int32(at),
		seen:   &x.seen[node],
		opened: &x.opened[node],
		place:  x.place(s),
		leave:  leave,
		part:   s != NoSlot && x.plan.isPart(s),
		loose:  len(x.plan.nodes[node].also) > 0,
	}
}

// Reset makes the extractor that of an empty object.
func (x *Extractor) Reset() {
	x.Doc = nil
	x.Parts = false
	clear(x.Has)
}

// MayHaveControls reports whether a string of the object may have a control character that is
// written as it is, a newline for example.
func (x *Extractor) MayHaveControls() bool { return x.marks.control }

// Read extracts the object that begins at b[0] and returns the index after it, or Broken, or Cut.
// Values found before the object broke are kept. It is one long function because it is the hot loop
// of the engine: matching a transition and finding a mark are inlined by hand.
func (x *Extractor) Read(b []byte) int {
	x.begin(b)
	k, i := x.start, 0
	for {
		isString, s := true, k.next
		if i < 0 || i > len(b)-24 {
			if k, i, isString = x.advance(k, b, i); k == nil {
				if k, i = x.recover(b, i); k == nil {
					return i
				}
				continue
			}
		} else if w := (*[24]byte)(b[i : i+24 : i+24]); (word(w[0:8])&s.masks[0]^s.words[0])|
			(word(w[8:16])&s.masks[1]^s.words[1])|
			(word(w[16:24])&s.masks[2]^s.words[2]) != 0 {
			if k, i, isString = x.advance(k, b, i); k == nil {
				if k, i = x.recover(b, i); k == nil {
					return i
				}
				continue
			}
		} else {
			if !s.plain {
				if !s.ends(b, i) {
					if k, i, isString = x.advance(k, b, i); k == nil {
						if k, i = x.recover(b, i); k == nil {
							return i
						}
						continue
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
				x.discard(k.child)
			}
		}
	value:
		start, kind, flags := i, String, uint8(0)
		if isString {
			for {
				o := i - x.marks.from
				if uint(o) >= uint(x.marks.size) {
					if i >= len(b) {
						return Cut
					}
					x.marks.read(b, i)
					o = 0
				}
				j, s := o>>6&(maxBlocks-1), uint(o)&63
				w := x.marks.bits[j]>>s | x.marks.bits[j+1]<<1<<(63-s)
				if w == 0 {
					i = min(i+64, x.marks.from+x.marks.size)
					continue
				}
				i += bits.TrailingZeros64(w)
				if b[i] == '"' {
					break
				}
				if b[i] == '\\' {
					flags |= Escaped
					i++
				}
				i++
			}
			if x.marks.wide && !IsASCII(b[start:i]) {
				flags |= Wide
			}
		} else {
			if i, kind = scanOther(b, i); i < 0 {
				x.failed = k.node
				if k, i = x.recover(b, i); k == nil {
					return i
				}
				continue
			}
		}
		if k.plain {
			*k.has |= k.bit
			*k.span = Span{int32(start), int32(i), kind, flags}
		} else {
			x.put(k, Span{int32(start), int32(i), kind, flags})
		}
	}
}

// recover continues after an object that is broken inside but whose brackets pair: it is skipped,
// as if no path led into it. So a requested path never makes a document unreadable for others. It
// returns no key, and the error, where that is not possible.
func (x *Extractor) recover(b []byte, err int) (*key, int) {
	if err != Broken {
		return nil, err
	}
	for node := x.failed; node > 0; node = x.plan.nodes[node].parent {
		start := x.opened[node]
		end := SkipContainer(b, int(start)+1, '{')
		if end < 0 {
			if end == Cut {
				return nil, Cut
			}
			continue
		}
		if end < len(b) && b[end] == '"' {
			return nil, Broken
		}
		x.discard(node)
		leave := x.newMove(node, 0, true)
		leave.at = int32(end)
		x.move([]move{leave}, 0)
		return &x.unknownKeys[x.plan.nodes[node].parent], end
	}
	return nil, Broken
}

// begin clears the results of the previous document.
func (x *Extractor) begin(b []byte) {
	x.Doc, x.failed = b, 0
	x.marks.reset()
	for i := range x.Has {
		x.Has[i] = 0
	}
	x.Parts = false
	// wrapped around: an old mark could look like one of this document
	if x.parse++; x.parse == 0 {
		clear(x.seen)
		x.parse = 1
	}
	if x.unknown > relearnAll {
		x.reset()
	}
}

// advance goes from the end of a value to the next value, by a learned transition or by parsing.
// For a string it returns the index after the opening quote. At the end of the object it returns no
// key and the index after the object; on an error no key, and Broken or Cut.
func (x *Extractor) advance(k *key, b []byte, i int) (*key, int, bool) {
	s := k.next
	if !s.fits(b, i) {
		if s = k.other(b, i); s == nil {
			return x.scanNext(k, b, i)
		}
	}
	if s.moves != nil {
		x.move(s.moves, int32(i))
	}
	i += s.size
	if s.to != nil && *s.to.seen == x.parse {
		x.discard(s.to.child)
	}
	return s.to, i, s.isString
}

func (x *Extractor) scanNext(k *key, b []byte, i int) (*key, int, bool) {
	k, i = x.between(k, b, i)
	if k == nil {
		return nil, i, false
	}
	if *k.seen == x.parse {
		x.discard(k.child)
	}
	if b[i] == '"' {
		return k, i + 1, true
	}
	return k, i, false
}

// scanOther reads a value that is not a string.
func scanOther(b []byte, i int) (int, Kind) {
	if i >= len(b) {
		return Cut, Absent
	}
	c := b[i]
	if c != '{' && c != '[' {
		return scanScalar(b, i)
	}
	kind := Object
	if c == '[' {
		kind = Array
	}
	if i = SkipContainer(b, i+1, c); i >= 0 && i < len(b) && b[i] == '"' {
		return Broken, Absent // a transition that begins with a quote follows a string
	}
	return i, kind
}

// word returns eight bytes. Written as b[i:i+8:i+8] with known bounds, it is one instruction.
func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// endBytes sets a bit in each of eight bytes that is a quote or backslash. The lowest bit that is
// set belongs to the first such byte.
func endBytes(w uint64) uint64 {
	// the characters' own top bits are clear, so ^w has those of ^(w^quotes)
	return ((w ^ quotes - ones) | (w ^ slashes - ones)) &^ w & Tops
}

// fits reports whether the transition is at b[i].
func (s *transition) fits(b []byte, i int) bool {
	return i+s.size <= len(b) && string(b[i:i+s.size]) == s.text &&
		(s.isString || s.leads(b, i+s.size))
}

// ends reports whether the transition is at b[i], where its first 24 bytes match.
func (s *transition) ends(b []byte, i int) bool {
	if s.size > 24 && (i+s.size > len(b) || string(b[i+24:i+s.size]) != s.text[24:]) {
		return false
	}
	return s.isString || s.leads(b, i+s.size)
}

// leads reports whether a transition that ends with a colon is followed by a value of the right
// kind: no blank, no string, no object to enter.
func (s *transition) leads(b []byte, i int) bool {
	return s.to == nil ||
		i < len(b) && b[i] > ' ' && b[i] != '"' && (b[i] != '{' || s.to.child == 0)
}

// other returns another transition than next that is at b[i], nil for none.
func (k *key) other(b []byte, i int) *transition {
	if k.next2.fits(b, i) {
		return k.next2
	}
	for _, s := range k.transitions {
		if s.fits(b, i) {
			k.next2 = s
			return s
		}
	}
	return nil
}

// move enters and leaves the objects of a transition that begins at i.
func (x *Extractor) move(moves []move, i int32) {
	for j := range moves {
		m := &moves[j]
		if m.leave {
			*m.has |= m.bit
			*m.span = Span{*m.opened, i + m.at, Object, 0}
			if m.part {
				x.Parts = true
			}
			if m.loose {
				x.putLoose(x.plan.nodes[m.node].also, *m.span)
			}
			continue
		}
		if *m.seen == x.parse {
			x.discard(m.node)
		}
		*m.seen = x.parse
		*m.opened = i + m.at
	}
}

// put stores a value. The last of equal keys wins. A key in another spelling never replaces an
// exact one.
func (x *Extractor) put(k *key, v Span) {
	if k.slot != NoSlot {
		x.Has.Set(k.slot)
		x.Spans[k.slot] = v
		x.Parts = x.Parts || k.part
	}
	x.putLoose(k.loose, v)
}

func (x *Extractor) putLoose(slots []Slot, v Span) {
	v.Flags |= Folded
	for _, s := range slots {
		if x.Has.Has(s) && x.Spans[s].Flags&Folded == 0 {
			continue
		}
		x.Has.Set(s)
		x.Spans[s] = v
		x.Parts = x.Parts || x.plan.isPart(s)
	}
}

// discard removes the values of an object whose key occurs a second time: the second value replaces
// the first as a whole.
func (x *Extractor) discard(node int32) { x.Has.remove(x.plan.nodes[node].below) }

// between parses the bytes between two values: from the closing quote of a string, or the end of
// another value, to the first byte of the next. At the end of the object it returns no key and the
// index after the object; on an error no key, and Broken or Cut.
func (x *Extractor) between(from *key, b []byte, i int) (*key, int) {
	x.moves = x.moves[:0]
	begin, at, first := i, from.node, from == x.start
	switch {
	case first && (len(b) == 0 || b[0] != '{'):
		return nil, Broken
	case first:
		at = 0
		i++
	case i < len(b) && b[i] == '"':
		i++
	}
	for {
		x.failed = at
		if i = SkipBlank(b, i); i >= len(b) {
			return nil, Cut
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
				return nil, Broken
			}
			i = SkipBlank(b, i+1)
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

// key reads the key at b[i] and returns it with the index of its value.
func (x *Extractor) key(b []byte, i int, at int32) (*key, int) {
	if i >= len(b) {
		return nil, Cut
	}
	if b[i] != '"' {
		return nil, Broken
	}
	e, flags := ScanString(b, i+1)
	if e < 0 {
		return nil, e
	}
	k := x.find(b[i+1:e], flags, at)
	if i = SkipBlank(b, e+1); i < len(b) && b[i] != ':' {
		return nil, Broken
	}
	if i = SkipBlank(b, i+1); i >= len(b) {
		return nil, Cut
	}
	return k, i
}

// find returns the key of a node with the given text.
func (x *Extractor) find(text []byte, flags uint8, at int32) *key {
	k := x.known[at][string(text)]
	if k == nil {
		if len(x.known[at]) >= maxKnown {
			return x.resolveUnknown(text, flags, at)
		}
		k = x.newKey(string(text), at)
		x.resolve(k, text, flags)
		x.known[at][k.text] = k
	}
	return k
}

// resolveUnknown resolves a key without keeping it. The result is valid until the next call.
func (x *Extractor) resolveUnknown(text []byte, flags uint8, at int32) *key {
	x.unknown++
	k := &x.unknownKeys[at] // shared by all unknown keys of the node, with its transitions
	if flags&Escaped != 0 || len(text) <= maxLoose && x.mayResolve(text, at) {
		x.resolve(k, text, flags)
		return k
	}
	x.point(k, Edge{Slot: NoSlot}, nil)
	return k
}

// learn keeps the transition from one key to another. A transition to an unknown key is not kept,
// because the key is reused.
func (x *Extractor) learn(from, to *key, text []byte) {
	if to != nil && to.text == "" && to == &x.unknownKeys[to.node] {
		return
	}
	if len(from.transitions) >= maxNext || x.transitions >= maxTransitions ||
		len(text) > maxTransition {
		x.unknown++
		return
	}
	s := &transition{
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
	x.transitions++
	from.transitions = append(from.transitions, s)
	if from.next == noTransition {
		from.next = s
	} else {
		from.next2 = s
	}
}

// maxLoose is the length of the longest key that may match a path in another spelling.
const maxLoose = 64

// mayResolve reports whether a key may be in the plan, without allocating a string.
func (x *Extractor) mayResolve(text []byte, at int32) bool {
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

// resolve sets the slot and child of a key by its text.
func (x *Extractor) resolve(k *key, text []byte, flags uint8) {
	name := string(text)
	if flags&(Escaped|Wide) != 0 {
		x.scratch = AppendText(x.scratch[:0], text, flags)
		name = string(x.scratch)
	}
	e, loose := x.plan.Resolve(k.node, name)
	x.point(k, e, loose)
}

// lowBytes returns the mask of the first n bytes of a little-endian word.
func lowBytes(n int) uint64 {
	if n >= 8 {
		return ^uint64(0)
	}
	return 1<<(uint(max(n, 0))*8) - 1
}

package decode

import (
	"encoding/binary"
	"math/bits"
)

// extractor finds the values of a plan in one object, in one pass over its bytes, and keeps where they are.
//
// Programs write the same keys in the same order, so every key remembers the two keys that followed it last. When one of them comes again, one or two
// comparisons of words replace the search for the end of the key, its hash and its lookup; that is what makes the pass fast, and nothing else depends on it.
type extractor struct {
	plan  *plan
	doc   []byte
	has   bitset
	spans []span
	seen  []uint32 // by node: the parse in which an object of it was entered last
	parse uint32

	heads   []key // by node: whose successors are the first keys of its objects
	known   []map[string]*key
	unknown int // keys met since the extractor stopped learning
	scratch []byte

	parts bool // a part was met in the document
}

// key is a key that was met in the objects of a node.
type key struct {
	word, mask   uint64 // the first eight bytes of it and the quote and colon behind it
	word2, mask2 uint64 // and the next eight
	size         int
	slot         slot
	child        int32
	exact        bool
	part         bool // its value makes a log more than one object
	next, next2  *key
	text         string
}

const (
	maxKnown   = 512     // keys remembered by node; whoever writes more has invented them for the occasion
	relearnAll = 1 << 16 // unknown keys after which a full memory is given up, for the writers may have changed
)

func newExtractor(p *plan) *extractor {
	x := &extractor{plan: p, has: newBitset(p.slots), spans: make([]span, p.slots), seen: make([]uint32, len(p.nodes))}
	x.forget()
	return x
}

func (x *extractor) forget() {
	x.heads = make([]key, len(x.plan.nodes))
	x.known = make([]map[string]*key, len(x.plan.nodes))
	for i := range x.known {
		x.known[i] = map[string]*key{}
	}
	x.unknown = 0
}

// reset makes the extractor that of an empty object.
func (x *extractor) reset() {
	x.doc = nil
	x.parts = false
	clear(x.has)
}

// read extracts the object that begins at b[0] and returns the index behind it, or broken, or cut. What was found before the object broke stays.
func (x *extractor) read(b []byte) int {
	x.doc = b
	clear(x.has)
	x.parts = false
	x.parse++
	if x.unknown > relearnAll {
		x.forget()
	}
	if len(b) == 0 || b[0] != '{' {
		return broken
	}
	return x.object(b, 1, 0)
}

// object reads the members of an object of the node, from the byte behind its brace. It is one long function because it is the hot loop of the whole engine:
// the search for the end of a string stands in it by hand.
func (x *extractor) object(b []byte, i int, at int32) int {
	prev := &x.heads[at]
	if i < len(b) && b[i] <= ' ' {
		i = skipBlank(b, i)
	}
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i < len(b) && b[i] <= ' ' {
			i = skipBlank(b, i)
		}
		if i >= len(b) {
			return cut
		}
		if b[i] != '"' {
			return broken
		}
		i++
		var k *key
		if i+24 <= len(b) {
			if k = prev.next; k != nil && k.is(b, i) {
				goto predicted
			}
			if k = prev.next2; k != nil && k.is(b, i) {
				goto predicted
			}
		} else if k = prev.next; k != nil && k.ends(b, i) {
			goto predicted
		}
		{
			e, flags := scanString(b, i)
			if e < 0 {
				return e
			}
			k = x.learn(prev, b[i:e], flags, at)
			i = skipBlank(b, e+1)
			if i >= len(b) {
				return cut
			}
			if b[i] != ':' {
				return broken
			}
			i++
			goto value
		}
	predicted:
		i += k.size + 2
	value:
		prev = k
		if i < len(b) && b[i] <= ' ' {
			i = skipBlank(b, i)
		}
		if i >= len(b) {
			return cut
		}
		if k.child != 0 {
			x.enter(k.child)
		}
		switch c := b[i]; c {
		case '"':
			i++
			start := i
			var seen uint64
			flags := uint8(0)
			for {
				if i+8 > len(b) {
					e, f := scanString(b, i)
					if e < 0 {
						return e
					}
					flags |= f
					i = e
					break
				}
				w := binary.LittleEndian.Uint64(b[i:])
				q, s := w^quotes, w^slashes
				m := ((q-ones)&^q | (s-ones)&^s) & tops
				if m == 0 {
					seen |= w
					i += 8
					continue
				}
				n := uint(bits.TrailingZeros64(m)) >> 3
				seen |= w & (1<<(n*8) - 1)
				i += int(n)
				if b[i] == '"' {
					break
				}
				flags |= escaped
				if i+1 < len(b) {
					seen |= uint64(b[i+1])
				}
				i += 2
			}
			if k.slot >= 0 {
				x.put(k, span{int32(start), int32(i), String, flags | wideness(seen)})
			}
			i++
		case '{':
			start := i
			if k.child != 0 {
				i = x.object(b, i+1, k.child)
			} else {
				i = skipContainer(b, i+1, c)
			}
			if i < 0 {
				return i
			}
			if k.slot >= 0 {
				x.put(k, span{int32(start), int32(i), Object, 0})
			}
		case '[':
			start := i
			if i = skipContainer(b, i+1, c); i < 0 {
				return i
			}
			if k.slot >= 0 {
				x.put(k, span{int32(start), int32(i), Array, 0})
			}
		default:
			e, kind := scanScalar(b, i)
			if e < 0 {
				return e
			}
			if k.slot >= 0 {
				x.put(k, span{int32(i), int32(e), kind, 0})
			}
			i = e
		}
		if i < len(b) && b[i] <= ' ' {
			i = skipBlank(b, i)
		}
		if i >= len(b) {
			return cut
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			return i + 1
		default:
			return broken
		}
	}
}

// put keeps a value. The last of several equal keys wins; but a key in another spelling never wins over the exact one.
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

// enter notes that a key was met whose object is of interest. When it is met again in the same document, its second value replaces the first one whole, not
// member by member.
func (x *extractor) enter(at int32) {
	if x.seen[at] == x.parse {
		x.has.remove(x.plan.nodes[at].below)
	}
	x.seen[at] = x.parse
}

// is says whether the key stands at b[i], with its quote and colon, which belong to its words. There are at least 24 bytes from there on.
func (k *key) is(b []byte, i int) bool {
	return binary.LittleEndian.Uint64(b[i:])&k.mask == k.word && (k.size <= 6 || k.isLong(b, i))
}

func (k *key) isLong(b []byte, i int) bool {
	if binary.LittleEndian.Uint64(b[i+8:])&k.mask2 != k.word2 {
		return false
	}
	return k.size <= 14 || k.ends(b, i)
}

// ends is like is, near the end of the document.
func (k *key) ends(b []byte, i int) bool {
	return i+k.size+2 <= len(b) && string(b[i:i+k.size]) == k.text && b[i+k.size] == '"' && b[i+k.size+1] == ':'
}

// learn finds the key that was not predicted, and remembers it as a successor of prev.
func (x *extractor) learn(prev *key, text []byte, flags uint8, at int32) *key {
	k := x.known[at][string(text)]
	if k == nil {
		if len(x.known[at]) >= maxKnown {
			return x.unlearned(text, flags, at)
		}
		k = newKey(string(text))
		x.aim(k, text, flags, at)
		x.known[at][k.text] = k
	}
	if prev.next == nil {
		prev.next = k
	} else if prev.next != k {
		prev.next2 = k
	}
	return k
}

// unlearned resolves a key without remembering it. The key it returns is valid until the next call.
func (x *extractor) unlearned(text []byte, flags uint8, at int32) *key {
	x.unknown++
	k := &x.heads[at] // its successors are the likeliest guess at what comes after a stranger
	if flags&escaped != 0 || len(text) <= maxLoose && x.mayMean(text, at) {
		x.aim(k, text, flags, at)
		return k
	}
	k.slot, k.child, k.exact, k.part = noSlot, 0, true, false
	return k
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
func (x *extractor) aim(k *key, text []byte, flags uint8, at int32) {
	name := string(text)
	if flags&(escaped|wide) != 0 {
		x.scratch = appendText(x.scratch[:0], text, flags)
		name = string(x.scratch)
	}
	e, exact := x.plan.resolve(at, name)
	k.slot, k.child, k.exact = e.slot, e.child, exact
	k.part = e.slot != noSlot && x.plan.parts != nil && x.plan.parts.has(e.slot)
}

func newKey(text string) *key {
	k := &key{size: len(text), text: text}
	var b [16]byte
	copy(b[copy(b[:], text):], `":`)
	k.word = binary.LittleEndian.Uint64(b[:])
	k.word2 = binary.LittleEndian.Uint64(b[8:])
	k.mask, k.mask2 = lowBytes(len(text)+2), lowBytes(len(text)-6)
	return k
}

// lowBytes is the mask of the first n bytes of a little-endian word.
func lowBytes(n int) uint64 {
	if n >= 8 {
		return ^uint64(0)
	}
	return 1<<(uint(max(n, 0))*8) - 1
}

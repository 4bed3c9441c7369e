package decode

import (
	"math/bits"
	"slices"
	"strings"
)

// slot is the place of one spelling of one path in an extraction.
type slot int32

const noSlot slot = -1

// plan is what an extractor looks for: a tree of keys, in which every path of interest is spelled
// in all the ways in which records spell it, nested or as a literal dotted key, each spelling with
// a slot of its own. It is immutable and shared by the extractors of a decoder.
type plan struct {
	nodes []node
	slots int
	parts bitset // the slots whose values make a log more than one object; nil for none
}

// node is the set of keys of interest in one object.
type node struct {
	parent int32
	slot   slot // of the object itself
	edges  map[string]edge
	// keys by a coarser spelling: folded to lower case, or a label's with . and / as _
	loose  map[string]slot
	labels bool   // the object holds Kubernetes labels
	below  bitset // the slots of everything under the node
}

// edge is where a key leads: to a value of interest, to an object in which there are some, or both.
type edge struct {
	slot  slot
	child int32 // 0 for none; the root is nobody's child
}

func newPlan() *plan {
	return &plan{nodes: []node{{edges: map[string]edge{}, loose: map[string]slot{}}}}
}

// add asks for a path and returns the slots of its spellings, the most literal first: a literal
// dotted key beats a nested one. Keys of fold paths are recognised in any case.
func (p *plan) add(path string, fold bool) []slot {
	if head, label, ok := cutLabel(path); ok {
		return p.spell(nil, 0, append(strings.Split(head, "."), label), fold)
	}
	return p.spell(nil, 0, strings.Split(path, "."), fold)
}

// maxSegments is how many segments a path may have for every spelling between the literal and the
// nested one to be looked for; there are 2^(n-1) of them.
const maxSegments = 5

func (p *plan) spell(slots []slot, at int32, segs []string, fold bool) []slot {
	for n := len(segs); n > 0; n-- {
		if n != 1 && n != len(segs) && len(segs) > maxSegments {
			continue
		}
		key := strings.Join(segs[:n], ".")
		if n == len(segs) {
			slots = append(slots, p.leaf(at, key, fold))
			continue
		}
		slots = p.spell(slots, p.child(at, key), segs[n:], fold)
	}
	return slots
}

func (p *plan) isPart(s slot) bool { return p.parts != nil && p.parts.has(s) }

func (p *plan) leaf(at int32, key string, fold bool) slot {
	e, ok := p.nodes[at].edges[key]
	if !ok {
		e.slot = noSlot
	}
	if e.slot == noSlot {
		e.slot = slot(p.slots)
		p.slots++
		p.nodes[at].edges[key] = e
	}
	n := &p.nodes[at]
	switch {
	case n.labels:
		loosen(n.loose, labelKey(key), e.slot)
	case fold && at == 0:
		loosen(n.loose, strings.ToLower(key), e.slot)
	}
	return e.slot
}

// loosen records the first claim to a coarse spelling; candidates are added in order, so the
// likeliest has it.
func loosen(m map[string]slot, key string, s slot) {
	if _, taken := m[key]; !taken {
		m[key] = s
	}
}

func (p *plan) child(at int32, key string) int32 {
	e, ok := p.nodes[at].edges[key]
	if !ok {
		e.slot = noSlot
	}
	if e.child == 0 {
		e.child = int32(len(p.nodes))
		p.nodes = append(
			p.nodes,
			node{
				parent: at,
				edges:  map[string]edge{},
				loose:  map[string]slot{},
				labels: isLabels(key),
			},
		)
		p.nodes[at].edges[key] = e
	}
	return e.child
}

// finish prepares the plan for use, after the last add.
func (p *plan) finish() {
	var fill func(at int32) bitset
	fill = func(at int32) bitset {
		below := newBitset(p.slots)
		for _, e := range p.nodes[at].edges {
			if e.slot != noSlot {
				below.set(e.slot)
			}
			if e.child != 0 {
				p.nodes[e.child].slot = e.slot
				for i, w := range fill(e.child) {
					below[i] |= w
				}
			}
		}
		p.nodes[at].below = below
		return below
	}
	fill(0)
}

// resolve finds where a key of a node leads. An inexact answer is a spelling of the key that the
// path does not have: another case, a dedotted label, the underscore that GELF puts before its
// additional fields, or the second @ with which CLEF escapes one.
func (p *plan) resolve(at int32, key string) (e edge, exact bool) {
	n := &p.nodes[at]
	if e, ok := n.edges[key]; ok {
		return e, true
	}
	if n.labels {
		if s, ok := n.loose[labelKey(key)]; ok {
			return edge{slot: s}, false
		}
		return edge{slot: noSlot}, true
	}
	if at != 0 {
		return edge{slot: noSlot}, true
	}
	if len(key) > 1 && (key[0] == '_' || strings.HasPrefix(key, "@@")) {
		if e, ok := n.edges[key[1:]]; ok && e.slot != noSlot {
			return edge{slot: e.slot}, false
		}
	}
	if s, ok := n.loose[strings.ToLower(key)]; ok {
		return edge{slot: s}, false
	}
	return edge{slot: noSlot}, true
}

// isLabels says whether an object of this name holds Kubernetes labels or annotations, whose keys
// writers dedot in ways of their own.
func isLabels(key string) bool {
	key = key[strings.LastIndexByte(key, '.')+1:]
	return key == "labels" || key == "annotations" || strings.HasSuffix(key, "_labels") ||
		strings.HasSuffix(key, "_annotations")
}

// cutLabel splits a path that names one label in an object of labels. The label's own dots separate
// nothing.
func cutLabel(path string) (head, label string, ok bool) {
	at := 0
	for seg := range strings.SplitSeq(path, ".") {
		at += len(seg)
		if isLabels(seg) && at+1 < len(path) {
			return path[:at], path[at+1:], true
		}
		at++
	}
	return "", "", false
}

// labelKey is a label's key with dots and slashes as underscores, the coarsest of its spellings.
func labelKey(key string) string {
	if !strings.ContainsAny(key, "./") {
		return key
	}
	return strings.NewReplacer(".", "_", "/", "_").Replace(key)
}

// bitset is a set of slots.
type bitset []uint64

func newBitset(slots int) bitset { return make(bitset, (slots+63)/64) }
func (s bitset) set(i slot)      { s[i>>6] |= 1 << (uint(i) & 63) }
func (s bitset) has(i slot) bool { return s[i>>6]&(1<<(uint(i)&63)) != 0 }
func (s bitset) remove(other bitset) {
	for i, w := range other {
		s[i] &^= w
	}
}

// choice is the candidates for one field, in order of preference.
type choice struct {
	slots []slot
	words []maskWord // the same as masks, to see at a glance that none is present
}

type maskWord struct {
	at   int
	mask uint64
}

func newChoice(slots []slot) choice {
	c := choice{slots: slots}
	for _, s := range slots {
		at := int(s) >> 6
		i := slices.IndexFunc(c.words, func(w maskWord) bool { return w.at == at })
		if i < 0 {
			c.words = append(c.words, maskWord{at: at})
			i = len(c.words) - 1
		}
		c.words[i].mask |= 1 << (uint(s) & 63)
	}
	return c
}

// present says how many of the candidates are present, and which one when it is the only one.
func (c *choice) present(has bitset) (n int, only slot) {
	for _, w := range c.words {
		if m := has[w.at] & w.mask; m != 0 {
			n += bits.OnesCount64(m)
			only = slot(w.at<<6 + bits.TrailingZeros64(m))
		}
	}
	return n, only
}

package jsonscan

import (
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// Slot is the index of one spelling of one path.
type Slot int32

// NoSlot is the slot of a key that is in no path.
const NoSlot Slot = -1

// Plan is the tree of keys that an extractor searches for. It holds each path in all spellings in
// which records have it, nested or as a literal dotted key, each with a slot of its own. After
// Finish it is immutable and may be shared.
type Plan struct {
	nodes []node
	Slots int
	Parts Bitset // slots whose values set Extractor.Parts; nil for none

	requesting bool // Request was called
	requested  Slot // the first slot that was added after it
}

// node is the set of keys that are searched in one kind of object.
type node struct {
	parent int32
	slot   Slot // slot of the object itself
	edges  map[string]Edge
	// keys in lower case, or labels with . and / as _
	loose  map[string][]Slot
	also   []Slot // loose slots of the key of the object itself
	labels bool   // the object holds Kubernetes labels
	below  Bitset // slots of all keys below the node
	shared bool   // edges and loose belong to another plan, too, and are copied before a change
}

// Edge is the target of a key: the slot of its value, the node of an object, or both.
type Edge struct {
	Slot  Slot
	Child int32 // 0 for none

	requested bool // added after Request
}

// NewPlan returns an empty plan.
func NewPlan() *Plan {
	return &Plan{
		requested: math.MaxInt32,
		nodes:     []node{{edges: map[string]Edge{}, loose: map[string][]Slot{}}},
	}
}

// Extend returns a plan that has the paths of p, to which others may be added. It shares with p
// what it does not change.
func (p *Plan) Extend() *Plan {
	extended := *p
	extended.nodes = slices.Clone(p.nodes)
	for i := range extended.nodes {
		extended.nodes[i].shared = true
	}
	return &extended
}

// own returns a node that may be changed.
func (p *Plan) own(at int32) *node {
	n := &p.nodes[at]
	if n.shared {
		n.edges, n.loose, n.shared = maps.Clone(n.edges), maps.Clone(n.loose), false
	}
	return n
}

// Request declares that all further paths are requested by callers, and not built in. A requested
// path never changes what is found for another path.
func (p *Plan) Request() { p.requesting, p.requested = true, Slot(p.Slots) }

// Add adds a path and returns the slots of its spellings, the most literal first: a literal dotted
// key precedes a nested one. Top-level keys of fold paths match in any case.
func (p *Plan) Add(path string, fold bool) []Slot {
	if head, label, ok := cutLabel(path); ok {
		return p.spell(nil, 0, append(strings.Split(head, "."), label), fold)
	}
	return p.spell(nil, 0, strings.Split(path, "."), fold)
}

// maxSegments is the number of segments up to which mixed spellings of a path are added; there are
// 2^(n-1) of them.
const maxSegments = 5

func (p *Plan) spell(slots []Slot, at int32, segs []string, fold bool) []Slot {
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

func (p *Plan) isPart(s Slot) bool { return p.Parts != nil && p.Parts.Has(s) }

func (p *Plan) leaf(at int32, key string, fold bool) Slot {
	e, ok := p.nodes[at].edges[key]
	if !ok {
		e.Slot, e.requested = NoSlot, p.requesting
	}
	if e.Slot == NoSlot {
		e.Slot = Slot(p.Slots)
		p.Slots++
		p.own(at).edges[key] = e
	}
	switch n := &p.nodes[at]; {
	case n.labels:
		loosen(p.own(at).loose, labelKey(key), e.Slot, true)
	case fold && at == 0:
		loosen(p.own(at).loose, strings.ToLower(key), e.Slot, false)
	}
	return e.Slot
}

// loosen adds a slot to those of a coarse spelling, unless only the first is wanted: candidates are
// added in order of preference.
func loosen(m map[string][]Slot, key string, s Slot, all bool) {
	if len(m[key]) == 0 || all && !slices.Contains(m[key], s) {
		m[key] = append(slices.Clip(m[key]), s) // another plan may have the same list
	}
}

func (p *Plan) child(at int32, key string) int32 {
	e, ok := p.nodes[at].edges[key]
	if !ok {
		e.Slot, e.requested = NoSlot, p.requesting
	}
	if e.Child == 0 {
		e.Child = int32(len(p.nodes))
		p.nodes = append(
			p.nodes,
			node{
				parent: at,
				edges:  map[string]Edge{},
				loose:  map[string][]Slot{},
				labels: isLabels(key),
			},
		)
		p.own(at).edges[key] = e
	}
	return e.Child
}

// Finish prepares the plan for use, after the last Add.
func (p *Plan) Finish() {
	var fill func(at int32) Bitset
	fill = func(at int32) Bitset {
		below := NewBitset(p.Slots)
		for key, e := range p.nodes[at].edges {
			if e.Slot != NoSlot {
				below.Set(e.Slot)
			}
			if e.Child != 0 {
				p.nodes[e.Child].slot = e.Slot
				_, p.nodes[e.Child].also = p.Resolve(at, key)
				for i, w := range fill(e.Child) {
					below[i] |= w
				}
			}
		}
		p.nodes[at].below = below
		return below
	}
	fill(0)
}

// Paths returns the path of each slot as it is spelled.
func (p *Plan) Paths() []string {
	paths := make([]string, p.Slots)
	var walk func(at int32, prefix string)
	walk = func(at int32, prefix string) {
		for key, e := range p.nodes[at].edges {
			if e.Slot != NoSlot {
				paths[e.Slot] = prefix + key
			}
			if e.Child != 0 {
				walk(e.Child, prefix+key+".")
			}
		}
	}
	walk(0, "")
	return paths
}

// Resolve returns the target of a key of a node, and the slots of other spellings that the key also
// matches: another case, a dedotted label, GELF's underscore before additional fields, or the
// second @ of CLEF. A built-in key has no other spellings, except for a label. A requested key does
// not take a value away from any other field.
func (p *Plan) Resolve(at int32, key string) (e Edge, loose []Slot) {
	n := &p.nodes[at]
	e, found := n.edges[key]
	if !found {
		e.Slot = NoSlot
	}
	add := func(s Slot) {
		if s != NoSlot && s != e.Slot && !slices.Contains(loose, s) {
			loose = append(loose, s)
		}
	}
	switch builtIn := found && !e.requested; {
	case n.labels:
		for _, s := range n.loose[labelKey(key)] {
			add(s)
		}
	case at == 0:
		if len(key) > 1 && (key[0] == '_' || strings.HasPrefix(key, "@@")) {
			if other, ok := n.edges[key[1:]]; ok && (!builtIn || other.Slot >= p.requested) {
				add(other.Slot)
			}
		}
		for _, s := range n.loose[strings.ToLower(key)] {
			if !builtIn {
				add(s)
			}
		}
	}
	return e, loose
}

// isLabels reports whether an object of this name holds Kubernetes labels or annotations, whose
// keys are dedotted in different ways.
func isLabels(key string) bool {
	key = key[strings.LastIndexByte(key, '.')+1:]
	return key == "labels" || key == "annotations" || strings.HasSuffix(key, "_labels") ||
		strings.HasSuffix(key, "_annotations")
}

// cutLabel splits a path into an object of labels and the label, whose dots are part of its name.
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

// labelKey returns a label's key with dots and slashes as underscores.
func labelKey(key string) string {
	if !strings.ContainsAny(key, "./") {
		return key
	}
	return strings.NewReplacer(".", "_", "/", "_").Replace(key)
}

// Bitset is a set of slots.
type Bitset []uint64

// NewBitset returns an empty set for a number of slots.
func NewBitset(slots int) Bitset { return make(Bitset, (slots+63)/64) }
func (s Bitset) Set(i Slot)      { s[i>>6] |= 1 << (uint(i) & 63) }
func (s Bitset) Has(i Slot) bool { return s[i>>6]&(1<<(uint(i)&63)) != 0 }
func (s Bitset) remove(other Bitset) {
	for i, w := range other {
		s[i] &^= w
	}
}

// Choice is the candidates of one field, in order of preference.
type Choice struct {
	Slots []Slot
	words []maskWord // the same slots as masks
}

type maskWord struct {
	at   int
	mask uint64
}

// NewChoice returns the candidates of a field.
func NewChoice(slots []Slot) Choice {
	c := Choice{Slots: slots}
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

// Present returns how many candidates are present, and the slot when there is only one.
func (c *Choice) Present(has Bitset) (n int, only Slot) {
	for _, w := range c.words {
		if m := has[w.at] & w.mask; m != 0 {
			n += bits.OnesCount64(m)
			only = Slot(w.at<<6 + bits.TrailingZeros64(m))
		}
	}
	return n, only
}

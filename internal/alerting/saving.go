package alerting

import "encoding/binary"

// Saving passes on the state as it was at the instant at which BeginSave was called, part by part,
// while the engine continues. A group that is about to change, and was not passed on yet, is
// encoded first. So however many groups there are, the engine is held up for a fraction of a
// millisecond at a time.
type Saving struct {
	engine  *Engine
	full    bool
	deleted [][]byte      // keys of what is gone
	removed []removedKeys // of groups that are gone
	rules   []ruleEntry   // what is kept of rules besides their groups
	first   entries       // all else but the groups
	begun   bool          // the above is passed on; groups come after it

	// the lock of the engine guards what follows
	left    []groupsLeft
	encoded entries // groups that are not passed on yet

	passing entries // groups that are being passed on
}

// removedKeys are keys of a rule's groups.
type removedKeys struct {
	fingerprint uint64
	keys        []string
}

type ruleEntry struct {
	fingerprint uint64
	saved       savedRule
}

// groupsLeft are the groups of a rule that may not be encoded yet.
type groupsLeft struct {
	rs     *ruleState
	chunks []uint32
}

// entries are keys and values, one after another.
type entries struct {
	bytes []byte
	ends  [][2]int // of key and value
}

func (e *entries) add(key, value []byte) {
	e.bytes = append(e.bytes, key...)
	end := len(e.bytes)
	e.bytes = append(e.bytes, value...)
	e.ends = append(e.ends, [2]int{end, len(e.bytes)})
}

func (e *entries) each(put func(key, value []byte)) {
	from := 0
	for _, end := range e.ends {
		put(e.bytes[from:end[0]], e.bytes[end[0]:end[1]])
		from = end[1]
	}
}

// Save passes the state to put: all of it, or what has changed since the last call, with del for
// what is gone. The slices are valid during the call. It is to be called between Apply and Advance,
// never beside them.
func (e *Engine) Save(full bool, put func(key, value []byte), del func(key []byte)) {
	for s := e.BeginSave(full); s.Next(savedAtOnce, put, del); {
	}
}

// savedAtOnce is how many groups Save encodes before it lets others have the engine.
const savedAtOnce = 1024

// BeginSave begins to save the state as it is now: all of it, or what has changed since the last
// time. It is to be called between Apply and Advance, never beside them. The engine may continue
// while Next passes the state on, which it must have done to the end before the next save begins.
func (e *Engine) BeginSave(full bool) *Saving {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &Saving{engine: e, full: full}
	s.first.add([]byte{keyVersion}, []byte{formatVersion})
	st := &e.state
	s.deleted, st.persisted.delete = st.persisted.delete, nil
	st.savePartitions(s)
	st.saveCounters(s)
	for _, rs := range st.rules {
		if !rs.backfilling { // after a restart it is to be found new again
			s.begin(rs)
		}
	}
	for _, one := range st.suppressions {
		one.save(s)
	}
	return s
}

// begin takes in what is kept of a rule, and makes its groups wait for Next.
func (s *Saving) begin(rs *ruleState) {
	if rs.saving != nil {
		panic("alerting: a save begins before the last one has passed on everything")
	}
	if len(rs.removed) > 0 {
		s.removed = append(s.removed, removedKeys{rs.fingerprint, rs.removed})
		rs.removed = nil
	}
	if s.full || rs.changed {
		s.rules = append(s.rules, ruleEntry{rs.fingerprint, rs.saved()})
		rs.changed = false
	}
	chunks := rs.dirty
	for _, chunk := range chunks {
		rs.groups.dirty[chunk] = false
	}
	rs.dirty = nil
	if s.full {
		chunks = make([]uint32, len(rs.groups.chunks))
		for i := range chunks {
			chunks[i] = uint32(i)
		}
	}
	if len(chunks) > 0 {
		rs.groups.marks.begin(s.full)
		rs.saving = s
		s.left = append(s.left, groupsLeft{rs, chunks})
	}
}

// Next passes a part of the state on, and reports whether there is more. While it encodes groups,
// at most so many, the engine waits. What is gone is passed to del before anything is passed to
// put. The slices are valid during the call. It may be called beside all methods of the engine, by
// one goroutine at a time.
func (s *Saving) Next(groups int, put func(key, value []byte), del func(key []byte)) bool {
	if !s.begun {
		s.passFirst(put, del)
	}
	s.passing.bytes, s.passing.ends = s.passing.bytes[:0], s.passing.ends[:0]
	s.engine.mu.Lock()
	s.encode(groups)
	more := len(s.left) > 0
	s.encoded, s.passing = s.passing, s.encoded
	s.engine.mu.Unlock()
	s.passing.each(put)
	return more
}

// passFirst passes on all but the groups.
func (s *Saving) passFirst(put func(key, value []byte), del func(key []byte)) {
	s.begun = true
	for _, key := range s.deleted {
		del(key)
	}
	for _, r := range s.removed {
		for _, key := range r.keys {
			del(idKey(keyGroup, r.fingerprint, key))
		}
	}
	s.first.each(put)
	for _, r := range s.rules {
		put(idKey(keyRule, r.fingerprint, ""), encode(r.saved))
	}
	s.deleted, s.removed, s.rules, s.first = nil, nil, nil, entries{}
}

// encode encodes groups, at most so many, of no more chunks.
func (s *Saving) encode(most int) {
	for chunks := most; len(s.left) > 0; s.left = s.left[1:] {
		left := &s.left[0]
		rs := left.rs
		for len(left.chunks) > 0 {
			chunk := left.chunks[0]
			for i := range uint32(chunkGroups) {
				g := &rs.groups.chunks[chunk][i]
				if !g.live || !rs.groups.marks.pending(g.mark) {
					continue
				}
				if most == 0 {
					return
				}
				most--
				s.add(rs, chunk*chunkGroups+i, g)
			}
			left.chunks = left.chunks[1:]
			if chunks--; chunks == 0 {
				return
			}
		}
		rs.saving = nil
	}
}

// keep encodes a group that may be changed now, unless that was done.
func (s *Saving) keep(rs *ruleState, number uint32) {
	if g := rs.groups.at(number); rs.groups.marks.pending(g.mark) {
		s.add(rs, number, g)
	}
}

func (s *Saving) add(rs *ruleState, number uint32, g *group) {
	g.mark = rs.groups.marks.clean
	b := binary.BigEndian.AppendUint64(append(s.encoded.bytes, keyGroup), rs.fingerprint)
	b = append(b, g.key...)
	end := len(b)
	b = rs.appendGroup(b, number, g)
	s.encoded.bytes, s.encoded.ends = b, append(s.encoded.ends, [2]int{end, len(b)})
}

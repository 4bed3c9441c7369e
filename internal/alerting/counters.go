package alerting

import (
	"encoding/binary"
	"slices"
)

// An alert is known by its rule, its group and the number of its episode. So no number may be given
// twice: not by a group that is dropped and comes back, and not by a rule that was changed, or
// removed and added again, although all else that it has seen is void. The last number of each
// group therefore stands beside the state of the rules, under the rule's name.

// episodeCounters are the last numbers of the groups of one rule that ever had an episode.
type episodeCounters struct {
	last    map[string]episodeCounter // by key
	changed map[string]bool           // keys, since the last save
}

// episodeCounter is the number of the last episode of a group, and when that began, to the second.
type episodeCounter struct{ episode, at uint32 }

const (
	manyCounters    = 10_000         // groups of a rule: from so many on the oldest are forgotten
	counterLifetime = 30 * 24 * 3600 // when they are older than so many seconds
	expireEvery     = 1024           // once in so many
)

// countersOf are those of the rule with an ID.
func (st *state) countersOf(id string) *episodeCounters { return st.countersAt(fingerprintOf(id)) }

func (st *state) countersAt(hash uint64) *episodeCounters {
	n := st.counters[hash]
	if n == nil {
		n = &episodeCounters{last: make(map[string]episodeCounter), changed: make(map[string]bool)}
		st.counters[hash] = n
	}
	return n
}

// set notes the number that a group has come to. When there are many, those are forgotten that have
// had no episode for a month.
func (n *episodeCounters) set(key string, last episodeCounter) {
	n.last[key], n.changed[key] = last, true
	if len(n.last) >= manyCounters && len(n.last)%expireEvery == 0 {
		n.expire(last.at)
	}
}

// expire forgets what is too old at an instant.
func (n *episodeCounters) expire(now uint32) {
	for key, old := range n.last {
		if old.at+counterLifetime < now {
			delete(n.last, key)
			n.changed[key] = true
		}
	}
}

// nextEpisode gives the episode that begins a number.
func (m *machine) nextEpisode() {
	m.g.episodes++
	m.u.counters.set(m.g.key, episodeCounter{m.g.episodes, m.u.now()})
}

// now is the time of the rule in seconds.
func (rs *ruleState) now() uint32 { return uint32(max(rs.watermark, 0) / 1e9) }

// continueCounters has the numbers of a rule whose past was read elsewhere, where they began with
// 1, continue from those that it has had before.
func (rs *ruleState) continueCounters(past *episodeCounters) {
	for key, last := range past.last {
		last.episode += rs.counters.last[key].episode
		if number, ok := rs.groups.find([]byte(key)); ok {
			rs.renumber(rs.groups.at(number), last.episode)
		}
		rs.counters.set(key, last)
	}
}

// renumber gives the episodes of a group numbers that end with a given one.
func (rs *ruleState) renumber(g *group, last uint32) {
	by := last - g.episodes
	g.extend().episodes = last
	if a := g.alert; a != nil {
		a.number += by
		if a.early != nil {
			a.early.number += by
		}
	}
}

// expireCounters forgets numbers of rules that are not of a program, when they are too old.
func (st *state) expireCounters() {
	for _, n := range st.counters {
		if !slices.ContainsFunc(st.rules, func(rs *ruleState) bool { return rs.counters == n }) {
			n.expire(uint32(max(st.watermarks.now, 0) / 1e9))
		}
	}
}

// saveCounters adds the numbers of all rules, also of those that are gone and may come back.
func (st *state) saveCounters(s *Saving) {
	for hash, n := range st.counters {
		if s.full {
			for key := range n.last {
				n.changed[key] = true
			}
		}
		for key := range n.changed {
			last, ok := n.last[key]
			if !ok {
				s.deleted = append(s.deleted, idKey(keyCounter, hash, key))
				continue
			}
			b := binary.AppendUvarint(nil, uint64(last.episode))
			b = binary.AppendUvarint(b, uint64(last.at))
			s.first.add(idKey(keyCounter, hash, key), b)
		}
		clear(n.changed)
	}
}

func readCounter(in *reader) episodeCounter {
	return episodeCounter{episode: uint32(in.Uvarint()), at: uint32(in.Uvarint())}
}

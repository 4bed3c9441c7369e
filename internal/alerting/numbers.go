package alerting

import (
	"encoding/binary"
	"slices"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// An alert is known by its rule, its group and the number of its episode. So no number may be given
// twice: not by a group that is dropped and comes back, and not by a rule that was changed, or
// removed and added again, although all else that it has seen is void. The last number of each
// group therefore stands beside the state of the rules, under the rule's name.

// numbers are the last numbers of the groups of one rule that ever had an episode.
type numbers struct {
	last    map[string]numbered // by key
	changed map[string]bool     // keys, since the last save
}

// numbered is the number of the last episode of a group, when that began, to the second, and the
// partition of its logs.
type numbered struct {
	episode, at uint32
	owner       owner
}

const (
	manyNumbered  = 10_000         // groups of a rule: from so many on the oldest are forgotten
	keptNumbered  = 30 * 24 * 3600 // when they are older than so many seconds
	checkNumbered = 1024           // once in so many
)

// numbersOf are those of the rule with an ID.
func (e *Engine) numbersOf(id string) *numbers { return e.numbersAt(fingerprintOf(id)) }

func (e *Engine) numbersAt(hash uint64) *numbers {
	n := e.numbers[hash]
	if n == nil {
		n = &numbers{last: make(map[string]numbered), changed: make(map[string]bool)}
		e.numbers[hash] = n
	}
	return n
}

// set notes the number that a group has come to. When there are many, those are forgotten that have
// had no episode for a month.
func (n *numbers) set(key string, last numbered) {
	n.last[key], n.changed[key] = last, true
	if len(n.last) >= manyNumbered && len(n.last)%checkNumbered == 0 {
		n.expire(last.at)
	}
}

// expire forgets what is too old at an instant.
func (n *numbers) expire(now uint32) {
	for key, old := range n.last {
		if old.at+keptNumbered < now {
			delete(n.last, key)
			n.changed[key] = true
		}
	}
}

// enumerate gives the episode that begins a number.
func (l *life) enumerate() {
	l.g.episodes++
	if l.e.mute(l.u.owner(l.number)) {
		return // another member has given it one
	}
	l.u.numbers.set(l.g.key, numbered{l.g.episodes, l.u.now(), l.u.owner(l.number)})
}

// now is the time of the rule in seconds.
func (u *unit) now() uint32 { return uint32(max(u.watermark, 0) / 1e9) }

// goOn has the numbers of a rule whose past was read elsewhere, where they began with 1, go on from
// those that it has had before.
func (u *unit) goOn(past *numbers) {
	for key, last := range past.last {
		last.episode += u.numbers.last[key].episode
		last.owner = nobody
		if number, ok := u.groups.find([]byte(key)); ok {
			u.groups.at(number).extend().episodes, last.owner = last.episode, u.owner(number)
		}
		u.numbers.set(key, last)
	}
}

// expireNumbers forgets numbers of rules that are not of a program, when they are too old.
func (e *Engine) expireNumbers(p *program) {
	for _, n := range e.numbers {
		if !slices.ContainsFunc(p.units, func(u *unit) bool { return u.numbers == n }) {
			n.expire(uint32(max(e.times.now, 0) / 1e9))
		}
	}
}

// saveNumbers saves the numbers of all rules, also of those that are gone and may come back.
func (e *Engine) saveNumbers(full bool, put func(key, value []byte), del func(key []byte)) {
	for hash, n := range e.numbers {
		if full {
			for key := range n.last {
				n.changed[key] = true
			}
		}
		for key := range n.changed {
			last, ok := n.last[key]
			if !ok {
				del(idKey(keyNumber, hash, key))
				continue
			}
			b := binary.AppendUvarint(nil, uint64(last.episode))
			b = binary.AppendUvarint(b, uint64(last.at))
			put(idKey(keyNumber, hash, key), e.times.appendOwner(b, last.owner))
		}
		clear(n.changed)
	}
}

// appendOwner appends the partition that an owner is; nothing for nobody.
func (t *timekeeper) appendOwner(b []byte, owner owner) []byte {
	if owner == nobody {
		return b
	}
	p := t.owners[owner].name
	return appendBlock(binary.AppendVarint(b, int64(p.Partition)), []byte(p.Topic))
}

func (t *timekeeper) readNumbered(in *reader) numbered {
	n := numbered{episode: uint32(in.uvarint()), at: uint32(in.uvarint())}
	if len(in.b) > 0 {
		p := models.Partition{Partition: int32(in.varint()), Topic: string(in.block())}
		n.owner = t.partition(p).number
	}
	return n
}

package alerting

import (
	"encoding/json"
	"fmt"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A partition that goes to another member takes its alerts with it: HandOver says all that is to be
// known of them, and TakeOver has the engine of whoever gets the partition go on from there. Of
// groups without an alert nothing is handed over, unless their rule knows more than its window
// holds: their windows are filled by reading again what lies before the point of handover, and as
// long as that lasts nothing is decided that anybody hears of. When it is reached, the groups
// handed over become what they were at the other member, numbers of episodes go on from its, and
// what it had decided by the time that had passed there is not decided again.

// baton is what is handed over of a partition.
type baton struct {
	Format  int         `json:"format"` // of the groups
	Base    int64       `json:"base"`   // event time up to which the partition was read
	Reached int64       `json:"reached"`
	Units   []batonUnit `json:"units"`
}

// batonUnit is what is handed over of a rule.
type batonUnit struct {
	Rule        string        `json:"rule"`
	Fingerprint uint64        `json:"fingerprint"`
	Watermark   int64         `json:"watermark"` // up to which its groups are decided
	Groups      []batonGroup  `json:"groups,omitempty"`
	Numbers     []batonNumber `json:"numbers,omitempty"`
}

// batonGroup is a group, as it is saved.
type batonGroup struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

type batonNumber struct {
	Key     []byte `json:"key"`
	Episode uint32 `json:"episode"`
	At      uint32 `json:"at"`
}

// mute says whether nothing is to be heard of what is decided of the groups of a partition.
func (e *Engine) mute(owner owner) bool { return e.silent || e.batons[owner] != nil }

// home is the partition that holds the logs of a group, if that is known.
func (e *Engine) home(u *unit, number uint32) models.Partition {
	if owner := u.owner(number); owner != nobody {
		return e.times.owners[owner].name
	}
	return models.Partition{}
}

// Decided says whether anything was decided of a partition since it was last handed over.
func (e *Engine) Decided(p models.Partition) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.handing[e.times.partition(p).number]
}

// HandOver returns what another member has to know to go on with a partition exactly where we are.
// It is nil while we are not as far as who had it before us.
func (e *Engine) HandOver(p models.Partition) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	pt := e.times.partition(p)
	if e.batons[pt.number] != nil {
		return nil
	}
	delete(e.handing, pt.number)
	b := baton{Format: formatVersion, Base: pt.base, Reached: pt.reached}
	size := 0
	for _, u := range e.program.Load().units {
		if u.warming || u.readsAlerts {
			continue
		}
		one := batonUnit{
			Rule:        u.id,
			Fingerprint: u.fingerprint,
			Watermark:   e.watermark(u, pt.number),
		}
		hand := func(number uint32, g *group) {
			if u.owner(number) == pt.number {
				one.Groups = append(
					one.Groups,
					batonGroup{[]byte(g.key), u.append(nil, number, g, &e.times)},
				)
				size += len(g.key) + len(one.Groups[len(one.Groups)-1].Value)
			}
		}
		for number := range u.open {
			hand(number, u.groups.at(number))
		}
		if u.remembers() {
			u.groups.each(func(number uint32, g *group) {
				if !u.open[number] && size < mostRemembered {
					hand(number, g)
				}
			})
		}
		for key, last := range u.numbers.last {
			if last.owner == pt.number {
				one.Numbers = append(one.Numbers, batonNumber{[]byte(key), last.episode, last.at})
			}
		}
		b.Units = append(b.Units, one)
	}
	return encode(b)
}

// mostRemembered is how many bytes of groups without an alert are handed over, at most.
const mostRemembered = 8 << 20

// remembers says whether the groups of a rule know more than their window holds: reading that again
// does not make them what they were.
func (u *unit) remembers() bool {
	r := u.rule
	return u.plan.Known() || r.Remember > 0 || r.Learn > 0 || len(r.Sequence) > 0 ||
		r.Resolve.Match != nil ||
		r.Resolve.When != nil
}

// TakeOver has the engine go on with a partition, from which nothing was read yet, where another
// member has handed it over. It may be called beside Apply and Advance.
func (e *Engine) TakeOver(p models.Partition, handed []byte) error {
	b := &baton{}
	if err := json.Unmarshal(handed, b); err != nil {
		return fmt.Errorf(
			"what another member has left of %s/%d cannot be read: %w",
			p.Topic,
			p.Partition,
			err,
		)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	// as while a new version is rolled out: positions and numbers are the same in all of them
	if b.Format != formatVersion {
		e.opts.logger.Warn(
			"another member has left its state in another format; alerts that are up may be told once more",
			"topic",
			p.Topic,
			"partition",
			p.Partition,
			"format",
			b.Format,
			"ours",
			formatVersion,
		)
		for i := range b.Units {
			b.Units[i].Fingerprint, b.Units[i].Groups = 0, nil
		}
	}
	e.batons[e.times.partition(p).number] = b
	return nil
}

// Forgo takes back TakeOver, when the partition has gone to somebody else before we were as far.
func (e *Engine) Forgo(p models.Partition) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.batons, e.times.partition(p).number)
}

// receive goes on where another member was, now that all before that was read.
func (e *Engine) receive(p models.Partition) {
	pt := e.times.partition(p)
	b := e.batons[pt.number]
	if b == nil {
		return
	}
	pt.base, pt.reached, pt.replayed = max(pt.base, b.Base), max(pt.reached, b.Reached), always
	handed, named := make(map[uint64]*batonUnit), make(map[string]*batonUnit)
	for i := range b.Units {
		handed[b.Units[i].Fingerprint], named[b.Units[i].Rule] = &b.Units[i], &b.Units[i]
	}
	e.silent = true
	for _, u := range e.program.Load().units {
		if one := handed[u.fingerprint]; one != nil {
			e.receiveUnit(u, pt.number, one)
		}
	}
	e.silent = false
	delete(e.batons, pt.number)
	for _, u := range e.program.Load().units {
		if handed[u.fingerprint] == nil {
			e.enumerateOn(u, pt.number, named[u.id])
			e.tellUnheard(u, pt.number)
		}
		delete(handed, u.fingerprint)
	}
	for _, one := range handed { // of rules that we do not have
		for _, g := range one.Groups {
			(&restoring{e: e}).orphan(g.Value, p)
		}
	}
	e.handing[pt.number] = true
}

// receiveUnit makes the groups of a partition what they were at the other member.
func (e *Engine) receiveUnit(u *unit, owner owner, from *batonUnit) {
	var ours []uint32
	u.groups.each(func(number uint32, _ *group) {
		if u.owner(number) == owner {
			ours = append(ours, number)
		}
	})
	for _, n := range from.Numbers {
		u.numbers.set(string(n.Key), numbered{n.Episode, n.At, owner})
	}
	for _, number := range ours {
		l := e.at(u, number)
		if from.Watermark != always {
			l.sweep(from.Watermark)
		}
		if l.g.alert != nil {
			l.g.alert = nil
			delete(u.open, number)
			u.release(l.g)
		}
		if last := u.numbers.last[l.g.key].episode; last > 0 || l.g.more != &none {
			l.g.extend().episodes = last
		}
		l.schedule()
		u.touch(number, l.g)
	}
	r := &restoring{e: e}
	for _, g := range from.Groups {
		if number, ok := u.groups.find(g.Key); ok {
			u.drop(number)
			e.live--
		}
		in := reader{b: g.Value}
		r.group(u, string(g.Key), &in)
		number, _ := u.groups.find(g.Key)
		u.own(number, owner)
		u.touch(number, u.groups.at(number))
		e.at(u, number).schedule()
	}
}

// enumerateOn has the numbers of a rule that the other member does not have, or has otherwise, go
// on from those that were given there under its name.
func (e *Engine) enumerateOn(u *unit, owner owner, from *batonUnit) {
	before := make(map[string]uint32)
	if from != nil {
		for _, n := range from.Numbers {
			before[string(n.Key)] = n.Episode
			u.numbers.set(string(n.Key), numbered{n.Episode, n.At, owner})
		}
	}
	u.groups.each(func(number uint32, g *group) {
		if u.owner(number) != owner || g.episodes == 0 && before[g.key] == 0 {
			return
		}
		g.extend().episodes += before[g.key]
		u.numbers.set(g.key, numbered{g.episodes, u.now(), owner})
		u.touch(number, g)
	})
}

// tellUnheard tells of alerts of a partition that are up, and of which the other member knew
// nothing, since it does not have the rule.
func (e *Engine) tellUnheard(u *unit, owner owner) {
	for number := range u.open {
		l := e.at(u, number)
		if a := l.g.alert; u.owner(number) == owner && a.phase == up && a.told == replayed {
			a.told = nothing
			l.tell(
				models.AlertFiring,
				max(a.at, a.fired, l.watermark()),
				a.edge.Reason+"; up since before the rule was read",
			)
		}
	}
}

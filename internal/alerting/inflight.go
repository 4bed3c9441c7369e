package alerting

import (
	"encoding/json"
	"fmt"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A partition that moves to another member takes its alerts with it: InFlightState returns all that
// is known of them, and RestoreInFlight makes the next owner's engine continue from there. Groups
// without an alert are left out, unless their rule knows more than its window holds: their windows
// are filled by reading the logs before the published position again, and until then the decisions
// of the new owner are not notified. When that position is reached, the groups get the state they
// had at the previous owner, episode numbers continue, and what the previous owner had decided is
// not decided again.

// inFlightState is the published state of a partition.
type inFlightState struct {
	Format  int            `json:"format"` // of the groups
	Base    int64          `json:"base"`   // event time up to which the partition was read
	Reached int64          `json:"reached"`
	Rules   []inFlightRule `json:"units"`
	// of rules whose lateness follows the delays
	Delays *inFlightDelays `json:"delays,omitempty"`
}

// inFlightDelays is what was measured of the delays of a partition, and what follows from it.
type inFlightDelays struct {
	Watermark int64  `json:"watermark"`
	Lateness  int64  `json:"lateness"`
	Adapted   int64  `json:"adapted"`
	Counts    Delays `json:"counts"`
	Clock     int64  `json:"clock"`
	Ahead     int64  `json:"ahead"`
}

// inFlightRule is the published state of a rule.
type inFlightRule struct {
	Rule        string            `json:"rule"`
	Fingerprint uint64            `json:"fingerprint"`
	Watermark   int64             `json:"watermark"` // up to which its groups are decided
	Groups      []inFlightGroup   `json:"groups,omitempty"`
	Counters    []inFlightCounter `json:"numbers,omitempty"`
}

// inFlightGroup is a group, as it is saved.
type inFlightGroup struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

type inFlightCounter struct {
	Key     []byte `json:"key"`
	Episode uint32 `json:"episode"`
	At      uint32 `json:"at"`
}

// discards reports whether decisions on the groups of a partition are dropped.
func (e *Engine) discards(owner partitionID) bool { return e.discard || e.inFlight[owner] != nil }

// home is the partition that holds the logs of a group, if that is known.
func (e *Engine) home(rs *ruleState, number uint32) models.Partition {
	if owner := rs.owner(number); owner != noPartition {
		return e.watermarks.byID[owner].name
	}
	return models.Partition{}
}

// PartitionChanged reports whether anything was decided of a partition since its state was last
// published.
func (e *Engine) PartitionChanged(p models.Partition) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changedPartitions[e.watermarks.partition(p).number]
}

// InFlightState returns the state from which another member continues exactly where we are. It is
// nil until we have reached the position of the previous owner.
func (e *Engine) InFlightState(p models.Partition) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	pt := e.watermarks.partition(p)
	if e.inFlight[pt.number] != nil {
		return nil
	}
	delete(e.changedPartitions, pt.number)
	b := inFlightState{Format: formatVersion, Base: pt.base, Reached: pt.reached,
		Delays: &inFlightDelays{pt.watermark, pt.lateness, pt.adapted, pt.delays,
			pt.delayClock.at, pt.delayClock.ahead}}
	size := 0
	for _, rs := range e.rules {
		if rs.backfilling || rs.readsAlerts {
			continue
		}
		one := inFlightRule{
			Rule:        rs.id,
			Fingerprint: rs.fingerprint,
			Watermark:   e.watermark(rs, pt.number),
		}
		hand := func(number uint32, g *group) {
			if rs.owner(number) == pt.number {
				one.Groups = append(
					one.Groups,
					inFlightGroup{[]byte(g.key), rs.appendGroup(nil, number, g, &e.watermarks)},
				)
				size += len(g.key) + len(one.Groups[len(one.Groups)-1].Value)
			}
		}
		for number := range rs.alerts {
			hand(number, rs.groups.at(number))
		}
		if rs.outlivesWindow() {
			rs.groups.each(func(number uint32, g *group) {
				if !rs.alerts[number] && size < maxInFlightBytes {
					hand(number, g)
				}
			})
		}
		for key, last := range rs.counters.last {
			if last.owner == pt.number {
				one.Counters = append(one.Counters, inFlightCounter{
					[]byte(key), last.episode, last.at,
				})
			}
		}
		b.Rules = append(b.Rules, one)
	}
	return encode(b)
}

// maxInFlightBytes is the most bytes of groups without an alert that are published.
const maxInFlightBytes = 8 << 20

// outlivesWindow says whether the groups of a rule know more than their window holds: reading that
// again does not make them what they were.
func (c *compiledRule) outlivesWindow() bool {
	r := c.rule
	return c.condition.HoldsEmpty() || r.Remember > 0 || r.Learn > 0 || len(r.Sequence) > 0 ||
		r.Resolve.Match != nil ||
		r.Resolve.When != nil
}

// RestoreInFlight makes the engine continue with a partition, of which nothing was read yet, from
// the state that another member published. It may be called beside Apply and Advance.
func (e *Engine) RestoreInFlight(p models.Partition, handed []byte) error {
	b := &inFlightState{}
	if err := json.Unmarshal(handed, b); err != nil {
		return fmt.Errorf("in-flight state of %s/%d from another member cannot be read: %w",
			p.Topic, p.Partition, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	// as while a new version is rolled out: positions and numbers are the same in all of them
	if b.Format != formatVersion {
		e.opts.logger.Warn("another member has left its state in another format; active alerts "+
			"may be notified once more", "topic", p.Topic, "partition", p.Partition,
			"format", b.Format, "ours", formatVersion)
		for i := range b.Rules {
			b.Rules[i].Fingerprint, b.Rules[i].Groups = 0, nil
		}
	}
	pt := e.watermarks.partition(p)
	e.inFlight[pt.number], pt.replays = b, true
	return nil
}

// CancelRestore cancels RestoreInFlight when the partition moved to another member before we had
// reached the published position.
func (e *Engine) CancelRestore(p models.Partition) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pt := e.watermarks.partition(p)
	delete(e.inFlight, pt.number)
	pt.replays = false
}

// restoreInFlight continues where the other member was, now that all records before that position
// have been read.
func (e *Engine) restoreInFlight(p models.Partition) {
	pt := e.watermarks.partition(p)
	b := e.inFlight[pt.number]
	if b == nil {
		return
	}
	pt.base, pt.reached, pt.replayed = max(pt.base, b.Base), max(pt.reached, b.Reached), always
	if d := b.Delays; d != nil {
		pt.watermark, pt.lateness, pt.adapted = max(
			pt.watermark,
			d.Watermark,
		), d.Lateness, d.Adapted
		pt.delays, pt.delayClock = d.Counts, delayClock{d.Clock, d.Ahead}
	}
	pt.replays = false
	pt.followDelays()
	handed, named := make(map[uint64]*inFlightRule), make(map[string]*inFlightRule)
	for i := range b.Rules {
		handed[b.Rules[i].Fingerprint], named[b.Rules[i].Rule] = &b.Rules[i], &b.Rules[i]
	}
	e.discard = true
	for _, rs := range e.rules {
		if one := handed[rs.fingerprint]; one != nil {
			e.restoreRule(rs, pt.number, one)
		}
	}
	e.discard = false
	delete(e.inFlight, pt.number)
	for _, rs := range e.rules {
		if handed[rs.fingerprint] == nil {
			e.mergeCounters(rs, pt.number, named[rs.id])
			e.notifyUnknown(rs, pt.number)
		}
		delete(handed, rs.fingerprint)
	}
	for _, one := range handed { // of rules that we do not have
		for _, g := range one.Groups {
			(&restoring{e: e}).orphan(g.Value, p)
		}
	}
	e.changedPartitions[pt.number] = true
}

// restoreRule makes the groups of a partition what they were at the other member.
func (e *Engine) restoreRule(rs *ruleState, owner partitionID, from *inFlightRule) {
	var ours []uint32
	rs.groups.each(func(number uint32, _ *group) {
		if rs.owner(number) == owner {
			ours = append(ours, number)
		}
	})
	for _, n := range from.Counters {
		rs.counters.set(string(n.Key), episodeCounter{n.Episode, n.At, owner})
	}
	for _, number := range ours {
		m := e.at(rs, number)
		if from.Watermark != always {
			m.sweep(from.Watermark)
		}
		if m.g.alert != nil {
			m.g.alert = nil
			delete(rs.alerts, number)
			rs.releaseSamples(m.g)
		}
		if last := rs.counters.last[m.g.key].episode; last > 0 || m.g.more != &none {
			m.g.extend().episodes = last
		}
		m.schedule()
		rs.touch(number, m.g)
	}
	r := &restoring{e: e}
	for _, g := range from.Groups {
		if number, ok := rs.groups.find(g.Key); ok {
			rs.drop(number)
			e.live--
		}
		in := reader{b: g.Value}
		r.group(rs, string(g.Key), &in)
		number, _ := rs.groups.find(g.Key)
		rs.setOwner(number, owner)
		rs.touch(number, rs.groups.at(number))
		e.at(rs, number).schedule()
	}
}

// mergeCounters continues the episode numbers of a rule that the other member does not have, or has
// in another version, from those that were used there under its name.
func (e *Engine) mergeCounters(rs *ruleState, owner partitionID, from *inFlightRule) {
	before := make(map[string]uint32)
	if from != nil {
		for _, n := range from.Counters {
			before[string(n.Key)] = n.Episode
			rs.counters.set(string(n.Key), episodeCounter{n.Episode, n.At, owner})
		}
	}
	rs.groups.each(func(number uint32, g *group) {
		if rs.owner(number) != owner || g.episodes == 0 && before[g.key] == 0 {
			return
		}
		rs.renumber(g, g.episodes+before[g.key])
		rs.counters.set(g.key, episodeCounter{g.episodes, rs.now(), owner})
		rs.touch(number, g)
	})
}

// notifyUnknown notifies active alerts of a partition of which the other member knew nothing, since
// it does not have the rule.
func (e *Engine) notifyUnknown(rs *ruleState, owner partitionID) {
	for number := range rs.alerts {
		m := e.at(rs, number)
		ep := m.firingEpisode()
		if ep != nil && rs.owner(number) == owner && ep.notified == notifiedEarlier {
			ep.notified = notNotified
			m.remind(ep, "firing since before the rule was loaded")
		}
	}
}

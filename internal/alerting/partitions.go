package alerting

// Several engines may share topics, each reading some of the partitions, if all logs of a group are
// on one of them. A partition may move to another engine at any time, and come back within seconds;
// its new owner continues from its own state of the partition. So each group follows the time of
// the partition that its logs come from, and stands still when that partition is released: a window
// does not become empty because another member reads on. The alerts of such groups are no longer
// shown, since another member has them, but they are not resolved.

// partitionID is the number of the partition that the logs of a group come from.
type partitionID uint16

// noPartition owns the groups of an engine that does not share, and those of which no log was seen.
const noPartition partitionID = 0

// register gives a partition its number.
func (t *watermarks) register(pt *partitionTime) {
	if !t.shared || len(t.byID) > int(^partitionID(0)) {
		return
	}
	if len(t.byID) == 0 {
		t.byID = append(t.byID, nil)
	}
	pt.number = partitionID(len(t.byID))
	t.byID = append(t.byID, pt)
}

// releasePartitions releases the partitions that are missing from progress.
func (t *watermarks) releasePartitions() {
	for _, pt := range t.partitions {
		if !pt.ours {
			pt.caughtUp, pt.replay = false, false
		}
	}
}

// setOwner notes that the logs of a group come from a partition.
func (rs *ruleState) setOwner(number uint32, owner partitionID) {
	before := rs.owner(number)
	if before == owner {
		return
	}
	for int(number) >= len(rs.owners) {
		rs.owners = append(rs.owners, noPartition)
	}
	for int(owner) >= len(rs.timers) {
		rs.timers, rs.expiring = append(rs.timers, timerHeap{table: &rs.groups}),
			append(rs.expiring, timerHeap{table: &rs.groups})
	}
	g := rs.groups.at(number)
	due, fades := g.due, g.expires
	rs.setTimer(number, never, false)
	rs.owners[number] = owner
	rs.setTimer(number, due, fades)
}

func (rs *ruleState) owner(number uint32) partitionID {
	if int(number) < len(rs.owners) {
		return rs.owners[number]
	}
	return noPartition
}

// timerHeap is where a group stands when it is due.
func (rs *ruleState) timerHeap(number uint32, fades bool) *timerHeap {
	if fades {
		return &rs.expiring[rs.owner(number)]
	}
	return &rs.timers[rs.owner(number)]
}

// setTimer puts a group where it is due.
func (rs *ruleState) setTimer(number uint32, due int64, fades bool) {
	g := rs.groups.at(number)
	if g.expires != fades {
		rs.timerHeap(number, g.expires).set(number, never)
		g.expires = fades
	}
	rs.timerHeap(number, fades).set(number, due)
}

// watermark is the instant before which a rule expects nothing more of the groups of a partition;
// always when nothing is known.
func (e *Engine) watermark(rs *ruleState, owner partitionID) int64 {
	if owner == noPartition {
		return rs.watermark
	}
	pt := e.watermarks.byID[owner]
	return min(rs.watermark, rs.decides(pt.base, pt.watermark))
}

// watermark is that of the group.
func (m *machine) watermark() int64 { return m.e.watermark(m.u, m.u.owner(m.number)) }

// ours reports whether we read the partition of a group. Before the assignment is known, all
// partitions are ours.
func (e *Engine) ours(rs *ruleState, number uint32) bool {
	owner := rs.owner(number)
	return owner == noPartition || !e.watermarks.advanced || e.watermarks.byID[owner].ours
}

// evictPartitions drops the groups of partitions that were released for longer than any rule
// remembers a key. They do not come back, and nothing of them is notified.
func (e *Engine) evictPartitions() {
	if !e.opts.shared {
		return
	}
	kept := int64(0)
	for _, rs := range e.rules {
		kept = max(kept, rs.keyLifetime(), int64(rs.condition.Lookback()))
	}
	for p, pt := range e.watermarks.partitions {
		if pt.ours || pt.direct > 0 || e.watermarks.now-pt.seen <= kept {
			continue
		}
		for _, rs := range e.rules {
			rs.groups.each(func(number uint32, _ *group) {
				if rs.owner(number) == pt.number {
					rs.drop(number)
					e.live--
				}
			})
		}
		delete(e.watermarks.partitions, p)
	}
}

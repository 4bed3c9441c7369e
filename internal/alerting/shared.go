package alerting

// Several engines may share topics, each reading some of the partitions, if all logs of a group are
// on one of them. A partition may move from one to another at any time, and come back, perhaps
// within seconds; whoever gets it goes on where its own state of the partition ends. So each group
// follows the time of the partition that its logs come from, and where that was given up nothing
// happens: a window does not run empty because somebody else reads on. The alerts of such groups
// are no longer shown, since somebody else has them, but they are not over.

// owner is the number of the partition that the logs of a group come from.
type owner uint16

// nobody owns the groups of an engine that does not share, and those of which no log was seen.
const nobody owner = 0

// enrol gives a partition its number.
func (t *timekeeper) enrol(pt *partitionTime) {
	if !t.shared || len(t.owners) > int(^owner(0)) {
		return
	}
	if len(t.owners) == 0 {
		t.owners = append(t.owners, nil)
	}
	pt.number = owner(len(t.owners))
	t.owners = append(t.owners, pt)
}

// release lets go of the partitions that progress did not speak of.
func (t *timekeeper) release() {
	for _, pt := range t.partitions {
		if !pt.ours {
			pt.caughtUp, pt.replay = false, false
		}
	}
}

// own notes that the logs of a group come from a partition.
func (u *unit) own(number uint32, owner owner) {
	before := u.owner(number)
	if before == owner {
		return
	}
	for int(number) >= len(u.owners) {
		u.owners = append(u.owners, nobody)
	}
	for int(owner) >= len(u.due) {
		u.due, u.fading = append(
			u.due,
			dueHeap{table: &u.groups},
		), append(
			u.fading,
			dueHeap{table: &u.groups},
		)
	}
	g := u.groups.at(number)
	due, fades := g.due, g.fades
	u.setDue(number, never, false)
	u.owners[number] = owner
	u.setDue(number, due, fades)
}

func (u *unit) owner(number uint32) owner {
	if int(number) < len(u.owners) {
		return u.owners[number]
	}
	return nobody
}

// heap is where a group stands when it is due.
func (u *unit) heap(number uint32, fades bool) *dueHeap {
	if fades {
		return &u.fading[u.owner(number)]
	}
	return &u.due[u.owner(number)]
}

// setDue puts a group where it is due.
func (u *unit) setDue(number uint32, due int64, fades bool) {
	g := u.groups.at(number)
	if g.fades != fades {
		u.heap(number, g.fades).set(number, never)
		g.fades = fades
	}
	u.heap(number, fades).set(number, due)
}

// watermark is the instant before which a unit expects nothing more of the groups of a partition;
// always when nothing is known.
func (e *Engine) watermark(u *unit, owner owner) int64 {
	if owner == nobody {
		return u.watermark
	}
	pt := e.times.owners[owner]
	if pt.base == always {
		return always
	}
	return min(u.watermark, pt.base-u.lateness())
}

// watermark is that of the group.
func (l *life) watermark() int64 { return l.e.watermark(l.u, l.u.owner(l.number)) }

// ours says whether the partition of a group is ours to read. Before it was said which are, all
// are.
func (e *Engine) ours(u *unit, number uint32) bool {
	owner := u.owner(number)
	return owner == nobody || !e.times.advanced || e.times.owners[owner].ours
}

// forsake drops what belongs to partitions that were given up for longer than any rule remembers a
// key: they are not coming back, and nothing of them is to be told.
func (e *Engine) forsake() {
	if !e.opts.shared {
		return
	}
	kept := int64(0)
	for _, u := range e.program.Load().units {
		kept = max(kept, u.keeps(), int64(u.plan.Retention()))
	}
	for p, pt := range e.times.partitions {
		if pt.ours || pt.direct > 0 || e.times.now-pt.seen <= kept {
			continue
		}
		for _, u := range e.program.Load().units {
			u.groups.each(func(number uint32, _ *group) {
				if u.owner(number) == pt.number {
					u.drop(number)
					e.live--
				}
			})
		}
		delete(e.times.partitions, p)
	}
}

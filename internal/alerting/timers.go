package alerting

// timerHeap orders the groups of a rule by when they next must be looked at. Most groups of a
// counting rule never are: only those stand in it whose truth can change by time passing.
type timerHeap struct {
	table   *table
	numbers []uint32
}

// set puts a group at its place, moves it, or takes it out when it is due never.
func (h *timerHeap) set(number uint32, due int64) {
	g := h.table.at(number)
	if g.due == due {
		return
	}
	before := g.due
	g.due = due
	switch {
	case before == never:
		g.pos = int32(len(h.numbers))
		h.numbers = append(h.numbers, number)
		h.up(int(g.pos))
	case due == never:
		h.take(int(g.pos))
	case due < before:
		h.up(int(g.pos))
	default:
		h.down(int(g.pos))
	}
}

// first is the group that is due first, and when; never when there is none.
func (h *timerHeap) first() (number uint32, due int64) {
	if len(h.numbers) == 0 {
		return 0, never
	}
	return h.numbers[0], h.due(0)
}

func (h *timerHeap) due(i int) int64 { return h.table.at(h.numbers[i]).due }

func (h *timerHeap) take(i int) {
	last := len(h.numbers) - 1
	h.swap(i, last)
	h.table.at(h.numbers[last]).pos = -1
	h.numbers = h.numbers[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h *timerHeap) swap(i, j int) {
	h.numbers[i], h.numbers[j] = h.numbers[j], h.numbers[i]
	h.table.at(h.numbers[i]).pos = int32(i)
	h.table.at(h.numbers[j]).pos = int32(j)
}

func (h *timerHeap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h.due(parent) <= h.due(i) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *timerHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.numbers) {
			return
		}
		if child+1 < len(h.numbers) && h.due(child+1) < h.due(child) {
			child++
		}
		if h.due(i) <= h.due(child) {
			return
		}
		h.swap(i, child)
		i = child
	}
}

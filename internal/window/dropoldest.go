package window

// What is ahead of the watermark is held event by event, and so are texts that may change and the
// steps of a sequence. A group in flood must not take all memory with them: a series holds at most
// so many events; beyond, the oldest quarter leaves the windows early, as if they were shorter.
const (
	maxTimes  = 1 << 22 // of a series that holds times alone
	maxEvents = 1 << 19 // of any other
)

func (st *state) dropOldest(p *Condition, series int) {
	s := &st.series[series]
	if n := len(s.times); n > maxTimes || n > maxEvents && p.series[series].kind != times {
		st.drop(p, series, n/4)
	}
}

// drop takes the first n events out of a series and out of all windows.
func (st *state) drop(p *Condition, series, n int) {
	s := &st.series[series]
	for _, v := range []*view{st.final, st.early} {
		if v == nil {
			continue
		}
		for i := range v.cursors {
			if cur := &v.cursors[i]; p.calls[i].series == series {
				for ; cur.lo < min(n, cur.hi); cur.lo++ {
					cur.leave(s, cur.lo)
				}
				cur.lo, cur.hi = max(cur.lo, n), max(cur.hi, n)
			}
		}
		v.evicted(p, series, n)
	}
	s.cut(n)
}

// dropOldestSteps drops the oldest quarter of the steps of a sequence.
func (st *state) dropOldestSteps() {
	n := len(st.steps.times) / 4
	if len(st.steps.times) <= maxEvents {
		return
	}
	st.steps.cut(n)
	st.final.chain.hi = max(0, st.final.chain.hi-n)
	if st.early != nil {
		st.early.chain = nil
	}
}

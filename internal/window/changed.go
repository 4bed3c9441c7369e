package window

// changes counts the events of a window whose text is not that of the event before, which may have
// left the window already, but is not forgotten.
type changes struct {
	within int64 // how long after the event before a change counts; 0 for any time
	n      int
}

func (c *changes) add(s *series, i int) {
	if c.changed(s, i) {
		c.n++
	}
}

func (c *changes) remove(s *series, i int) {
	if c.changed(s, i) {
		c.n--
	}
}

func (c *changes) changed(s *series, i int) bool {
	return i > 0 && s.texts[i-1] != s.texts[i] &&
		(c.within == 0 || s.times[i]-s.times[i-1] <= c.within)
}

func (c *changes) value(*call, int) float64 { return float64(c.n) }

func (c *changes) bytes() int { return 16 }

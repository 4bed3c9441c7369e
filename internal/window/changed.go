package window

// changes counts the events of a window whose text is not that of the event before, which may have
// left the window already, but is not forgotten.
type changes struct{ n int }

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
	return i > 0 && s.texts[i-1] != s.texts[i]
}

func (c *changes) value(*call, int) float64 { return float64(c.n) }

func (c *changes) bytes() int { return 8 }

package window

// values counts how often each text is in a window.
type values struct{ counts map[string]int32 }

func (v *values) add(s *series, i int) {
	if v.counts == nil {
		v.counts = map[string]int32{}
	}
	members(s.texts[i], func(text string) { v.counts[text]++ })
}

func (v *values) remove(s *series, i int) {
	members(s.texts[i], func(text string) {
		if v.counts[text]--; v.counts[text] == 0 {
			delete(v.counts, text)
		}
	})
}

func (v *values) value(*call, int) float64 { return float64(len(v.counts)) }

func (v *values) bytes() int { return 64 + 32*len(v.counts) }

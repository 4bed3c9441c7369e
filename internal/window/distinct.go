package window

import "strings"

// values counts how often each text is in a window.
type values struct{ counts map[string]int32 }

func (v *values) add(s *series, i int) {
	if v.counts == nil {
		v.counts = map[string]int32{}
	}
	for member := range strings.SplitSeq(s.texts[i], string(rune(separator))) {
		v.counts[member]++
	}
}

func (v *values) remove(s *series, i int) {
	for member := range strings.SplitSeq(s.texts[i], string(rune(separator))) {
		if v.counts[member]--; v.counts[member] == 0 {
			delete(v.counts, member)
		}
	}
}

func (v *values) value(*call, int) float64 { return float64(len(v.counts)) }

func (v *values) bytes() int { return 64 + 32*len(v.counts) }

package suggest

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A threshold is the least round number at which a rule would have fired at most once a day, and
// for a small part of the time, so that incidents within the sample do not raise it.

const (
	leastLogs      = 50 // in a window, for a share or a percentile to mean something
	leastBeats     = 20 // windows in which a group logged, for its silence to mean something
	longestSilence = 2 * time.Hour
	mostUp         = 0.05 // of the time in which a rule may have fired
)

// grouped are the groups of the label that the rule uses, and its name; one group without a name
// if most matches have no label, or a label has too many values.
func (t *tally) grouped() (label string, groups map[string]*groupTally) {
	for i := range t.labels {
		if l := &t.labels[i]; !l.more && l.logs*10 >= t.matches*9 && l.logs > 0 {
			return l.name, l.groups
		}
	}
	return "", map[string]*groupTally{"": &t.all}
}

// limit is how often, and in how many windows, a rule may have fired in the sample.
type limit struct{ alerts, windows int }

func (s *Profile) limit(t *tally, groups map[string]*groupTally) limit {
	span := s.To.Sub(s.From)
	windows := float64(span/t.windowOr()+1) * float64(len(groups))
	return limit{max(1, int(math.Round(span.Hours()/24))), int(math.Ceil(mostUp * windows))}
}

// keeps reports whether groups exceed a threshold rarely enough. A stretch of windows is an alert.
func (l limit) keeps(groups map[string]*groupTally, exceeds func(*cell) bool) bool {
	alerts, windows := 0, 0
	for _, g := range groups {
		last := int64(math.MinInt64)
		for _, w := range sorted(g.windows) {
			if !exceeds(g.windows[w]) {
				continue
			}
			if windows++; w != last+1 {
				alerts++
			}
			last = w
		}
	}
	return alerts <= l.alerts && windows <= l.windows
}

func sorted(windows map[int64]*cell) []int64 {
	list := make([]int64, 0, len(windows))
	for w := range windows {
		list = append(list, w)
	}
	slices.Sort(list)
	return list
}

// round are the numbers that a threshold may have: 1, 2, 3, 5, 7, 10, 15, 20, 30, 50 and so on.
func round(yield func(int) bool) {
	for _, n := range []int{1, 2, 3, 5, 7} {
		if !yield(n) {
			return
		}
	}
	for scale := 10; scale <= 1e8; scale *= 10 {
		for _, n := range []int{10, 15, 20, 30, 50, 70} {
			if !yield(n * scale / 10) {
				return
			}
		}
	}
}

// leastRound is the least round number from least to most that holds; false if there is none.
func leastRound(least, most int, holds func(threshold int) bool) (int, bool) {
	for n := range round {
		if n > most {
			break
		}
		if n >= least && holds(n) {
			return n, true
		}
	}
	return 0, false
}

// countThreshold is for rules on counts.
func countThreshold(groups map[string]*groupTally, least int, l limit) (int, bool) {
	return leastRound(least, math.MaxInt, func(threshold int) bool {
		return l.keeps(groups, func(c *cell) bool { return c.logs > int64(threshold) })
	})
}

// shareThreshold is for shares, in percent; false when even half of all is usual, or no window has
// enough logs.
func shareThreshold(groups map[string]*groupTally, l limit) (int, bool) {
	if !slices.ContainsFunc(cells(groups), func(c *cell) bool { return c.logs >= leastLogs }) {
		return 0, false
	}
	return leastRound(1, 50, func(threshold int) bool {
		return l.keeps(groups, func(c *cell) bool {
			return c.logs >= leastLogs && c.part*100 > int64(threshold)*c.logs
		})
	})
}

// slowThreshold is for percentiles, in milliseconds.
func slowThreshold(groups map[string]*groupTally, l limit) (int, bool) {
	p95 := map[*cell]float64{}
	for _, c := range cells(groups) {
		if len(c.values) >= leastLogs {
			slices.Sort(c.values)
			p95[c] = c.values[(len(c.values)*95-1)/100]
		}
	}
	if len(p95) == 0 {
		return 0, false
	}
	return leastRound(50, math.MaxInt, func(threshold int) bool {
		return l.keeps(groups, func(c *cell) bool { return p95[c] > float64(threshold) })
	})
}

func cells(groups map[string]*groupTally) (list []*cell) {
	for _, g := range groups {
		for _, c := range g.windows {
			list = append(list, c)
		}
	}
	return list
}

// silences are the windows that a rule about silence may have.
var silences = []time.Duration{
	5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
	longestSilence,
}

// silenceWindow is the shortest window of which there were at most so many silences; false when
// most groups do not log all the time.
func (s *Profile) silenceWindow(groups map[string]*groupTally, most int) (time.Duration, bool) {
	var gaps [][]time.Duration // of the groups that log often enough
	for _, g := range groups {
		if len(g.windows) < leastBeats {
			continue
		}
		var list []time.Duration
		windows := sorted(g.windows)
		for i, w := range windows[1:] {
			list = append(list, time.Duration(w-windows[i])*beat)
		}
		gaps = append(
			gaps,
			append(list, s.To.Sub(time.Unix(0, windows[len(windows)-1]*int64(beat)))),
		)
	}
	if len(gaps) == 0 || len(gaps)*2 < len(groups) {
		return 0, false
	}
	for _, w := range silences {
		n := 0
		for _, list := range gaps {
			for _, gap := range list {
				if gap >= w {
					n++
				}
			}
		}
		if n <= most {
			return w, true
		}
	}
	return 0, false
}

// typical is the group with the most logs.
func typical(groups map[string]*groupTally) string {
	names := make([]string, 0, len(groups))
	for name := range groups {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(groups[b].logs, groups[a].logs), cmp.Compare(a, b))
	})
	return names[0]
}

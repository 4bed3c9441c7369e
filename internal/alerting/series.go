package alerting

import (
	"fmt"

	"github.com/log-monitoring/alert-engine/internal/fair"
)

// defaultMaxSeries is how many series of record rules the metrics have together. Who writes logs
// chooses the groups, and a scrape is made with the engine's lock.
const defaultMaxSeries = 50_000

// seriesShares is how many series each record rule shows: all of them if there is room for those of
// all rules. Otherwise a rule with few shows all, and those with many share the rest evenly, so no
// rule takes the series of another.
func (st *state) seriesShares() map[*ruleState]int {
	var sizes []int64
	for _, rs := range st.rules {
		if rs.rule.Record {
			sizes = append(sizes, int64(rs.groups.live))
		}
	}
	level := fair.Level(sizes, int64(st.opts.maxSeries))
	shares := make(map[*ruleState]int, len(sizes))
	for _, rs := range st.rules {
		if rs.rule.Record {
			shares[rs] = int(min(int64(rs.groups.live), level))
		}
	}
	return shares
}

// SeriesHeldBack says which record rules have more groups than the metrics show, and of how many.
// The log says it once for each rule, until all are shown again.
func (e *Engine) SeriesHeldBack() (problems []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	shares := e.state.seriesShares()
	for _, rs := range e.state.rules {
		shown, record := shares[rs]
		held := record && shown < rs.groups.live
		if held {
			problems = append(problems, fmt.Sprintf(
				"rule %s records %d groups, of which /metrics shows %d (%d for all rules together)",
				rs.id, rs.groups.live, shown, e.opts.maxSeries,
			))
		}
		if held && !rs.seriesHeld {
			e.opts.logger.Error("metrics do not show all groups of a record rule; group it by "+
				"a field with fewer values, or lower its limit",
				"rule", rs.id, "groups", rs.groups.live, "shown", shown,
				"limit_of_all", e.opts.maxSeries)
		}
		rs.seriesHeld = held
	}
	return problems
}

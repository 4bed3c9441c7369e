package alerting

import (
	"maps"
	"slices"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Resolve ends an alert by hand. It is false when no such alert is up. While its condition still
// holds, the group has no further alert until it has ceased to. Evaluation continues while the
// alert is looked for.
func (e *Engine) Resolve(alertID, reason string) bool {
	e.mu.Lock()
	defer e.unlockAndEmit()
	for _, rs := range slices.Clone(e.state.rules) {
		for i, number := range slices.Collect(maps.Keys(rs.alerts)) {
			if i%alertsBatch == alertsBatch-1 {
				e.unlockAndEmit()
				e.mu.Lock()
			}
			if e.state.byFingerprint[rs.fingerprint] != rs {
				break // the rule was removed or replaced in the meantime
			}
			if !rs.alerts[number] {
				continue
			}
			m := e.state.at(rs, number)
			if m.resolveByHand(alertID, reason) {
				m.schedule()
				rs.touch(number, m.g)
				return true
			}
		}
	}
	return false
}

// resolveByHand ends the episode with an ID. While the condition still holds, the next one does not
// begin.
func (m *machine) resolveByHand(alertID, reason string) bool {
	a := m.g.alert
	switch {
	case a.early != nil && m.u.alertID(m.g.key, a.early.number) == alertID:
		if a.early.byHand {
			return false
		}
		a.early.byHand = true // the watermark has not come there, and must not fire it again
		a.early.fellAt = max(a.early.startsAt, m.u.watermark+1)
		m.u.count(a)
		m.transition(a.early, models.AlertResolved, a.early.fellAt, reason)
	case a.phase != idle && m.u.alertID(m.g.key, a.number) == alertID:
		a.blocked = a.conditionHolds
		m.resolve(max(a.decidedTo, a.firedAt, m.u.watermark+1), reason)
	default:
		return false
	}
	return true
}

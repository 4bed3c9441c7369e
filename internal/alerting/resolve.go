package alerting

// Resolve ends an alert by hand. It is false when no such alert is up. While its condition still
// holdsBack, the group has no further alert until it has ceased to.
func (e *Engine) Resolve(alertID, reason string) bool {
	e.mu.Lock()
	defer e.unlockAndEmit()
	for _, rs := range e.rules {
		for number := range rs.alerts {
			if rs.alertID(rs.groups.at(number)) != alertID {
				continue
			}
			m := e.at(rs, number)
			a := m.g.alert
			if a.phase == idle {
				return false
			}
			a.conditionHolds = a.conditionHolds || a.early // the watermark will say so
			m.resolve(max(a.decidedTo, a.firedAt, m.watermark()), reason)
			m.schedule()
			rs.touch(number, m.g)
			return true
		}
	}
	return false
}

package alerting

// Resolve ends an alert by hand. It is false when no such alert is up. While its condition still
// holds, the group has no further alert until it has ceased to.
func (e *Engine) Resolve(alertID, reason string) bool {
	e.mu.Lock()
	defer e.unlock()
	for _, u := range e.program.Load().units {
		for number := range u.open {
			if u.alertID(u.groups.at(number)) != alertID {
				continue
			}
			l := e.at(u, number)
			a := l.g.alert
			if a.phase == idle {
				return false
			}
			a.raw = a.raw || a.early // the watermark will say so
			l.resolve(max(a.at, a.fired, l.watermark()), reason)
			l.schedule()
			u.touch(number, l.g)
			return true
		}
	}
	return false
}

package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The notifier fires alerts of its own when it cannot notify of all that there is. They have a
// reserved place.
const internalGroup = "alert-engine/"

const (
	heldAlert  = "NotificationsHeldBack"
	queueAlert = "NotificationQueueFull"
)

func internalAlert(rule string) bool { return strings.HasPrefix(rule, internalGroup) }

// Report fires or resolves an alert of the program itself, such as one about records that it reads.
// Its name is its identity; the summary is that of the moment at which it fires. It may be called
// at any time, and repeating a call changes nothing.
func (n *Notifier) Report(name, severity, summary string, on bool) {
	n.setInternal(name, severity, summary, on, time.Now())
}

// setInternal fires or resolves an alert of the program itself.
func (n *Notifier) setInternal(name, severity, summary string, on bool, now time.Time) {
	id := internalGroup + name
	n.states.mu.Lock()
	var last models.Alert
	if s := n.states.byID[id]; s != nil {
		last = s.last().Alert.alert()
	}
	n.states.mu.Unlock()
	fires := last.State == models.AlertFiring
	if fires == on {
		return
	}
	a := models.Alert{
		ID: id, Rule: internalGroup + name, Episode: 1, State: models.AlertFiring, Reason: summary,
		Labels: map[string]string{"alertname": name, "severity": severity}, Severity: severity,
		Annotations: map[string]string{"summary": summary}, At: now, StartsAt: now,
	}
	if on {
		n.logger.Error(summary, "alert", name)
		n.states.fire(a, now)
	} else {
		last.State, last.At, last.EndsAt = models.AlertResolved, now, now
		n.states.resolve(last, now)
	}
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

// reportHeld says when alerts are held back, or notifications were dropped.
func (n *Notifier) reportHeld() {
	now := time.Now()
	n.states.mu.Lock()
	held, rule := n.states.admitted.held()
	n.states.mu.Unlock()
	n.setInternal(heldAlert, "critical", fmt.Sprintf(
		"%d alerts wait to be notified, most of rule %s, because too many fire", held, rule,
	), held > 0, now)
	waiting, bytes, _ := n.waiting()
	n.setInternal(queueAlert, "critical", fmt.Sprintf(
		"%d notifications wait for the file or topic; beyond %d bytes the oldest are dropped",
		waiting, n.opts.MaxQueueBytes,
	), bytes > n.opts.MaxQueueBytes/10*9, now)
}

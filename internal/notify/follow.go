package notify

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A follower of a cluster sends no notifications, but its API shows the alerts as the leader's
// does: those of the notification state that the leader publishes. It is looked at on request.

// mirror is the alerts that a follower shows.
type mirror struct {
	mu    sync.Mutex // guards what follows; taken after the lock of the states
	at    time.Time  // when it was refreshed last
	shown map[string]mirrored
}

// mirrored is an entry of the notification state, and what it says.
type mirrored struct {
	value []byte
	state *state
}

// mirrorEvery bounds how often a follower reads the notification state for its API.
const mirrorEvery = time.Second

// follows reports whether another member of our cluster has the alerts.
func (n *Notifier) follows() bool {
	if n.opts.Notified == nil {
		return false
	}
	n.states.owning.RLock()
	defer n.states.owning.RUnlock()
	return !n.states.homes[n.opts.Home]
}

// reflect has the API of a follower show what the leader has published.
func (n *Notifier) reflect() {
	m, now := &n.mirror, time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !n.follows() || now.Sub(m.at) < mirrorEvery {
		return
	}
	m.at = now
	external := n.config.Load().external
	shown := map[string]mirrored{}
	var fire []*alert.Alert
	for key, value := range n.opts.Notified() {
		if !strings.HasPrefix(key, keyAlert) {
			continue
		}
		one, known := m.shown[key]
		if !known || !bytes.Equal(one.value, value) {
			s, err := unpackState(string(value))
			if err != nil {
				continue // the next leader says so
			}
			s.fp = s.Labels.set().Fingerprint()
			one = mirrored{value, s}
		}
		if one.state.firing() {
			shown[key] = one
			fire = append(fire, present(one.state, now, external))
		}
	}
	was := m.shown
	m.shown = shown
	n.show(fire)
	n.show(n.ended(was, shown, now))
	for key := range shown {
		if _, known := was[key]; !known && len(n.config.Load().conf.InhibitRules) > 0 {
			time.Sleep(inhibitDelay) // then the inhibitor has what is new
			return
		}
	}
}

// lead has the API show nothing any more that does not fire: from here on the dispatcher has it.
func (m *mirror) lead(n *Notifier, firing []models.Alert) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := map[string]bool{}
	for _, a := range firing {
		known[a.ID] = true
	}
	maps.DeleteFunc(m.shown, func(_ string, one mirrored) bool {
		return known[one.state.last().Alert.ID]
	})
	n.show(n.ended(m.shown, nil, time.Now()))
	m.shown, m.at = nil, time.Time{}
}

// ended are the alerts of was that are not in now, as ended.
func (n *Notifier) ended(was, now map[string]mirrored, at time.Time) (list []*alert.Alert) {
	fire := map[model.Fingerprint]bool{}
	for _, one := range now {
		fire[one.state.fp] = true
	}
	for _, one := range was {
		if s := one.state; !fire[s.fp] {
			list = append(list, alert.New(model.Alert{
				Labels: s.Labels.set(), StartsAt: s.last().Since, EndsAt: at.Add(-time.Millisecond),
			}, at, false)) // the API lists what ends now
		}
	}
	return list
}

// show hands alerts to Alertmanager's API and inhibitor.
func (n *Notifier) show(list []*alert.Alert) {
	if len(list) == 0 {
		return
	}
	if err := n.alerts.Put(context.Background(), list...); err != nil {
		n.logger.Error("alerts cannot be handed to Alertmanager's API", "error", err)
	}
}

// mirroredGroups are the groups that a leader with our routes has. The caller holds the states'
// lock.
func (n *Notifier) mirroredGroups(d *dispatcher) []*group {
	n.mirror.mu.Lock()
	defer n.mirror.mu.Unlock()
	groups := map[string]*group{}
	for _, one := range n.mirror.shown {
		s := one.state
		for _, r := range d.l.routes.Match(s.Labels.set()) {
			set, key := groupIn(r, s.Labels.set())
			g := groups[r.ID()+key]
			if g == nil {
				g = &group{
					d: d, route: r, labels: set, key: key,
					members: map[model.Fingerprint]*state{},
				}
				groups[r.ID()+key] = g
			}
			g.members[s.fp] = s
		}
	}
	return slices.Collect(maps.Values(groups))
}

package notify

import (
	"bytes"
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A follower of a cluster sends no notifications, but its API shows the alerts as the leader's
// does: those of the notification state that the leader publishes. It is read on request.

// mirror is the alerts that a follower shows.
type mirror struct {
	refreshing sync.Mutex // held by the request that refreshes; taken before mu
	mu         sync.Mutex // guards what follows
	at         time.Time  // when it was refreshed last; zero for never
	shown      map[string]mirrored
}

// mirrored is an entry of the notification state, and the state that it decodes to. Neither is
// changed.
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

// refreshMirror has the API of a follower show what the leader has published. One request at a time
// does that; others meanwhile show what was published before, if anything.
func (n *Notifier) refreshMirror() {
	m := &n.mirror
	if !n.follows() || !m.outdated(time.Now()) {
		return
	}
	if !m.refreshing.TryLock() {
		if !m.empty() {
			return
		}
		m.refreshing.Lock()
	}
	defer m.refreshing.Unlock()
	now := time.Now()
	if !n.follows() || !m.outdated(now) { // changed while we waited
		return
	}
	was := m.list()
	shown, fire := n.published(was, now)
	n.show(fire)
	n.show(n.ended(was, shown, now))
	for key := range shown {
		if _, known := was[key]; !known && len(n.config.Load().conf.InhibitRules) > 0 {
			time.Sleep(inhibitDelay) // then the inhibitor has what is new
			break
		}
	}
	m.set(shown, now)
}

func (m *mirror) outdated(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.Sub(m.at) >= mirrorEvery
}

func (m *mirror) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at.IsZero()
}

// list returns what is shown. It is not changed any more.
func (m *mirror) list() map[string]mirrored {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown
}

func (m *mirror) set(shown map[string]mirrored, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown, m.at = shown, at
}

// published returns the firing alerts of the published state. Entries of was that have not changed
// are not decoded again.
func (n *Notifier) published(
	was map[string]mirrored, now time.Time,
) (shown map[string]mirrored, fire []*alert.Alert) {
	external := n.config.Load().external
	shown = map[string]mirrored{}
	for key, value := range n.opts.Notified() {
		if !strings.HasPrefix(key, keyAlert) {
			continue
		}
		one, known := was[key]
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
	return shown, fire
}

// lead has the API show nothing any more that does not fire: from here on the dispatcher has it.
func (m *mirror) lead(n *Notifier, firing []models.Alert) {
	m.refreshing.Lock()
	defer m.refreshing.Unlock()
	known := map[string]bool{}
	for _, a := range firing {
		known[a.ID] = true
	}
	gone := maps.Clone(m.list())
	maps.DeleteFunc(gone, func(_ string, one mirrored) bool {
		return known[one.state.last().Alert.ID]
	})
	n.show(n.ended(gone, nil, time.Now()))
	m.set(nil, time.Time{})
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

// mirroredGroups are the groups that a leader with our routes has.
func (n *Notifier) mirroredGroups(d *dispatcher) []listedGroup {
	groups := map[string]*listedGroup{}
	for _, one := range n.mirror.list() {
		set := one.state.Labels.set()
		for _, r := range d.l.routes.Match(set) {
			labels, key := groupIn(r, set)
			g := groups[r.ID()+key]
			if g == nil {
				g = &listedGroup{route: r, labels: labels, key: key}
				groups[r.ID()+key] = g
			}
			g.members = append(g.members, one.state)
		}
	}
	list := make([]listedGroup, 0, len(groups))
	for _, g := range groups {
		list = append(list, *g)
	}
	return list
}

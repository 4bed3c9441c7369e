package notify

import (
	"bytes"
	"context"
	"maps"
	"net/url"
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
	entries    map[string]mirrored
}

// mirrored is an entry of the notification state and, of an alert that fires, the state that it
// decodes to and the alert as it was handed to Alertmanager's API. None of them is changed.
type mirrored struct {
	value    []byte
	state    *state // nil when it does not fire
	alert    *alert.Alert
	external *url.URL // of the link of the alert
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
// does that; others in the meantime show what was published before, if anything.
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
	entries, fire, news := n.published(was, now)
	n.show(fire)
	n.show(ended(was, entries, now))
	if news && len(n.config.Load().conf.InhibitRules) > 0 {
		time.Sleep(inhibitDelay) // then the inhibitor has what is new
	}
	m.set(entries, now)
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

// list returns the entries that were published when it was refreshed. They do not change any more.
func (m *mirror) list() map[string]mirrored {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.entries
}

func (m *mirror) set(entries map[string]mirrored, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries, m.at = entries, at
}

// published returns the published state, the firing alerts of it that Alertmanager's API must get,
// and whether any did not fire in was. There may be very many, and most have not changed: those are
// not decoded again, and the API gets them again only before they expire there.
func (n *Notifier) published(
	was map[string]mirrored, now time.Time,
) (entries map[string]mirrored, fire []*alert.Alert, news bool) {
	external := n.config.Load().external
	entries = make(map[string]mirrored, len(was))
	for key, value := range n.opts.Notified() {
		if !strings.HasPrefix(key, keyAlert) {
			continue
		}
		one, known := was[key]
		if !known || !bytes.Equal(one.value, value) {
			fired := one.state != nil
			one = mirrored{value: value, state: firingState(value)}
			news = news || one.state != nil && !fired
		}
		if one.state != nil && (one.alert == nil || one.external != external ||
			now.Sub(one.alert.UpdatedAt) > alertLifetime/2) {
			one.alert, one.external = present(one.state, now, external), external
			fire = append(fire, one.alert)
		}
		entries[key] = one
	}
	return entries, fire, news
}

// firingState decodes a published state, and returns nil when its alert does not fire.
func firingState(value []byte) *state {
	s, err := unpackState(string(value))
	if err != nil || !s.firing() { // of an error, the next leader says so
		return nil
	}
	s.fp = s.Labels.set().Fingerprint()
	return s
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
		return one.state != nil && known[one.state.last().Alert.ID]
	})
	n.show(ended(gone, nil, time.Now()))
	m.set(nil, time.Time{})
}

// ended are the alerts that fire in was and do not in now, as ended.
func ended(was, now map[string]mirrored, at time.Time) (list []*alert.Alert) {
	for key, one := range was {
		if s := one.state; s != nil && now[key].state == nil {
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
		if one.state == nil {
			continue
		}
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

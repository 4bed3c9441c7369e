package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Delivery is an attempt to notify a receiver of an alert, or the reason why it was not notified.
type Delivery struct {
	// of the last attempt, when several had the same answer
	At    time.Time         `json:"at"`
	State models.AlertState `json:"state"` // the state that it is about
	// as in the configuration; "" when it was decided before any was chosen
	Receiver    string `json:"receiver"`
	Integration string `json:"integration,omitempty"` // slack[0], webhook[1]
	Sent        bool   `json:"sent"`
	Detail      string `json:"detail,omitempty"` // the answer, the error, or why not
	Rule        string `json:"-"`
}

// What is kept of deliveries: enough for the page of an alert, for the alerts of some days.
const (
	maxDeliveries       = 50 // of one alert
	maxDeliveredAlerts  = 5000
	maxRecentDeliveries = 200
)

// deliveries keeps the last of them in memory.
type deliveries struct {
	mu     sync.Mutex // guards what follows
	byID   map[string]*[]noted
	order  []string // of byID, oldest first
	recent []Delivery
}

type noted struct {
	Delivery
	times int
}

// add notes a delivery. What repeats is counted, and is not news.
func (d *deliveries) add(id string, one Delivery) (news bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	of := d.byID[id]
	if of == nil {
		id = strings.Clone(id) // part of a packed alert, as the rule
		d.makeRoom()
		of = &[]noted{}
		d.byID[id] = of // once: a map keeps the key that was given last
		d.order = append(d.order, id)
	}
	list := *of
	if n := len(list); n > 0 && list[n-1].repeats(one) {
		list[n-1].At = one.At
		list[n-1].times++
		return false
	}
	one.Rule = strings.Clone(one.Rule)
	if len(list) == maxDeliveries {
		list = slices.Delete(list, 1, 2) // the first one says when it was notified
	}
	*of = append(list, noted{one, 1})
	if d.recent = append(d.recent, one); len(d.recent) > maxRecentDeliveries {
		d.recent = slices.Delete(d.recent, 0, 1)
	}
	return true
}

func (d *deliveries) makeRoom() {
	if d.byID == nil {
		d.byID = map[string]*[]noted{}
	}
	if len(d.order) >= maxDeliveredAlerts {
		delete(d.byID, d.order[0])
		d.order = slices.Delete(d.order, 0, 1)
	}
}

func (n noted) repeats(one Delivery) bool {
	one.At = n.At
	return n.Delivery == one
}

// knows reports whether anything is noted of an alert.
func (d *deliveries) knows(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byID[id] != nil
}

// of returns the deliveries of an alert, oldest first.
func (d *deliveries) of(id string) []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	var noted []noted
	if of := d.byID[id]; of != nil {
		noted = *of
	}
	list := make([]Delivery, 0, len(noted))
	for _, n := range noted {
		if n.times > 1 {
			n.Detail = fmt.Sprintf("%s (%d times)", n.Detail, n.times)
		}
		list = append(list, n.Delivery)
	}
	return list
}

func (d *deliveries) last() []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.recent)
}

// note notes a delivery, and passes it to Options.Delivered unless it repeats the one before.
func (n *Notifier) note(alertID string, one Delivery) {
	if n.deliveries.add(alertID, one) && n.opts.Delivered != nil {
		n.opts.Delivered(alertID, one)
	}
}

// Deliveries returns the notifications of an alert with the answers, and why some were not sent,
// oldest first. The last ones are kept, in memory.
func (n *Notifier) Deliveries(alertID string) []Delivery { return n.deliveries.of(alertID) }

// restoreDeliveries notes what was sent before a restart, of the alerts whose state is kept.
func (n *Notifier) restoreDeliveries() {
	b := n.states
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.byLabels {
		for _, destination := range slices.SortedFunc(maps.Keys(s.Notified), func(x, y string) int {
			return s.Notified[x].At.Compare(s.Notified[y].At)
		}) {
			p := s.Notified[destination]
			if p.State == "" {
				continue
			}
			receiver, integration, _ := strings.Cut(destination, "/")
			n.deliveries.add(p.ID, Delivery{
				At:          p.At,
				State:       p.State,
				Receiver:    receiver,
				Integration: integration,
				Sent:        true,
				Detail:      "accepted, before the restart",
			})
		}
	}
}

package notify

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/dispatch"
)

// RouteStatus is a node of the tree of routes.
type RouteStatus struct {
	Depth          int
	Receiver       string
	Matchers       []string
	Continue       bool
	GroupBy        []string // "..." for all labels
	GroupWait      time.Duration
	GroupInterval  time.Duration
	RepeatInterval time.Duration
	Mute, Active   []string      // time intervals
	Digest         time.Duration // between two messages that collect; 0 for none
	After          time.Duration // of an escalation; 0 for other routes
}

// ReceiverStatus is a receiver and its health.
type ReceiverStatus struct {
	Name         string
	Integrations []string  // webhook[0]
	Failing      time.Time // since when; zero if it does not fail
	Detail       string    // the last error while it fails
}

// Routes returns the configured routes, each before its children. The first one is ours and is left
// out.
func (n *Notifier) Routes() []RouteStatus {
	var list []RouteStatus
	for _, r := range n.config.Load().routes.Routes {
		list = appendRoute(list, r, 0, n.config.Load().marks)
	}
	return list
}

func appendRoute(
	list []RouteStatus,
	r *dispatch.Route,
	depth int,
	marks map[string]mark,
) []RouteStatus {
	o := r.RouteOpts
	if o.Receiver == NoReceiver && len(r.Routes) == 0 {
		return list // no receiver is configured
	}
	one := RouteStatus{
		Depth:          depth,
		Receiver:       o.Receiver,
		Continue:       r.Continue,
		GroupWait:      o.GroupWait,
		GroupInterval:  o.GroupInterval,
		RepeatInterval: o.RepeatInterval,
		Mute:           o.MuteTimeIntervals,
		Active:         o.ActiveTimeIntervals,
		Digest:         marks[r.ID()].digest,
		After:          marks[r.ID()].after,
	}
	for _, m := range r.Matchers {
		one.Matchers = append(one.Matchers, m.String())
	}
	for name := range o.GroupBy {
		one.GroupBy = append(one.GroupBy, string(name))
	}
	slices.Sort(one.GroupBy)
	if o.GroupByAll {
		one.GroupBy = []string{"..."}
	}
	list = append(list, one)
	for _, child := range r.Routes {
		list = appendRoute(list, child, depth+1, marks)
	}
	return list
}

// RoutedTo returns the receivers of alerts with some labels, each once.
func (n *Notifier) RoutedTo(set map[string]string) []string {
	labels := model.LabelSet{}
	for name, value := range set {
		labels[model.LabelName(name)] = model.LabelValue(value)
	}
	var list []string
	for _, r := range n.config.Load().routes.Match(labels) {
		if name := r.RouteOpts.Receiver; name != NoReceiver && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// Receivers returns the configured receivers in the order of their names.
func (n *Notifier) Receivers() []ReceiverStatus {
	p := n.config.Load()
	var list []ReceiverStatus
	n.receivers.mu.Lock()
	defer n.receivers.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(p.receivers)) {
		if name == NoReceiver {
			continue
		}
		one := ReceiverStatus{Name: name}
		for _, in := range p.receivers[name] {
			one.Integrations = append(one.Integrations, in.String())
			if s := n.receivers.state[destinationOf(name, in)]; s != nil && !s.failing.IsZero() {
				one.Failing, one.Detail = s.failing, s.detail
			}
		}
		list = append(list, one)
	}
	return list
}

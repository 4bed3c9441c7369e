package notify

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Two keys of routes are ours, beside those of Alertmanager:
//
//	routes:
//	- matchers: ['severity="info"']
//	  receiver: mail
//	  digest: 1d                                  # one message a day
//	- matchers: ['severity="page"']
//	  receiver: oncall
//	  escalate: {after: 15m, receiver: manager}   # unless it is acknowledged or resolved
//
// A digest is a route whose groups wait for that long, and whose messages hold each alert of the
// time once: as it is, or how it ended. An escalation is a route beside the one that has it, for
// the same alerts, whose groups are single alerts and wait for that long. An acknowledged alert is
// silenced, so it is not escalated.

// mark is what is ours of a route.
type mark struct {
	digest time.Duration // 0 for none
	after  time.Duration // of a route of an escalation; 0 for others
}

const (
	minDigest = time.Minute
	maxDigest = 24 * time.Hour // half of the time for which resolved alerts wait for a receiver
	maxAfter  = 24 * time.Hour
)

// routeKeys are our keys of a route and of the routes below it.
type routeKeys struct {
	digest   time.Duration
	receiver string
	after    time.Duration
	routes   []*routeKeys
}

// cutRouteKeys takes our keys out of a configuration of Alertmanager, and makes the paths in it
// absolute, since the text is no longer a file. keys is nil when there are none.
func cutRouteKeys(name string, text []byte) (rest []byte, keys *routeKeys, err error) {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) != 1 {
		return text, nil, nil // Alertmanager says what is wrong
	}
	route := valueOf(doc.Content[0], "route")
	if route == nil {
		return text, nil, nil
	}
	found := false
	keys, err = cutRoute(name, route, &found)
	if err != nil || !found {
		return text, nil, err
	}
	absolutePaths(doc.Content[0], filepath.Dir(name))
	rest, err = yaml.Marshal(&doc)
	return rest, keys, err
}

func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func cutRoute(name string, n *yaml.Node, found *bool) (keys *routeKeys, err error) {
	keys = &routeKeys{}
	fail := func(at *yaml.Node, text string) error {
		return problem.New(problem.Pos{File: name, Line: at.Line, Column: at.Column}, "", "%s", text)
	}
	for i := 0; i+1 < len(n.Content); {
		key, value := n.Content[i].Value, n.Content[i+1]
		switch key {
		case "digest":
			if keys.digest, err = duration.Parse(value.Value); err != nil ||
				keys.digest < minDigest || keys.digest > maxDigest {
				return nil, fail(value, "digest is a time from 1m to 1d, such as 1d")
			}
		case "escalate":
			after, receiver := valueOf(value, "after"), valueOf(value, "receiver")
			if after == nil || receiver == nil || receiver.Value == "" || len(value.Content) != 4 {
				return nil, fail(value, "write escalate: {after: 15m, receiver: NAME}")
			}
			if keys.after, err = duration.Parse(after.Value); err != nil || keys.after <= 0 ||
				keys.after > maxAfter {
				return nil, fail(after, "after is a time of up to 1d, such as 15m")
			}
			keys.receiver = receiver.Value
		case "routes":
			for _, child := range value.Content {
				sub, err := cutRoute(name, child, found)
				if err != nil {
					return nil, err
				}
				keys.routes = append(keys.routes, sub)
			}
			i += 2
			continue
		default:
			i += 2
			continue
		}
		*found = true
		n.Content = slices.Delete(n.Content, i, i+2)
	}
	return keys, nil
}

// absolutePaths makes the paths of templates and of files with secrets absolute.
func absolutePaths(n *yaml.Node, dir string) {
	join := func(v *yaml.Node) {
		if v.Kind == yaml.ScalarNode && v.Value != "" && !filepath.IsAbs(v.Value) {
			v.Value = filepath.Join(dir, v.Value)
		}
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			switch key, value := n.Content[i].Value, n.Content[i+1]; {
			case key == "templates":
				for _, one := range value.Content {
					join(one)
				}
			case strings.HasSuffix(key, "_file"):
				join(value)
			}
		}
	}
	for _, child := range n.Content {
		absolutePaths(child, dir)
	}
}

// apply has a route collect and escalate as its keys say. The routes it returns stand before it.
func (k *routeKeys) apply(
	r *config.Route, digest time.Duration, marks map[*config.Route]mark,
) (before []*config.Route) {
	if k.digest > 0 {
		digest = k.digest
	}
	if digest > 0 {
		d := model.Duration(digest)
		r.GroupWait, r.GroupInterval = &d, &d
		if r.RepeatInterval == nil {
			r.RepeatInterval = &d
		}
		marks[r] = mark{digest: digest}
	}
	if k.after > 0 {
		wait, minute := model.Duration(k.after), model.Duration(time.Minute)
		e := &config.Route{
			Receiver: k.receiver, Match: r.Match, MatchRE: r.MatchRE, Matchers: r.Matchers,
			MuteTimeIntervals: r.MuteTimeIntervals, ActiveTimeIntervals: r.ActiveTimeIntervals,
			GroupByStr: []string{"..."}, GroupByAll: true, GroupWait: &wait, GroupInterval: &minute,
			RepeatInterval: r.RepeatInterval, Continue: true,
		}
		before = append(before, e)
		marks[e] = mark{after: k.after}
	}
	var routes []*config.Route
	for i, child := range r.Routes {
		routes = append(routes, k.routes[i].apply(child, digest, marks)...)
		routes = append(routes, child)
	}
	r.Routes = routes
	return before
}

// receivers are the names of the receivers of escalations.
func (k *routeKeys) receivers() (names []string) {
	if k.receiver != "" {
		names = append(names, k.receiver)
	}
	for _, child := range k.routes {
		names = append(names, child.receivers()...)
	}
	return names
}

// marksOf finds the marks of routes again in the tree that Alertmanager makes of them.
func marksOf(
	r *dispatch.Route, conf *config.Route, marks map[*config.Route]mark, out map[string]mark,
) {
	if m, ok := marks[conf]; ok {
		out[r.ID()] = m
	}
	for i, child := range r.Routes {
		marksOf(child, conf.Routes[i], marks, out)
	}
}

// escalates reports whether a step is escalated at a time: it has fired for long enough, and has
// not been resolved since.
func (m mark) escalates(t *step, now time.Time) bool {
	return m.after == 0 || !now.Before(t.Since.Add(m.after))
}

// knows reports whether an integration may be reminded of an alert: not before it is escalated.
func (m mark) knows(s *state, destination string) bool {
	return m.after == 0 || s.Notified[destination].State == models.AlertFiring
}

// collected is what a digest says of an alert: its last step, and how often it fired.
func collected(pending []step) *step {
	if len(pending) == 0 {
		return nil
	}
	t := pending[len(pending)-1]
	fired := 0
	for i := range pending {
		if !pending[i].firing() {
			continue
		}
		fired += 1 + pending[i].Merged
		if t.MergedSince.IsZero() {
			t.MergedSince = pending[i].Alert.alert().StartsAt
			if !pending[i].MergedSince.IsZero() {
				t.MergedSince = pending[i].MergedSince
			}
		}
	}
	t.Merged = max(0, fired-1)
	return &t
}

package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// overRetention finds the rules that look further back than a topic keeps its logs. They work, as long as the state is there: but one that is new begins with less
// of the past than it asks for, and what a lost directory knew cannot be read again.
func overRetention(set *rule.Set, kept map[string]kafka.Retention, now time.Time) (found []rule.Finding) {
	for _, r := range set.Rules {
		back := alerting.LookBack(r)
		if r.Mode == rule.Off || back == 0 {
			continue
		}
		for _, topic := range readBy(r, kept) {
			keeps, setting, limited := kept[topic].Keeps(now)
			if limited && keeps < back {
				found = append(found, rule.Finding{
					Name: rule.WindowOverRetention, Rule: r.ID(), Pos: set.Place(r, looksBackBy(r, back)),
					Text: fmt.Sprintf("the rule looks back %s, and %s keeps %s (%s): when it is new it begins with less", days(back), topic, days(keeps), setting),
					Hint: "look back less, or have the topic keep more",
				})
				break
			}
		}
	}
	return found
}

// readBy are those of some topics that a rule reads.
func readBy(r *rule.Rule, kept map[string]kafka.Retention) (topics []string) {
	sources := append([]string{r.Source}, r.Sources...)
	for topic := range kept {
		if r.Source == "" || slices.Contains(sources, topic) {
			topics = append(topics, topic)
		}
	}
	slices.Sort(topics)
	return topics
}

// looksBackBy is the key of a rule that makes it look back so far.
func looksBackBy(r *rule.Rule, back time.Duration) string {
	switch {
	case r.Learn == back:
		return "learn"
	case len(r.Sequence) > 0 && r.Within >= r.Window:
		return "within"
	case r.Window == back:
		return "window"
	}
	return "when"
}

// days writes a duration in days where it has some: 7d, or 7d1h.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	d = d.Round(time.Second)
	if d > time.Hour {
		d = d.Round(time.Minute)
	}
	rest := rule.Short(d % day)
	switch {
	case d < day:
		return rest
	case d%day == 0:
		rest = ""
	}
	return strings.TrimSuffix(fmt.Sprintf("%dd%s", d/day, rest), "0s")
}

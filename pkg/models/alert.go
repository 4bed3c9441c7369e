package models

import (
	"strings"
	"time"
)

// AlertState is where an alert stands in its life.
type AlertState string

const (
	// the condition holds, but not yet for as long as the rule demands
	AlertPending  AlertState = "pending"
	AlertFiring   AlertState = "firing"   // notified
	AlertResolved AlertState = "resolved" // it has ended
	// it holds, but the rule's calendar or a suppression mutes it
	AlertSuppressed AlertState = "suppressed"
	// it cannot be known at present, such as absence while no log can be read
	AlertUnknown AlertState = "unknown"
)

// GroupLimitAlert is the name of the alert that says that a rule was refused further groups.
const GroupLimitAlert = "AlertEngineGroupLimit"

var pageSeverities = map[string]bool{
	"page": true, "critical": true, "fatal": true, "emergency": true, "disaster": true,
	"sev1": true, "p1": true,
}

// IsPage reports whether alerts of a severity page an on-call engineer: they have larger reserved
// places in every bound.
func IsPage(severity string) bool { return pageSeverities[strings.ToLower(severity)] }

// Alert is one transition in the life of an alert. It is a fact of the past and is never changed;
// the same log gives the same transitions, with the same IDs, however often it is replayed.
type Alert struct {
	// deterministic: of rule, group and episode; equal in every transition of one episode
	ID   string `json:"id"`
	Rule string `json:"rule"` // group/name
	// 1 for the first episode of this rule and group
	Episode int64      `json:"episode"`
	State   AlertState `json:"state"`
	// why the state was entered, human-readable: "11 > 10 in 5m", "quiet for 5m"
	Reason string `json:"reason"`
	// identify the alert: alertname, the rule's labels, the group's; never the value
	Labels map[string]string `json:"labels"`
	// human-readable: summary, description, links
	Annotations map[string]string `json:"annotations"`
	// the left side of the deciding comparison: at the time of the transition; of an alert that is
	// listed, now
	Value     float64 `json:"value"`
	Threshold string  `json:"threshold"` // what it was held against: "> 10"
	// the value when the alert fired, and the one that was furthest beyond the threshold since
	FiredValue float64   `json:"fired_value"`
	Peak       float64   `json:"peak"`
	At         time.Time `json:"at"` // event time of this transition
	// event time at which the condition began to hold
	StartsAt time.Time `json:"starts_at"`
	// event time at which it ceased; zero while it holds
	EndsAt time.Time `json:"ends_at,omitzero"`
	// logs of the window in which the condition began to hold, and of all time since, up to At
	Count int64  `json:"count"`
	First []Line `json:"first,omitempty"`
	Last  []Line `json:"last,omitempty"`
	// the most frequent values of the fields the rule asks for
	Top      map[string][]TopValue `json:"top,omitempty"`
	Source   string                `json:"source"` // file:line of the rule
	Severity string                `json:"severity,omitempty"`
	// completed by a log that came later than the allowed lateness
	Late bool `json:"late,omitempty"`
	// fired early, and was taken back: late logs have changed what it was about
	Withdrawn bool `json:"withdrawn,omitempty"`
	// was over, or too old, when it was found: recorded, not notified
	Historical bool `json:"historical,omitempty"`
	// the rule is in signal mode: other rules use its alerts, and they are not notified
	Signal bool `json:"signal,omitempty"`
	// the rule runs in shadow: everything but the notification
	Shadow bool `json:"shadow,omitempty"`
	// that holds all of its logs, when several members share the topics; the alert moves with it
	Home Partition `json:"home,omitzero"`
}

// Duration is how long the condition held; of an alert that is not resolved, until its transition.
func (a Alert) Duration() time.Duration {
	end := a.EndsAt
	if end.IsZero() {
		end = a.At
	}
	if a.StartsAt.IsZero() || end.Before(a.StartsAt) {
		return 0
	}
	return end.Sub(a.StartsAt)
}

// Line is a log line shown in an alert. Its strings are bounded in length and valid UTF-8, but
// otherwise as an attacker may have written them.
type Line struct {
	Time     time.Time         `json:"time"`
	Level    string            `json:"level,omitempty"`
	Service  string            `json:"service,omitempty"`
	Message  string            `json:"message"`
	Fields   map[string]string `json:"fields,omitempty"`
	Position Position          `json:"position"`
}

// TopValue is a value of a field and how often it was seen.
type TopValue struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

package models

import "time"

// AlertState is where an alert stands in its life.
type AlertState string

const (
	AlertPending    AlertState = "pending"    // the condition holds, but not yet for as long as the rule demands
	AlertFiring     AlertState = "firing"     // people are to be told
	AlertResolved   AlertState = "resolved"   // it is over
	AlertSuppressed AlertState = "suppressed" // it holds, but the rule's calendar or a suppression mutes it
	AlertUnknown    AlertState = "unknown"    // it cannot be known at present, such as absence while no log can be read
)

// Alert is one transition in the life of an alert. It is a fact of the past and is never changed; the same log gives the same transitions, with the same IDs,
// however often it is replayed.
type Alert struct {
	ID          string                `json:"id"`      // deterministic: of rule, group and episode; equal in every transition of one episode
	Rule        string                `json:"rule"`    // group/name
	Episode     int64                 `json:"episode"` // 1 for the first episode of this rule and group
	State       AlertState            `json:"state"`
	Reason      string                `json:"reason"`           // why the state was entered, for people: "11 > 10 in 5m", "quiet for 5m"
	Labels      map[string]string     `json:"labels"`           // identify the alert: alertname, the rule's labels, the group's; never the value
	Annotations map[string]string     `json:"annotations"`      // for people: summary, description, links
	Value       float64               `json:"value"`            // the left side of the deciding comparison
	Threshold   string                `json:"threshold"`        // what it was held against: "> 10"
	At          time.Time             `json:"at"`               // event time of this transition
	StartsAt    time.Time             `json:"starts_at"`        // event time at which the condition began to hold
	EndsAt      time.Time             `json:"ends_at,omitzero"` // event time at which it ceased; zero while it holds
	Count       int64                 `json:"count"`            // logs of the window in which the condition began to hold, and of all time since, up to At
	First       []Line                `json:"first,omitempty"`
	Last        []Line                `json:"last,omitempty"`
	Top         map[string][]TopValue `json:"top,omitempty"` // the most frequent values of the fields the rule asks for
	Source      string                `json:"source"`        // file:line of the rule
	Severity    string                `json:"severity,omitempty"`
	Late        bool                  `json:"late,omitempty"`       // completed by a log that came later than the allowed lateness
	Historical  bool                  `json:"historical,omitempty"` // was over, or too old, when it was found: recorded, not notified
	Shadow      bool                  `json:"shadow,omitempty"`     // the rule runs in shadow: everything but the notification
	Home        Partition             `json:"home,omitzero"`        // that holds all of its logs, when several members share the topics; the alert moves with it
}

// Line is a log line shown in an alert. Its strings are bounded in length and valid UTF-8, but otherwise as an attacker may have written them.
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

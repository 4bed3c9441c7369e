package models

import "time"

// Recorded is the value of a record rule for one group, from an instant of event time on. The same
// logs give the same values, however often they are replayed.
type Recorded struct {
	Rule   string            // group/name
	Record string            // the name alone
	Labels map[string]string // the group's, and those of the rule
	At     time.Time
	Value  float64
	Gone   bool // there is no value from then on
}

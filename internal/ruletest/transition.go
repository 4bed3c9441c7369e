package ruletest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Transition is what a backtest says of one transition, in event time.
type Transition struct {
	Rule   string            `json:"rule"`
	Labels map[string]string `json:"labels"`
	State  models.AlertState `json:"state"` // firing or resolved
	At     time.Time         `json:"at"`
	Value  float64           `json:"value"`
	Reason string            `json:"reason"`
}

// Transitions keeps of the alerts those that would be notified: that they fire, and that those
// which fired are resolved. They are sorted by time, rule, labels and state, so that the same logs
// and rules give the same list.
func Transitions(alerts []models.Alert) []Transition {
	var list []Transition
	fired := make(map[string]bool)
	for _, a := range alerts {
		switch {
		case a.State == models.AlertFiring:
			fired[a.ID] = true
		case a.State != models.AlertResolved || !fired[a.ID]:
			continue // pending, or suppressed, or ended before it was notified
		}
		t := Transition{
			Rule:   a.Rule,
			Labels: a.Labels,
			State:  a.State,
			At:     a.At.UTC(),
			Value:  a.Value,
			Reason: a.Reason,
		}
		if math.IsNaN(t.Value) || math.IsInf(t.Value, 0) {
			t.Value = 0 // JSON has no such numbers, and the reason says it in words
		}
		list = append(list, t)
	}
	slices.SortStableFunc(list, Transition.compare)
	return list
}

func (t Transition) compare(u Transition) int {
	return cmp.Or(t.At.Compare(u.At), cmp.Compare(t.Rule, u.Rule),
		cmp.Compare(labelText(t.Labels), labelText(u.Labels)), cmp.Compare(t.State, u.State))
}

// String is the transition without its value and reason.
func (t Transition) String() string {
	return fmt.Sprintf("%s %-8s %s %s", t.At.UTC().Format(time.RFC3339Nano), t.State, t.Rule,
		labelText(t.Labels))
}

// WriteJSON writes one transition, or one change, a line.
func WriteJSON[T Transition | Change](w io.Writer, list []T) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for _, t := range list {
		if err := out.Encode(t); err != nil {
			return err
		}
	}
	return nil
}

// labelText writes labels in the order of their names, without the alert's own name.
func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != "alertname" {
			parts = append(parts, fmt.Sprintf("%s=%q", name, labels[name]))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// Change is a transition that a change of rules adds or removes.
type Change struct {
	Added bool
	Transition
}

// Compare returns what differs between the transitions of two versions of the rules, in the order
// of time. Values and reasons are not compared: an alert that fires and resolves when it did is the
// same alert.
func Compare(before, after []Transition) []Change {
	count := make(map[string]int)
	for _, t := range before {
		count[t.String()]--
	}
	for _, t := range after {
		count[t.String()]++
	}
	var changes []Change
	take := func(list []Transition, added bool, sign int) {
		for _, t := range list {
			if key := t.String(); count[key]*sign > 0 {
				count[key] -= sign
				changes = append(changes, Change{added, t})
			}
		}
	}
	take(before, false, -1)
	take(after, true, 1)
	slices.SortStableFunc(changes, func(a, b Change) int { return a.compare(b.Transition) })
	return changes
}

// MarshalJSON is the transition with "diff" before it, which is added or removed.
func (c Change) MarshalJSON() ([]byte, error) {
	word := "removed"
	if c.Added {
		word = "added"
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	err := out.Encode(struct {
		Diff string `json:"diff"`
		Transition
	}{word, c.Transition})
	return text.Bytes(), err
}

// String writes the change as a line of a diff.
func (c Change) String() string {
	if c.Added {
		return "+ " + c.Transition.String()
	}
	return "- " + c.Transition.String()
}

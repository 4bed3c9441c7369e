package ruletest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// episode is an alert from firing to resolved.
type episode struct {
	fired    models.Alert
	last     models.Alert // the newest transition
	resolved *models.Alert
}

// episodes puts the transitions of each alert together, in the order in which the alerts fired.
func episodes(alerts []models.Alert) []*episode {
	var list []*episode
	byID := make(map[string]*episode)
	for _, a := range alerts {
		e := byID[a.ID]
		switch {
		case a.State == models.AlertFiring && e == nil:
			e = &episode{fired: a, last: a}
			byID[a.ID] = e
			list = append(list, e)
		case e != nil:
			e.last = a
		}
		if a.State == models.AlertResolved && e != nil && e.resolved == nil {
			resolved := a
			e.resolved = &resolved
		}
	}
	slices.SortStableFunc(list, func(a, b *episode) int { return a.fired.At.Compare(b.fired.At) })
	return list
}

// check compares the episodes with what the test expects, and returns a message for each
// difference.
func (t *Test) check(file string, list []*episode) (failures []string) {
	free := slices.Clone(list)
	for i := range t.Expect {
		want := &t.Expect[i]
		if want.Record != "" {
			continue
		}
		match := slices.IndexFunc(
			free,
			func(e *episode) bool { return len(want.differences(t.Start, e)) == 0 },
		)
		if match < 0 {
			failures = append(
				failures,
				fmt.Sprintf("%s:%d: %s", file, want.Line, want.missing(t.Start, free)),
			)
			// which is not reported once more, as something else
			match = want.nearest(t.Start, free)
		}
		if match >= 0 {
			free = slices.Delete(free, match, match+1)
		}
	}
	if t.NothingElse {
		for _, e := range free {
			failures = append(
				failures,
				fmt.Sprintf("%s:%d: nothing else should fire, but this does: %s", file, t.Line,
					e.text(t.Start)),
			)
		}
	}
	return failures
}

// differences says in what an episode is not what was expected; nothing for a match. The name comes
// first.
func (want *Expectation) differences(start time.Time, e *episode) (list []string) {
	differs := func(what string, want, got any) {
		list = append(list, fmt.Sprintf("%s: want %v, got %v", what, want, got))
	}
	if name := e.fired.Labels["alertname"]; want.Alert != name && want.Alert != e.fired.Rule {
		differs("alert", want.Alert, name)
	}
	if got := e.fired.At.Sub(start); want.Fires != nil && time.Duration(*want.Fires) != got {
		differs("fires", time.Duration(*want.Fires), got)
	}
	switch {
	case want.Resolves == nil:
	case e.resolved == nil:
		differs("resolves", time.Duration(*want.Resolves), "never")
	case e.resolved.At.Sub(start) != time.Duration(*want.Resolves):
		differs("resolves", time.Duration(*want.Resolves), e.resolved.At.Sub(start))
	}
	for name, value := range want.Labels {
		if got := e.fired.Labels[name]; got != value {
			differs("label "+name, fmt.Sprintf("%q", value), fmt.Sprintf("%q", got))
		}
	}
	if got := e.fired.Annotations["summary"]; want.Summary != "" &&
		!globMatches(want.Summary, got) {
		differs("summary", fmt.Sprintf("%q", want.Summary), fmt.Sprintf("%q", got))
	}
	if want.Value != nil && !near(*want.Value, e.fired.Value) {
		differs("value", *want.Value, e.fired.Value)
	}
	return list
}

// nearest is the index of the episode of the same alert that differs least, or -1.
func (want *Expectation) nearest(start time.Time, list []*episode) int {
	best, fewest := -1, math.MaxInt
	for i, e := range list {
		if want.Alert != e.fired.Labels["alertname"] && want.Alert != e.fired.Rule {
			continue
		}
		if n := len(want.differences(start, e)); n < fewest {
			best, fewest = i, n
		}
	}
	return best
}

// missing says what came instead of what was expected.
func (want *Expectation) missing(start time.Time, list []*episode) string {
	if i := want.nearest(start, list); i >= 0 {
		return fmt.Sprintf("alert %s differs: %s\n    it is: %s", want.Alert,
			strings.Join(want.differences(start, list[i]), "; "), list[i].text(start))
	}
	if len(list) == 0 {
		return fmt.Sprintf("alert %s should fire, but nothing does", want.Alert)
	}
	var others []string
	for _, e := range list {
		others = append(others, "\n    "+e.text(start))
	}
	return fmt.Sprintf("alert %s should fire, but only these do:%s", want.Alert,
		strings.Join(others, ""))
}

// text is the episode on one line, as an expectation would be written.
func (e *episode) text(start time.Time) string {
	resolves := ""
	if e.resolved != nil {
		resolves = fmt.Sprintf(", resolves: %s", e.resolved.At.Sub(start))
	}
	name := e.fired.Labels["alertname"]
	if name == "" {
		name = e.fired.Rule
	}
	return fmt.Sprintf("{alert: %s, fires: %s%s, labels: %s, summary: %q, value: %g} (%s)", name,
		e.fired.At.Sub(start), resolves, labelText(e.fired.Labels), e.fired.Annotations["summary"],
		e.fired.Value, e.fired.Reason)
}

// globMatches is true when the text is the pattern, in which * stands for any text.
func globMatches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, parts[last])
}

package rule

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"
	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/problem"
)

// reference is a name that must be defined somewhere in the files.
type reference struct {
	pos        Pos
	kind, name string
	document   int // that has it, from 1; 0 for a rule file
}

// resolveNames reports references to names that no file defines. A document that has one is left
// out, and then what refers to its rules.
func (r *reader) resolveNames() {
	for r.resolveOnce() {
	}
}

// hintedReferences is how many references have a hint: to find the most similar name takes a look
// at each name.
const hintedReferences = 100

// definedNames are the names of one kind that are defined.
type definedNames struct {
	list    []string
	defined map[string]bool
}

func newDefinedNames(list []string) definedNames {
	n := definedNames{list, make(map[string]bool, len(list))}
	for _, name := range list {
		n.defined[name] = true
	}
	return n
}

// known are the names that references may be to, by kind.
func (r *reader) known() map[string]definedNames {
	var suppressions, alerts []string
	for _, s := range r.set.Suppressions {
		suppressions = append(suppressions, s.Name)
	}
	for _, one := range r.set.Rules {
		if !one.Record {
			alerts = append(alerts, one.Name)
		}
	}
	return map[string]definedNames{
		"list":          newDefinedNames(slices.Sorted(maps.Keys(r.set.Lists))),
		"time interval": newDefinedNames(slices.Sorted(maps.Keys(r.set.Intervals))),
		"suppression":   newDefinedNames(suppressions),
		"alert":         newDefinedNames(alerts),
	}
}

// resolveOnce reports the references once, and whether documents were left out.
func (r *reader) resolveOnce() (left bool) {
	missing, defined, hinted := map[int]bool{}, r.known(), 0
	for _, ref := range r.refs {
		if ref.kind == "alert" && len(r.Problems) > 0 {
			continue // it may be in a rule that could not be read
		}
		known := defined[ref.kind]
		if known.defined[ref.name] {
			continue
		}
		hint := ""
		if hinted++; hinted <= hintedReferences {
			hint = problem.DidYouMean(ref.name, known.list)
		}
		before := len(r.Problems)
		r.Add(ref.pos, hint, "%s %q is not defined", ref.kind, ref.name)
		if at := ref.document; at > 0 {
			missing[at] = true
			r.set.Refused[at-1] = append(r.set.Refused[at-1], r.Problems[before:]...)
			r.Problems = r.Problems[:before]
		}
	}
	if len(missing) == 0 {
		return false
	}
	r.refs = slices.DeleteFunc(r.refs, func(ref reference) bool { return missing[ref.document] })
	r.set.Rules = slices.DeleteFunc(r.set.Rules, func(one *Rule) bool {
		return missing[r.documents[one]]
	})
	return true
}

// interval is a union of Alertmanager's time intervals.
type interval []timeinterval.TimeInterval

func (i interval) Contains(t time.Time) bool {
	return slices.ContainsFunc(i, func(one timeinterval.TimeInterval) bool {
		return contains(one, t)
	})
}

// contains says whether an instant lies in an interval. The library counts the days of a month by
// its hours, so that of a month in which the clocks go forward it misses the last.
func contains(one timeinterval.TimeInterval, t time.Time) bool {
	days := one.DaysOfMonth
	one.DaysOfMonth = nil
	if !one.ContainsTime(t) || days == nil {
		return days == nil && one.ContainsTime(t)
	}
	if one.Location != nil {
		t = t.In(one.Location.Location)
	}
	last := time.Date(t.Year(), t.Month()+1, 0, 12, 0, 0, 0, time.UTC).Day()
	fromEnd := func(day int) int {
		if day < 0 {
			return last + 1 + day
		}
		return day
	}
	return slices.ContainsFunc(days, func(d timeinterval.DayOfMonthRange) bool {
		return t.Day() >= fromEnd(d.Begin) && t.Day() <= fromEnd(d.End)
	})
}

// intervals reads time_intervals, which are written as in Alertmanager's configuration.
func (r *reader) intervals(n *yaml.Node) {
	for _, m := range r.Sequence(n) {
		v := r.Mapping(m, "name", "time_intervals")
		var union interval
		for _, one := range r.Sequence(v["time_intervals"]) {
			r.Mapping(one, "times", "weekdays", "days_of_month", "months", "years", "location")
			var t timeinterval.TimeInterval
			if err := one.Decode(&t); err != nil {
				r.Fail(one, "time intervals are written as in Alertmanager", "%s", err)
			}
			if t.Location == nil {
				t.Location = &timeinterval.Location{Location: time.UTC}
			}
			union = append(union, t)
		}
		name := r.Text(v["name"])
		if name == "" || r.set.Intervals[name] != nil {
			r.Fail(m, "", "time interval %q has no name of its own", name)
		}
		r.set.Intervals[name] = union
	}
}

// active reads the intervals to which a rule is bound.
func (r *reader) active(n *yaml.Node) (list []Activity) {
	for _, m := range r.Sequence(n) {
		name, not := strings.CutPrefix(r.Text(m), "not ")
		r.refs = append(r.refs, reference{r.Pos(m), "time interval", name, 0})
		list = append(list, Activity{name, not})
	}
	return list
}

// steps reads a sequence.
func (r *reader) steps(n *yaml.Node) (steps []Step) {
	for _, m := range r.Sequence(n) {
		v := r.Mapping(m, "match", "times", "not", "within")
		s := Step{
			Times:  r.number(v["times"], 1),
			Within: r.duration(v["within"], 0),
			Not:    v["not"] != nil,
		}
		if s.Times == 0 || s.Not && v["times"] != nil {
			r.Fail(v["times"], "leave times out",
				"a step has to happen at least once, and what must not happen is not counted")
		}
		if s.Not && len(steps) == 0 {
			r.Fail(v["not"], "begin with match", "a sequence begins with something that happens")
		}
		switch {
		case (v["match"] != nil) == s.Not:
			r.Fail(m, "", "a step has either match or not")
		case s.Not:
			s.Match, _ = r.query(v["not"])
		default:
			s.Match, _ = r.query(v["match"])
		}
		steps = append(steps, s)
	}
	return steps
}

// levels reads severities and their thresholds, in the order in which they are written.
func (r *reader) levels(n *yaml.Node, when Condition) (levels []Level) {
	if n == nil {
		return nil
	}
	values := r.Mapping(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		m := values[n.Content[i].Value]
		if m == nil {
			continue // reported
		}
		c, err := ParseCondition("0 " + r.Text(m))
		b, _ := c.(*Binary)
		if b != nil {
			if limit, ok := b.Right.(*Number); ok && err == nil &&
				strings.Contains("<= >= == !=", b.Op) {
				if ofField(leftSide(when)) {
					limit = fieldUnit(limit)
				}
				levels = append(levels, Level{n.Content[i].Value, b.Op, limit.Value})
				continue
			}
		}
		r.Fail(m, "write it like '> 800'", "%q is not a threshold", m.Value)
	}
	return levels
}

// suppressedBy reads the names of the suppressions of a rule.
func (r *reader) suppressedBy(n *yaml.Node) (names []string) {
	for _, m := range r.Sequence(n) {
		names = append(names, r.Text(m))
		r.refs = append(r.refs, reference{r.Pos(m), "suppression", m.Value, 0})
	}
	return names
}

// expect reads the list of the keys that must exist.
func (r *reader) expect(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	from := r.Mapping(n, "from")["from"]
	if from == nil {
		r.Fail(n, "write expect: {from: '@list'}", "expect names no list")
		return ""
	}
	name := strings.TrimPrefix(r.Text(from), "@")
	r.refs = append(r.refs, reference{r.Pos(from), "list", name, 0})
	return name
}

// suppressions reads suppressions, which suppress rules from one log to another.
func (r *reader) suppressions(n *yaml.Node) {
	for _, m := range r.Sequence(n) {
		v := r.Mapping(m, "name", "start", "end", "by", "max", "after")
		r.selections = nil
		s := &Suppression{
			Name:  r.Text(v["name"]),
			By:    r.labels(v["by"]),
			Max:   r.duration(v["max"], 0),
			After: r.duration(v["after"], 0),
			Pos:   r.Pos(m),
		}
		if s.Name == "" || v["start"] == nil || v["end"] == nil || s.Max == 0 {
			r.Fail(m, "", "a suppression needs name, start, end and max")
			continue
		}
		if slices.ContainsFunc(
			r.set.Suppressions,
			func(other *Suppression) bool { return other.Name == s.Name },
		) {
			r.Fail(m, "rename one", "suppression %q is defined twice", s.Name)
		}
		s.Start, _ = r.query(v["start"])
		s.End, _ = r.query(v["end"])
		r.set.Suppressions = append(r.set.Suppressions, s)
	}
}

// refer notes the lists and alerts that a condition at n refers to, and moves its positions there.
func (r *reader) refer(n *yaml.Node, c Condition) {
	switch c := c.(type) {
	case *Binary:
		r.refer(n, c.Left)
		r.refer(n, c.Right)
	case *Unary:
		r.refer(n, c.Of)
	case *Call:
		r.refer(n, c.Of)
		c.Pos = r.Inside(n, c.Pos.Column-1)
		if c.Func == "firing" {
			r.refs = append(r.refs, reference{c.Pos, "alert", c.Alert, 0})
		}
		eachLeaf(c.Filter, func(l *Leaf) {
			l.Pos = r.Inside(n, l.Pos.Column-1)
			if l.Op == OpList {
				r.refs = append(r.refs, reference{l.Pos, "list", l.Text, 0})
			}
		})
	}
}

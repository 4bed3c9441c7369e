package imports

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Past is an alert that the other system gave.
type Past struct {
	Rule   string
	Time   time.Time
	Labels map[string]string
	Log    string // the log that it showed, when it is known
}

// Episode is an alert that a backtest of the translated rules gave: one from its beginning to its
// end.
type Episode struct {
	Rule       string
	Begin, End time.Time // End is zero while it lasts
	Labels     map[string]string
	Log        string
}

// Side says which of the two systems had an alert.
type Side string

const (
	Both    Side = "both"
	OnlyOld Side = "only old"
	OnlyNew Side = "only new"
)

// Compared is one alert of either system, or one that both had: an episode here and all alerts
// there that fall into it.
type Compared struct {
	Side   Side              `json:"side"`
	Rule   string            `json:"rule"`
	Time   time.Time         `json:"time"`
	Times  int               `json:"times,omitempty"` // alerts there in one episode here
	Labels map[string]string `json:"labels,omitempty"`
	Log    string            `json:"log,omitempty"`
}

// String is one line.
func (c Compared) String() string {
	text := fmt.Sprintf("%-8s  %s  %s", c.Side, c.Time.UTC().Format(time.RFC3339), c.Rule)
	var labels []string
	for name, value := range c.Labels {
		labels = append(labels, name+"="+value)
	}
	slices.Sort(labels)
	if len(labels) > 0 {
		text += " {" + strings.Join(labels, ", ") + "}"
	}
	if c.Times > 1 {
		text += fmt.Sprintf(" %d times", c.Times)
	}
	if c.Log != "" {
		text += "  " + c.Log
	}
	return text
}

// maxPast bounds the alerts of the other system that are read.
const maxPast = 1_000_000

// ReadPast reads alerts of another system: one JSON object a line, {"rule", "time", "labels"}, or
// what ElastAlert keeps in its index of past alerts, each hit a line or all in one answer.
func ReadPast(data []byte) (list []Past, err error) {
	var answer struct {
		Hits struct {
			Hits []json.RawMessage `json:"hits"`
		} `json:"hits"`
	}
	if json.Unmarshal(data, &answer) == nil && len(answer.Hits.Hits) > 0 {
		for i, hit := range answer.Hits.Hits {
			p, err := readPast(hit)
			if err != nil {
				return nil, fmt.Errorf("hit %d: %w", i+1, err)
			}
			list = append(list, p)
		}
		return list, nil
	}
	line := 0
	for text := range bytes.Lines(data) {
		if line++; len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		p, err := readPast(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if list = append(list, p); len(list) > maxPast {
			return nil, fmt.Errorf("there are more than %d alerts", maxPast)
		}
	}
	return list, nil
}

func readPast(text []byte) (p Past, err error) {
	var hit struct {
		Source json.RawMessage `json:"_source"`
	}
	if err := json.Unmarshal(text, &hit); err != nil {
		return p, errors.New(
			`it is no JSON object such as {"rule": "...", "time": "...", "labels": {}}`,
		)
	}
	if len(hit.Source) > 0 {
		text = hit.Source
	}
	var one struct {
		Rule      string         `json:"rule"`
		RuleName  string         `json:"rule_name"`
		Time      string         `json:"time"`
		MatchTime string         `json:"match_time"`
		AlertTime string         `json:"alert_time"`
		Labels    map[string]any `json:"labels"`
		Match     map[string]any `json:"match_body"`
		Log       any            `json:"log"`
	}
	if err := json.Unmarshal(text, &one); err != nil {
		return p, err
	}
	p.Rule = cmp.Or(one.Rule, one.RuleName)
	when := cmp.Or(one.Time, one.MatchTime, one.AlertTime)
	if p.Time, err = time.Parse(time.RFC3339Nano, when); err != nil || p.Rule == "" {
		return p, fmt.Errorf("it has no rule, or time %q is not like 2026-01-05T09:00:00Z", when)
	}
	fields := one.Labels
	if fields == nil {
		fields = one.Match
	}
	p.Labels = map[string]string{}
	flatten(p.Labels, "", fields, 0)
	if one.Log == nil && one.Match != nil {
		one.Log = one.Match
	}
	if one.Log != nil {
		if text, ok := one.Log.(string); ok {
			p.Log = text
		} else if text, err := json.Marshal(one.Log); err == nil {
			p.Log = string(text)
		}
	}
	return p, nil
}

// flatten writes the texts of an object by their paths.
func flatten(into map[string]string, prefix string, fields map[string]any, depth int) {
	for name, value := range fields {
		switch value := value.(type) {
		case map[string]any:
			if depth < 20 {
				flatten(into, prefix+name+".", value, depth+1)
			}
		case nil, []any:
		default:
			into[prefix+name] = fmt.Sprint(value)
		}
	}
}

// slack is how much later than here the other system may have noticed what it says, by its polls
// and the delay of its index.
const slack = 5 * time.Minute

// Compare puts the alerts of two systems side by side, in the order of their times. An alert there
// and an episode here are the same when they are of one rule, their times agree, and no label that
// both have differs. Alerts there before from or after until are left out.
func Compare(past []Past, episodes []Episode, from, until time.Time) []Compared {
	byRule := map[string][]int{}
	for i, e := range episodes {
		name := plain(e.Rule)
		byRule[name] = append(byRule[name], i)
	}
	times := make([]int, len(episodes))
	var list []Compared
	for _, p := range past {
		if p.Time.Before(from) || p.Time.After(until.Add(slack)) {
			continue
		}
		met := false
		for _, i := range byRule[plain(p.Rule)] {
			if e := episodes[i]; sameAlert(p, e) {
				times[i]++
				met = true
				break
			}
		}
		if !met {
			list = append(
				list,
				Compared{Side: OnlyOld, Rule: p.Rule, Time: p.Time, Labels: p.Labels, Log: p.Log},
			)
		}
	}
	for i, e := range episodes {
		c := Compared{
			Side:   Both,
			Rule:   e.Rule,
			Time:   e.Begin,
			Times:  times[i],
			Labels: e.Labels,
			Log:    e.Log,
		}
		if times[i] == 0 {
			c.Side = OnlyNew
		}
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(a, b Compared) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Rule, b.Rule))
	})
	return list
}

// plain is the name of a rule without what a translation adds to it, such as the field of new_term.
func plain(name string) string {
	if at := strings.LastIndex(name, " ("); at > 0 && strings.HasSuffix(name, ")") {
		name = name[:at]
	}
	return strings.ToLower(name)
}

func sameAlert(p Past, e Episode) bool {
	if p.Time.Before(e.Begin.Add(-time.Second)) ||
		!e.End.IsZero() && p.Time.After(e.End.Add(slack)) {
		return false
	}
	for name, value := range e.Labels {
		if other, ok := p.Labels[name]; ok && other != value {
			return false
		}
	}
	return true
}

package evaluator

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// hours is one of the time intervals of a name, as Alertmanager writes them. What it leaves out is
// not bounded.
type hours struct {
	Times []struct {
		Start string `yaml:"start_time"`
		End   string `yaml:"end_time"`
	}
	Weekdays []string
	Days     []string `yaml:"days_of_month"`
	Months   []string
	Years    []string
	Location string
}

func readHours(data []byte) (map[string][]hours, error) {
	var file struct {
		Intervals []struct {
			Name  string
			Hours []hours `yaml:"time_intervals"`
		} `yaml:"time_intervals"`
	}
	err := yaml.Unmarshal(data, &file)
	named := map[string][]hours{}
	for _, i := range file.Intervals {
		named[i.Name] = i.Hours
	}
	return named, err
}

var (
	weekdays = []string{
		"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
	}
	months = []string{
		"", "january", "february", "march", "april", "may", "june", "july", "august",
		"september", "october", "november", "december",
	}
)

var zones sync.Map

// zone is the time zone of a name.
func zone(name string) *time.Location {
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	zones.Store(name, z)
	return z
}

// contain reports whether an instant lies in the hours.
func (h hours) contain(at instant) bool {
	t := timeOf(at).In(zone(h.Location))
	minute := t.Hour()*60 + t.Minute()
	last := time.Date(t.Year(), t.Month()+1, 0, 12, 0, 0, 0, time.UTC).Day()
	return h.timesContain(minute) &&
		inRanges(h.Weekdays, int(t.Weekday()), 0, func(w string) int {
			return slices.Index(weekdays, w)
		}) &&
		inRanges(h.Days, t.Day(), last, number) &&
		inRanges(h.Months, int(t.Month()), 0, func(w string) int {
			if i := slices.Index(months, w); i > 0 {
				return i
			}
			return number(w)
		}) &&
		inRanges(h.Years, t.Year(), 0, number)
}

func (h hours) timesContain(minute int) bool {
	clock := func(text string) int {
		hour, min, _ := strings.Cut(text, ":")
		return number(hour)*60 + number(min)
	}
	for _, t := range h.Times {
		if clock(t.Start) <= minute && minute < clock(t.End) {
			return true
		}
	}
	return len(h.Times) == 0
}

func number(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		panic(err)
	}
	return n
}

// inRanges reports whether n lies in one of the ranges, which are like "5" or "1:-1". Negative
// bounds count from the last.
func inRanges(ranges []string, n, last int, read func(string) int) bool {
	for _, text := range ranges {
		from, to, given := strings.Cut(strings.ToLower(text), ":")
		if !given {
			to = from
		}
		a, b := read(from), read(to)
		if a < 0 {
			a += last + 1
		}
		if b < 0 {
			b += last + 1
		}
		if a <= n && n <= b {
			return true
		}
	}
	return len(ranges) == 0
}

// active reports whether a rule is active at an instant.
func (s *Rules) active(r *rule.Rule, at instant) bool {
	named, within := false, false
	for _, a := range r.Active {
		in := slices.ContainsFunc(s.hours[a.Interval], func(h hours) bool { return h.contain(at) })
		if a.Not && in {
			return false
		}
		if !a.Not {
			named, within = true, within || in
		}
	}
	return within || !named
}

// boundaries are the instants between two others at which the hours of a rule begin or end.
func (s *Rules) boundaries(r *rule.Rule, from, to instant) (list []instant) {
	if len(r.Active) == 0 {
		return nil
	}
	from -= from % int64(time.Minute)
	for t, was := from, s.active(r, from); t <= to; t += int64(time.Minute) {
		if is := s.active(r, t); is != was {
			list, was = append(list, t), is
		}
	}
	return list
}

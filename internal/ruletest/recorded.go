package ruletest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

func (t *Test) expectsRecords() bool {
	return slices.ContainsFunc(t.Expect, func(e Expectation) bool { return e.Record != "" })
}

// checkRecords compares the values of records with what the test expects, and returns a message for
// each difference.
func (t *Test) checkRecords(file string, values []models.Recorded) (failures []string) {
	for i := range t.Expect {
		want := &t.Expect[i]
		if want.Record == "" {
			continue
		}
		at := time.Duration(*want.At)
		held := want.held(values, t.Start.Add(at))
		if want.Value == nil && len(held) == 0 ||
			want.Value != nil &&
				slices.ContainsFunc(held, func(v models.Recorded) bool {
					return near(*want.Value, v.Value)
				}) {
			continue
		}
		wanted, got := "no value", "it has none"
		if want.Value != nil {
			wanted = fmt.Sprint(*want.Value)
		}
		if len(held) > 0 {
			got = "it is " + strings.Join(amounts(held), ", ")
		}
		failures = append(
			failures,
			fmt.Sprintf("%s:%d: record %s %s at %s: want %s, but %s", file, want.Line, want.Record,
				labelText(want.Labels), at, wanted, got),
		)
	}
	return failures
}

// held are the values that groups with the labels have at an instant: the last that each had
// recorded by then.
func (want *Expectation) held(values []models.Recorded, at time.Time) []models.Recorded {
	last := map[string]models.Recorded{}
	var groups []string
	for _, v := range values {
		if want.Record != v.Record && want.Record != v.Rule || v.At.After(at) ||
			!includes(v.Labels, want.Labels) {
			continue
		}
		group := v.Rule + labelText(v.Labels)
		if _, known := last[group]; !known {
			groups = append(groups, group)
		}
		last[group] = v
	}
	var held []models.Recorded
	for _, group := range groups {
		if v := last[group]; !v.Gone {
			held = append(held, v)
		}
	}
	return held
}

func includes(labels, some map[string]string) bool {
	for name, value := range some {
		if labels[name] != value {
			return false
		}
	}
	return true
}

func near(want, got float64) bool { return math.Abs(want-got) <= 1e-9*max(1, math.Abs(want)) }

func amounts(values []models.Recorded) []string {
	var list []string
	for _, v := range values {
		list = append(list, fmt.Sprintf("%g %s", v.Value, labelText(v.Labels)))
	}
	return list
}

// valueTexts are values for a comparison: those of a group in their order, the groups in that of
// their names.
func valueTexts(values []models.Recorded) []string {
	values = slices.Clone(values)
	slices.SortStableFunc(values, func(a, b models.Recorded) int {
		return strings.Compare(a.Rule+labelText(a.Labels), b.Rule+labelText(b.Labels))
	})
	list := []string{}
	for _, v := range values {
		amount := fmt.Sprint(v.Value)
		if v.Gone {
			amount = "gone"
		}
		list = append(
			list,
			fmt.Sprintf("%s%s %s %s", v.Rule, labelText(v.Labels),
				v.At.UTC().Format(time.RFC3339Nano), amount),
		)
	}
	return list
}

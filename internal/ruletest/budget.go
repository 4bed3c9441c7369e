package ruletest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Budget is how often users may be paged.
type Budget struct {
	Alerts float64
	Per    time.Duration
}

// ParseBudget reads a budget such as 20/d, 3/h or 50/w.
func ParseBudget(text string) (Budget, error) {
	count, unit, _ := strings.Cut(text, "/")
	per, known := map[string]time.Duration{"h": time.Hour, "d": 24 * time.Hour,
		"w": 7 * 24 * time.Hour}[strings.TrimSpace(unit)]
	alerts, err := strconv.ParseFloat(strings.TrimSpace(count), 64)
	if !known || err != nil || !(alerts >= 0) {
		return Budget{}, fmt.Errorf(
			"budget %q is not a number of alerts per hour, day or week; write it like 20/d",
			text,
		)
	}
	return Budget{alerts, per}, nil
}

// Exceeded reports whether that many alerts within that time are too many. Less than one period
// counts as a whole one, so that a short file is not held to a fraction of an alert.
func (b Budget) Exceeded(alerts int, within time.Duration) bool {
	periods := max(1, within.Seconds()/b.Per.Seconds())
	return float64(alerts) > b.Alerts*periods
}

// String is the budget as it was written.
func (b Budget) String() string {
	unit := map[time.Duration]string{time.Hour: "h", 24 * time.Hour: "d",
		7 * 24 * time.Hour: "w"}[b.Per]
	return strconv.FormatFloat(b.Alerts, 'g', -1, 64) + "/" + unit
}

// Package duration reads and prints lengths of time. Rules, configuration, flags, the API, forms
// and test scripts share it, so that one spelling works everywhere.
//
// It reads what Prometheus reads (90s, 5m, 1h30m, 7d, 2w, 1y), fractions (1.5h), and the units of
// Go below a millisecond (us, ns). Units go from the largest to the smallest, each at most once: so
// 1m1d is an error and not one minute and a day. A day has 24 hours, a week 7 days, a year 365.
package duration

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Hint says how durations are written.
const Hint = "durations are like 90s, 5m, 1h30m, 1.5h or 7d"

// Max is the longest duration that Parse returns. Two of them can be added without overflow.
const Max = 100 * 365 * 24 * time.Hour

// An Error is a text that is not a duration.
type Error struct {
	Problem string // `"90" has no unit`
	Hint    string // `try "90s" or "90m"`
}

// Error is the problem with its hint.
func (e *Error) Error() string { return e.Problem + "; " + e.Hint }

const day = 24 * time.Hour

// units are in the order in which they may appear.
var units = []struct {
	name string
	d    time.Duration
}{
	{"y", 365 * day}, {"w", 7 * day}, {"d", day}, {"h", time.Hour}, {"m", time.Minute},
	{"s", time.Second}, {"ms", time.Millisecond},
	{"us", time.Microsecond}, {"µs", time.Microsecond}, {"μs", time.Microsecond},
	{"ns", time.Nanosecond},
}

// Parse reads a duration of at least zero and at most Max. Its errors are of type *Error.
func Parse(text string) (time.Duration, error) {
	d, ok := parse(text)
	switch {
	case ok && d <= Max:
		return d, nil
	case ok:
		return 0, &Error{fmt.Sprintf("%q is too long", text), "at most 100 years are possible"}
	}
	return 0, describe(text)
}

// parse returns more than Max for what is longer, whatever its exact value.
func parse(text string) (time.Duration, bool) {
	if d, err := model.ParseDuration(text); err == nil {
		return time.Duration(d), true
	}
	total, next, rest := time.Duration(0), 0, text
	for rest != "" {
		end := strings.IndexFunc(rest, func(c rune) bool {
			return (c < '0' || c > '9') && c != '.'
		})
		if end <= 0 {
			return 0, false
		}
		number := rest[:end]
		rest = rest[end:]
		if end = strings.IndexAny(rest, "0123456789."); end < 0 {
			end = len(rest)
		}
		position := unit(rest[:end], next)
		if position < 0 {
			return 0, false
		}
		part, ok := times(number, units[position].d)
		if !ok {
			return 0, false
		}
		total = min(total+part, Max+1)
		for next = position + 1; next < len(units) && units[next].d == units[position].d; next++ {
		}
		rest = rest[end:]
	}
	return total, text != ""
}

// unit returns the position of a unit at or after from, or -1.
func unit(name string, from int) int {
	for i := from; i < len(units); i++ {
		if units[i].name == name {
			return i
		}
	}
	return -1
}

// times returns a decimal number of units, and Max+1 for more than that. Fractions are exact, but
// for what is less than a nanosecond.
func times(number string, unit time.Duration) (time.Duration, bool) {
	whole, fraction, dotted := strings.Cut(number, ".")
	if whole == "" && fraction == "" || strings.Contains(fraction, ".") || dotted && whole == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > int64(Max/unit) {
		return Max + 1, true
	}
	fraction = fraction[:min(len(fraction), 18)]
	tenths, scale := uint64(0), uint64(1)
	for _, c := range fraction {
		tenths, scale = tenths*10+uint64(c-'0'), scale*10
	}
	high, low := bits.Mul64(tenths, uint64(unit))
	part, _ := bits.Div64(high, low, scale)
	return time.Duration(n)*unit + time.Duration(part), true
}

// describe says what is wrong with a text that parse refused.
func describe(text string) error {
	trimmed := strings.TrimSpace(text)
	if _, err := strconv.ParseFloat(trimmed, 64); err == nil &&
		!strings.ContainsAny(trimmed, "-+xX") {
		return &Error{
			fmt.Sprintf("%q has no unit", text),
			fmt.Sprintf("try %q or %q", trimmed+"s", trimmed+"m"),
		}
	}
	if rest, ok := strings.CutPrefix(trimmed, "-"); ok {
		if _, ok := parse(rest); ok {
			return &Error{fmt.Sprintf("%q is negative", text), Hint}
		}
	}
	if short := abbreviate(trimmed); short != text {
		if _, ok := parse(short); ok {
			return &Error{fmt.Sprintf("%q is not a duration", text), fmt.Sprintf("write %q", short)}
		}
	}
	return &Error{fmt.Sprintf("%q is not a duration", text), Hint}
}

// words are units as users write them, the longer before those that they begin with.
var words = strings.NewReplacer(
	"milliseconds", "ms", "millisecond", "ms", "seconds", "s", "second", "s", "secs", "s",
	"sec", "s",
	"minutes", "m", "minute", "m", "mins", "m", "min", "m", "hours", "h", "hour", "h", "hrs", "h",
	"hr", "h", "days", "d", "day", "d", "weeks", "w", "week", "w", "years", "y", "year", "y",
	" ", "", ",", "", "and", "",
)

// abbreviate is "2 hours" as 2h.
func abbreviate(text string) string { return words.Replace(strings.ToLower(text)) }

// Format prints a duration exactly, in days and smaller units: 90s is 1m30s, 1w is 7d, 36h is
// 1d12h. Parse reads it back.
func Format(d time.Duration) string {
	if d < 0 {
		if d == -d { // the smallest of all has no opposite
			return d.String()
		}
		return "-" + Format(-d)
	}
	text := ""
	if d >= day {
		text = strconv.Itoa(int(d/day)) + "d"
		if d %= day; d == 0 {
			return text
		}
	}
	if d >= time.Hour {
		text += strconv.Itoa(int(d/time.Hour)) + "h"
		d %= time.Hour
	}
	if d >= time.Minute {
		text += strconv.Itoa(int(d/time.Minute)) + "m"
		d %= time.Minute
	}
	if d > 0 || text == "" {
		text += d.String()
	}
	return text
}

// Round rounds a duration for a text: what is longer than an hour to minutes, and what is longer
// than a second to seconds.
func Round(d time.Duration) time.Duration {
	switch {
	case d > time.Hour:
		return d.Round(time.Minute)
	case d > time.Second:
		return d.Round(time.Second)
	}
	return d
}

// Measured prints how long something took, with as many digits as are worth reading: tenths of
// seconds below a minute, and milliseconds below a second.
func Measured(d time.Duration) string {
	switch {
	case d >= time.Minute:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(100 * time.Millisecond)
	case d >= time.Millisecond:
		d = d.Round(time.Millisecond)
	}
	return Format(d)
}

// Age prints how old something is, in one unit or two: days and hours, hours and minutes, minutes,
// or seconds. Smaller units are cut off.
func Age(d time.Duration) string {
	unit := time.Second
	if d >= day {
		unit = time.Hour
	} else if d >= time.Minute {
		unit = time.Minute
	}
	return Format(d.Truncate(unit))
}

// A Flag is a duration as the value of a command's flag.
type Flag time.Duration

// String prints it.
func (f *Flag) String() string { return Format(time.Duration(*f)) }

// Set reads it.
func (f *Flag) Set(text string) error {
	d, err := Parse(text)
	if err == nil {
		*f = Flag(d)
	}
	return err
}

// Type names it in a command's help.
func (*Flag) Type() string { return "duration" }

package duration

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	f := func(text string, want time.Duration) {
		t.Helper()
		if got, err := Parse(text); got != want || err != nil {
			t.Errorf("Parse(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	f("0", 0)
	f("0s", 0)
	f("90s", 90*time.Second)
	f("5m", 5*time.Minute)
	f("1h30m", 90*time.Minute)
	f("1.5h", 90*time.Minute)
	f("1d12h", 36*time.Hour)
	f("1.5d", 36*time.Hour)
	f("7d", 7*day)
	f("1w", 7*day)
	f("1w2d", 9*day)
	f("0.5w", 84*time.Hour)
	f("1y", 365*day)
	f("100y", Max)
	f("250ms", 250*time.Millisecond)
	f("1s500ms", 1500*time.Millisecond)
	f("1.005s", 1005*time.Millisecond)
	f("0.1s", 100*time.Millisecond)
	f("0.0005s", 500*time.Microsecond)
	f("500us", 500*time.Microsecond)
	f("500µs", 500*time.Microsecond)
	f("1.5us10ns", 1510*time.Nanosecond)
	f("1d0.5s", day+500*time.Millisecond)
	f("0.333333333333333333333d", 8*time.Hour-1)
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		d, err := Parse(text)
		if e := (*Error)(nil); d != 0 || !errors.As(err, &e) || err.Error() != want {
			t.Errorf("Parse(%q) = %v, %v, want error %s", text, d, err, want)
		}
	}
	f("", `"" is not a duration; `+Hint)
	f("abc", `"abc" is not a duration; `+Hint)
	f("5x", `"5x" is not a duration; `+Hint)
	f("90", `"90" has no unit; try "90s" or "90m"`)
	f("1.5", `"1.5" has no unit; try "1.5s" or "1.5m"`)
	f("-5m", `"-5m" is negative; `+Hint)
	f("5 m", `"5 m" is not a duration; write "5m"`)
	f("5min", `"5min" is not a duration; write "5m"`)
	f("2 hours", `"2 hours" is not a duration; write "2h"`)
	f("1 day and 12 hours", `"1 day and 12 hours" is not a duration; write "1d12h"`)
	f("5M", `"5M" is not a duration; write "5m"`)
	f("1m1d", `"1m1d" is not a duration; `+Hint)
	f("1h1h", `"1h1h" is not a duration; `+Hint)
	f("1us1µs", `"1us1µs" is not a duration; `+Hint)
	f("1h5", `"1h5" is not a duration; `+Hint)
	f(".5h", `".5h" is not a duration; `+Hint)
	f("1.2.3s", `"1.2.3s" is not a duration; `+Hint)
	f("101y", `"101y" is too long; at most 100 years are possible`)
	f("99y366d", `"99y366d" is too long; at most 100 years are possible`)
	f("99999999999999999999s",
		`"99999999999999999999s" is too long; at most 100 years are possible`)
	f("9.0e18s", `"9.0e18s" is not a duration; `+Hint)
}

func TestFormat(t *testing.T) {
	t.Parallel()
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := Format(d); got != want {
			t.Errorf("Format(%v) = %s, want %s", d, got, want)
		}
	}
	f(0, "0s")
	f(90*time.Second, "1m30s")
	f(5*time.Minute, "5m")
	f(time.Hour, "1h")
	f(36*time.Hour, "1d12h")
	f(7*day, "7d")
	f(365*day, "365d")
	f(day+time.Second, "1d1s")
	f(1500*time.Millisecond, "1.5s")
	f(250*time.Millisecond, "250ms")
	f(500*time.Microsecond, "500µs")
	f(-5*time.Minute, "-5m")
	f(-1<<63, "-2562047h47m16.854775808s")
}

func TestFormatIsReadBack(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		d := time.Duration(random.Int64N(int64(Max))) >> random.IntN(60)
		if random.IntN(2) == 0 {
			d = d.Truncate(units[random.IntN(7)].d)
		}
		if got, err := Parse(Format(d)); got != d || err != nil {
			t.Fatalf("Parse(Format(%d)) = %d, %v; Format is %s", d, got, err, Format(d))
		}
		if got, err := Parse(d.String()); got != d || err != nil {
			t.Fatalf("Go's %s is read as %d, %v", d, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1.5h", "1y2w3d4h5m6s7ms8us9ns", "9223372036854775807ns"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err == nil && (d < 0 || d > Max) {
			t.Errorf("Parse(%q) = %d", text, d)
		}
	})
}

// Ages have two units at most.
func TestMeasured(t *testing.T) {
	for d, want := range map[time.Duration]string{
		96349668660: "1m36s", 1349668660: "1.3s", 1349668: "1ms", 999: "999ns", 0: "0s",
	} {
		if got := Measured(d); got != want {
			t.Errorf("%d is %s, not %s", d, got, want)
		}
	}
}

func TestAgeAndRound(t *testing.T) {
	t.Parallel()
	f := func(d time.Duration, age, rounded string) {
		t.Helper()
		if got := Age(d); got != age {
			t.Errorf("Age(%v) = %s, want %s", d, got, age)
		}
		if got := Format(Round(d)); got != rounded {
			t.Errorf("Round(%v) = %s, want %s", d, got, rounded)
		}
	}
	f(0, "0s", "0s")
	f(250*time.Millisecond, "0s", "250ms")
	f(59900*time.Millisecond, "59s", "1m")
	f(119*time.Second, "1m", "1m59s")
	f(2*time.Hour, "2h", "2h")
	f(90*time.Minute+50*time.Second, "1h30m", "1h31m")
	f(75*time.Hour+50*time.Minute, "3d3h", "3d3h50m")
}

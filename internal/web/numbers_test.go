package web

import (
	"math"
	"testing"
	"time"
)

// Numbers are formatted with few digits.
func TestNumbers(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q is not %q", got, want)
		}
	}
	f(humanNumber(1234567), "1\u202f234\u202f567")
	f(humanNumber(-1234), "−1\u202f234")
	f(humanNumber(3.14159), "3.1")
	f(humanNumber(312.7), "313")
	f(humanFloat(0.081234), "0.08123")
	f(humanFloat(1834.5), "1\u202f834")
	f(humanFloat(math.NaN()), "–")
	f(humanFloat(math.Inf(1)), "∞")
	f(humanValue(0.0812, "> 5%"), "8.12%")
	f(humanBytes(999), "999 B")
	f(humanBytes(1_330_000), "1.3 MB")
	f(ago(noon, noon.Add(-90*time.Minute)), "1h30m")
	f(ago(noon, noon.Add(3*time.Hour)), "in 3h")
	f(ago(noon, time.Time{}), "never")
}

package kafka

import (
	"testing"
	"time"
)

// A poll has fewer records while evaluating them takes long, and all that the setting allows soon
// after.
func TestPollSizeFollowsEvaluation(t *testing.T) {
	limit := 20_000
	f := func(records int, took time.Duration, want int) {
		t.Helper()
		if limit = nextPoll(limit, 20_000, records, took); limit != want {
			t.Fatalf("the next poll has %d records, not %d", limit, want)
		}
	}
	f(20_000, 20*time.Millisecond, 20_000)
	f(3, 5*time.Second, 20_000) // it was not their number that took long
	f(20_000, 200*time.Millisecond, 10_000)
	f(10_000, 80*time.Millisecond, 10_000)
	f(10_000, time.Second, 2500)
	f(2500, time.Second, fewestPolled)
	f(fewestPolled, time.Minute, fewestPolled)
	f(fewestPolled, 10*time.Millisecond, 4000)
	f(4000, 10*time.Millisecond, 8000)
	f(100, time.Millisecond, 16_000)
	f(100, time.Millisecond, 20_000)
	if got := nextPoll(100, 100, 100, time.Second); got != 100 {
		t.Errorf("a setting of 100 became %d", got)
	}
}

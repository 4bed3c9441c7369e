package window

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMoreThanTwoInFiveSeconds(t *testing.T) {
	f := func(want []Span, times ...int64) {
		t.Helper()
		var s Times
		for _, at := range times {
			s.Insert(at)
		}
		if diff := cmp.Diff(want, s.AtLeast(nil, 3, 5)); diff != "" {
			t.Errorf("%v: (-want +got)\n%s", times, diff)
		}
	}
	f(nil)
	f(nil, 1, 2)
	f([]Span{{3, 6}}, 1, 2, 3)
	f([]Span{{3, 6}}, 3, 1, 2)
	f([]Span{{1, 6}}, 1, 1, 1)
	f(nil, 1, 3, 6) // the first leaves as the third enters
	f([]Span{{5, 6}}, 1, 3, 5)
	f([]Span{{3, 8}}, 1, 2, 3, 4, 5)
	f([]Span{{3, 6}, {13, 16}}, 1, 2, 3, 11, 12, 13)
}

func TestSpansAgreeWithCountingAtEveryInstantWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(0, 60), 0, 40).Draw(t, "times")
		n := rapid.IntRange(1, 6).Draw(t, "n")
		window := rapid.Int64Range(1, 20).Draw(t, "window")
		seed := rapid.Uint64().Draw(t, "seed")
		shuffled := slices.Clone(times)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		var s Times
		for _, at := range shuffled {
			s.Insert(at)
		}
		spans := s.AtLeast(nil, n, window)
		for at := int64(-1); at < 90; at++ {
			count := 0
			for _, e := range times {
				if at-window < e && e <= at {
					count++
				}
			}
			holds := slices.ContainsFunc(spans, func(p Span) bool { return p.From <= at && at < p.To })
			if holds != (count >= n) {
				t.Fatalf("at %d: %d logs, %d asked for, but spans are %v", at, count, n, spans)
			}
		}
	})
}

func TestForgottenTimesLeaveTheLaterAnswersAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all, trimmed Times
		for _, at := range rapid.SliceOfN(rapid.Int64Range(0, 60), 0, 40).Draw(t, "times") {
			all.Insert(at)
			trimmed.Insert(at)
		}
		n, window := rapid.IntRange(1, 6).Draw(t, "n"), rapid.Int64Range(1, 20).Draw(t, "window")
		now := rapid.Int64Range(0, 80).Draw(t, "now")
		trimmed.Forget(now - window)
		holds := func(s *Times, at int64) bool {
			return slices.ContainsFunc(s.AtLeast(nil, n, window), func(p Span) bool { return p.From <= at && at < p.To })
		}
		for at := now; at < 90; at++ {
			if holds(&all, at) != holds(&trimmed, at) {
				t.Fatalf("forgetting up to %d changed the answer at %d", now-window, at)
			}
		}
	})
}

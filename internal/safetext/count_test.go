package safetext

import "testing"

func TestCountHasItsNoun(t *testing.T) {
	for number, want := range map[string]string{
		"0": "0 logs", "1": "1 log", "2": "2 logs", "1,001": "1,001 logs",
	} {
		if got := Count(number, "log", "logs"); got != want {
			t.Errorf("%s: %q, not %q", number, got, want)
		}
	}
	if got := CountOf(1, "rule") + ", " + CountOf(2, "rule"); got != "1 rule, 2 rules" {
		t.Error(got)
	}
}

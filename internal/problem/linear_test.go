package problem

import (
	"strings"
	"testing"
)

// A name of a megabyte is held against no other: that would take as many steps as the product of
// their lengths.
func TestLongWordsHaveNoHint(t *testing.T) {
	long := strings.Repeat("ab", 1<<19)
	if got := Closest(long, []string{long + "c"}); got != "" {
		t.Errorf("%d bytes", len(got))
	}
	if got := Closest("match", []string{long, "math"}); got != "math" {
		t.Errorf("%.20q", got)
	}
}

package window

import (
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
)

// The template of a message is made in time in proportion to it.
func TestMaskTakesLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	shapes := linear.Shapes([]string{"", `"`, "'", "a", "1", "2026-01-05T09:00:00", "Mon Jan "}, []string{
		"a", "1", `"`, "'", `a"`, ` "`, ` '`, `\"`, "`", "(", "[", "{", "<", "a-", "a.", "a:", "ab:", "-", "+",
		".", ":", "::", "1,", "f", "0x", "/", "10.0.0.7 ", "00:11:22:33:44:55 ", "fe80::", "2026-01-05 ",
		"09:00:00 ", "Jan ", "Mon, ", "1.", "T", "W", "%", "é", "\xff", "a1 ", "deadbeef", "1:", " ", "PM ",
		"+01:00 ", "2001:db8::1/64 ", "aaaa.bbbb.cccc ", "user=\"a ", "it's ",
	}, `"`)
	var dst []byte
	linear.Law{Size: 96 << 10, Enough: 30 * time.Millisecond}.Check(t, "Mask", shapes,
		func(text string) { dst = Mask(dst[:0], []byte(text)) })
	t.Logf("%d shapes", len(shapes))
}

package decode

import (
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
)

// Records are joined in time in proportion to them: very many short ones, and few that are long.
func TestJoinTakesLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	parts := []string{
		"\n", " x\n", "a\n", "ERROR x\n\tat a.b(C.java:1)\n", "\tat a.b(C.java:1)\n", "Caused by: x\n",
		"Traceback (most recent call last):\n", "goroutine 1 [running]:\n", "{\"log\":\"x\"}\n",
		"{\"log\":\"x\\n\",\"stream\":\"s" + linear.N + "\"}\n", "2026-05-04T10:11:12.123456789Z stdout P x\n",
		"2026-05-04T10:11:12.123456789Z stdout F x\n", "{\"log\":\"x\",\"partial_message\":\"true\"}\n",
		"a", " ", "\t", "a.", "a.b.", "A", "{", "(", "1", "\xff", "a:", "{\"message\":\"", "\\n", "#1 ",
	}
	shapes := linear.Shapes([]string{"", "a\n", "Caused by: ", "{\"log\":\""}, parts, "\nb")
	for name, c := range map[string]JoinConfig{
		"presets": {Presets: JoinPresets()},
		"start":   {Start: `^\d{4}-`, MaxLines: 10_000, MaxBytes: 4 << 20},
		"more":    {Continue: `^\s|x$`, Wait: time.Minute},
	} {
		j := joinerOf(t, c)
		linear.Law{Size: 48 << 10, Enough: 100 * time.Millisecond}.Check(t, "join by "+name, shapes,
			func(text string) {
				records := recordsOf(strings.Split(text, "\n"))
				j.Join(records, true)
				j.Join(records, false)
			})
	}
	t.Logf("%d shapes", 3*len(shapes))
}

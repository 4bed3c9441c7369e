package lsp

import (
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
)

// Completion and hover take time in proportion to the file, wherever the cursor is.
func TestEditorTakesLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	const n = linear.N
	shapes := linear.Shapes(
		[]string{"", "groups:\n- name: g\n  rules:\n", "groups:\n- name: g\n  rules:\n  - alert: A\n    match: '"},
		[]string{
			"  - alert: A" + n + "\n    match: 'a:b'\n    when: count() > 1\n", "  rules:\n", "groups:\n",
			"\n", " ", "é", "\xff", "🙂", "match: ", "match|a: ", "|a", "- ", "{", "a: ", "a:b OR ", "by: [a, ",
			"when: ", "_", "# x\n",
		}, "\n    when: ")
	s := Server{open: map[string]string{}}
	linear.Law{Size: 48 << 10, Enough: 100 * time.Millisecond}.Check(t, "completion and hover", shapes,
		func(text string) {
			s.open[uri] = text
			last := strings.Count(text, "\n")
			for _, at := range []position{{last, 1 << 30}, {last / 2, 1 << 30}, {0, 1 << 30}} {
				s.complete(t.Context(), text, at)
			}
			s.hover(uri, position{last, 0})
		})
	t.Logf("%d shapes", len(shapes))
}

package app

import (
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

// A rule that looks back further than its topic keeps the logs is said when the program starts,
// until it is changed; and what is fine is not spoken of.
func TestRunReportsShortRetention(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules += "  - {alert: Long, match: 'level:error', when: count() > 3, window: 4d, by: " +
			"[service]}\n"
		r := w.start("data")
		const why = "the rule looks back 4d, and logs keeps 3d (retention.ms): when it is new it " +
			"begins with less"
		if text := r.out.String(); strings.Count(text, why) != 1 ||
			strings.Contains(text, "shop/Errors looks") {
			t.Errorf("it says\n%s", text)
		}
		view := &rulesView{process: r.process, rates: rates{start: time.Now()}}
		if s := view.Status(); s[0].Error != "" || s[1].Error != why {
			t.Errorf("of the rules it says %q and %q", s[0].Error, s[1].Error)
		}
		w.rules = strings.Replace(w.rules, "4d", "1d", 1)
		if err := r.process.reload(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s := view.Status(); s[1].Error != "" {
			t.Errorf("of a rule that looks back less it says %q", s[1].Error)
		}
		r.end()
	}, func(o *devbroker.Options) { o.Topics[0].Retention = 72 * time.Hour })
}

package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// "One stack trace is one error": its lines are records, and an event that is not at its end is
// read again, whole, after a stop or a kill in its middle.
func TestJoinedRecords(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = `version: 1
groups:
- name: shop
  lateness: 1s
  rules:
  - alert: Declined
    match: message~"Pay.java" and level>=ERROR
    when: count() > 0
    window: 1m
    by: [service]
  - alert: Orphan
    match: 'message~"Main.java" and not message~"Pay.java"'
    when: count() > 0
    window: 1m
    by: [service]
`
		joined := func(p *process) {
			p.config.Formats = []FormatConfig{
				{
					Topic: "*",
					Config: decode.Config{
						Join: decode.JoinConfig{Presets: []string{"java"}, Wait: time.Minute},
					},
				},
			}
		}
		line := func(service, log string) {
			w.produce(
				0,
				`{"level":"ERROR","service":"`+service+`","host":"`+service+`","message":"`+log+`"}`,
			)
		}
		r := w.start("a", joined)
		line("one", "it failed")
		line("two", "it failed")
		line("one", `\tat shop.Pay.run(Pay.java:1)`)
		time.Sleep(2 * time.Second)
		if got := w.notices(); len(got) > 0 {
			t.Errorf("before the end of the event: %s", got)
		}
		r.end()
		r = w.start("a", joined)
		line("one", `\tat shop.Main.run(Main.java:1)`)
		time.Sleep(2 * time.Second)
		r.kill("b")
		r = w.start("b", joined)
		line("two", `\tat shop.Pay.run(Pay.java:1)`)
		time.Sleep(90 * time.Second)
		firing := slices.DeleteFunc(
			w.notices(),
			func(n string) bool { return !strings.HasPrefix(n, "firing") },
		)
		if !slices.Equal(firing, []string{"firing one", "firing two"}) {
			t.Errorf("%s\n%s", firing, r.out.String())
		}
		r.end()
	})
}

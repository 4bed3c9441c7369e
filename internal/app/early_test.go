package app

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const earlyRules = `version: 1
groups:
- name: shop
  lateness: 10s
  rules:
  - {alert: Errors, match: level>=ERROR, when: count() > 2, window: 5s, by: [service]}
`

// An alert that could fire early while the end of the one before it is not decided yet is the next
// episode: the receiver is notified of that end first, then the beginning under an ID of its own,
// and both with the decision about the end. A kill in the meantime changes nothing.
func TestNextAlertWhileAnEndIsUndecided(t *testing.T) {
	f := func(killed bool) {
		t.Helper()
		inWorld(t, 1, func(w *world) {
			w.rules = earlyRules
			r := w.start("data")
			w.errors(0, "pay", 3)
			time.Sleep(6 * time.Second) // the condition ceases a second before
			again := time.Now()
			w.errors(0, "pay", 3)
			want(t, "before the end is decided", w.notices(), "firing pay")
			if killed {
				r.kill("killed")
				r = w.start("killed")
			}
			time.Sleep(time.Minute)
			w.mu.Lock()
			defer w.mu.Unlock()
			var got, ids []string
			for _, n := range w.received {
				got = append(got, n.status)
				if !slices.Contains(ids, n.alert) {
					ids = append(ids, n.alert)
				}
			}
			if text := strings.Join(got, " "); text != "firing resolved firing resolved" {
				t.Fatalf("killed %v: the receiver got %s", killed, text)
			}
			if n := w.received; len(ids) != 2 || n[0].alert != n[1].alert ||
				n[2].alert != n[3].alert {
				t.Errorf("killed %v: under the IDs %v", killed, n)
			}
			if late := w.received[2].at.Sub(again); !killed && late > 12*time.Second {
				t.Errorf("the second one is notified after %s", late)
			}
			r.stop()
			<-r.done
		})
	}
	f(false)
	f(true)
}

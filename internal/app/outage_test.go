package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const silenceRules = `version: 1
groups:
- name: hosts
  rules:
  - {alert: Silent, match: 'kind:beat', when: count() == 0, window: 20s, by: [service]}
  - {alert: Errors, match: 'kind:error', when: count() > 5, window: 30s, by: [service]}
`

// buffering writes the logs of three hosts, one a second each, as a client that buffers: what it
// cannot deliver it delivers later, in order, with the time at which it was written.
type buffering struct {
	w      *world
	cut    bool
	queue  []*kgo.Record
	silent map[string]bool
}

func (b *buffering) log(kind, service string) {
	at := time.Now()
	b.queue = append(b.queue, &kgo.Record{
		Timestamp: at,
		Value: fmt.Appendf(nil,
			`{"timestamp":%q,"kind":%q,"service":%q}`, at.UTC().Format(time.RFC3339Nano), kind,
			service),
	})
}

// live lets time pass, a second at a time.
func (b *buffering) live(d time.Duration, errors bool) {
	b.w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		for _, host := range []string{"a", "b", "c"} {
			if !b.silent[host] {
				b.log("beat", host)
			}
		}
		if errors {
			b.log("error", "shop")
		}
		if b.cut {
			continue
		}
		if err := b.w.producer.ProduceSync(b.w.t.Context(), b.queue...).FirstErr(); err != nil {
			b.w.t.Fatal(err)
		}
		b.queue = nil
	}
}

// An outage is not silence: no host is reported that was not silent, what producers have buffered
// counts, and a host that is silent indeed is found a little later.
func TestOutageIsNotSilence(t *testing.T) {
	f := func(what string, outage, reconnect time.Duration, silent bool, restart bool,
		notices ...string) {
		t.Helper()
		inWorld(t, 1, func(w *world) {
			w.rules = silenceRules
			r := w.start("data")
			b := &buffering{w: w, silent: map[string]bool{}}
			b.live(time.Minute, false)
			r.link.cut()
			b.cut = true
			b.silent["b"] = silent
			if restart {
				b.live(outage/2, false)
				r.kill("killed")
				r = w.prepare("killed")
				r.link.cut()
				r.begin()
				b.live(outage/2, true)
			} else {
				b.live(outage-8*time.Second, false)
				b.live(8*time.Second, true)
			}
			r.link.mend()
			b.live(reconnect, false)
			b.cut = false
			b.live(3*time.Minute, false)
			want(t, what, w.notices(), notices...)
			r.end()
		})
	}
	f("forty seconds", 40*time.Second, 8*time.Second, false, false,
		"firing shop", "resolved shop")
	f("ten minutes", 10*time.Minute, 15*time.Second, false, false,
		"firing shop", "resolved shop")
	f("a host that is silent", 40*time.Second, 8*time.Second, true, false,
		"firing b", "firing shop", "resolved shop")
	f("a kill within the outage", 40*time.Second, 8*time.Second, false, true,
		"firing shop", "resolved shop")
}

// After an outage a topic to which no producer writes is found silent, later by at most the grace.
func TestSilenceAfterAnOutage(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = silenceRules
		r := w.start("data")
		b := &buffering{w: w, silent: map[string]bool{}}
		b.live(time.Minute, false)
		r.link.cut()
		time.Sleep(time.Minute)
		r.link.mend()
		time.Sleep(50 * time.Second)
		want(t, "within the grace", w.notices())
		time.Sleep(35 * time.Second)
		want(t, "after it", w.notices(), "firing a", "firing b", "firing c")
		r.end()
	})
}

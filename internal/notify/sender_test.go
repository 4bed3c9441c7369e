package notify

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

// faulty is an integration that panics as long as panics is set.
type faulty struct {
	panics atomic.Bool
	calls  atomic.Int64
}

func (f *faulty) Notify(context.Context, ...*alert.Alert) notify.NotifyVerdict {
	n := f.calls.Add(1)
	if f.panics.Load() {
		var list []int
		_ = list[n]
	}
	return notify.Success()
}

// An integration that panics ends one attempt, and neither the process nor other integrations. It
// is tried again at the group's next turn.
func TestIntegrationPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		bad := &faulty{}
		bad.panics.Store(true)
		p := l.n.config.Load()
		p.receivers["default"] = append(
			p.receivers["default"], notify.NewIntegration(bad, always(true), "bad", 1, "default"),
		)
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(10 * time.Second)
		expect(t, "the other", w.sites["hook"].received(), "firing Errors a")
		if bad.calls.Load() != 1 {
			t.Errorf("%d attempts within a turn", bad.calls.Load())
		}
		if text := l.log.String(); !strings.Contains(text, "receiver integration panicked") {
			t.Errorf("the log does not say it:\n%s", text)
		}
		after(2 * time.Minute)
		text := l.log.String()
		if n := strings.Count(text, "integration panicked"); n < 2 ||
			strings.Count(text, "stack=") != 1 {
			t.Errorf("not one stack of %d panics:\n%s", n, text)
		}
		bad.panics.Store(false)
		tried := bad.calls.Load()
		after(2 * time.Minute)
		details := strings.Join(details(l.n, a.ID), "\n")
		if bad.calls.Load() != tried+1 || !strings.Contains(details, "integration panicked") ||
			!strings.Contains(details, "accepted") {
			t.Errorf("%d attempts:\n%s", bad.calls.Load(), details)
		}
	})
}

// A message that is refused for its form is sent shortened, once, and the deliveries say so.
func TestRefusedFormIsShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		long := strings.Repeat("long ", 100)
		w.sites["hook"].answer = func(n int) int {
			w.sites["hook"].mu.Lock()
			defer w.sites["hook"].mu.Unlock()
			if len(w.sites["hook"].raw[n-1]) > 2500 {
				return http.StatusRequestEntityTooLarge
			}
			return http.StatusOK
		}
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a := firingAlert("Errors", "a", 1)
		a.Annotations["description"], a.Annotations["more"], a.Annotations["again"] = long,
			long, long
		a.Annotations["summary"] = long
		l.outbox.add(a)
		after(2 * time.Minute)
		expect(t, "webhook", w.sites["hook"].received(), "firing Errors a")
		if n := w.sites["hook"].attempts(); n != 2 {
			t.Errorf("%d requests", n)
		}
		expectDetails(t, l.n, a.ID, "accepted after 0s; shortened, since the receiver refused")
	})
}

package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// posted are the alerts of a post to an Alertmanager in brief, and what they hold for.
func posted(body []byte) (text string, alerts []struct {
	Labels           map[string]string
	StartsAt, EndsAt time.Time
}) {
	if err := json.Unmarshal(body, &alerts); err != nil {
		return err.Error(), nil
	}
	var parts []string
	for _, a := range alerts {
		state := "firing"
		if !a.EndsAt.After(time.Now()) {
			state = "resolved"
		}
		parts = append(parts, state+" "+a.Labels["alertname"]+" "+a.Labels["g"])
	}
	slices.Sort(parts)
	return strings.Join(parts, ", "), alerts
}

func (s *site) posts() []string {
	var list []string
	for _, body := range s.received() {
		text, _ := posted([]byte(body))
		list = append(list, text)
	}
	return list
}

// The user's own Alertmanagers are posted what fires, again once a minute, and what has ended until
// they have taken it.
func TestForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "one", "two")
		var up atomic.Bool
		w.sites["two"].answer = func(int) int {
			if up.Load() {
				return http.StatusOK
			}
			return http.StatusServiceUnavailable
		}
		l := start(t, w, Options{
			Alertmanagers: []string{"http://one:9093", "http://two:9093/prefix/"},
		})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(time.Second)
		expect(t, "at once", w.sites["one"].posts(), "firing Errors a")
		if _, paths := w.sites["two"].requests(); paths[0] != "/prefix/api/v2/alerts" {
			t.Errorf("path: %s", paths[0])
		}
		after(3 * time.Minute)
		if got := w.sites["one"].posts(); len(got) != 3 {
			t.Errorf("in three minutes: %q", got)
		}
		_, alerts := posted(w.sites["one"].last())
		if holds := time.Until(alerts[0].EndsAt); holds < 5*time.Minute {
			t.Errorf("it holds for %s", holds)
		}
		l.outbox.add(over(a))
		after(2 * time.Second)
		expect(t, "when it is over", w.sites["one"].posts(), "resolved Errors a")
		expect(t, "the one that is down", w.sites["two"].posts())
		if err := l.n.Health(); err == nil ||
			!strings.Contains(err.Error(), "two:9093/prefix has failed") {
			t.Errorf("Health: %v", err)
		}
		up.Store(true)
		after(5 * time.Minute)
		expect(t, "when it is back", w.sites["two"].posts(), "firing Errors a", "resolved Errors a")
		expect(t, "the other", w.sites["one"].posts())
		if firing, over := l.n.states.counts(); firing+over != 0 {
			t.Errorf("%d firing and %d pending states are left", firing, over)
		}
		if err := l.n.Health(); err != nil {
			t.Errorf("Health: %v", err)
		}
		l.stop()
		for _, said := range []string{"does not accept alerts; retrying", "accepts alerts again"} {
			if n := strings.Count(l.log.String(), said); n != 1 {
				t.Errorf("%d times it was said that it %s:\n%s", n, said, l.log)
			}
		}
	})
}

// Many alerts are posted in batches, and all of them again after a restart.
func TestForwardBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "one")
		dir := t.TempDir()
		var all []models.Alert
		for i := range 250 {
			all = append(all, firingAlert("Errors", fmt.Sprint(i), 1))
		}
		o := Options{Alertmanagers: []string{"http://one:9093"}, DataDir: dir}
		l := start(t, w, o)
		l.outbox.add(all...)
		after(time.Second)
		expectPosted(t, w.sites["one"].posts(), len(all))
		l.stop()
		w.sites["one"].received()
		o.Firing = all
		start(t, w, o)
		after(time.Second)
		expectPosted(t, w.sites["one"].posts(), len(all))
	})
}

func expectPosted(t *testing.T, posts []string, want int) {
	t.Helper()
	got := 0
	for _, post := range posts {
		n := strings.Count(post, "firing")
		if n > forwardBatch {
			t.Errorf("a post of %d alerts", n)
		}
		got += n
	}
	if got != want {
		t.Errorf("%d alerts were posted in %d posts, want %d", got, len(posts), want)
	}
}

package app

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// reloadWith reloads a configuration that is changed by f.
func (r *run) reloadWith(f func(c *Config)) error {
	c := *r.process.config
	f(&c)
	r.process.load = func() (*Config, error) { return &c, nil }
	return r.process.reload(r.w.t.Context())
}

// All of notify takes effect with a reload: alerts about missed alerts, and the topic whose write
// access is checked.
func TestReloadOfNotify(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		// how late depends on when the clock was last looked at, within a second
		summary := regexp.MustCompile("^an alert of shop/Errors did not fire, since its logs came " +
			"(9m59s|10m) late; raise the lateness of the rule, or find what delays them$")
		missed := func() string {
			w.mu.Lock()
			defer w.mu.Unlock()
			var list []string
			for _, n := range w.received {
				if n.labels["alertname"] != missedAlert {
					continue
				}
				list = append(list, n.status)
				if !summary.MatchString(n.summary) {
					t.Errorf("%q, want %s", n.summary, summary)
				}
			}
			return strings.Join(list, ", ")
		}
		w.errors(0, "pay", 1)
		time.Sleep(10 * time.Second)
		for range 11 {
			w.produce(0, fmt.Sprintf(`{"timestamp":%q,"level":"ERROR","service":"late"}`,
				time.Now().Add(-10*time.Minute).UTC().Format(time.RFC3339)))
		}
		time.Sleep(time.Minute)
		if got := missed(); got != "" {
			t.Errorf("before the reload there are %s", got)
		}
		checked := func() bool {
			r.topics.mu.Lock()
			defer r.topics.mu.Unlock()
			_, known := r.topics.denied["alerts"]
			return known
		}
		reload := func(on bool, topic string) {
			t.Helper()
			if err := r.reloadWith(func(c *Config) {
				c.Notify.MissedAlerts, c.Notify.KafkaTopic = on, topic
			}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}
		reload(true, "alerts")
		if got := missed(); got != "firing" {
			t.Errorf("after the reload there are %q", got)
		}
		if !checked() {
			t.Error("write access to the topic is not checked")
		}
		reload(false, "")
		if got := missed(); got != "firing, resolved" {
			t.Errorf("after the second reload there are %q", got)
		}
		if checked() {
			t.Error("write access to the former topic is still checked")
		}
		r.end()
	})
}

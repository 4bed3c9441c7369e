package notify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// What is wrong with a configuration is said with its line and a hint.
func TestConfigErrors(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		name := configFile(t, text)
		_, err := New(Options{AlertmanagerConfig: name, DataDir: t.TempDir(), Outbox: newOutbox()})
		if err == nil {
			t.Errorf("no error for\n%s", text)
			return
		}
		for _, part := range want {
			if got := strings.ReplaceAll(err.Error(), filepath.Dir(name)+"/",
				""); !strings.Contains(got, part) {
				t.Errorf("got %q, want %q", got, part)
			}
		}
	}
	f("", "alertmanager.yml: no route provided in config; add a route")
	f(
		"route: {receiver: a}\nreceivers:\n- name: a\n  webhok_configs: []\ntemplate: []\n",
		"alertmanager.yml:4: unknown key \"webhok_configs\"",
		"alertmanager.yml:5: unknown key \"template\"",
		"check its spelling",
	)
	f(
		"route: {receiver: a}\nreceivers: [{name: b}]\n",
		`alertmanager.yml:1: undefined receiver "a" used in route; define it under receivers`,
	)
	f(
		"route: {receiver: a, group_wait: 30}\nreceivers: [{name: a}]\n",
		`alertmanager.yml:1: not a valid duration string: "30"; write a number with a unit, such `+
			`as "30s" or "5m"`,
	)
	f("route:\n  receiver: a\n\tgroup_wait: 1s\n", "alertmanager.yml:")
	f(
		"route: {receiver: a}\nreceivers:\n- name: a\n  slack_configs:\n  - api_url_file: "+
			"gone.txt\n    channel: x\n",
		"alertmanager.yml:5: api_url_file gone.txt cannot be read",
	)
}

// A file that is not there is named.
func TestConfigMissing(t *testing.T) {
	_, err := New(
		Options{AlertmanagerConfig: "gone.yml", DataDir: t.TempDir(), Outbox: newOutbox()},
	)
	if err == nil ||
		err.Error() != "gone.yml: Alertmanager configuration is missing or cannot be read: no "+
			"such file or directory" {
		t.Errorf("got %v", err)
	}
}

// Receivers and routes change while alerts fire: new receivers are notified, old ones nothing
// again, and an error changes nothing.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook", "new")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(2 * time.Minute)
		expect(t, "before", w.sites["hook"].received(), "firing Errors a")

		if _, err := l.n.Prepare(Options{AlertmanagerConfig: "gone.yml"}); err == nil {
			t.Error("a missing file is no error")
		}
		apply, err := l.n.Prepare(Options{WebhookURL: "http://hook/x"})
		if err != nil {
			t.Fatal(err)
		}
		apply()
		after(2 * time.Minute)
		expect(t, "after the same again", w.sites["hook"].received())

		apply, err = l.n.Prepare(Options{AlertmanagerConfig: configFile(t, `
route: {receiver: default, group_by: [alertname], routes: [{receiver: new, continue: true, group_by: [alertname]}, {receiver: default, group_by: [alertname]}]}
receivers: [{name: new, webhook_configs: [{url: 'http://new/x'}]}, {name: default, webhook_configs: [{url: 'http://hook/x'}]}]
`)})
		if err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		expect(t, "before it is applied", w.sites["new"].received())
		apply()
		after(2 * time.Minute)
		expect(t, "new receiver", w.sites["new"].received(), "firing Errors a")
		l.outbox.add(over(a))
		after(2 * time.Minute)
		expect(t, "its end", w.sites["new"].received(), "resolved Errors a")
	})
}

// A reload waits for an attempt under way, so that it is not made twice.
func TestReloadDuringAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		w.sites["hook"].answer = func(int) int {
			time.Sleep(2 * time.Second)
			return 200
		}
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		l.outbox.add(firingAlert("Errors", "a", 1))
		after(time.Second)
		apply, err := l.n.Prepare(Options{WebhookURL: "http://hook/x"})
		if err != nil {
			t.Fatal(err)
		}
		apply()
		after(10 * time.Minute)
		if n := w.sites["hook"].attempts(); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

// Two programs in one process, or two that follow each other, share a registry without harm.
func TestFollowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		dir := t.TempDir()
		o := Options{WebhookURL: "http://hook/x", DataDir: dir}
		for range 3 {
			l := start(t, w, o)
			l.stop()
		}
		n, err := New(Options{DataDir: t.TempDir(), Outbox: newOutbox()})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

// An annotation says what receivers and pages need to know of an alert.
func TestAnnotations(t *testing.T) {
	a := firingAlert("Errors", "a", 1)
	a.At, a.StartsAt = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC),
		time.Date(2026, 1, 5, 8, 55, 0, 0, time.UTC)
	a.Top = map[string][]models.TopValue{"path": {{Value: "/pay", Count: 7}}}
	got := annotations(&a, nil)
	for name, want := range map[string]string{
		"value": "11", "threshold": "> 10", "reason": "11 > 10 in 5m", "count": "11",
		"event_time": "2026-01-05T09:00:00Z", "started_at": "2026-01-05T08:55:00Z",
		"topic": "logs", "partition": "3", "offset": "42", "source": "shop.rules.yml:7",
		"rule": "rules/Errors", "alert_id": "Errors-a-1", "top_path": "/pay (7)",
		"summary": "much of Errors",
	} {
		if string(got[modelName(name)]) != want {
			t.Errorf("%s: got %q, want %q", name, got[modelName(name)], want)
		}
	}
}

// The example is a configuration that works, and its comment names the annotations that there are.
func TestExample(t *testing.T) {
	const name = "../../examples/alertmanager.yml"
	p, err := newReceiverConfig(Options{AlertmanagerConfig: name}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.receivers) != 3 {
		t.Errorf("receivers: %v", p.receivers)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	a := firingAlert("Errors", "a", 1)
	a.First, a.EndsAt = a.Last, a.At
	for annotation := range annotations(&a, nil) {
		if annotation != "summary" && !strings.Contains(string(text), string(annotation)) {
			t.Errorf("annotation %s is not explained", annotation)
		}
	}
}

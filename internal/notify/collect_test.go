package notify

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const collecting = `
route:
  receiver: none
  routes:
  - matchers: ['severity="info"']
    receiver: mail
    digest: 1d
  - matchers: ['severity="page"']
    receiver: oncall
    escalate: {after: 15m, receiver: manager}
receivers:
- name: none
- name: mail
  webhook_configs: [{url: http://mail/x, send_resolved: false}]
- name: oncall
  webhook_configs: [{url: http://oncall/x}]
- name: manager
  webhook_configs: [{url: http://manager/x}]
`

// An alert that no user has acknowledged for a time goes to a second receiver, which is notified of
// its end as well. One that was resolved or acknowledged before does not.
func TestEscalation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "mail", "oncall", "manager")
		l := start(t, w, Options{AlertmanagerConfig: configFile(t, collecting)})
		short, long, acked := firingAlert(
			"Short",
			"a",
			1,
		), firingAlert(
			"Long",
			"a",
			1,
		), firingAlert(
			"Acked",
			"a",
			1,
		)
		for _, a := range []map[string]string{short.Labels, long.Labels, acked.Labels} {
			a["severity"] = "page"
		}
		l.outbox.add(short)
		l.outbox.add(long)
		l.outbox.add(acked)
		after(5 * time.Minute)
		l.outbox.add(over(short))
		l.silence("alertname", "Acked", 10*time.Hour)
		after(9 * time.Minute)
		expect(t, "before the time has passed, the manager", w.sites["manager"].received())
		after(2 * time.Minute)
		expect(t, "the manager", w.sites["manager"].received(), "firing Long a")
		if text := string(w.sites["manager"].last()); !strings.Contains(
			text,
			`"escalated":"not acknowledged for 15m"`,
		) {
			t.Errorf("the message is %s", text)
		}
		l.outbox.add(over(long))
		after(2 * time.Minute)
		expect(t, "the manager", w.sites["manager"].received(), "resolved Long a")
	})
}

// A digest has each alert of its time once: as it is, or how it ended, and how often it fired.
func TestDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "mail", "oncall", "manager")
		l := start(t, w, Options{AlertmanagerConfig: configFile(t, collecting)})
		open, ended := firingAlert("Open", "a", 1), firingAlert("Ended", "a", 1)
		again := firingAlert("Ended", "a", 2)
		open.Labels["severity"], ended.Labels["severity"], again.Labels["severity"] = "info", "info", "info"
		l.outbox.add(open)
		l.outbox.add(ended)
		after(time.Hour)
		l.outbox.add(over(ended))
		after(time.Hour)
		l.outbox.add(again)
		after(time.Hour)
		l.outbox.add(over(again))
		after(20 * time.Hour)
		expect(t, "within the day", w.sites["mail"].received())
		after(2 * time.Hour)
		if n := w.sites["mail"].attempts(); n != 1 {
			t.Errorf("%d messages: %q", n, w.sites["mail"].received())
		}
		text := string(w.sites["mail"].last())
		for _, want := range []string{`"status":"resolved"`, "fired 2 times", "Open"} {
			if !strings.Contains(text, want) {
				t.Errorf("the digest has no %s: %s", want, text)
			}
		}
	})
}

// Mistakes in our keys are refused with their place.
func TestRouteKeys(t *testing.T) {
	for text, want := range map[string]string{
		"digest: 8d":                              "digest is a time from 1m to 1d",
		"escalate: {after: 5m}":                   "write escalate: {after: 15m, receiver: NAME}",
		"escalate: {after: x, receiver: manager}": "after is a time of up to 1d",
		"escalate: {after: 5m, receiver: gone}":   `undefined receiver "gone"`,
	} {
		file := configFile(t, strings.Replace(collecting, "digest: 1d", text, 1))
		_, err := newReceiverConfig(Options{AlertmanagerConfig: file}.withDefaults())
		if err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), file+":") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

package notify

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The terminal shows each alert by itself and at once, and when it has ended, whatever receiver is
// notified.
func TestTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		var out locked
		l := start(t, w, Options{Terminal: &out, WebhookURL: "http://hook/x"})
		a, b := firingAlert("Errors", "a", 1), firingAlert("Errors", "b", 1)
		a.Labels["severity"] = "critical"
		l.outbox.add(a)
		after(time.Second)
		l.outbox.add(b)
		after(time.Second)
		l.outbox.add(over(a))
		after(5 * time.Second)
		want := `FIRING    critical  Errors  g=a
          much of Errors
          11 > 10 in 5m (11 logs, since 1999-12-31 23:55:00, shop.rules.yml:7)
          23:59:00.000 ERROR shop card declined
FIRING    Errors  g=b
          much of Errors
          11 > 10 in 5m (11 logs, since 1999-12-31 23:55:00, shop.rules.yml:7)
          23:59:00.000 ERROR shop card declined
RESOLVED  critical  Errors  g=a
          much of Errors
          peak 11, lasted 5m2s, 11 logs (since 1999-12-31 23:55:00, shop.rules.yml:7)
`
		if got := out.String(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		expect(t, "the webhook", w.sites["hook"].received(), "firing Errors a")
	})
}

// A rule without a condition fires with one log, and has no threshold to compare with.
func TestTerminalOfOneLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		var out locked
		l := start(t, w, Options{Terminal: &out, WebhookURL: "http://hook/x"})
		a := firingAlert("Seen", "a", 1)
		a.Value, a.Threshold, a.Reason, a.Count = 1, "> 0", "1 in 10m", 1
		l.outbox.add(a)
		after(time.Second)
		if want := "          1 in 10m (1 log, since "; !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant %q", out.String(), want)
		}
	})
}

// hostile is an alert as an attacker would have it.
func hostile() models.Alert {
	a := firingAlert("Errors", "<!channel>\x1b[2J", 1)
	evil := "\x1b]0;owned\x07<!channel> <@U1> @here \xff\xfe\u202egnp.exe <http://evil|good> " +
		"\x00\r\nFIRING  Forged"
	a.Labels["g"] = evil
	a.Labels["bad\xff"] = "x"
	a.Annotations["summary"] = evil
	a.Reason = evil
	a.Last[0].Message = evil + strings.Repeat("x", 1<<20)
	a.Last[0].Service = evil
	return a
}

// Logs written by attackers reach the terminal without anything it would obey, and other receivers
// as valid and bounded text.
func TestHostileText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook", "slack")
		var out locked
		l := start(
			t,
			w,
			Options{
				Terminal:     &out,
				WebhookURL:   "http://hook/x",
				SlackURL:     "http://slack/x",
				SlackChannel: "#alerts",
			},
		)
		l.outbox.add(hostile())
		after(time.Second)
		if n := w.sites["hook"].attempts(); n != 1 || len(w.sites["hook"].last()) > 32<<10 {
			t.Errorf("the webhook got %d messages, the last of %d bytes", n,
				len(w.sites["hook"].last()))
		}
		for _, forbidden := range []string{"\x1b", "\x07", "\u202e", "\r", "\nFIRING  Forged"} {
			if strings.Contains(out.String(), forbidden) {
				t.Errorf("the terminal got %q:\n%q", forbidden, out.String())
			}
		}
		slack := string(w.sites["slack"].last())
		for _, forbidden := range []string{
			"<!channel", `\u003c!channel`, "<@U1", `\u003c@U1`, " @here", `\u202e`,
			`\u003chttp://evil`,
		} {
			if strings.Contains(slack, forbidden) {
				t.Errorf("Slack got %q:\n%s", forbidden, slack)
			}
		}
		if !strings.Contains(slack, "lt;!channel") || !strings.Contains(slack, "#alerts") {
			t.Errorf("Slack got\n%s", slack)
		}
	})
}

// A terminal that is stuck, such as one that was paused, delays neither other receivers nor the
// stop beyond its grace.
func TestStuckTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		r, stuck := io.Pipe()
		l := start(t, w, Options{
			Terminal:   stuck,
			WebhookURL: "http://hook/x",
			Grace:      2 * time.Second,
		})
		l.outbox.add(firingAlert("Errors", "a", 1))
		after(time.Second)
		l.outbox.add(firingAlert("Other", "b", 1))
		after(time.Second)
		expect(t, "the webhook", w.sites["hook"].received(), "firing Errors a", "firing Other b")
		began := time.Now()
		l.stop()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the stop took %s", took)
		}
		r.Close()
	})
}

// However many alerts a group has, a message has a size that receivers accept.
func TestLargeGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook", "slack")
		l := start(t, w, Options{WebhookURL: "http://hook/x", SlackURL: "http://slack/x"})
		var many []models.Alert
		for i := range 1000 {
			a := firingAlert("Errors", fmt.Sprint(i), 1)
			a.Annotations["summary"] = strings.Repeat("very long ", 500)
			many = append(many, a)
		}
		l.outbox.add(many...)
		after(2 * time.Minute)
		for _, name := range []string{"hook", "slack"} {
			bodies, _ := w.sites[name].requests()
			for i, body := range bodies {
				if limit := map[string]int{"hook": 4 << 20,
					"slack": 16 << 10}[name]; len(body) > limit {
					t.Errorf("message %d to %s has %d bytes", i, name, len(body))
				}
			}
		}
	})
}

// An alert of the program itself has neither logs nor a place in a rule file.
func TestTerminalOfOwnAlert(t *testing.T) {
	var out locked
	a := &alert.Alert{Alert: model.Alert{
		Labels: model.LabelSet{"alertname": "Lost", "severity": "warning"},
		Annotations: model.LabelSet{"summary": "it is lost", "reason": "it is lost", "count": "0",
			"started_at": "2026-01-05T09:00:00Z"},
	}}
	newTerminal(&out).Notify(t.Context(), a)
	want := "FIRING    warning  Lost\n          it is lost\n          since 2026-01-05 09:00:00\n"
	if got := out.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

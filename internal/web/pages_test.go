package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// see asks for a page and checks what stands on it, and what does not.
func see(t *testing.T, s http.Handler, path string, want ...string) string {
	t.Helper()
	code, body := do(s, "GET", path, "", "Accept", "text/html")
	if code != http.StatusOK {
		t.Errorf("%s is %d: %.300s", path, code, body)
	}
	for _, text := range want {
		not, absent := strings.CutPrefix(text, "!")
		if strings.Contains(body, not) == absent {
			t.Errorf("%s: %q: absent is %v", path, not, !absent)
		}
	}
	return body
}

// post sends a form and returns where it leads.
func post(
	t *testing.T,
	s http.Handler,
	path string,
	pairs ...string,
) (status int, to, body string) {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	status, body, header := exchange(s, "POST", path, form.Encode(), "Content-Type",
		"application/x-www-form-urlencoded", "Accept", "text/html")
	return status, header.Get("Location"), body
}

// The first page lists the current alerts with value, newest log and duration.
func TestAlertsPage(t *testing.T) {
	f, o := newFake(t)
	f.fire("a2", "payment-worker")
	s := newServer(t, o)
	see(t, s, "/", "(2) firing", "PaymentErrors", "11 errors of payment-service", "payment-worker",
		"<b>11</b>", "&gt; 10", "declined once more", "2 alerts", "3m", "healthy<small>", "321")
	see(t, s, "/?filter=service:payment-w*", "payment-worker", "!payment-service")
	see(t, s, "/?filter=severity:page", "payment-worker", "payment-service")
	see(t, s, "/?filter=not+severity:page", "No matching alerts")
	see(t, s, "/?filter=(", "payment-service", `role="alert"`)
	see(t, s, "/?state=pending", "No matching alerts")
	see(t, s, "/?receiver=default", "payment-service", "routed to receiver <b>default</b>")
	see(t, s, "/?receiver=other", "!11 errors", "routed to receiver <b>other</b>")
	see(t, s, "/?matchers="+url.QueryEscape(`{service=~".*worker"}`), "payment-worker",
		"!payment-service")
	if part := see(t, s, "/", "<html"); !strings.Contains(part, "data-live") {
		t.Error("nothing on the page is live")
	}
	_, part := do(s, "GET", "/", "", "X-Part", "live")
	if strings.Contains(part, "<html") || !strings.Contains(part, "payment-service") {
		t.Errorf("the part is %.200s", part)
	}
}

// Muted alerts are shown as muted, with the reason.
func TestMuted(t *testing.T) {
	f, o := newFake(t)
	f.fire("a2", "payment-worker")
	f.inhibits = map[string]bool{"a2": true}
	s := newServer(t, o)
	see(t, s, "/?state=muted", "payment-worker", "inhibited by another alert", "!payment-service")
	if status, to, body := post(t, s, "/alerts/a1/ack", "by", "ada", "to", "/"); status != 303 ||
		to != "/" {
		t.Fatalf("the acknowledgement is %d %s %s", status, to, body)
	}
	see(t, s, "/?state=muted", "acknowledged by ada")
	see(t, s, "/silences", "Acknowledged", "until the alert resolves", "mutes 1 alert")
	see(t, s, "/alerts/a1", "acknowledged by ada", ">Unacknowledge<", "!>Acknowledge<")
}

// An acknowledgement ends with its alert, so that the next one is notified.
func TestAckEndsWithAlert(t *testing.T) {
	f, o := newFake(t)
	s := newServer(t, o)
	if _, err := s.actions.alertmanager.ack(t.Context(), f.current[0], "ada", "on it"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.actions.alertmanager.addSilence(t.Context(), silence{
		Matchers: []matcher{{Name: "service", Value: "x", IsEqual: true}},
		Comment:  "an ordinary one",
	}); err != nil {
		t.Fatal(err)
	}
	state := func() string { return f.silences[0].State() + " " + f.silences[1].State() }
	if err := s.actions.expireAcksNow(t.Context()); err != nil || state() != "active active" {
		t.Errorf("while the alert is up: %s, %v", state(), err)
	}
	f.current = nil
	if err := s.actions.expireAcksNow(t.Context()); err != nil || state() != "expired active" {
		t.Errorf("when it is over: %s, %v", state(), err)
	}
}

// A page without alerts says that nothing is active only if that is known; otherwise the reason is
// the headline.
func TestNoAlerts(t *testing.T) {
	const calm = `class="empty calm"`
	f := func(name string, change func(*fake, *Options), path string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			fake, o := newFake(t)
			fake.current = nil
			change(fake, &o)
			see(t, newServer(t, o), path, want...)
		})
	}
	failing := func(soft bool) func(*fake, *Options) {
		return func(_ *fake, o *Options) {
			o.Ready = []Check{{Name: "kafka", Soft: soft, Err: func() error {
				return fmt.Errorf("no broker answers")
			}}}
		}
	}
	f("all is well", func(*fake, *Options) {}, "/", calm, "No active alerts", "321 logs/s",
		"lag 3 records")
	f("Kafka is away", failing(false), "/", "!"+calm, "<h2>Alert status unknown",
		"kafka: no broker answers", `class="health bad"`)
	f("degraded", failing(true), "/", "!"+calm, "evaluation is incomplete",
		"kafka: no broker answers")
	f("not connected", func(f *fake, _ *Options) {
		f.engine.Connected = false
	}, "/", "!"+calm, "Alert status unknown")
	f("no partitions", func(f *fake, _ *Options) {
		f.engine.Partitions = nil
	}, "/", "!"+calm, "Alert status unknown", "no partitions are assigned")
	f("lag", func(f *fake, _ *Options) {
		f.engine.Partitions[0].Lag = 123456
	}, "/", "!"+calm, "in the logs read so far", "123\u202f456 records are not read",
		`class="health slow"`)
	f("behind", func(f *fake, _ *Options) {
		f.engine.Partitions[0].Behind = 12 * time.Minute
	}, "/", "!"+calm, "No active alerts as of 12m ago")
	f("stuck", func(f *fake, _ *Options) {
		f.engine.Partitions[0].State = "stuck"
	}, "/", "!"+calm, "1 partition is stuck")
	f("rule in error", func(f *fake, _ *Options) {
		f.status[0].Error = "the topic is gone"
	}, "/", "!"+calm, "1 rule is in error")
	f("backfilling", func(f *fake, _ *Options) {
		f.status[0].Backfilling = true
	}, "/", "!"+calm, "1 rule is backfilling")
	f("no rules", func(f *fake, _ *Options) { f.set = &rule.Set{} }, "/", "!"+calm, "<h2>No rules")
	f("no engine", func(_ *fake, o *Options) {
		o.Engine = nil
	}, "/", "!"+calm, "Alert status unknown")
	f("paused", func(f *fake, _ *Options) {
		f.engine.Problem = "consumption paused"
	}, "/", "!"+calm, "consumption paused")
	f("a receiver's alerts", func(*fake, *Options) {}, "/?receiver=default", "!"+calm,
		"No matching alerts")
	f("hidden by a filter", func(f *fake, _ *Options) {
		f.fire("a2", "x")
	}, "/?filter=service:y", "!"+calm, "1 other alert")
	f("a list in doubt", func(f *fake, o *Options) {
		f.fire("a2", "x")
		failing(false)(f, o)
	}, "/", "may be out of date", "kafka: no broker answers", "11 errors of x")
	unsent := func(f *fake, o *Options) {
		o.Ready = []Check{{
			Name: "notifications", Aside: "notifications fail",
			Err: func() error { return errors.New("receiver pager has failed for 4m") },
		}}
	}
	f("notifications fail", unsent, "/", "!"+calm, "!unknown", "!evaluation is incomplete",
		"<h2>No active alerts, but notifications fail", "receiver pager has failed for 4m",
		`class="empty uncertain bad"`)
	f("alerts are not notified", func(f *fake, o *Options) {
		f.fire("a2", "x")
		unsent(f, o)
	}, "/", "!may be", "<b>Notifications fail</b>", "receiver pager has failed", "11 errors of x")
}

// An alert's page shows its graph, logs, timeline, rule and earlier alerts.
func TestAlertPage(t *testing.T) {
	f, o := newFake(t)
	f.deliveries["a1"] = append(
		f.deliveries["a1"],
		Delivery{At: noon, State: models.AlertFiring, Receiver: "pager", Detail: "silenced"},
	)
	before := f.history[1]
	before.ID, before.At = "a0", noon.Add(-time.Hour)
	pending := f.history[0]
	pending.ID = "a9"
	f.history = append([]models.Alert{before, pending}, f.history...)
	s := newServer(t, o)
	see(t, s, "/alerts/a1", "11 errors of payment-service", `class="chart"`, "11 &gt; 10 in 5m",
		"declined by provider", "declined once more", "order.id", "/refund",
		"/explore?topic=logs&amp;partition=0&amp;offset=17", "notified default", "200 OK",
		"not notified: pager", "silenced", `href="/alerts/a0"`, "when: count() &gt; 10",
		"For each service: fires when")
	see(t, s, "/alerts/a9", "value", "!when it fired") // it has not
	see(t, s, "/alerts/a0", "11:00:00", "when it fired")
	if code, body := do(s, "GET", "/alerts/gone", "", "Accept", "text/html"); code != 404 ||
		!strings.Contains(body, "no alert") {
		t.Errorf("an alert that is not there is %d", code)
	}
}

// Rules are listed with their status; firing rules come first.
func TestRulesPage(t *testing.T) {
	f, o := newFake(t)
	s := newServer(t, o)
	body := see(t, s, "/rules", "2 rules", "<b>1</b> firing", "1 without matches", "3.5",
		"count() == 0 [10m]", "never")
	if strings.Index(body, "PaymentErrors</a>") > strings.Index(body, "NoLogins</a>") {
		t.Error("a rule that fires stands below one that does not")
	}
	see(t, s, "/rules?filter=nologins", "NoLogins", "!PaymentErrors</a>")
	see(t, s, "/rules?filter=gone", "No matching rules")
	f.status[0].Backfilling = true
	see(t, s, "/rules/view/payments/PaymentErrors", "reads earlier logs first")
	f.status[0].Backfilling = false
	see(t, s, "/rules/view/payments/PaymentErrors", "!reads earlier logs first",
		"Read-only: the file", "match: &#39;service:payment* level&gt;=ERROR", "!NoLogins",
		"Copy to edit", `href="/alerts/a1"`)
	see(t, s, "/rules/edit?copy=payments/PaymentErrors", "      - alert: PaymentErrors\n",
		"        match:")
}

// A rule is saved as a file, in shadow mode and live. A refused file changes nothing.
func TestEditor(t *testing.T) {
	f, o := newFake(t)
	s := newServer(t, o)
	see(t, s, "/rules/edit?match="+url.QueryEscape("it's service:x"),
		"match: &#39;it&#39;&#39;s service:x&#39;")
	text := strings.ReplaceAll(newRuleText("service:shop"), "mode: shadow",
		"mode: live  # for now")
	status, to, body := post(t, s, "/rules/edit", "name", "shop", "text", text, "do", "shadow")
	if status != 303 || to != "/rules/edit?name=shop&done=shadow" {
		t.Fatalf("saving is %d %s %.500s", status, to, body)
	}
	see(t, s, to, "do not notify", `<span class="chip shadow">shadow</span>`, "# for now")
	if r, err := s.state.ruleByID("mine/MyAlert"); err != nil || r.Mode != rule.Shadow {
		t.Errorf("the rule is %+v, %v", r, err)
	}
	path := filepath.Join(o.RulesDir, "shop.rules.yml")
	before, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(before), "mode: shadow # for now") {
		t.Errorf("the file is %s, %v", before, err)
	}
	for _, broken := range []string{
		"version: 2", strings.ReplaceAll(text, "window: 5m", "window: 5x"),
		text + "# \u202e hidden\n", strings.ReplaceAll(fileRules, "version: 1", "version: 1"),
	} {
		status, _, body := post(t, s, "/rules/edit", "name", "shop", "text", broken, "do", "live")
		if status != 422 || !strings.Contains(body, `role="alert"`) {
			t.Errorf("broken rules are %d: %.60s", status, broken)
		}
		if now, _ := os.ReadFile(path); string(now) != string(before) {
			t.Errorf("the file has changed to %s", now)
		}
	}
	if _, err := s.state.ruleByID("mine/MyAlert"); err != nil {
		t.Error("the rule is gone")
	}
	if status, to, _ := post(t, s, "/rules/edit", "name", "shop", "text", string(before), "do",
		"live"); status != 303 ||
		!strings.HasSuffix(to, "done=live") {
		t.Errorf("making it live is %d, to %s", status, to)
	}
	if r, _ := s.state.ruleByID("mine/MyAlert"); r.Mode != rule.Live {
		t.Errorf("the mode is %s", r.Mode)
	}
	see(t, s, "/rules", ">editable<")
	for _, name := range []string{"../evil", "a/b", "", ".hidden", "x.y", strings.Repeat("x", 65)} {
		if status, _, _ := post(t, s, "/rules/edit", "name", name, "text", text, "do",
			"live"); status != 400 {
			t.Errorf("the name %q is %d", name, status)
		}
	}
	if status, to, _ := post(t, s, "/rules/edit", "name", "shop", "do", "delete"); status != 303 ||
		to != "/rules" ||
		len(f.set.Rules) != 2 {
		t.Errorf("removing it is %d, to %s, and leaves %d rules", status, to, len(f.set.Rules))
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
}

// A log pasted on a rule's page is explained, with the state of its group.
func TestExplainOnThePage(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	f := func(event string, wants ...string) {
		t.Helper()
		_, _, body := post(t, s, "/rules/view/payments/PaymentErrors", "event", event)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %q is missing in %s", event, want,
					body[strings.Index(body, `id="explain"`):])
			}
		}
	}
	f(
		`{"level":"INFO","service":"payment-api","path":"/pay"}`,
		"does not match this log",
		`<li class="pass"><b>PASS</b> <span>service begins with &#34;payment&#34;</span>`,
		`<li class="fail"><b>FAIL</b> <span>level&gt;=ERROR`,
		"payment-api",
		"<b>firing</b>: the condition is true",
		"value <b>11</b>, threshold &gt; 10",
		"3 alerts so far.",
	)
	f(`{"level":"ERROR","service":"payment-unknown"}`, "The rule matches this log",
		"has no state for this group")
	f("", "Enter a log to explain")
	see(t, s, "/rules/view/payments/PaymentErrors", `name="event"`, "!class=\"explained\"")
}

// A backtest is summarized in a sentence and drawn.
func TestBacktestPart(t *testing.T) {
	f, o := newFake(t)
	s := newServer(t, o)
	_, _, body := post(t, s, "/rules/backtest", "rule", "payments/PaymentErrors", "since", "24h")
	if !strings.Contains(body, "<b>No alerts</b> in the last 24 hours") {
		t.Errorf("it says %.300s", body)
	}
	f.backtested = BacktestResult{
		Logs:   5000,
		From:   noon.Add(-24 * time.Hour),
		To:     noon,
		Alerts: f.history,
	}
	_, _, body = post(t, s, "/rules/backtest", "rule", "payments/PaymentErrors", "since", "24h")
	for _, want := range []string{
		"<b>1 alert</b> in the last 24 hours", "1 still firing", `class="band firing"`,
		"5\u202f000 logs",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
}

// Explore searches the topic with a query.
func TestExplore(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	see(t, s, "/explore?q="+url.QueryEscape("level>=ERROR declined"), "<b>30</b> of 30 logs",
		"declined 29", "order.id", `data-add-value="payment-service"`, `class="bar"`,
		"match=level%3e%3dERROR%20declined")
	see(t, s, "/explore?q=nothing", "<b>0</b> of 30 logs", "No matching logs")
	see(t, s, "/explore?q=(", `role="alert"`)
	see(t, s, "/explore?topic=logs&partition=0&offset=28", "Around offset <b>28</b>",
		`class="here"`, "declined 3<", "declined 29<")
	see(t, s, "/explore?topic=logs&partition=x&offset=28", "is not a number")
}

// Silences are listed, previewed, created and expired.
func TestSilencesPage(t *testing.T) {
	f, o := newFake(t)
	s := newServer(t, o)
	see(t, s, "/silences", "No active silences")
	see(t, s, "/silences?alert=a1", `service=&#34;payment-service&#34;`,
		"Matches <b>1 active alert</b>, and <b>1</b> of the last 24 hours")
	if _, body := do(s, "GET", "/silences/preview?matchers=service%3D~pay.%2A",
		""); !strings.Contains(body, "Matches <b>1 active alert</b>") {
		t.Errorf("the preview is %s", body)
	}
	if _, body := do(s, "GET", "/silences/preview?matchers=nonsense", ""); !strings.Contains(body,
		"is not a matcher") {
		t.Errorf("the preview of nonsense is %s", body)
	}
	if status, to, body := post(t, s, "/silences", "matchers",
		"alertname=PaymentErrors\nservice=~\"pay,.*|payment.*\"", "for", "2h", "by", "ada",
		"comment", "known"); status != 303 ||
		to != "/silences" {
		t.Fatalf("making one is %d %s %s", status, to, body)
	}
	one := f.silences[0]
	if one.EndsAt.Sub(one.StartsAt) != 2*time.Hour || len(one.Matchers) != 2 ||
		one.Matchers[1].Value != "pay,.*|payment.*" ||
		!one.Matchers[1].IsRegex {
		t.Errorf("it is %+v", one)
	}
	see(t, s, "/silences", "known", "by ada", "mutes 1 alert", "ends in 2h")
	see(t, s, "/?state=muted", "silenced by ada: known")
	if status, _, _ := post(t, s, "/silences/"+one.ID+"/expire"); status != 303 ||
		f.silences[0].State() != "expired" {
		t.Errorf("ending it is %d, and it is %s", status, f.silences[0].State())
	}
	for _, bad := range [][]string{
		{"matchers", "", "for", "2h"}, {"matchers", "a=b", "for", "long"},
		{"matchers", "a=b", "for", "-2h"}, {"matchers", "a=~(", "for", "2h"},
		{"matchers", "a=b", "for", "900d"},
	} {
		if status, _, _ := post(t, s, "/silences", bad...); status != 400 {
			t.Errorf("%v is %d", bad, status)
		}
	}
}

// A silence created from an alert matches it for all label values.
func TestMatchersOfAlert(t *testing.T) {
	labels := map[string]string{
		"alertname": "A",
		"a":         `quote " and \ and, comma`,
		"b":         "line\nend",
		"c":         "bidi\u202e\x1b",
		"d":         "{x}=~.*",
	}
	list, err := parseMatchers(matchersOf(labels))
	if err != nil {
		t.Fatal(err)
	}
	if one := (silence{Matchers: list}); !one.matches(labels) {
		t.Errorf("%s does not match", matchersOf(labels))
	}
	if text := matchersOf(labels); safetext.Visible(text) != text {
		t.Errorf("%q hides something", text)
	}
}

// The calendar shows the times of an interval and its next start or end.
func TestCalendar(t *testing.T) {
	f, o := newFake(t)
	f.set.Intervals = map[string]rule.Interval{"mornings": daily{8, 11}, "middays": daily{11, 14}}
	s := newServer(t, o)
	see(t, s, "/silences", "mornings", "begins in 20h", "middays", "ends in 2h",
		`class="band on"`)
}

// daily is an interval of hours of every day.
type daily struct{ from, to int }

func (d daily) Contains(t time.Time) bool { return t.Hour() >= d.from && t.Hour() < d.to }

// The engine page shows status and rejected records, and replays dead letters.
func TestEnginePage(t *testing.T) {
	f, o := newFake(t)
	o.Ready = []Check{{Name: "state", Err: func() error { return fmt.Errorf("the disk is full") }}}
	s := newServer(t, o)
	f.dead[0].Value = []byte("\x1f\x8b\x08\x00\xff")
	see(t, s, "/engine", "<code>1f 8b 08 00 ff</code>")
	f.dead[0].Value = []byte(`{"a":`)
	see(t, s, "/engine", "logs/0", "invalid_json", "!unexpected end", "the disk is full",
		"PaymentErrors", "12 ns", "kafka:9092", "1m30s late", "</a> is 10s", "declined long ago",
		"99th percentile 2s", "<title>250ms: 80</title>", `data-act="replay"`, "notified default")
	if status, to, _ := post(t, s, "/engine/replay", "topic", "dead", "partition", "0", "offset",
		"1"); status != 303 ||
		!f.dead[0].Replayed {
		t.Errorf("a replay is %d, to %s", status, to)
	}
	see(t, s, "/engine?done=replayed", "to its topic again", ">replayed<")
	if status, _, _ := post(t, s, "/engine/replay", "topic", "dead", "partition", "0", "offset",
		"7"); status != 502 {
		t.Errorf("a replay of nothing is %d", status)
	}
	f.dead = nil // where no dead letter says it, the engine's own samples do
	see(t, s, "/engine", "unexpected end",
		`href="/explore?topic=logs&amp;partition=0&amp;offset=5"`)
}

// Pages stay fast with 1,000 alerts and 5,000 rules.
func TestManyAlertsAndRules(t *testing.T) {
	f, o := newFake(t)
	for i := range 1000 {
		f.fire(fmt.Sprintf("m%d", i), fmt.Sprintf("service-%d", i))
	}
	var text strings.Builder
	text.WriteString("version: 1\ngroups:\n- name: many\n  rules:\n")
	for i := range 5000 {
		fmt.Fprintf(&text,
			"  - {alert: Rule%d, match: 'service:service-%d level>=ERROR', when: count() > 10}\n",
			i, i)
	}
	set, err := rule.Read("many.rules.yml", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	f.set = set
	s := newServer(t, o)
	for _, path := range []string{
		"/", "/?open=firing+payments/PaymentErrors", "/rules", "/rules?filter=Rule4999",
		"/silences", "/alerts/m999",
	} {
		see(t, s, path) // once, for what is made on first use
		began := time.Now()
		body := see(t, s, path)
		took := time.Since(began)
		t.Logf("%s: %d kB in %v", path, len(body)/1000, took.Round(time.Millisecond))
		if took > 2*time.Second { // far more than it takes, for machines under load
			t.Errorf("%s took %v", path, took)
		}
	}
	if body := see(t, s, "/", "Show 995 more"); len(body) > 100_000 {
		t.Errorf("the first page has %d bytes", len(body))
	}
	see(t, s, "/rules", "5\u202f000 rules", "Show 4\u202f800 more")
}

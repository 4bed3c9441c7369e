package notify

import (
	"flag"
	"fmt"
	"html"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/prometheus/alertmanager/template"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

var update = flag.Bool("update", false, "rewrite golden files")

// everyReceiver is a plain alertmanager.yml with one receiver of each kind and no template.
const everyReceiver = `
global:
  smtp_smarthost: 'mail.example:25'
  smtp_from: 'alerts@example.com'
route: {receiver: all, group_by: [alertname]}
receivers:
- name: all
  slack_configs: [{api_url: 'http://slack.example/x', channel: '#alerts'}]
  msteams_configs: [{webhook_url: 'http://teams.example/x'}]
  msteamsv2_configs: [{webhook_url: 'http://teams2.example/x'}]
  discord_configs: [{webhook_url: 'http://discord.example/x'}]
  telegram_configs: [{api_url: 'http://telegram.example', bot_token: t, chat_id: 1}]
  pagerduty_configs: [{routing_key: k, url: 'http://pagerduty.example/x'}]
  opsgenie_configs: [{api_key: k, api_url: 'http://opsgenie.example/'}]
  email_configs: [{to: 'oncall@example.com'}]
  webhook_configs: [{url: 'http://hook.example/x'}]
  pushover_configs: [{user_key: u, token: t}]
  victorops_configs: [{api_key: k, routing_key: r, api_url: 'http://vo.example/'}]
  webex_configs: [{room_id: r, api_url: 'http://webex.example/', http_config: {authorization: {credentials: c}}}]
  mattermost_configs: [{webhook_url: 'http://mattermost.example/x'}]
  rocketchat_configs: [{token: t, token_id: i, api_url: 'http://rocket.example/', channel: c}]
  jira_configs: [{api_url: 'http://jira.example', project: P, issue_type: Bug}]
  wechat_configs: [{api_secret: s, corp_id: c, api_url: 'http://wechat.example/'}]
  sns_configs: [{topic_arn: 'arn:aws:sns:eu-west-1:1:x', sigv4: {region: eu-west-1}}]
`

// The message of each kind of receiver, firing and resolved, through a plain alertmanager.yml.
func TestMessages(t *testing.T) {
	o := Options{
		AlertmanagerConfig: configFile(t, everyReceiver),
		ExternalURL:        "https://alerts.example.com",
	}
	now := time.Date(2026, 11, 29, 10, 7, 12, 0, time.UTC)
	for _, state := range []string{"firing", "resolved"} {
		list, err := PreviewWith(o, "", Sample(state == "resolved", now))
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != 17 {
			t.Errorf("%d previews", len(list))
		}
		for _, one := range list {
			kind, _, _ := strings.Cut(one.Integration, "[")
			checkMessage(t, kind, one)
			var b strings.Builder
			for _, f := range one.Fields {
				fmt.Fprintf(&b, "== %s\n%s\n", f.Name, f.Text)
			}
			golden(t, filepath.Join("testdata", "messages", kind+"."+state+".txt"), b.String())
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// checkMessage checks what holds for the message of each receiver that users read: it names
// severity, service, summary and value, and no machine field.
func checkMessage(t *testing.T, kind string, one Preview) {
	t.Helper()
	if one.Error != "" {
		t.Errorf("%s: %s", kind, one.Error)
	}
	text := ""
	for _, f := range one.Fields {
		if f.Name != "body" && !strings.HasPrefix(f.Name, "details") &&
			f.Name != "headers.X-Alert-Id" {
			text += f.Text + "\n"
		}
	}
	for _, want := range []string{"payment-service", "too many failed payments"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s: the message does not say %q:\n%s", kind, want, text)
		}
	}
	for _, machine := range []string{
		"alert_id", "offset", "partition", "labels_hash", "Episode", "event_time", "last_lines",
	} {
		if strings.Contains(text, machine) {
			t.Errorf("%s: the message says %q:\n%s", kind, machine, text)
		}
	}
}

// The facts of a message: the value against the threshold while the alert fires, what happened when
// it is resolved.
func TestFacts(t *testing.T) {
	f := func(a models.Alert, want string) {
		t.Helper()
		set := template.KV{}
		for name, value := range annotations(&a, nil) {
			set[string(name)] = string(value)
		}
		one := template.Alert{Status: string(a.State), Annotations: set}
		if got := factsOf(one); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	now := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	firing, end := Sample(false, now), Sample(true, now)
	f(firing, "1,204 > 1,000 in 5m")
	f(end, "peak 1,204, lasted 6m10s, 4,310 logs")
	firing.Reason, firing.Threshold, firing.Value, firing.Count = "no logs for 5m", "", 0, 0
	f(firing, "no logs for 5m")
	firing.Reason, firing.Threshold, firing.Value, firing.Count = "0.27 > 0.1", "> 0.1", 0.27, 81
	f(firing, "0.27 > 0.1, 81 logs")
}

// A template file redefines the message of one receiver, and the others stay.
func TestMessageIsRedefined(t *testing.T) {
	dir := t.TempDir()
	mine := `{{ define "slack.default.text" }}mine: {{ summaryOf (index .Alerts 0) }}{{ end }}`
	if err := os.WriteFile(filepath.Join(dir, "mine.tmpl"), []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	file := configFile(t, strings.Replace(
		everyReceiver, "route:", "templates: ['"+dir+"/*.tmpl']\nroute:", 1,
	))
	list, err := PreviewWith(Options{AlertmanagerConfig: file}, "all", Sample(false, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		for _, f := range one.Fields {
			if is := strings.HasPrefix(f.Text, "mine: This is a test"); is !=
				(one.Integration == "slack[0]" && f.Name == "text") {
				t.Errorf("%s %s: %s", one.Integration, f.Name, f.Text)
			}
		}
	}
}

// The severities of rules map to PagerDuty's and Opsgenie's. One that the configuration says
// counts.
func TestSeverityOfPager(t *testing.T) {
	for severity, want := range map[string]string{
		"page": "critical P1", "Critical": "critical P1", "error": "error P2", "high": "error P2",
		"": "error P2", "warning": "warning P3", "info": "info P5",
	} {
		got := pagerDutySeverity(severity) + " " + opsgeniePriority(severity)
		if got != want {
			t.Errorf("%s: %s, want %s", severity, got, want)
		}
	}
	file := configFile(t, strings.Replace(everyReceiver, "routing_key: k,",
		"routing_key: k, severity: error,", 1))
	p, err := newReceiverConfig(Options{AlertmanagerConfig: file}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if got := p.conf.Receivers[0].PagerdutyConfigs[0].Severity; got != "error" {
		t.Errorf("the configured severity became %q", got)
	}
}

// A test of a receiver sends a sample by its route and says what the receiver answered. It leaves
// no alert behind.
func TestReceiverTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook", "bad")
		w.sites["bad"].answer = func(int) int { return http.StatusForbidden }
		file := configFile(t, `
route: {receiver: good, routes: [{receiver: bad, matchers: ['team="x"']}]}
receivers:
- {name: good, webhook_configs: [{url: 'http://hook/secret-path'}]}
- {name: bad, webhook_configs: [{url: 'http://bad/secret-path'}]}
`)
		l := start(t, w, Options{AlertmanagerConfig: file})
		for name, sent := range map[string]bool{"good": true, "bad": false} {
			list, err := l.n.Test(t.Context(), name, Sample(false, time.Now()))
			if err != nil || len(list) != 1 || list[0].Sent != sent ||
				strings.Contains(list[0].Detail, "secret-path") {
				t.Errorf("%s: %+v, %v", name, list, err)
			}
		}
		expect(t, "webhook", w.sites["hook"].received(), "firing PaymentErrors")
		if _, err := l.n.Test(t.Context(), "nowhere", Sample(false, time.Now())); err == nil ||
			!strings.Contains(err.Error(), "there are bad, good") {
			t.Errorf("an unknown receiver: %v", err)
		}
		if firing, pending := l.n.states.counts(); firing+pending != 0 {
			t.Errorf("%d firing and %d pending states are left", firing, pending)
		}
	})
}

// The subject of an e-mail fits into a line of SMTP, whatever the labels hold.
func TestSubjectFitsIntoLine(t *testing.T) {
	a := Sample(false, time.Now())
	a.Labels["service"] = strings.Repeat("漢", 256)
	a.Annotations["summary"] = strings.Repeat("🙂", 300)
	file := configFile(t, everyReceiver)
	list, err := PreviewWith(Options{AlertmanagerConfig: file}, "all", a)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		for _, f := range one.Fields {
			if f.Name != "headers.Subject" {
				continue
			}
			if line := "Subject: " + mime.QEncoding.Encode("utf-8", f.Text); len(line) > 998 {
				t.Errorf("the line has %d bytes: %s", len(line), f.Text)
			}
		}
	}
}

// A message of many alerts with long texts is one that its receiver takes whole: of Telegram's, for
// one, only a notice would be left. All alerts are named before lines are shown.
func TestMessagesFit(t *testing.T) {
	o := Options{
		AlertmanagerConfig: configFile(t, everyReceiver),
		ExternalURL:        "https://alerts.example.com",
	}
	p, err := newReceiverConfig(o.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	runes, bytes := utf8.RuneCountInString, byteCount
	limits := map[string]struct {
		size  int
		count func(string) int
	}{
		"telegram": {4096, func(text string) int {
			return runes(html.UnescapeString(tags.ReplaceAllString(text, "")))
		}},
		"discord": {4096, runes}, "pushover": {1024, runes}, "wechat": {2048, bytes},
		"webex": {7439, bytes}, "rocketchat": {5000, runes}, "opsgenie": {15000, runes},
		"slack": {8000, runes}, "mattermost": {16383, runes}, "msteamsv2": {28000, bytes},
	}
	for _, word := range []string{"payments & <failed> ", "платежи ", "支付失败"} {
		for _, repeat := range []int{1, 5, 12, 60} {
			a := Sample(false, time.Date(2026, 11, 29, 10, 7, 12, 0, time.UTC))
			a.Annotations["summary"] = strings.Repeat(word, repeat)
			a.Labels["group"] = strings.Repeat("g", 50)
			for i := range a.Last {
				a.Last[i].Message = strings.Repeat(word, 2*repeat)
			}
			routes, err := p.routesTo("", a)
			if err != nil {
				t.Fatal(err)
			}
			for _, in := range p.receivers["all"] {
				one, ctx := p.sampleMessage(routes[0], a, escapers[in.Name()])
				for _, n := range []int{1, 10, 40} {
					data := p.data(ctx, "all", routes[0], slices.Repeat(one, n))
					for _, f := range p.rawFields("all", in) {
						text, err := p.render(f, data)
						if err != nil {
							t.Fatal(err)
						}
						limit, ok := limits[in.Name()]
						// a single alert is shown in any case
						if size := 0; ok && n > 1 {
							if size = limit.count(text); size > limit.size {
								t.Errorf("%s %s of %d alerts with %q %d times: %d, at most %d",
									in.String(), f.name, n, word, repeat, size, limit.size)
							}
						}
					}
					cut := fit(4096, data, runes, false)
					if shown := len(cut.Alerts); more(cut) != n-shown ||
						repeat < 12 && shown != min(n, messageAlerts) {
						t.Errorf("of %d alerts %d are shown, %d more", n, shown, more(cut))
					}
				}
			}
		}
	}
}

// A template that a user defines anew is that of all receivers with texts of that kind.
func TestTextOfUser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.tmpl")
	own := `{{ define "alert-engine.text" }}own {{ len .Alerts }}{{ end }}` +
		`{{ define "alert-engine.markdown" }}own {{ len .Alerts }}{{ end }}`
	if err := os.WriteFile(file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := PreviewWith(Options{
		AlertmanagerConfig: configFile(t, everyReceiver+"templates: ['"+file+"']\n"),
		ExternalURL:        "https://alerts.example.com",
	}, "", Sample(false, time.Date(2026, 11, 29, 10, 7, 12, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, one := range list {
		if slices.ContainsFunc(one.Fields, func(f PreviewField) bool { return f.Text == "own 1" }) {
			kind, _, _ := strings.Cut(one.Integration, "[")
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	want := "discord email jira mattermost msteams msteamsv2 opsgenie pushover rocketchat sns victorops " +
		"webex wechat"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("the text is that of %s, want %s", got, want)
	}
}

// tags are those of Telegram's HTML.
var tags = regexp.MustCompile(`</?(b|pre|a)( [^>]*)?>`)

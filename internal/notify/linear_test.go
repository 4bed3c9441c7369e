package notify

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const linearReceivers = `
global: {smtp_smarthost: 'localhost:25', smtp_from: 'a@example.com'}
route: {receiver: all, group_by: ['...']}
templates: ['*.tmpl']
receivers:
- name: all
  slack_configs: [{api_url: 'http://localhost/slack', channel: '#alerts'}]
  pushover_configs: [{user_key: u, token: t, title: '{{ template "own" . }}', message: '{{ template "own" . }}'}]
  msteams_configs: [{webhook_url: 'http://localhost/msteams'}]
  msteamsv2_configs: [{webhook_url: 'http://localhost/msteamsv2'}]
  discord_configs: [{webhook_url: 'http://localhost/discord'}]
  telegram_configs: [{api_url: 'http://localhost/telegram', bot_token: t, chat_id: 1}]
  pagerduty_configs: [{routing_key: k, url: 'http://localhost/pagerduty'}]
  opsgenie_configs: [{api_key: k, api_url: 'http://localhost/opsgenie/'}]
  email_configs: [{to: 'oncall@example.com'}]
  webhook_configs: [{url: 'http://localhost/webhook'}]
  webex_configs: [{room_id: r, api_url: 'http://localhost/webex', http_config: {authorization: {credentials: c}}}]
  mattermost_configs: [{webhook_url: 'http://localhost/mattermost'}]
  rocketchat_configs: [{token: t, token_id: i, api_url: 'http://localhost/rocketchat/', channel: c}]
  jira_configs: [{api_url: 'http://localhost/jira', project: P, issue_type: Bug}]
`

// ownTemplate is one of a user, with the functions that Alertmanager has.
const ownTemplate = `{{ define "own" }}{{ range .Alerts }}{{ range .Labels.SortedPairs }}
{{ .Name | toUpper }}={{ .Value | title | trimSpace }} {{ reReplaceAll "(a*)*b|(<|>)+" "$0$0" .Value }}
{{ if match "^(a|aa)+$" .Value }}x{{ end }}{{ urlquery .Value }}{{ html .Value }}{{ js .Value }}{{ end }}
{{ range .Annotations.SortedPairs }}{{ .Value | toLower | safeHtml }}{{ printf "%q" .Value }}
{{ toJson .Value }}{{ end }}{{ end }}
{{ .CommonLabels.Values | join ", " }}{{ .CommonAnnotations.Remove (stringSlice "summary") }}{{ end }}`

// A notification is made in time in proportion to what logs hold, for every kind of receiver, and
// so is each escaper's text, which nothing has cut.
func TestNotificationsTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	shapes := linear.Shapes([]string{"", "<", "http://a", "[", "```", "@"}, []string{
		"a", "<", ">", "<@", "](", "][", "]:", "[", "!", "`", "\\", "\\[", "@", "@here ", "@everyone ", "&", "{{",
		"http://a ", "https://", "<a", "</", "<!", "www.", "a.b", "_", "*", "~", "|", "#", "\n", "\r\n", " ", "é",
		"\xff", "\u202e", "\u200b", "\x1b", "{code}", "://", "#a ", "@all", "@channel", "<http://a|",
		"mailto:", ".", ":",
	}, ">")
	for name, escape := range escapers {
		linear.Law{Size: 64 << 10, Enough: 50 * time.Millisecond}.Check(t, name, shapes,
			func(text string) { escape(text) })
	}
	linear.Law{Size: 64 << 10}.Check(t, "clean", shapes, func(text string) { clean(text, len(text)) })

	file := filepath.Join(t.TempDir(), "alertmanager.yml")
	if err := os.WriteFile(file, []byte(linearReceivers), 0o600); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(filepath.Dir(file), "own.tmpl")
	if err := os.WriteFile(own, []byte(ownTemplate), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := newReceiverConfig(Options{AlertmanagerConfig: file}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	preview := func(text string) {
		line := models.Line{
			Message: text, Service: text, Level: text, Fields: map[string]string{text: text},
		}
		list, err := p.preview("", models.Alert{
			ID: "x", Rule: "g/" + text, State: models.AlertFiring, Severity: text, Reason: text,
			Labels:      map[string]string{"alertname": "A", "a": text},
			Annotations: map[string]string{"summary": text, "runbook_url": text},
			First:       []models.Line{line}, Last: []models.Line{line, line},
			Top: map[string][]models.TopValue{"f": {{Value: text, Count: 1}}},
			At:  time.Unix(1777889480, 0),
		})
		if err != nil || len(list) == 0 {
			t.Fatal(len(list), err)
		}
		for _, one := range list {
			if one.Error != "" {
				t.Fatal(one.Error)
			}
		}
	}
	few := make([]linear.Shape, 0, len(shapes))
	for i, s := range shapes {
		if os.Getenv("LINEAR") != "" || i%8 == 0 { // all with LINEAR
			few = append(few, s)
		}
	}
	linear.Law{Size: 256 << 10, Enough: 150 * time.Millisecond}.Check(t, "message", few, preview)
	t.Logf("%d texts, %d messages", len(shapes)*(len(escapers)+1), len(few))
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/net/html"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// hostileKinds are the columns of the table of exits: what any client that can write a log may
// write into it.
var hostileKinds = map[string]string{
	"control":    "a\x00b\x08c\x7fd\re\x0bf",
	"c1":         "a\u009b2Jb\u0085c",
	"ansi":       "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J",
	"line ends":  "a\r\nb\nc\u2028d\u2029e\tf",
	"bidi":       "user\u202e gnp.exe \u2066hidden\u2069",
	"zero width": "pass\u200bword\u200d\ufeff",
	"tags":       "hello\U000e0041\U000e0042",
	"html":       `<script>alert(1)</script><img src=x onerror=alert(1)>`,
	"attribute":  `"><a href='http://evil.example' onclick='x'>y</a>`,
	"anchor":     `<a href="http://evil.example">click here</a>`,
	"markdown":   "[click here](http://evil.example) ![i](http://evil.example/i.png) [a][b]\n[b]: http://evil.example",
	"slack":      `<!channel> <@U1> <http://evil.example|click here>`,
	"mention":    "@everyone @here @all <@123> <at>x</at>",
	"telegram":   `<tg-spoiler>x</tg-spoiler> <a href="tg://user?id=1">y</a>`,
	"jira":       `[~admin] [click|http://evil.example] \[click|http://evil.example\] {code} !http://evil.example/i.png!`,
	"template":   `{{ .Labels }} {{ define "x" }}{{ end }} {{ template "x" }}`,
	"formula":    `=HYPERLINK("http://evil.example","x")`,
	"very long":  strings.Repeat("long<b>", 10_000),
	"utf-8":      "caf\xe9 \xff\xfe \xed\xa0\x80",
	"mail":       "a\r\nBcc: all@example.com\r\n\r\nbody\r\n.\r\nMAIL FROM:<x>",
	"prometheus": "a\"} 1\nevil_metric{x=\"\\\"} 2\n# HELP x y",
}

// hostileLogs are logs with a text wherever a log can have one.
func hostileLogs() (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(hostileKinds)) {
		text := hostileKinds[name]
		s := hostileString(text)
		lines = append(lines,
			fmt.Sprintf(
				`{"time":%q,"level":"ERROR","service":%s,"user":%s,"message":%s,%s:%s,"deep":{%s:[%s]},`+
					`"error":{"type":%s,"stack_trace":%s}}`,
				time.Now().UTC().Format(time.RFC3339Nano),
				s,
				s,
				s,
				s,
				s,
				s,
				s,
				s,
				s,
			),
			strings.NewReplacer("\n", " ", "\r", " ").Replace("ERROR "+text[:min(len(text), 500)]),
			fmt.Sprintf(`{"level":%s,"message":%s`, s, s), // cut off
		)
	}
	return append(lines, "\x00\x00\x00\x00\x2a\x06\x01\x02")
}

// hostileString is a string of JSON in which all but what must be escaped is raw.
func hostileString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

const hostileRules = `version: 1
groups:
- name: shop
  lateness: 0s
  rules:
  - alert: Errors
    match: level:error service:*
    when: count() > 0
    by: [service, user]
    labels: {severity: page}
    annotations: {summary: '{{ .Labels.service }}: {{ .Last.Message }} {{ .Last.Fields.deep }}'}
  - record: shop_errors
    match: service:*
    when: count()
    window: 1h
    by: [service, user]
`

const hostileReceivers = `
global: {smtp_smarthost: '%[2]s', smtp_from: 'alerts@example.com', smtp_require_tls: false}
route: {receiver: all, group_by: ['...'], group_wait: 0s, group_interval: 1s}
receivers:
- name: all
  slack_configs: [{api_url: '%[1]s/slack', channel: '#alerts'}]
  msteams_configs: [{webhook_url: '%[1]s/msteams'}]
  msteamsv2_configs: [{webhook_url: '%[1]s/msteamsv2'}]
  discord_configs: [{webhook_url: '%[1]s/discord'}]
  telegram_configs: [{api_url: '%[1]s/telegram', bot_token: t, chat_id: 1}]
  pagerduty_configs: [{routing_key: k, url: '%[1]s/pagerduty'}]
  opsgenie_configs: [{api_key: k, api_url: '%[1]s/opsgenie/'}]
  email_configs: [{to: 'oncall@example.com'}]
  webhook_configs: [{url: '%[1]s/webhook'}]
  victorops_configs: [{api_key: k, routing_key: r, api_url: '%[1]s/victorops/'}]
  webex_configs: [{room_id: r, api_url: '%[1]s/webex', http_config: {authorization: {credentials: c}}}]
  mattermost_configs: [{webhook_url: '%[1]s/mattermost'}]
  rocketchat_configs: [{token: t, token_id: i, api_url: '%[1]s/rocketchat/', channel: c}]
  jira_configs: [{api_url: '%[1]s/jira', project: P, issue_type: Bug}]
  wechat_configs: [{api_secret: s, corp_id: c, api_url: '%[1]s/wechat/', message_type: markdown}]
  sns_configs: [{topic_arn: 'arn:aws:sns:eu-west-1:1:x', api_url: '%[1]s/sns', sigv4: {region: eu-west-1, access_key: a, secret_key: b}}]
`

// hostileWorld is a Kafka with hostile logs, and receivers that keep what they get.
type hostileWorld struct {
	t      *testing.T
	dir    string
	kafka  string
	pages  string
	server *httptest.Server
	mail   net.Listener

	mu  sync.Mutex
	got map[string][]string // what each receiver got
}

func (w *hostileWorld) took(receiver, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got[receiver] = append(w.got[receiver], text)
}

func (w *hostileWorld) count(receiver string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got[receiver])
}

func newHostileWorld(t *testing.T) *hostileWorld {
	w := &hostileWorld{t: t, dir: t.TempDir(), got: map[string][]string{}}
	t.Chdir(w.dir)
	broker, err := devbroker.Start(devbroker.Options{
		Addr: "127.0.0.1:0",
		Topics: []devbroker.Topic{
			{Name: "logs", Partitions: 1}, {Name: "dead", Partitions: 1},
			{Name: "notes", Partitions: 1},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	w.kafka = broker.Addr()
	w.server = httptest.NewServer(http.HandlerFunc(w.receive))
	t.Cleanup(w.server.Close)
	if w.mail, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.mail.Close() })
	go w.serveMail()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.pages = free.Addr().String()
	free.Close()
	p, err := kafka.NewProducer(kafka.ClientConfig{Brokers: []string{w.kafka}},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, line := range hostileLogs() {
		p.Produce(t.Context(), models.Record{Topic: "logs", Value: []byte(line)})
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(
		`kafka: {brokers: [%q], topics: [logs], start: start, dead_letter_topic: dead, records_topic: values}
rules: [shop.rules.yml]
data_dir: data
notify: {alertmanager_config: alertmanager.yml, file: notes.jsonl, kafka_topic: notes}
web: {listen: %q}
log: {level: debug}
`,
		w.kafka,
		w.pages,
	)
	w.write("alert-engine.yml", config)
	w.write("printed.yml", strings.NewReplacer(
		"{alertmanager_config: alertmanager.yml, file: notes.jsonl, kafka_topic: notes}", "{}",
		w.pages, "127.0.0.1:0", "data_dir: data", "data_dir: printed",
		"kafka: {", "kafka: {group: printed, ", ", records_topic: values", "",
	).Replace(config))
	w.write("alertmanager.yml", fmt.Sprintf(hostileReceivers, w.server.URL, w.mail.Addr()))
	w.write("shop.rules.yml", hostileRules)
	w.write("hostile.log", strings.Join(hostileLogs(), "\n")+"\n")
	return w
}

func (w *hostileWorld) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *hostileWorld) receive(rw http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	body, _ := io.ReadAll(r.Body)
	switch {
	case strings.HasSuffix(r.URL.Path, "/gettoken"):
		io.WriteString(rw, `{"access_token":"x","errcode":0}`)
		return
	case strings.Contains(r.URL.Path, "/search"):
		io.WriteString(rw, `{"issues":[]}`)
		return
	case name == "msteamsv2":
		rw.WriteHeader(http.StatusAccepted)
	case name == "telegram":
		io.WriteString(rw, `{"ok":true,"result":{"message_id":1,"chat":{"id":1}}}`)
	case name == "sns":
		io.WriteString(
			rw,
			`<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`,
		)
	case name == "jira":
		rw.WriteHeader(http.StatusCreated)
		io.WriteString(rw, `{}`)
	case name == "wechat":
		io.WriteString(rw, `{"errcode":0}`)
	default:
		io.WriteString(rw, `{"ok":true,"success":true}`)
	}
	w.took(name, string(body))
}

// serveMail takes mails as a server of SMTP does.
func (w *hostileWorld) serveMail() {
	for {
		c, err := w.mail.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			in := bufio.NewReader(c)
			fmt.Fprint(c, "220 mail\r\n")
			commands, data, inData := "", "", false
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				switch {
				case inData && line == ".\r\n":
					inData = false
					w.took("mail", data)
					w.took("mail commands", commands)
					if fmt.Fprint(c, "250 ok\r\n"); strings.HasPrefix(line, "QUIT") {
						return
					}
				case inData:
					data += line
				default:
					commands += line
					if strings.HasPrefix(line, "DATA") {
						inData = true
						fmt.Fprint(c, "354 go on\r\n")
						continue
					}
					if fmt.Fprint(c, "250 ok\r\n"); strings.HasPrefix(line, "QUIT") {
						return
					}
				}
			}
		}()
	}
}

// command runs a command, and returns what it wrote.
func (w *hostileWorld) command(stdin string, args ...string) (stdout, stderr string) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	execute(ctx, args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String()
}

// lockedBuffer may be read while a program writes it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// run runs the program until the end of the test, or until stop is called.
func (w *hostileWorld) run(args ...string) (out, errs *lockedBuffer, stop func()) {
	out, errs = &lockedBuffer{}, &lockedBuffer{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		execute(ctx, append([]string{"run"}, args...), strings.NewReader(""), out, errs)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	w.t.Cleanup(stop)
	return out, errs, stop
}

func (w *hostileWorld) await(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("not yet after two minutes: %s", what)
		}
	}
}

func (w *hostileWorld) get(path string) string {
	w.t.Helper()
	text, err := answer(http.Get("http://" + w.pages + path))
	if err != nil {
		w.t.Errorf("%s: %v", path, err)
	}
	return text
}

// chats are the receivers that give a meaning to characters, and what of a log must not reach them.
var chats = map[string]*regexp.Regexp{
	"slack": regexp.MustCompile(`<[!@#]|\|click here>|@(everyone|here|channel)\b`),
	"mattermost": regexp.MustCompile(
		`\]\(http://evil|\]\[b\]|\]: http|<[!@]|@(everyone|here|all)\b`,
	),
	"rocketchat": regexp.MustCompile(
		`\]\(http://evil|\]\[b\]|\]: http|<[!@]|@(everyone|here|all)\b`,
	),
	"discord":   regexp.MustCompile(`\]\(http://evil|\]\[b\]|\]: http|<[@#]|@(everyone|here)\b`),
	"webex":     regexp.MustCompile(`\]\(http://evil|\]\[b\]|\]: http|<[a-z@]`),
	"msteams":   regexp.MustCompile(`\]\(http://evil|\]\[b\]|\]: http|<[a-z@]`),
	"msteamsv2": regexp.MustCompile(`\]\(http://evil|\]\[b\]|\]: http|<[a-z@]`),
	"wechat":    regexp.MustCompile(`\]\(http://evil|\]\[b\]|\]: http|<[a-z@]`),
	"telegram":  regexp.MustCompile(`<(script|img|tg-|a href=['"](http://evil|tg:))`),
	"jira":      regexp.MustCompile(`(^|[^\\])(\\\\)*[\[{!](~admin|click|code|http)`),
}

// An exit is safe if nothing in it commands a terminal or hides, and if it is what it claims to be.
func inspectExit(t *testing.T, exit, text string, may ...rune) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is not valid UTF-8", exit)
	}
	for at, c := range text {
		if c != '\n' && c != '\t' && c != '\r' && !slices.Contains(may, c) &&
			safetext.Visible(string(c)) != string(c) {
			t.Errorf("%s has %U in %q", exit, c, text[max(0, at-60):min(len(text), at+30)])
			return
		}
	}
}

// inspectTerminal is inspectExit of what users see: no carriage return that rewrites a line, and no
// cell that fills the screen.
func inspectTerminal(t *testing.T, exit, text string) {
	t.Helper()
	inspectExit(t, exit, text)
	if strings.Contains(text, "\r") {
		t.Errorf("%s has a carriage return", exit)
	}
	for line := range strings.Lines(text) {
		if len(line) > 20_000 {
			t.Errorf("%s has a line of %d bytes: %.80q", exit, len(line), line)
			return
		}
	}
}

// inspectJSON is inspectExit of documents, one a line.
func inspectJSON(t *testing.T, exit, text string) {
	t.Helper()
	inspectExit(t, exit, text)
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			return
		} else if err != nil {
			t.Errorf("%s is no JSON: %v", exit, err)
			return
		}
	}
}

// inspectPage is inspectExit of HTML.
func inspectPage(t *testing.T, exit, text string) {
	t.Helper()
	inspectExit(t, exit, text)
	for z := html.NewTokenizer(strings.NewReader(text)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "http://evil") &&
					(a.Key == "href" || a.Key == "src") && !strings.HasPrefix(a.Val, "/") {
					t.Errorf("%s has <%s %s=%q>", exit, token.Data, a.Key, a.Val)
				}
			}
			if token.Data == "img" || token.Data == "tg-spoiler" {
				t.Errorf("%s has <%s>", exit, token.Data)
			}
		}
	}
}

// stringsIn are all strings of a JSON document, or the text itself.
func stringsIn(text string) (list []string) {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		if form, err := url.ParseQuery(text); err == nil && len(form) > 1 {
			for _, values := range form {
				list = append(list, values...)
			}
			return list
		}
		return []string{text}
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			list = append(list, v)
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			for name, one := range v {
				list = append(list, name)
				walk(one)
			}
		}
	}
	walk(v)
	return list
}

// "Every exit is safe": what a log holds commands no terminal, hides nothing, ends no document and
// no field of a protocol, calls no one and disguises no link, wherever the program writes it. Rows
// of the table are the exits, all commands, tools and receivers among them; columns are
// hostileKinds.
func TestEveryExitIsSafe(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the whole program twice")
	}
	w := newHostileWorld(t)
	alerts := len(hostileKinds) // at least: one for each kind
	_, logs, stop := w.run("--config", "alert-engine.yml")
	printed, printedLogs, stopPrinted := w.run("--config", "printed.yml", "--log-format", "json")
	receivers := append(slices.Sorted(maps.Keys(chats)),
		"pagerduty", "opsgenie", "webhook", "victorops", "sns", "mail")
	t.Cleanup(func() {
		if t.Failed() {
			text := logs.String() + printedLogs.String()
			t.Logf("logs end in\n%s", text[max(0, len(text)-4000):])
		}
	})
	for _, name := range receivers {
		w.await(name+" got all alerts", func() bool { return w.count(name) >= alerts })
	}
	w.await("the terminal got all alerts", func() bool {
		return strings.Count(printed.String(), "FIRING") >= alerts
	})

	t.Run("receivers", func(t *testing.T) {
		for _, name := range receivers {
			w.inspectReceiver(t, name)
		}
	})
	t.Run("pages", w.inspectPages)
	t.Run("commands", w.inspectCommands)
	t.Run("assistant", w.inspectAssistant)
	t.Run("editor", w.inspectEditor)
	stop()
	stopPrinted()
	t.Run("run", func(t *testing.T) {
		inspectTerminal(t, "log lines", logs.String())
		inspectJSON(t, "log lines as JSON", printedLogs.String())
		// alerts on a terminal have colours of ours
		ours := regexp.MustCompile(`\x1b\[[0-9;]*m`)
		inspectTerminal(t, "alerts on the terminal", ours.ReplaceAllString(printed.String(), ""))
		if strings.Contains(printed.String(), "\x1b[31mred") {
			t.Error("the terminal gets colours from a log")
		}
		text, err := os.ReadFile("notes.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		inspectJSON(t, "notify.file", string(text))
		notes := kafka.NewReader(kafka.ReaderConfig{
			Client: kafka.ClientConfig{Brokers: []string{w.kafka}}, Topics: []string{"notes"},
			Logger: slog.New(slog.DiscardHandler),
		})
		for m, err := range notes.Records(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			inspectJSON(t, "notify.kafka_topic", string(m.Value))
			inspectExit(t, "keys of notify.kafka_topic", string(m.Key))
		}
		out, errs := w.command("", "state", "inspect", "--data-dir", "data")
		inspectTerminal(t, "state inspect", out+errs)
		out, errs = w.command("", "state", "inspect", "--data-dir", "data", "--json")
		inspectJSON(t, "state inspect --json", out)
		inspectTerminal(t, "state inspect --json (standard error)", errs)
	})
}

func (w *hostileWorld) inspectReceiver(t *testing.T, name string) {
	w.mu.Lock()
	texts := slices.Clone(w.got[name])
	commands := slices.Clone(w.got["mail commands"])
	w.mu.Unlock()
	for _, text := range texts {
		var may []rune
		if chats[name] != nil {
			may = []rune{'\u200b'} // it breaks markup
		}
		inspectExit(t, name, text, may...)
		if len(text) > 200_000 {
			t.Errorf("%s got %d bytes", name, len(text))
		}
		for _, s := range stringsIn(text) {
			inspectExit(t, name, s, may...)
			if is := chats[name]; is != nil {
				if at := is.FindStringIndex(s); at != nil {
					t.Errorf("%s got %q", name, s[max(0, at[0]-60):min(len(s), at[1]+60)])
					return
				}
			}
		}
		if name == "mail" {
			head, _, _ := strings.Cut(text, "\r\n\r\n")
			if strings.Contains(head, "\nBcc:") {
				t.Errorf("a mail has the header Bcc")
			}
			for line := range strings.Lines(text) {
				if len(line) > 1000 {
					t.Errorf("a mail has a line of %d bytes", len(line))
				}
			}
		}
	}
	if name == "mail" {
		for _, c := range commands {
			if strings.Count(c, "MAIL FROM") != 1 || strings.Count(c, "RCPT TO") != 1 {
				t.Errorf("a mail has the commands %q", c)
			}
		}
	}
}

func (w *hostileWorld) inspectPages(t *testing.T) {
	var list struct {
		Data struct {
			Alerts []struct {
				ID string `json:"id"`
			}
		}
	}
	text := w.get("/api/v1/alerts")
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Data.Alerts) == 0 {
		t.Errorf("%d alerts: %v in %.200s", len(list.Data.Alerts), err, text)
	}
	pages := []string{
		"/",
		"/?open=firing+shop/Errors",
		"/rules",
		"/rules/view/shop/Errors",
		"/history",
		"/explore",
		"/explore?topic=logs&since=1h",
		"/explore?q=message:*&topic=logs&since=1h",
		"/explore?topic=logs&partition=0&offset=0",
		"/engine",
		"/receivers",
		"/silences",
	}
	for _, a := range list.Data.Alerts {
		pages = append(pages, "/alerts/"+a.ID, "/silences?alert="+a.ID)
	}
	for _, path := range pages {
		inspectPage(t, path, w.get(path))
	}
	for _, path := range []string{
		"/api/v1/alerts", "/api/v1/rules", "/api/v1/history", "/api/v1/history?export=json",
		"/api/v1/audit", "/api/v1/receivers", "/api/v1/engine", "/api/v1/deadletters",
		"/api/v1/fields?topic=logs&since=1h", "/api/v1/logs?topic=logs&since=1h",
		"/api/v1/record?topic=logs&partition=0&offset=0",
		"/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences", "/api/v2/status",
	} {
		inspectJSON(t, path, w.get(path))
	}
	inspectExit(t, "/api/v1/search", w.get("/api/v1/search?topic=logs&since=1h"))
	for _, path := range []string{"/healthz", "/readyz"} {
		inspectTerminal(t, path, w.get(path))
	}
	metrics := w.get("/metrics")
	inspectExit(t, "/metrics", metrics)
	if !strings.Contains(metrics, "shop_errors{") ||
		regexp.MustCompile(`(?m)^evil_metric`).MatchString(metrics) {
		t.Errorf("/metrics has no series of the record rule, or one of a log")
	}
	for _, query := range []string{"export=csv", "format=csv"} {
		text := w.get("/api/v1/history?" + query)
		inspectExit(t, "the history as CSV", text)
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			continue // it is JSON
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
					t.Errorf("the history as CSV has the cell %q", cell)
				}
			}
		}
	}
}

// inspectCommands runs every command that there is, so that a new one cannot be forgotten.
func (w *hostileWorld) inspectCommands(t *testing.T) {
	stdin := strings.Join(hostileLogs(), "\n")
	topic := []string{"--topic", "logs", "--since", "1h"}
	with := func(args ...string) []string { return append(args, topic...) }
	from := "--config=alert-engine.yml"
	rows := map[string][][]string{
		"decode": {
			{"hostile.log"}, {"-"}, {"hostile.log", "--verbose"}, {"corpus.jsonl", "--corpus"},
		},
		"explain": {
			{"shop.rules.yml", "-e", "-"}, {"--rules", "shop.rules.yml", "Errors", "-e", "-"},
			{"--rules", "shop.rules.yml", "Errors", "-e", "-", "--json"},
		},
		"backtest": {
			{"shop.rules.yml", "--file", "hostile.log"},
			{"shop.rules.yml", "--file", "hostile.log", "--json"}, with("shop.rules.yml", from),
			{"shop.rules.yml", "--file", "hostile.log", "--diff", "other.rules.yml"},
			{"shop.rules.yml", "--file", "hostile.log", "--diff", "other.rules.yml", "--json"},
			{"shop.rules.yml", "--file", "hostile.log", "--budget", "1/d"},
			{"shop.rules.yml", "--file", "corpus.jsonl", "--corpus"},
		},
		"check": {
			{"shop.rules.yml", "--against-file", "hostile.log"},
			{"shop.rules.yml", "--against-file", "hostile.log", "--json"},
			{"hostile.rules.yml"}, {"hostile.rules.yml", "--json"},
			{"shop.rules.yml", "--against-file", "hostile.log", "--output", "sarif"},
			{"shop.rules.yml", "--against-file", "hostile.log", "--output", "github"},
			{"hostile.rules.yml", "--output", "sarif"}, {"hostile.rules.yml", "--output", "github"},
		},
		"test": {
			{"hostile_test.yml"}, {"hostile_test.yml", "--json"},
			{"hostile_test.yml", "--junit", "junit.xml"}, {"hostile_test.yml", "--crash"},
		},
		"new": {
			{"errors", "-e", "-"}, {"errors", "--match", "service:\"" + hostileKinds["bidi"] + "\""},
		},
		"tail": {
			with("--limit", "40", from), with("--limit", "40", "--json", from),
		},
		"stat": {
			with("*", "--by", "service", from), with("*", "--by", "service", "--json", from),
			with("*", "--by", "error.type", from),
		},
		"deadletters list":   {{from}, {from, "--json"}},
		"deadletters replay": {{from}},
		"suggest": {
			{"--file", "hostile.log"}, {"--file", "hostile.log", "--json"},
			{"--file", "hostile.log", "-o", "first.rules.yml"}, with(from),
		},
		"doctor":         {{from}, {from, "--json"}},
		"health":         {{"--url", "http://" + w.pages + "/readyz"}},
		"config check":   {{from}},
		"config print":   {{from}},
		"fmt":            {{"hostile.rules.yml"}, {"-"}, {"hostile.rules.yml", "--check"}},
		"notify preview": {{from}, {from, "--json"}, {from, "--resolved"}},
		"notify test":    {{"all", from}, {"all", from, "--json"}},
		"state inspect":  nil, // when the program has ended
		"mcp":            nil, // inspectAssistant
		"lsp":            nil, // inspectEditor
		"import": {
			{"elastalert", "elastalert.yml", "-o", "-"}, {"sigma", "sigma.yml", "-o", "-"},
			{"loki", "loki.yml", "-o", "-"}, {"vmalert", "loki.yml", "-o", "-"},
			{"loki", "loki.yml", "-o", "-", "--json"},
			{"elastalert", "elastalert.yml", "-o", "imported.rules.yml", "--fail-on", "none",
				"--against-file", "hostile.log", "--compare", "past.jsonl",
				"--receivers", "receivers.yml"},
			{"sigma", "sigma.yml", "-o", "-", "--against-file", "hostile.log"},
			{"loki", "loki.yml", "-o", "-", "--labels", "labels.yml"},
		},
	}
	// These read nothing that others write, or write it for programs.
	none := []string{
		"run",
		"demo",
		"man",
		"schema",
		"version",
		"state export",
		"state import",
		"completion",
		"help",
	}

	// YAML takes such characters only where they are escaped.
	text := strconv.QuoteToASCII(hostileKinds["bidi"] + hostileKinds["ansi"] + hostileKinds["c1"])
	w.write(
		"hostile.rules.yml",
		"version: 1\ngroups:\n- name: "+text+"\n  rules:\n  - alert: "+text+
			"\n    match: "+text+"\n    "+text+": 1\n",
	)
	w.write("hostile_test.yml", fmt.Sprintf(`rule_files: [shop.rules.yml]
tests:
- name: %[1]s
  logs:
  - {at: 0s, log: {level: ERROR, service: %[1]s, user: %[1]s, message: %[1]s}}
  nothing_else: true
`, text))
	w.write("elastalert.yml", fmt.Sprintf(
		"name: %[1]s\ntype: any\nindex: %[1]s\nfilter:\n- query: {query_string: {query: %[1]s}}\nalert_text: %[1]s\n",
		text,
	))
	w.write("labels.yml", fmt.Sprintf("%[1]s: %[1]s\n", text))
	w.write("other.rules.yml", strings.ReplaceAll(hostileRules, "count() > 0", "count() > 1"))
	past, corpus := "", ""
	for _, name := range slices.Sorted(maps.Keys(hostileKinds)) {
		raw, err := json.Marshal(hostileKinds[name])
		if err != nil {
			t.Fatal(err)
		}
		past += fmt.Sprintf(`{"rule_name":%[1]s,"alert_time":"2026-05-04T10:11:12Z",%[1]s:%[1]s}`, raw) + "\n"
		corpus += fmt.Sprintf(`{"topic":%[1]s,"ts_ms":1777889480000,"value":%[1]s}`, raw) + "\n"
	}
	w.write("past.jsonl", past)
	w.write("corpus.jsonl", corpus)
	w.write("sigma.yml", fmt.Sprintf("title: %[1]s\nid: x\nlogsource: {product: %[1]s}\n"+
		"detection: {a: {%[1]s: %[1]s}, condition: a and %[1]s}\nlevel: %[1]s\n", text))
	w.write("loki.yml", fmt.Sprintf("groups:\n- name: %[1]s\n  rules:\n  - alert: %[1]s\n"+
		"    expr: %[1]s\n    labels: {%[1]s: %[1]s}\n", text))
	var leaves func(prefix string, list []*cobra.Command) []string
	leaves = func(prefix string, list []*cobra.Command) (names []string) {
		for _, c := range list {
			name := strings.TrimSpace(prefix + " " + c.Name())
			if len(c.Commands()) > 0 && !c.Runnable() {
				names = append(names, leaves(name, c.Commands())...)
			} else {
				names = append(names, name)
			}
		}
		return names
	}
	for _, name := range leaves("", newRootCommand().Commands()) {
		calls, ok := rows[name]
		if !ok && !slices.Contains(none, name) {
			t.Errorf("the command %q is not in the table", name)
		}
		for _, call := range calls {
			args := append(strings.Fields(name), call...)
			exit := strings.Join(args, " ")
			if os.Getenv("HOSTILE") != "" {
				t.Log(exit)
			}
			out, errs := w.command(stdin, args...)
			if strings.Contains(errs, "unknown flag") || strings.Contains(errs, "unknown command") {
				t.Errorf("%s: %s", exit, errs)
			}
			switch {
			case name == "decode",
				slices.Contains(call, "--json") && name != "import" && name != "check":
				inspectJSON(t, exit, out)
			case slices.Contains(call, "-"):
				inspectExit(t, exit, out)
			default:
				inspectTerminal(t, exit, out)
			}
			inspectTerminal(t, exit+" (standard error)", errs)
			if out == "" && name != "fmt" && name != "import" {
				t.Errorf("%s says nothing but %q", exit, errs)
			}
		}
	}
	written := []string{"first.rules.yml", "first_test.yml", "junit.xml"}
	for _, name := range written {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		inspectExit(t, name, string(text))
	}
	if out, _ := w.command("", "test", "first_test.yml"); !strings.Contains(out, ", 0 failed") {
		t.Errorf("rules that suggest wrote do not pass their test:\n%s", out)
	}
}

func (w *hostileWorld) inspectAssistant(t *testing.T) {
	c := connected(t, w.dir)
	rules, event := hostileRules, hostileLogs()
	calls := map[string][]map[string]any{
		"check":    {{"rules": rules}, {"rules": "version: 1\ngroups: \u202e\x1b[31m"}},
		"test":     {{"files": []string{"hostile_test.yml"}}},
		"backtest": {{"rules": rules, "log_file": "hostile.log"}, {"rules": rules}},
		"stat":     {{"query": "*", "by": "service"}},
		"suggest":  {{"log_file": "hostile.log"}},
		"search":   {{"query": "*"}},
	}
	for i, one := range event {
		if i%3 > 0 {
			continue
		}
		calls["explain"] = append(calls["explain"], map[string]any{"rules": rules, "event": one})
		calls["decode"] = append(calls["decode"], map[string]any{"event": one})
	}
	tools, err := c.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools.Tools {
		if len(calls[tool.Name]) == 0 {
			t.Errorf("the tool %q is not in the table", tool.Name)
		}
		for _, input := range calls[tool.Name] {
			text, _ := ask(t, c, tool.Name, input)
			inspectExit(t, "tool "+tool.Name, text)
			if len(text) > 2*mcpOutput {
				t.Errorf("tool %s answers %d bytes", tool.Name, len(text))
			}
		}
	}
}

// inspectEditor looks at what the language server writes about hostile fields and rules. Each
// message has a length, which a change of its bytes would break.
func (w *hostileWorld) inspectEditor(t *testing.T) {
	message := func(v string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(v), v) }
	rules, err := os.ReadFile("hostile.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	open := func(uri, text string) string {
		b, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return message(
			`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":` +
				`{"uri":"file:///` + uri + `","languageId":"yaml","version":1,"text":` + string(b) + `}}}`,
		)
	}
	at := `"params":{"textDocument":{"uri":"file:///b.rules.yml"},"position":{"line":4,"character":11}}}`
	stdin := message(
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}`,
	) +
		open(
			"a.rules.yml",
			string(rules),
		) +
		open(
			"b.rules.yml",
			"version: 1\ngroups:\n- rules:\n  - alert: A\n    match: \n",
		) +
		message(
			`{"jsonrpc":"2.0","id":2,"method":"textDocument/completion",`+at,
		) +
		message(
			`{"jsonrpc":"2.0","id":3,"method":"textDocument/hover",`+at,
		) +
		message(
			`{"jsonrpc":"2.0","id":4,"method":"shutdown"}`,
		) +
		message(
			`{"jsonrpc":"2.0","method":"exit"}`,
		)
	out, errs := w.command(stdin, "lsp", "--engine", "http://"+w.pages)
	inspectTerminal(t, "lsp (standard error)", errs)
	seen := 0
	for ; out != ""; seen++ {
		head, rest, _ := strings.Cut(out, "\r\n\r\n") // as editors do
		length := 0
		_, err := fmt.Sscanf(head, "Content-Length: %d", &length)
		if err != nil || length > len(rest) || !json.Valid([]byte(rest[:length])) {
			t.Fatalf("a message of the language server is not whole: %.300q", out)
		}
		body := rest[:length]
		out = rest[length:]
		for _, s := range stringsIn(body) {
			inspectExit(t, "lsp", s)
		}
	}
	if seen < 5 {
		t.Errorf("%d messages of the language server: %.500q", seen, out)
	}
}

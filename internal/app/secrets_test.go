package app

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

// mark begins every secret of the test, so that a single search finds any of them wherever it
// should not be.
const mark = "s3cr3t"

// A secret that the program was given is in nothing that it says: no log, no page, no answer of an
// API, no profile, no message; also while receivers and brokers refuse what it sends, which is when
// programs quote what they have sent.
func TestSecretsAreSaidNowhere(t *testing.T) {
	user := devbroker.User{Mechanism: "PLAIN", Name: "engine", Password: mark + "-sasl"}
	inWorld(t, 1, func(w *world) {
		w.routes(
			fmt.Sprintf(
				`global: {slack_api_url: 'http://%[1]s/%[2]s-slack', smtp_smarthost: '%[1]s', smtp_from: a@b.example, smtp_auth_username: a, smtp_auth_password: %[2]s-smtp}
route: {receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s}
receivers:
- name: hook
  webhook_configs: [{url: 'http://%[1]s/%[2]s-path?key=%[2]s-query', http_config: {authorization: {credentials: %[2]s-bearer}}}]
  slack_configs: [{channel: x}]
  pagerduty_configs: [{routing_key: %[2]s-pagerduty, url: 'http://%[1]s/pd'}]
`,
				hookAddr,
				mark,
			),
		)
		r := w.prepare("data")
		c := r.config
		c.Kafka.SASL = SASLConfig{
			Mechanism: user.Mechanism,
			Username:  user.Name,
			Password:  Secret(user.Password),
		}
		c.Notify.File, c.Notify.KafkaTopic, c.Kafka.RecordsTopic = Path(filepath.Join(w.dir, "data",
			"alerts.jsonl")), "alerts", "values"
		if err := os.MkdirAll(filepath.Join(w.dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		c.Web.Listen, c.Web.PProf, c.Web.Token, c.Web.ReadToken = "127.0.0.1:8080", true,
			mark+"-write", mark+"-read"
		r.network.listen = w.network.Listen
		r.begin()
		w.refuseAll(func() (int, time.Duration) { return http.StatusForbidden, 0 })
		w.errors(0, "pay", 11)
		time.Sleep(time.Minute)
		if err := r.reload(w.t.Context()); err != nil {
			t.Error(err)
		}

		client := &http.Client{
			Transport: &http.Transport{DialContext: w.network.DialContext},
			Timeout:   time.Minute,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		}
		defer client.CloseIdleConnections()
		for _, path := range append(documented(t), "/", "/rules", "/rules/edit",
			"/rules/view/shop/Errors", "/explore", "/silences", "/engine", "/metrics", "/healthz",
			"/readyz", "/nothing",
			"/api/v2/status", "/api/v2/receivers", "/api/v2/alerts", "/api/v2/alerts/groups",
			"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2",
			"/debug/pprof/heap?debug=1") {
			for _, token := range []string{"", mark + "-write", mark + "-wrong"} {
				code, body := answerOf(t, client, path, token)
				if i := strings.Index(body, mark); i >= 0 {
					t.Errorf("%s says %q", path, body[max(0, i-100):min(len(body), i+60)])
				}
				if token == mark+"-write" && code >= 500 && code != http.StatusServiceUnavailable &&
					code != http.StatusNotImplemented {
					t.Errorf("%s is %d: %.200s", path, code, body)
				}
			}
		}
		if text, err := r.config.YAML(); err != nil || strings.Contains(string(text), mark) {
			t.Errorf("the printed configuration has secrets: %v\n%s", err, text)
		}
		if text := fmt.Sprintf("%v %+v %#v", *r.config, *r.config,
			*r.config); strings.Contains(text, mark) {
			t.Error("a configuration in a message or a panic has secrets")
		}
		r.end()
		if i := strings.Index(r.out.String(), mark); i >= 0 {
			t.Errorf(
				"the log says %q",
				r.out.String()[max(0, i-300):min(len(r.out.String()), i+60)],
			)
		}
		if text, err := os.ReadFile(string(c.Notify.File)); err != nil || len(text) == 0 {
			t.Errorf("the file of notifications has %d bytes, %v", len(text), err)
		}
		everyFile(t, r.dir, func(name string, _ fs.FileInfo) {
			if text, _ := os.ReadFile(name); strings.Contains(string(text), mark) {
				t.Errorf("%s holds a secret", name)
			}
		})
	}, func(o *devbroker.Options) { o.Users = []devbroker.User{user} })
}

// A password that is refused is not quoted.
func TestRefusedPasswordIsNotSaid(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.prepare("data")
		r.config.Kafka.SASL = SASLConfig{
			Mechanism: "PLAIN",
			Username:  "engine",
			Password:  mark + "-wrong",
		}
		err := r.process.run(w.t.Context())
		if err == nil || strings.Contains(err.Error()+r.out.String(), mark) {
			t.Errorf("it ends with %v and says\n%s", err, r.out.String())
		}
	}, func(o *devbroker.Options) {
		o.Users = []devbroker.User{{Mechanism: "PLAIN", Name: "engine", Password: mark}}
	})
}

var pathOfDocument = regexp.MustCompile(`(?m)^  (/[^:\s]*):`)

// documented are the paths of our own API.
func documented(t *testing.T) []string {
	text, err := os.ReadFile("../web/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range pathOfDocument.FindAllStringSubmatch(string(text), -1) {
		// these continue forever
		if !strings.Contains(m[1], "events") && !strings.Contains(m[1], "tail") {
			paths = append(paths, strings.NewReplacer("{id}", "x", "{name}", "x").Replace(m[1]))
		}
	}
	if len(paths) < 5 {
		t.Fatalf("the document lists %v", paths)
	}
	return paths
}

// A reload puts new tokens in effect, and warns of other secrets that need a restart.
func TestReloadReplacesTokens(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.prepare("data")
		r.config.Web.Listen, r.config.Web.ReadToken = "127.0.0.1:8080", "read-one-1"
		r.network.listen = w.network.Listen
		r.begin()
		client := &http.Client{
			Transport: &http.Transport{DialContext: w.network.DialContext},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		}
		defer client.CloseIdleConnections()
		f := func(token string, want int) {
			t.Helper()
			if code, _ := answerOf(t, client, "/api/v1/alerts", token); code != want {
				t.Errorf("with %s it is %d, not %d", token, code, want)
			}
		}
		f("read-one-1", 200)
		c := *r.config
		c.Web.ReadToken = "read-two-2"
		r.process.load = func() (*Config, error) { return &c, nil }
		if err := r.reload(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		f("read-one-1", 303) // to the login
		f("read-two-2", 200)
		if strings.Contains(r.out.String(), "at the next start") {
			t.Error("it warns of tokens, which need no restart")
		}
		c.Kafka.SASL.Password = "another"
		if err := r.reload(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.out.String(), "at the next start") {
			t.Error("it does not warn of a password that needs a restart")
		}
		r.end()
	})
}

func answerOf(t *testing.T, client *http.Client, path, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), "GET", "http://127.0.0.1:8080"+
		path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("Accept", "text/html, application/json, */*")
	answer, err := client.Do(request)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return 0, ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return answer.StatusCode, string(body)
}

// The program runs with a file system that is read-only but for its data directory, as a user
// without rights: it writes nowhere else, and no other can read what it keeps.
func TestWritesInItsDirectoryAlone(t *testing.T) {
	elsewhere := t.TempDir()
	before := snapshotOf(t, elsewhere)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	source := snapshotOf(t, here)
	for _, name := range []string{"TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, elsewhere)
	}
	inWorld(t, 1, func(w *world) {
		r := w.prepare("data")
		r.config.Web.Listen = "127.0.0.1:8080"
		r.network.listen = w.network.Listen
		r.begin()
		w.errors(0, "pay", 11)
		time.Sleep(20 * time.Minute) // so that everything is saved that is saved now and then
		r.end()
		files := 0
		everyFile(t, r.dir, func(name string, info fs.FileInfo) {
			want := fs.FileMode(0o600)
			if info.IsDir() {
				want = 0o700
			} else {
				files++
			}
			if info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, not %v", name, info.Mode().Perm(), want)
			}
		})
		if files < 4 {
			t.Errorf("only %d files", files)
		}
		for _, entry := range []string{"data", "alertmanager.yml"} {
			if _, err := os.Stat(filepath.Join(w.dir, entry)); err != nil {
				t.Error(err)
			}
		}
		if entries, _ := os.ReadDir(w.dir); len(entries) != 2 {
			t.Errorf("beside its directory there are %v", entries)
		}
	})
	if after := snapshotOf(t, elsewhere); after != before {
		t.Errorf("in the home and temporary directories there are\n%s", after)
	}
	if after := snapshotOf(t, here); after != source {
		t.Errorf("in the working directory there are now\n%s", after)
	}
}

func snapshotOf(t *testing.T, dir string) string {
	var b strings.Builder
	everyFile(t, dir, func(name string, info fs.FileInfo) { fmt.Fprintln(&b, name, info.Mode()) })
	return b.String()
}

func everyFile(t *testing.T, dir string, f func(name string, info fs.FileInfo)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			f(name, info)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

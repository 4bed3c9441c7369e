package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Health and readiness follow the checks.
func TestHealth(t *testing.T) {
	var kafka, disk error
	_, o := newFake(t)
	o.Ready = []Check{
		{Name: "kafka", Err: func() error { return kafka }},
		{Name: "state", Err: func() error { return disk }, Soft: true},
	}
	s := newServer(t, o)
	f := func(path string, status int, body string) {
		t.Helper()
		if code, text := do(s, "GET", path, ""); code != status || text != body {
			t.Errorf("GET %s is %d %q, not %d %q", path, code, text, status, body)
		}
	}
	f("/healthz", 200, "ok\n")
	f("/readyz", 200, "kafka: ok\nstate: ok\n")
	disk = errors.New("the disk is full")
	f("/readyz", 200, "kafka: ok\nstate: degraded: the disk is full\n")
	kafka = errors.New("no broker answers")
	f("/healthz", 200, "ok\n")
	f("/readyz", 503, "kafka: no broker answers\nstate: degraded: the disk is full\n")
}

// A server without sources answers every route.
func TestEmptyServer(t *testing.T) {
	s := newServer(t, Options{})
	for _, r := range s.routes() {
		method, path, given := strings.Cut(r.pattern, " ")
		if !given {
			continue
		}
		path = strings.NewReplacer("{id}", "x", "{id...}", "x", "{name}", "x", "{hash}", "x",
			"{$}", "").
			Replace(path)
		if path == "/changes" || path == "/api/v1/tail" {
			continue // streams
		}
		if code, text := do(s, method, path, "{}", "Accept",
			"text/html"); code == http.StatusInternalServerError {
			t.Errorf("%s %s is %d: %s", method, path, code, text)
		}
	}
}

// POST /-/reload reloads the rules and reports errors.
func TestReload(t *testing.T) {
	_, o := newFake(t)
	var problem error
	o.Reload = func(context.Context) error { return problem }
	s := newServer(t, o)
	if code, _ := do(s, "GET", "/-/reload", ""); code != http.StatusNotFound &&
		code != http.StatusMethodNotAllowed {
		t.Errorf("GET is %d", code)
	}
	if code, _ := do(s, "POST", "/-/reload", ""); code != 200 {
		t.Errorf("POST is %d", code)
	}
	problem = errors.New("x.yml:1:1: broken")
	if code, text := do(s, "POST", "/-/reload", ""); code != 422 ||
		!strings.Contains(text, "x.yml:1:1: broken") {
		t.Errorf("POST of broken rules is %d %s", code, text)
	}
}

// Profiles are served only if enabled.
func TestPProf(t *testing.T) {
	_, o := newFake(t)
	if code, _ := do(newServer(t, o), "GET", "/debug/pprof/", ""); code != 404 {
		t.Errorf("without being asked for it is %d", code)
	}
	o.PProf = true
	if code, _ := do(newServer(t, o), "GET", "/debug/pprof/", ""); code != 200 {
		t.Errorf("it is %d", code)
	}
}

// A stop ends open streams.
func TestStopEndsStreams(t *testing.T) {
	f, o := newFake(t)
	o.Listener = listen(t)
	f.following = make(chan struct{})
	s := newServer(t, o)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	base := "http://" + o.Listener.Addr().String()
	var bodies []io.ReadCloser
	for _, path := range []string{"/changes", "/api/v1/tail"} {
		res, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, res.Body)
	}
	<-f.following
	began := time.Now()
	stop()
	for _, body := range bodies {
		if _, err := io.ReadAll(body); err != nil {
			t.Errorf("the stream broke off: %v", err)
		}
		body.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the stop took %s", took)
	}
}

// Passwords in the web configuration are required.
func TestPasswords(t *testing.T) {
	_, o := newFake(t)
	o.Listener = listen(t)
	o.ConfigFile = filepath.Join(t.TempDir(), "web.yml")
	// The password is "hush".
	if err := os.WriteFile(o.ConfigFile, []byte(
		"basic_auth_users:\n  ada: $2a$04$7QN3v624LIc/C1vT.LHCaO9xG01falhn8e5EiL0eG7GdcO0KP6uJu\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, o)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for _, c := range []struct {
		password string
		status   int
	}{{"", 401}, {"wrong", 401}, {"hush", 200}} {
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+o.Listener.Addr().String()+
			"/api/v1/rules", nil)
		if c.password != "" {
			req.SetBasicAuth("ada", c.password)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("with the password %q it is %d, not %d", c.password, res.StatusCode, c.status)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	o.ConfigFile = filepath.Join(t.TempDir(), "gone.yml")
	if _, err := New(o); err == nil {
		t.Error("a web configuration that is not there is no mistake")
	}
}

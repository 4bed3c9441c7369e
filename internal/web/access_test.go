package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	readToken  = "may-read-0123"
	writeToken = "may-write-0123"
)

// No token, a read token and a write token give the roles they should.
func TestTokens(t *testing.T) {
	_, o := newFake(t)
	o.Tokens = []Token{{readToken, Reader}, {writeToken, Writer}}
	s := newServer(t, o)
	f := func(method, path, token string, want int) {
		t.Helper()
		var headers []string
		if token != "" {
			headers = []string{"Authorization", "Bearer " + token}
		}
		if code, text := do(s, method, path, `{}`, headers...); code != want {
			t.Errorf("%s %s with %q is %d, not %d: %.200s", method, path, token, code, want, text)
		}
	}
	f("GET", "/healthz", "", 200)
	for _, path := range []string{
		"/", "/rules", "/engine", "/metrics", "/api/v1/alerts", "/api/v2/alerts", "/explore",
		"/silences",
	} {
		f("GET", path, "", 401)
		f("GET", path, "wrong-token", 401)
		f("GET", path, readToken, 200)
		f("GET", path, writeToken, 200)
	}
	for _, path := range []string{"/-/reload", "/api/v1/alerts/a1/ack", "/api/v2/silences"} {
		f("POST", path, "", 401)
		f("POST", path, readToken, 401)
		f("POST", path, writeToken, 200)
	}
	f("DELETE", "/api/v1/rulefiles/x", readToken, 401)
	if code, _ := do(s, "POST", "/-/reload", "", "X-Alert-Engine-Token", writeToken); code != 200 {
		t.Errorf("in the header of our own it is %d", code)
	}
}

// With only a write token, every client may read.
func TestWriteTokenAlone(t *testing.T) {
	_, o := newFake(t)
	o.Tokens = []Token{{writeToken, Writer}}
	s := newServer(t, o)
	if code, text := do(s, "GET", "/", ""); code != 200 ||
		strings.Contains(text, "data-act=\"ack\"") {
		t.Errorf("the page is %d, or offers a change", code)
	}
	if code, _ := do(s, "POST", "/-/reload", ""); code != 401 {
		t.Errorf("a reload without a token is %d", code)
	}
}

// A browser exchanges the token for a cookie that scripts cannot read.
func TestLogin(t *testing.T) {
	_, o := newFake(t)
	o.Tokens = []Token{{readToken, Reader}, {writeToken, Writer}}
	s := newServer(t, o)
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html"}
	code, _, header := exchange(s, "GET", "/rules?sort=cost", "", "Accept", "text/html")
	if code != 303 || header.Get("Location") != "/login?to=%2Frules%3Fsort%3Dcost" {
		t.Errorf("the page is %d, to %s", code, header.Get("Location"))
	}
	if code, text := do(s, "POST", "/login", "token=wrong-token", form...); code != 401 ||
		!strings.Contains(text, "Unknown token") {
		t.Errorf("a wrong token is %d", code)
	}
	code, _, header = exchange(
		s,
		"POST",
		"/login",
		url.Values{"token": {writeToken}, "to": {"/rules?sort=cost"}}.Encode(),
		form...)
	cookie := header.Get("Set-Cookie")
	if code != 303 || header.Get("Location") != "/rules?sort=cost" ||
		!strings.Contains(cookie, "HttpOnly; SameSite=Strict") ||
		strings.Contains(cookie, writeToken) {
		t.Errorf("the right token is %d, to %s, with the cookie %s", code, header.Get("Location"),
			cookie)
	}
	pair, _, _ := strings.Cut(cookie, ";")
	if code, text := do(s, "GET", "/", "", "Cookie", pair); code != 200 ||
		!strings.Contains(text, `data-act="ack"`) ||
		strings.Contains(text, writeToken) {
		t.Errorf("with the cookie the page is %d", code)
	}
	if code, _ := do(s, "GET", "/", "", "Cookie", pair[:len(pair)-1]+"x"); code != 401 {
		t.Errorf("with a forged cookie the page is %d", code)
	}
	for _, to := range []string{
		"https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil",
	} {
		_, _, header = exchange(
			s,
			"POST",
			"/login",
			url.Values{"token": {readToken}, "to": {to}}.Encode(),
			form...)
		if header.Get("Location") != "/" {
			t.Errorf("after the login it leads to %q", header.Get("Location"))
		}
	}
	codes := map[int]int{}
	for range 30 {
		code, _ := do(s, "POST", "/login", "token=guess", form...)
		codes[code]++
	}
	if codes[429] < 15 {
		t.Errorf("thirty guesses are answered with %v", codes)
	}
}

// A read-only server refuses every change, and no page offers one.
func TestReadOnly(t *testing.T) {
	_, o := newFake(t)
	o.ReadOnly = true
	s := newServer(t, o)
	for _, r := range s.routes() {
		method, path, given := strings.Cut(r.pattern, " ")
		if r.role != Writer || !given || method == "GET" {
			continue
		}
		path = strings.NewReplacer("{id}", "a1", "{name}", "x").Replace(path)
		if code, text := do(s, method, path, "{}"); code != 403 {
			t.Errorf("%s %s is %d: %s", method, path, code, text)
		}
	}
	if code, _ := do(s, "POST", "/api/v2/silences", "{}"); code != 403 {
		t.Errorf("a silence through Alertmanager's API is %d", code)
	}
	for _, path := range []string{"/", "/alerts/a1", "/silences", "/engine", "/rules/edit"} {
		if code, text := do(s, "GET", path, ""); code != 200 ||
			strings.Contains(text, `method="post" action="/alerts`) ||
			strings.Contains(text, "data-act=\"replay\"") ||
			strings.Contains(text, `value="live"`) {
			t.Errorf("%s is %d, or offers a change", path, code)
		}
	}
}

// A page of another origin can neither change anything nor read an answer.
func TestOtherOrigins(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	for _, path := range []string{
		"/-/reload", "/silences", "/api/v2/silences", "/alerts/a1/ack", "/api/v1/validate",
		"/login",
	} {
		if code, _ := do(s, "POST", path, "", "Origin", "https://evil.example", "Sec-Fetch-Site",
			"cross-site"); code != 403 {
			t.Errorf("POST %s from elsewhere is %d", path, code)
		}
		if code, _ := do(s, "POST", path, "", "Origin", "https://evil.example"); code != 403 {
			t.Errorf("POST %s from elsewhere, by an old browser, is %d", path, code)
		}
	}
	if code, _ := do(s, "POST", "/-/reload", "", "Origin", "http://localhost:8080",
		"Sec-Fetch-Site", "same-origin"); code != 200 {
		t.Errorf("our own page may not: %d", code)
	}
	for _, path := range []string{"/api/v2/alerts", "/api/v1/alerts", "/"} {
		if _, _, header := exchange(s, "GET", path, "", "Origin",
			"https://evil.example"); header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("GET %s may be read by %s", path, header.Get("Access-Control-Allow-Origin"))
		}
	}
}

// A foreign host name that resolves to this machine is refused.
func TestRebinding(t *testing.T) {
	_, o := newFake(t)
	o.Listener = listen(t)
	o.ExternalURL = "https://alerts.example.com/"
	s := newServer(t, o)
	f := func(host string, want int) {
		t.Helper()
		r, _ := http.NewRequest("GET", "/api/v1/alerts", nil)
		r.Host = host
		w := answer{header: http.Header{}, status: 200}
		s.ServeHTTP(&w, r)
		if w.status != want {
			t.Errorf("as %s it is %d, not %d", host, w.status, want)
		}
	}
	for _, host := range []string{
		"localhost:8080", "127.0.0.1:8080", "[::1]:8080", "alerts.example.com", "demo.localhost",
		"LOCALHOST",
	} {
		f(host, 200)
	}
	for _, host := range []string{
		"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example",
	} {
		f(host, 421)
	}
}

// Every answer has a content security policy that allows only our own script.
func TestHeaders(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	for _, path := range []string{
		"/", "/rules", "/nothing", "/api/v1/alerts", "/healthz", "/api/v2/alerts",
	} {
		_, _, h := exchange(s, "GET", path, "")
		if p := h.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") ||
			!strings.Contains(p, "script-src 'self';") ||
			strings.Contains(p, "unsafe") ||
			!strings.Contains(p, "frame-ancestors 'none'") {
			t.Errorf("%s: the policy is %q", path, p)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed", path)
		}
	}
}

// Bodies are bounded, and so are changes at once.
func TestLimits(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	big := strings.Repeat("x", maxBody+1)
	for _, c := range []struct{ method, path string }{
		{"POST", "/api/v1/validate"}, {"PUT", "/api/v1/rulefiles/x"},
	} {
		if code, _ := do(s, c.method, c.path, big); code != 413 {
			t.Errorf("%s %s with too large a body is %d", c.method, c.path, code)
		}
	}
	if code, _ := do(s, "POST", "/api/v1/explain", fmt.Sprintf(`{"event":%q}`, big)); code != 413 {
		t.Errorf("too large an event is %d", code)
	}
}

// Changes beyond a rate are delayed.
func TestChangesArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, o := newFake(t)
		s := newServer(t, o)
		began := time.Now()
		for range 300 {
			if code, body := do(s, "POST", "/-/reload", ""); code != 200 {
				t.Fatal(code, body)
			}
		}
		if took := time.Since(began); took < time.Second || took > 5*time.Second {
			t.Errorf("300 changes took %v", took)
		}
	})
}

// A token that can be guessed is refused at the start.
func TestShortToken(t *testing.T) {
	if _, err := New(Options{Tokens: []Token{{"short", Writer}}}); err == nil ||
		strings.Contains(err.Error(), "short\"") {
		t.Errorf("the error is %v", err)
	}
}

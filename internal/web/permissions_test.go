package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// client is a kind of sender of requests, and what it may do.
type client struct {
	name    string
	role    Role
	headers []string
	host    string
	foreign bool // a page of another origin made the browser send the request
}

// pathOf fills the wildcards of a pattern.
func pathOf(pattern string) (method, path string) {
	method, path, given := strings.Cut(pattern, " ")
	if !given {
		method, path = "POST", pattern
	}
	if path == "/api/v2/" {
		path = "/api/v2/silences"
	}
	return method, strings.NewReplacer(
		"{id...}", "payments/PaymentErrors", "{id}", "a1", "{name}", "x", "{hash}", "0", "{$}", "",
	).Replace(path)
}

// ask sends a request whose context has ended, so that streams end too.
func ask(s http.Handler, method, path string, c client) int {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader("{}"))
	r.Host = c.host
	for i := 0; i+1 < len(c.headers); i += 2 {
		r.Header.Set(c.headers[i], c.headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

// refused are the answers to clients that may not do something.
func refused(code int) bool {
	return code == 401 || code == 403 || code == 421 || code == 429
}

// Every route refuses every kind of client that lacks its role, and no other. The routes come from
// the server, so a new one is tested without being added here.
func TestPermissions(t *testing.T) {
	_, o := newFake(t)
	o.PProf = false // profiles take seconds
	o.Tokens = []Token{{readToken, Reader}, {writeToken, Writer}}
	s := newServer(t, o)
	s.access.writes.SetLimit(1e9)
	session := func(token string) string {
		_, _, h := exchange(s, "POST", "/login", "token="+token,
			"Content-Type", "application/x-www-form-urlencoded")
		pair, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
		return pair
	}
	ended := session(writeToken)
	exchange(s, "POST", "/logout", "", "Cookie", ended)
	writer := session(writeToken)
	const host = "alerts.example:8080"
	clients := []client{
		{"no token", Anyone, nil, host, false},
		{"read token", Reader, []string{"Authorization", "Bearer " + readToken}, host, false},
		{"write token", Writer, []string{"X-Alert-Engine-Token", writeToken}, host, false},
		{"reader's session", Reader, []string{"Cookie", session(readToken)}, host, false},
		{"writer's session", Writer, []string{"Cookie", writer}, host, false},
		{"ended session", Anyone, []string{"Cookie", ended}, host, false},
		{"made-up session", Anyone, []string{"Cookie", "alert_engine=writer.00"}, host, false},
		{"basic auth", Anyone, []string{"Authorization", "Basic YTpi"}, host, false},
		{"other origin", Writer, []string{
			"Cookie", writer, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site",
		}, host, true},
		{"other origin, old browser", Writer, []string{
			"Cookie", writer, "Origin", "https://evil.example",
		}, host, true},
		{"other page's image", Writer, []string{
			"Cookie", writer, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors",
		}, host, true},
		{"other page's frame", Writer, []string{
			"Cookie", writer, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate",
			"Sec-Fetch-Dest", "iframe",
		}, host, true},
	}
	tried := 0
	for _, r := range s.routes() {
		method, path := pathOf(r.pattern)
		for _, c := range clients {
			tried++
			want := c.role < r.role || c.foreign && r.role > Anyone ||
				c.foreign && method == "POST" && (path == "/login" || path == "/logout")
			if path == "/login" && method == "POST" && !c.foreign {
				continue // TestLogin
			}
			if code := ask(s, method, path, c); refused(code) != want {
				t.Errorf("%s %s by %s is %d", method, path, c.name, code)
			}
			if path == "/logout" && !c.foreign { // it has ended the sessions
				writer = session(writeToken)
				clients[3].headers[1] = session(readToken)
				for i := range clients {
					if clients[i].role == Writer && clients[i].headers[0] == "Cookie" {
						clients[i].headers[1] = writer
					}
				}
			}
		}
	}
	t.Logf("%d routes, %d kinds of clients, %d requests", len(s.routes()), len(clients), tried)
}

// Wrong tokens are refused on every route, also on those that need none.
func TestWrongTokenOnEveryRoute(t *testing.T) {
	_, o := newFake(t)
	o.Tokens = []Token{{readToken, Reader}, {writeToken, Writer}}
	now := noon
	o.Now = func() time.Time { return now }
	s := newServer(t, o)
	for _, r := range s.routes() {
		now = now.Add(time.Minute) // the limiter allows one more
		method, path := pathOf(r.pattern)
		if path == "/login" {
			continue
		}
		c := client{headers: []string{"Authorization", "Bearer wrong-token"}, host: "localhost"}
		if code := ask(s, method, path, c); refused(code) != (r.role > Anyone) {
			t.Errorf("%s %s with a wrong token is %d", method, path, code)
		}
	}
}

// A read-only server refuses every change, also with the write token.
func TestReadOnlyOnEveryRoute(t *testing.T) {
	_, o := newFake(t)
	o.Tokens, o.ReadOnly = []Token{{writeToken, Writer}}, true
	s := newServer(t, o)
	for _, r := range s.routes() {
		method, path := pathOf(r.pattern)
		if r.role != Writer || method == "GET" {
			continue
		}
		c := client{headers: []string{"Authorization", "Bearer " + writeToken}, host: "localhost"}
		if code := ask(s, method, path, c); code != 403 {
			t.Errorf("%s %s is %d", method, path, code)
		}
	}
}

// Without tokens, no route answers a foreign host name or a foreign origin, on any address.
func TestForeignNamesAndOrigins(t *testing.T) {
	_, o := newFake(t)
	o.Listener = otherAddress{listen(t)}
	o.ExternalURL, o.Hosts = "https://alerts.example/", []string{"alerts.corp.example"}
	s := newServer(t, o)
	s.access.writes.SetLimit(1e9)
	for _, r := range s.routes() {
		method, path := pathOf(r.pattern)
		for _, host := range []string{
			"evil.example", "localhost.evil.example", "127.0.0.1.nip.example",
		} {
			c := client{
				host: host,
				headers: []string{
					"Origin", "http://" + host, "Sec-Fetch-Site", "same-origin",
				},
			}
			if code := ask(s, method, path, c); code != 421 {
				t.Errorf("%s %s as %s is %d", method, path, host, code)
			}
		}
		c := client{host: "localhost", headers: []string{"Origin", "http://evil.example"}}
		if code := ask(s, method, path, c); r.role > Anyone && code != 403 {
			t.Errorf("%s %s from another origin is %d", method, path, code)
		}
		for _, host := range []string{
			"localhost:8080", "192.0.2.7:8080", "[2001:db8::1]:8080", "alerts.example",
			"alerts.corp.example", "alert-engine:8080", "ae.monitoring.svc:8080", "box.local",
		} {
			if code := ask(s, method, path, client{host: host}); refused(code) && path != "/login" {
				t.Errorf("%s %s as %s is %d", method, path, host, code)
			}
		}
	}
}

// otherAddress is a listener that other machines reach.
type otherAddress struct{ net.Listener }

// Addr is not on loopback.
func (otherAddress) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 8080} }

// A token that was replaced ends at once, with the sessions that came from it.
func TestReplacedTokens(t *testing.T) {
	_, o := newFake(t)
	o.Tokens = []Token{{readToken, Reader}, {writeToken, Writer}}
	s := newServer(t, o)
	_, _, h := exchange(s, "POST", "/login", "token="+writeToken,
		"Content-Type", "application/x-www-form-urlencoded")
	cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	f := func(header, value string, want int) {
		t.Helper()
		if code, _ := do(s, "GET", "/api/v1/alerts", "", header, value); code != want {
			t.Errorf("%s %.20s is %d, not %d", header, value, code, want)
		}
	}
	f("Cookie", cookie, 200)
	swap, err := s.PrepareTokens([]Token{{readToken, Reader}, {"another-one-1", Writer}})
	if err != nil {
		t.Fatal(err)
	}
	f("Cookie", cookie, 200) // not yet
	swap()
	f("Cookie", cookie, 401)
	f("X-Alert-Engine-Token", writeToken, 401)
	f("X-Alert-Engine-Token", "another-one-1", 200)
	f("X-Alert-Engine-Token", readToken, 200)
	if _, err := s.PrepareTokens([]Token{{"short", Writer}}); err == nil {
		t.Error("a short token was accepted")
	}
	f("X-Alert-Engine-Token", "another-one-1", 200)
}

// A logout ends the session for every copy of its cookie, and a session ends by itself.
func TestSessionsEnd(t *testing.T) {
	_, o := newFake(t)
	now := noon
	o.Now = func() time.Time { return now }
	o.Tokens = []Token{{readToken, Reader}}
	s := newServer(t, o)
	begin := func() string {
		_, _, h := exchange(s, "POST", "/login", "token="+readToken,
			"Content-Type", "application/x-www-form-urlencoded")
		cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
		return cookie
	}
	one, two := begin(), begin()
	f := func(cookie string, want int) {
		t.Helper()
		if code, _ := do(s, "GET", "/api/v1/alerts", "", "Cookie", cookie); code != want {
			t.Errorf("it is %d, not %d", code, want)
		}
	}
	f(one, 200)
	exchange(s, "POST", "/logout", "", "Cookie", one)
	f(one, 401)
	f(two, 200)
	now = now.Add(sessionLength)
	f(two, 401)
	for range maxSessions + 10 {
		s.access.sessions.begin(Reader, [32]byte{})
	}
	if n := len(s.access.sessions.open); n > maxSessions {
		t.Errorf("%d sessions are open", n)
	}
}

// Clients without a role see no state: no names, errors or numbers.
func TestStrangersSeeNothing(t *testing.T) {
	f, o := newFake(t)
	secret := fmt.Errorf("kafka-1.internal:9092 refused")
	o.Ready = []Check{
		{Name: "kafka", Err: func() error { return secret }},
		{Name: "state", Err: func() error { return secret }, Soft: true},
	}
	o.Live = o.Ready[:1]
	f.engine.Problem = secret.Error()
	o.Tokens = []Token{{readToken, Reader}}
	s := newServer(t, o)
	for _, path := range []string{
		"/login", "/nothing", "/healthz", "/readyz", "/-/ready", "/-/healthy",
	} {
		_, body := do(s, "GET", path, "", "Accept", "text/html")
		for _, word := range []string{"kafka-1", "321", "data-firing", "payment"} {
			if strings.Contains(body, word) {
				t.Errorf("%s shows %q", path, word)
			}
		}
	}
	if _, body := do(s, "GET", "/readyz", ""); body != "kafka: failed\nstate: degraded\n" {
		t.Errorf("/readyz is %q", body)
	}
	if _, body := do(s, "GET", "/readyz", "", "Authorization",
		"Bearer "+readToken); !strings.Contains(
		body, "kafka: kafka-1.internal") {
		t.Errorf("for a reader /readyz is %q", body)
	}
}

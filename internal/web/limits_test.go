package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// One client gets its share of the concurrent requests; the others get the rest.
func TestSharesOfClients(t *testing.T) {
	l := &limit{total: 4, share: 2, what: "things", clients: map[netip.Prefix]int{}}
	a := netip.MustParsePrefix("192.0.2.1/32")
	b := netip.MustParsePrefix("192.0.2.2/32")
	c := netip.MustParsePrefix("192.0.2.3/32")
	f := func(client netip.Prefix, want bool) func() {
		t.Helper()
		free, err := l.take(client)
		if (err == nil) != want {
			t.Errorf("%s: %v", client, err)
		}
		return free
	}
	free := f(a, true)
	f(a, true)
	f(a, false)
	f(b, true)
	f(b, true)
	f(c, false)
	free()
	f(c, true)
	if len(l.clients) != 3 {
		t.Errorf("%d clients are counted", len(l.clients))
	}
}

// A client whose requests for alerts are all running, such as a dashboard behind one proxy, may
// still silence.
func TestReadingLeavesRoomForChanges(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	s.limits[costly].used = s.limits[costly].total
	if code, _ := do(s, "GET", "/api/v2/silences", ""); code != 429 {
		t.Errorf("a request beyond the limit is %d", code)
	}
	if code, body := do(s, "POST", "/api/v2/silences", `{"matchers":[{"name":"a","value":"b",
		"isEqual":true}],"createdBy":"ann","comment":"c"}`); code != 200 {
		t.Errorf("a silence is %d: %s", code, body)
	}
}

// Every route that costs something is refused when its limit is reached, before it reads the
// request.
func TestCostlyRoutesAreLimited(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	for _, l := range s.limits {
		l.used = l.total
	}
	for _, r := range s.routes() {
		method, path := pathOf(r.pattern)
		if code := ask(s, method, path, client{
			host: "localhost",
		}); (code == 429) != (r.cost != cheap) {
			t.Errorf("%s %s is %d", method, path, code)
		}
	}
}

// Routes that read topics, compile text of the client, or stream are not cheap.
func TestCosts(t *testing.T) {
	s := newServer(t, Options{})
	cheapest := map[string]cost{}
	for _, r := range s.routes() {
		cheapest[r.pattern] = r.cost
	}
	for pattern, want := range map[string]cost{
		"GET /explore": searches, "GET /api/v1/logs": searches, "POST /api/v1/backtest": backtests,
		"POST /rules/backtest": backtests, "GET /api/v1/tail": tails, "GET /changes": updates,
		"POST /api/v1/decode": costly, "POST /api/v1/explain": costly,
		"POST /api/v1/validate": costly, "GET /api/v1/deadletters": costly,
		"GET /silences/preview": costly, "GET /{$}": costly, "GET /silences": costly,
	} {
		if got, known := cheapest[pattern]; !known || got != want {
			t.Errorf("%s costs %d, not %d", pattern, got, want)
		}
	}
}

// Queries, filters and matchers whose repetitions expand to gigabytes are refused at once, on every
// route that takes one.
func TestExplosiveExpressions(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	bomb := strings.Repeat("(?:"+strings.Repeat("a", 250)+"N){1000}", 14)
	nested := "(((a{9}){9}){9}b{200}){1}(?:a{250}){4}" + strings.Repeat("(?:x{30}){30}", 20)
	long := strings.Repeat("a", 10<<10)
	for name, text := range map[string]string{"bomb": bomb, "nested": nested, "long": long} {
		matchers := url.QueryEscape(`service=~"` + text + `"`)
		for _, path := range []string{
			"/silences/preview?matchers=" + matchers,
			"/silences?matchers=" + matchers,
			"/?matchers=" + matchers,
			"/?filter=" + url.QueryEscape("/"+long+"/"),
			"/explore?q=" + url.QueryEscape("/"+long+"/"),
			"/api/v1/logs?query=" + url.QueryEscape("message:/"+long+"/"),
			"/api/v1/tail?query=" + url.QueryEscape("message:/"+long+"/"),
			"/api/v2/alerts?filter=" + matchers,
			"/api/v2/alerts/groups?filter=" + matchers,
			"/api/v2/alerts?receiver=" + url.QueryEscape(text),
			"/api/v2/silences?filter=" + matchers,
		} {
			began := time.Now()
			code, body := do(s, "GET", path, "", "Accept", "text/html")
			if code < 400 && !strings.Contains(body, `role="alert"`) &&
				!strings.Contains(body, `class="problem"`) {
				t.Errorf("%s: %.40s is %d", name, path, code)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("%s: %.40s took %v", name, path, took)
			}
		}
		body := fmt.Sprintf(
			`{"matchers":[{"name":"a","value":%q,"isRegex":true,"isEqual":true}]}`,
			text,
		)
		if code, _ := do(s, "POST", "/api/v2/silences", body); code != 400 {
			t.Errorf("%s: a silence is %d", name, code)
		}
	}
}

// Only the engine's topics can be read.
func TestOtherTopics(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	for _, path := range []string{
		"/api/v1/logs?topic=secret", "/api/v1/tail?topic=secret",
		"/explore?topic=secret&partition=0&offset=1", "/explore?topic=secret",
	} {
		code, body := do(s, "GET", path, "", "Accept", "text/html")
		if code != 404 && !strings.Contains(body, "is not a topic of this engine") ||
			strings.Contains(body, "declined") {
			t.Errorf("%s is %d", path, code)
		}
	}
	if code, _ := do(s, "POST", "/api/v1/decode", `{"event":"x","topic":"secret"}`); code != 404 {
		t.Errorf("decoding as of another topic is %d", code)
	}
}

// A record with very many logs is decoded and explained in part.
func TestEventsAreBounded(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	many := strings.Repeat(`{"a":1}`+"\n", 10_000)
	code, body := do(s, "POST", "/api/v1/decode", fmt.Sprintf(`{"event":%q}`, many))
	if n := strings.Count(body, `"format"`); code != 200 || n != maxLogs {
		t.Errorf("it is %d with %d logs", code, n)
	}
	code, body = do(
		s,
		"POST",
		"/api/v1/explain",
		fmt.Sprintf(`{"rule":"payments/PaymentErrors","event":%q}`, many),
	)
	if n := strings.Count(body, `"rule"`); code != 200 || n > maxLogs {
		t.Errorf("it is %d with %d logs", code, n)
	}
	if code, _ := do(s, "POST", "/api/v1/decode", fmt.Sprintf(`{"event":%q}`, strings.Repeat("x", maxEvent+1))); code != 400 {
		t.Errorf("a long event is %d", code)
	}
}

// A handler that panics is an error in the log and an answer, and the server continues.
func TestPanicsAreLogged(t *testing.T) {
	var log bytes.Buffer
	_, o := newFake(t)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := newServer(t, o)
	h := s.instrument(route{"GET /x", Anyone, cheap, http.HandlerFunc(
		func(http.ResponseWriter, *http.Request) { panic("a mistake") },
	)})
	if code, _ := do(h, "GET", "/x", ""); code != 500 ||
		!strings.Contains(log.String(), "a mistake") ||
		!strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("it is %d, and the log says %s", code, log.String())
	}
}

// Connections without a complete request make room for new ones.
func TestConnectionsAreBounded(t *testing.T) {
	_, o := newFake(t)
	o.Listener = listen(t)
	s := newServer(t, o)
	c := newConnections()
	c.most = 3
	server := &http.Server{Handler: s, ConnState: c.note, ReadHeaderTimeout: time.Minute}
	go server.Serve(o.Listener)
	defer server.Close()
	for range 10 {
		half, err := net.Dial("tcp", o.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer half.Close()
		io.WriteString(half, "GET / HTTP/1.1\r\nHost: localhost\r\n")
	}
	res, err := http.Get("http://" + o.Listener.Addr().String() + "/healthz")
	if err != nil || res.StatusCode != 200 {
		t.Errorf("the answer is %v, %v", res, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) > 3 {
		t.Errorf("%d connections are open", len(c.open))
	}
}

// Wrong passwords of the web configuration are limited, right ones are not.
func TestPasswordsAreLimited(t *testing.T) {
	_, o := newFake(t)
	o.Listener = listen(t)
	o.ConfigFile = filepath.Join(t.TempDir(), "web.yml")
	// The password is "hush".
	const users = "basic_auth_users:\n  ada: $2a$04$7QN3v624LIc/C1vT.LHCaO9xG01falhn8e5EiL0eG7GdcO0KP6uJu\n"
	if err := os.WriteFile(o.ConfigFile, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, o)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	ask := func(password string) int {
		url := "http://" + o.Listener.Addr().String() + "/api/v1/rules"
		r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		r.SetBasicAuth("ada", password)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for range 3 * failuresPerClient {
		if code := ask("hush"); code != 200 {
			t.Errorf("the right password is %d", code)
		}
	}
	codes := map[int]int{}
	for i := range 3 * failuresPerClient {
		codes[ask(fmt.Sprint("guess", i))]++
	}
	if codes[401] != failuresPerClient || codes[429] != 2*failuresPerClient {
		t.Errorf("wrong passwords are %v", codes)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A server that other machines reach without credentials warns at its start.
func TestUnprotectedServerWarns(t *testing.T) {
	f := func(change func(*Options), want bool) {
		t.Helper()
		var log bytes.Buffer
		o := Options{
			Listener: otherAddress{listen(t)},
			Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		}
		change(&o)
		s := newServer(t, o)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), "no token is set") != want {
			t.Errorf("the log is %s", log.String())
		}
	}
	f(func(*Options) {}, true)
	f(func(o *Options) { o.Listener = listen(t) }, false)
	f(func(o *Options) { o.Tokens = []Token{{writeToken, Writer}} }, false)
	f(func(o *Options) { o.ReadOnly = true }, false)
}

// The command line is shown without the values of flags.
func TestCommandLineHidesValues(t *testing.T) {
	defer func(args []string) { os.Args = args }(os.Args)
	os.Args = []string{"alert-engine", "run", "--slack-url", "https://x/secret", "--webhook=secret"}
	w := httptest.NewRecorder()
	commandLine(w, nil)
	if text := w.Body.String(); strings.Contains(text, "secret") ||
		!strings.Contains(text, "--slack-url") {
		t.Errorf("it is %s", text)
	}
}

// Every change is logged and stored with who made it and from where.
func TestAudit(t *testing.T) {
	_, o := newFake(t)
	trail := &fakeAudit{}
	o.Audit, o.Tokens = trail, []Token{{writeToken, Writer}}
	s := newServer(t, o)
	auth := []string{"Authorization", "Bearer " + writeToken}
	form := append(auth, "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
	do(
		s,
		"POST",
		"/api/v2/silences",
		`{"matchers":[{"name":"a","value":"b","isEqual":true}],"createdBy":"ada","comment":"why"}`,
		auth...)
	do(s, "DELETE", "/api/v2/silence/00000000-0000-0000-0000-000000000001", "", auth...)
	do(s, "POST", "/silences", "matchers=a%3Db&for=2h&by=bob&comment=x", form...)
	do(s, "POST", "/api/v1/alerts/a1/ack", `{"by":"eve"}`, auth...)
	do(
		s,
		"PUT",
		"/api/v1/rulefiles/mine",
		strings.ReplaceAll(fileRules, "payments", "mine"),
		auth...)
	do(s, "DELETE", "/api/v1/rulefiles/mine", "", auth...)
	do(s, "POST", "/engine/replay", "topic=dead&partition=0&offset=1", form...)
	do(s, "POST", "/-/reload", "", auth...)
	var got []string
	for _, e := range trail.entries {
		got = append(got, e.What)
		if e.Client != "writer" || e.From == "" || e.At != noon {
			t.Errorf("%+v", e)
		}
	}
	want := "silence created, silence expired, silence created, alert acknowledged, " +
		"rule file saved, rule file removed, dead letter replayed, reloaded"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("it is %s", text)
	}
}

// fakeAudit keeps entries in memory.
type fakeAudit struct{ entries []AuditEntry }

func (f *fakeAudit) Record(e AuditEntry) error { f.entries = append(f.entries, e); return nil }

func (f *fakeAudit) Entries(most int) []AuditEntry {
	list := slices.Clone(f.entries)
	slices.Reverse(list)
	return list[:min(most, len(list))]
}

func (f *fakeAudit) Of(alert string) (list []AuditEntry) {
	for _, e := range f.Entries(len(f.entries)) {
		if e.Facts["alert"] == alert {
			list = append(list, e)
		}
	}
	return list
}

// A client that leaves is not an error of the server.
func TestClientThatLeaves(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, path := range []string{"/", "/api/v1/alerts"} {
		r := httptest.NewRequestWithContext(gone, "GET", path, nil)
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != statusClientGone {
			t.Errorf("%s is %d: %s", path, w.Code, w.Body)
		}
	}
}

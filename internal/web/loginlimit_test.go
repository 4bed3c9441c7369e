package web

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Wrong tokens are limited for one client and for all clients together. A client that has presented
// a right token is not affected by the failures of others.
func TestLoginFailuresAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, o := newFake(t)
		o.Now = time.Now
		o.Tokens = []Token{{readToken, Reader}, {writeToken, Writer}}
		registry := prometheus.NewRegistry()
		o.Registerer, o.Gatherer = registry, registry
		s := newServer(t, o)
		ask := func(client, header, token string) (int, http.Header) {
			r := httptest.NewRequest("GET", "/api/v1/alerts", nil)
			r.Host, r.RemoteAddr = "localhost:8080", client
			if header == "Authorization" {
				token = "Bearer " + token
			}
			r.Header.Set(header, token)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Code, w.Header()
		}
		f := func(what, client, header, token string, want int) {
			t.Helper()
			if code, _ := ask(client, header, token); code != want {
				t.Errorf("%s: %s with %q is %d, not %d", what, client, token, code, want)
			}
		}
		f("a good client", "192.0.2.1:999", "Authorization", readToken, 200)
		for i := range failuresPerClient {
			f("at first", fmt.Sprint("192.0.2.66:", 1000+i),
				[]string{"Authorization", "X-Alert-Engine-Token"}[i%2], "guess-"+strconv.Itoa(i),
				401)
		}
		code, header := ask("192.0.2.66:80", "Authorization", "guess")
		if code != 429 || header.Get("Retry-After") != "5" {
			t.Errorf("one guess too many is %d, and it may be tried again after %s s", code,
				header.Get("Retry-After"))
		}
		f("a right one after too many", "192.0.2.66:80", "Authorization", writeToken, 429)
		f("without a token", "192.0.2.66:80", "X-Other", "x", 401)
		f("another client", "192.0.2.67:80", "Authorization", readToken, 200)
		time.Sleep(failureInterval)
		f("after a while", "192.0.2.66:80", "Authorization", "guess", 401)
		f("once more at once", "192.0.2.66:80", "Authorization", "guess", 429)

		codes := map[int]int{}
		for i := range 1000 { // in one network
			code, _ := ask(fmt.Sprintf("[2001:db8::%x]:80", i), "Authorization", "guess")
			codes[code]++
		}
		if codes[401] != failuresPerClient {
			t.Errorf("a thousand guesses from one network are answered with %v", codes)
		}
		time.Sleep(time.Minute)
		clear(codes)
		for i := range 1000 { // and all over the world
			code, _ := ask(fmt.Sprintf("198.51.%d.%d:80", i/250, i%250), "Authorization", "guess")
			codes[code]++
		}
		if codes[401] != failuresTotal {
			t.Errorf("a thousand guesses from everywhere are answered with %v", codes)
		}
		f("a stranger meanwhile", "203.0.113.1:80", "Authorization", readToken, 429)
		f("who was right before", "192.0.2.1:80", "Authorization", readToken, 200)
		time.Sleep(time.Second)
		f("a stranger later", "203.0.113.1:80", "Authorization", readToken, 200)

		time.Sleep(time.Minute)
		_, text := do(s, "GET", "/metrics", "", "Authorization", "Bearer "+readToken)
		for result, want := range map[string]int{
			"invalid": failuresPerClient + 1 + failuresPerClient + failuresTotal,
			"limited": 2 + 1 + 990 + 900 + 1,
		} {
			if line := fmt.Sprintf("alert_engine_web_login_failures_total{result=%q} %d\n", result,
				want); !strings.Contains(text, line) {
				t.Errorf("it was not counted: %s in\n%s", line, text)
			}
		}
	})
}

// Concurrent logins are limited like sequential ones.
func TestConcurrentLoginsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, o := newFake(t)
		o.Now = time.Now
		o.Tokens = []Token{{writeToken, Writer}}
		s := newServer(t, o)
		come, codes := make(chan struct{}), make(chan int)
		const many = 10 * failuresPerClient
		for range many {
			body, client := io.Pipe()
			r := httptest.NewRequest("POST", "/login", body)
			r.Host = "localhost:8080"
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			go func() {
				<-come
				io.WriteString(client, "token=guess")
				client.Close()
			}()
			go func() {
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				codes <- w.Code
			}()
		}
		synctest.Wait()
		close(come)
		got := map[int]int{}
		for range many {
			got[<-codes]++
		}
		if got[401] != failuresPerClient || got[429] != many-failuresPerClient {
			t.Errorf("%d guesses at once are answered with %v", many, got)
		}
	})
}

// The memory of the limiter is bounded.
func TestLoginLimiterForgetsClients(t *testing.T) {
	now := time.Unix(0, 0)
	g := newLoginLimiter(func() time.Time { return now }, nil)
	for i := range 3 * maxClients {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255)
		g.try(r, func() bool { return false })
		if i == 2*maxClients {
			now = now.Add(time.Hour)
		}
		if len(g.clients) > maxClients+1 {
			t.Fatalf("%d are remembered", len(g.clients))
		}
	}
}

// Without tokens the headers of other systems are ignored.
func TestNoTokensNoLimit(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	for range 3 * failuresPerClient {
		if code, text := do(s, "GET", "/api/v1/alerts", "", "Authorization",
			"Bearer "+strings.Repeat("x", 20)); code != 200 {
			t.Fatalf("it is %d: %s", code, text)
		}
	}
}

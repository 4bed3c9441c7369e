package web

import (
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Pages, the script and answers of the API are compressed for clients that accept it, and for no
// others.
func TestCompression(t *testing.T) {
	f, o := newFake(t)
	for range 20 {
		f.fire("a2", "payment-worker")
	}
	s := newServer(t, o)
	_, page := do(s, "GET", "/", "", "Accept", "text/html")
	for _, path := range []string{"/", assetOf(t, page, "app.js"), "/api/v1/history"} {
		_, plain, h := exchange(s, "GET", path, "", "Accept", "text/html")
		if h.Get("Content-Encoding") != "" {
			t.Errorf("%s is compressed for a client that does not ask", path)
		}
		_, packed, h := exchange(s, "GET", path, "", "Accept", "text/html", "Accept-Encoding",
			"gzip, deflate, br, zstd")
		if h.Get("Content-Encoding") != "gzip" || h.Get("Vary") != "Accept-Encoding" ||
			h.Get("Content-Security-Policy") == "" || len(packed) > len(plain)/2 {
			t.Errorf("%s: %d bytes of %d, with %v", path, len(packed), len(plain), h)
			continue
		}
		z, err := gzip.NewReader(strings.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || string(text) != plain {
			t.Errorf("%s: %d bytes, not %d: %v", path, len(text), len(plain), err)
		}
	}
}

// assetOf is the address of a file that a page loads.
func assetOf(t *testing.T, page, name string) string {
	t.Helper()
	before, _, ok := strings.Cut(page, "/"+name+`"`)
	if !ok {
		t.Fatalf("the page does not load %s", name)
	}
	return before[strings.LastIndex(before, `"`)+1:] + "/" + name
}

// A stream begins at once and is not compressed, so that no event waits for the next.
func TestStreamsAreNotCompressed(t *testing.T) {
	_, o := newFake(t)
	server := httptest.NewServer(newServer(t, o))
	defer server.Close()
	for _, path := range []string{"/changes", "/api/v1/tail?query=level:ERROR"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, "GET", server.URL+path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		line, err := bufio.NewReader(answer.Body).ReadString('\n')
		if err != nil || line != ":\n" || answer.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s begins with %q, %v, %v", path, line, err, answer.Header)
		}
	}
}

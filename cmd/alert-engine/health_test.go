package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte("kafka: ok\x1b[2J\n"))
	}))
	defer server.Close()
	health := func(url string) (int, string, string) {
		var out, errs bytes.Buffer
		code := execute(context.Background(), []string{"health", "--url", url}, nil, &out, &errs)
		return code, out.String(), errs.String()
	}
	if code, out, _ := health(server.URL); code != 0 || out != "kafka: ok⟨U+001B⟩[2J\n" {
		t.Errorf("healthy: exit %d, printed %q", code, out)
	}
	status = http.StatusServiceUnavailable
	if code, _, errs := health(server.URL); code != 1 || !strings.Contains(errs, "503") {
		t.Errorf("unhealthy: exit %d, error %q", code, errs)
	}
	server.Close()
	if code, _, errs := health(server.URL); code != 1 || !strings.Contains(errs, "refused") {
		t.Errorf("not running: exit %d, error %q", code, errs)
	}
}

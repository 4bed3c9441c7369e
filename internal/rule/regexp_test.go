package rule

import (
	"strings"
	"testing"
	"time"
)

func TestLargeRegexpsAreRefused(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		start := time.Now()
		_, err := ParseQuery(query)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.50s takes %v", query, took)
		}
		switch {
		case want == "" && err != nil:
			t.Errorf("%.50s: %v", query, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%.50s\ngot  %v\nwant %s", query, err, want)
		}
	}
	f("message:/(?:a?b*a?b*a?b*a?b*a?b*){1000}x/", "is too large")
	f("message:/(?:"+strings.Repeat("a", 250)+"){1000}/", "is too large")
	f("message:/((a{100}){100}){100}/", "invalid repeat count")
	f("message:/a{1000}/", "")
	f("/[a-z]+ refused after \\d{1,5} tries/i", "")
	f(strings.Repeat("a ", 2049), "longer than 4,096 bytes")
	f(strings.Repeat("/(?:abcdefgh){900}/ or ", 14)+"x", "too large together")
}

func TestRegexpsOfFileAreBounded(t *testing.T) {
	text := "groups:\n- name: g\n  rules:\n"
	for range 14 {
		text += "  - {alert: A" + strings.Repeat("x", len(text)%97) +
			", match: '/(?:abcdefgh){900}/'}\n"
	}
	_, err := Read("a.yml", []byte(text))
	if err == nil || !strings.Contains(err.Error(), "too large together") {
		t.Errorf("got %v", err)
	}
}

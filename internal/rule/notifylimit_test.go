package rule

import (
	"strings"
	"testing"
	"time"
)

// notify_limit is a number of alerts in a time; signal is a mode.
func TestNotifyLimit(t *testing.T) {
	read := func(text string) (*Set, error) {
		return Read("a.rules.yml", []byte("version: 1\ngroups:\n- name: g\n  rules:\n  - {alert: "+
			"A, match: 'x:y', mode: signal, notify_limit: "+text+"}\n"))
	}
	set, err := read("10 per 1h")
	if err != nil {
		t.Fatal(err)
	}
	if r := set.Rules[0]; r.NotifyLimit != (NotifyLimit{10, time.Hour}) || r.Mode != Signal {
		t.Errorf("%+v, %s", r.NotifyLimit, r.Mode)
	}
	for _, text := range []string{
		"10", "0 per 1h", "x per 1h", "10 per hour", "-1 per 1h", "5 per 0s",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), "10 per 1h") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

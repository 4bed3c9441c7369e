package sentence

import (
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// A rule is described in one sentence.
func TestSentence(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		set, err := rule.Read(
			"",
			[]byte(
				"version: 1\nlists: {vips: {values: [a]}}\ntime_intervals: [{name: hours, "+
					"time_intervals: [{weekdays: ['monday']}]}]\nsuppressions: [{name: deploy, "+
					"start: 'event:start', end: 'event:end', max: 30m}]\ngroups:\n- name: g\n  "+
					"rules:\n  - {alert: A, "+yaml+"}\n",
			),
		)
		if err != nil {
			t.Errorf("%s: %v", yaml, err)
			return
		}
		if got := Of(set.Rules[0]); got != want {
			t.Errorf("%s\nreads %s\nnot   %s", yaml, got, want)
		}
	}
	f(
		`match: 'level>=ERROR', when: 'count() > 10', window: 5m, by: [service]`,
		`For each service: fires when, within 5m, there are more than 10 logs with level at `+
			`least ERROR.`,
	)
	f(
		`match: '"security breach" or "unauthorized access"', by: [service], window: 15m`,
		`For each service: fires as soon as there is a log with "security breach" in the message `+
			`or "unauthorized access" in the message. Resolves after 15m without one.`,
	)
	f(`when: 'count() == 0', window: 10m, by: [host], remember: 7d`,
		`For each host: fires when, within 10m, there are no logs of any kind.`)
	f(
		`match: 'service:checkout* http.status:*', when: 'count(http.status>=500) / count() > 5% `+
			`and count() >= 200', window: 5m, for: 2m, keep_firing_for: 5m`,
		`Fires when, within 5m, the number of logs with http.status>=500 / the number of logs `+
			`with service begins with "checkout" and any http.status is more than 5% and there `+
			`are at least 200 logs with service begins with "checkout" and any http.status, and `+
			`that holds for 2m. Resolves when that has been false for 5m.`,
	)
	f(
		`match: 'path:/pay', when: 'p99(duration_ms) > 800', window: 5m, every: 30s`,
		`Fires when, within 5m (evaluated every 30s), the 99th percentile of duration_ms is more `+
			`than 800.`,
	)
	f(
		`match: 'path:/pay', when: 'quantile(duration_ms, 0.9) over 1m > rate() offset 2m', `+
			`window: 5m`,
		`Fires when, within 5m, the interpolated 90th percentile of duration_ms within 1m is more `+
			`than the number per second of logs with path is "/pay" 2m before.`,
	)
	f(
		`match: 'not (a or b) user:@vips', when: 'distinct(user.name) > 50', window: 1h, active: `+
			`[hours], suppressed_by: [deploy], mode: shadow`,
		`Fires when, within 1h, the number of distinct values of user.name is more than 50. Only `+
			`during hours. Muted during deploy. Shadow mode: no notifications.`,
	)
	f(
		`match: 'event:login_failed', when: 'distinct(user.name) > 5000', window: 1h`,
		`Fires when, within 1h, the number of distinct values of user.name is (estimated) more `+
			`than 5000.`,
	)
	f(
		`sequence: [{match: 'event:login_failed', times: 5}, {match: 'event:login_ok'}, {not: `+
			`'event:mfa_ok', within: 1m}], within: 5m, resolve: 1h`,
		`Fires when, within 5m, 5 logs with event is "login_failed", then a log with event is `+
			`"login_ok", then no log with event is "mfa_ok" within 1m. Resolves on the end of 1h.`,
	)
	f(
		`match: x, when: 'count() > 3 * baseline(count(), 4w)', window: 1h, resolve: manual`,
		`Fires when, within 1h, the number of logs with "x" in the message is more than 3 * the `+
			`baseline of the number of logs with "x" in the message. Resolves manually.`,
	)
}

// Every condition has a description.
func TestConditionWords(t *testing.T) {
	for _, text := range []string{"rate() > 1", "sum(a) > 1", "avg(a, b:c) > 1", "min(a) < 1",
		"max(a) > 1", "stddev(a) > 1", "first(a) > 1", "last(a) > 1", "new(a) > 0",
		"changed(@template) > 0", "since(a:b) > 5m",
		"firing(Other)", "zscore(count()) > 3", "count() > 2 * count() offset 1w",
		"not count() > 1", "count() > 1 or count() < 5", "count() != 1"} {
		c, err := rule.ParseCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if words := conditionWords(c, "of any kind"); words == "" ||
			strings.Contains(words, "  ") ||
			strings.HasPrefix(words, " ") {
			t.Errorf("%s reads %q", text, words)
		}
	}
}

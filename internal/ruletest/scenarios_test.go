package ruletest

import (
	"time"
)

// scenarios are all kinds of rules, each with logs that come near its limits.
var scenarios = []scenario{
	{
		name: "count",
		rules: `
  - {alert: A, match: 'level>=ERROR', when: count() > 4, window: 1m, by: [service]}`,
		logs: func(m *maker) {
			for range 8 {
				m.burst(m.IntN(600), 70, 3+m.IntN(6), "level", m.one("ERROR", "ERROR", "INFO"),
					"service", m.one("a", "b"))
			}
		},
	},
	{
		name: "keyword",
		rules: `
  - {alert: A, match: '"security breach"', by: [service], window: 2m}`,
		logs: func(m *maker) {
			m.burst(0, 1200, 25, "message", "a Security Breach", "service", m.one("a", "b"))
			m.burst(0, 1200, 10, "message", "breach of security", "service", "a")
		},
	},
	{
		name: "count of a filter",
		rules: `
  - {alert: A, when: 'count(status>=500) >= 3 and count() > 6', window: 1m}`,
		logs: func(m *maker) {
			for range 40 {
				m.log(m.IntN(400), "status", 400+100*m.IntN(2))
			}
		},
	},
	{
		name: "silence",
		rules: `
  - {alert: A, match: 'event:beat', when: count() == 0, window: 2m}`,
		logs: func(m *maker) {
			for at := 0; at < 1800; at += 20 + m.IntN(160) {
				m.log(at, "event", "beat")
			}
		},
	},
	{
		name: "silence of hosts that are expected",
		rules: `
lists: {hosts: [a, b, c]}
groups:
- name: g
  rules:
  - {alert: A, match: 'event:beat', when: count() == 0, window: 2m, by: [host], expect: {from: '@hosts'}}`,
		logs: func(m *maker) {
			for at := m.IntN(200); at < 1800; at += 20 + m.IntN(150) {
				m.log(at, "event", "beat", "host", m.one("a", "a", "a", "b"))
			}
		},
	},
	{
		name: "too little",
		rules: `
  - {alert: A, when: count() < 3, window: 1m, by: [host], remember: 10m, for: 10s}`,
		logs: func(m *maker) {
			for at := 0; at < 900; at += 1 + m.IntN(40) {
				m.log(at, "host", m.one("a", "a", "b"))
			}
		},
	},
	{
		name: "ratio",
		rules: `
  - {alert: A, match: 'status:*', when: count(status>=500) / count() > 30% and count() >= 5, window: 1m, by: [service], for: 20s, keep_firing_for: 1m}`,
		logs: func(m *maker) {
			for range 120 {
				m.log(m.IntN(900), "status", 400+100*m.IntN(2), "service", m.one("a", "a", "b"))
			}
		},
	},
	{
		name: "average",
		rules: `
  - {alert: A, when: avg(took_ms) > 500 and count() >= 4, window: 1m}`,
		logs: func(m *maker) {
			for range 80 {
				m.log(m.IntN(900), "took_ms", 400+m.IntN(220))
			}
		},
	},
	{
		name: "values with units",
		rules: `
  - {alert: A, when: avg(took) > 500ms, window: 1m}
  - {alert: B, when: max(used) >= 85%, window: 1m}
  - {alert: C, when: sum(size) > 5MB, window: 1m}`,
		logs: func(m *maker) {
			for range 40 {
				m.log(m.IntN(900), "took", m.one("400ms", "0.65s", "100ms"),
					"used", m.one("80%", "84.9%", "60%", "85%"),
					"size", m.one("1MB", "900KB", "3MB"))
			}
		},
	},
	{
		name: "percentile of hopping windows",
		rules: `
  - {alert: A, when: p90(took_ms) > 800 and count() >= 5, window: 2m, every: 30s, for: 1m}`,
		logs: func(m *maker) {
			for range 120 {
				m.log(m.IntN(1200), "took_ms", 700+m.IntN(111))
			}
		},
	},
	{
		name: "maximum and sum",
		rules: `
  - {alert: A, when: max(cpu) > 90 and count("pool exhausted") > 1, window: 1m, by: [service]}
  - {alert: B, when: sum(bytes) >= 1000, window: 30s}`,
		logs: func(m *maker) {
			for range 60 {
				m.log(m.IntN(600), "cpu", 60+m.IntN(35), "service", m.one("a", "b"),
					"message", m.one("pool exhausted", "load"), "bytes", m.IntN(400))
			}
		},
	},
	{
		name: "minimum",
		rules: `
  - {alert: A, when: min(free) < 10, window: 1m, by: [host]}`,
		logs: func(m *maker) {
			for range 60 {
				m.log(m.IntN(1200), "free", 5+m.IntN(60), "host", m.one("a", "b"))
			}
		},
	},
	{
		name: "deviation",
		rules: `
  - {alert: A, when: stddev(load) > 3 and count() >= 4, window: 1m}`,
		logs: func(m *maker) {
			for range 80 {
				m.log(m.IntN(900), "load", 10+m.IntN(10))
			}
		},
	},
	{
		name: "distinct",
		rules: `
  - {alert: A, match: 'event:locked', when: distinct(user) > 3, window: 1m, by: [realm]}`,
		logs: func(m *maker) {
			for range 90 {
				m.log(m.IntN(900), "event", "locked", "user", m.one("a", "b", "c", "d", "e", "f"),
					"realm", m.one("x", "y"))
			}
		},
	},
	{
		name: "new templates",
		rules: `
  - {alert: A, when: 'new(@template, level:error) >= 1', window: 2m, learn: 2m}`,
		logs: func(m *maker) {
			for i := range 40 {
				m.log(m.IntN(900), "level", m.one("ERROR", "INFO"),
					"message", m.one("order 17", "order 4711", `no column "x"`, `no column "y"`,
						"down", "up"), "n", i)
			}
		},
	},
	{
		name:    "changes",
		ordered: true,
		rules: `
  - {alert: A, match: 'leader:*', when: changed(leader) > 2, window: 2m, by: [cluster]}`,
		logs: func(m *maker) {
			for at := 0; at < 1800; at += 5 + m.IntN(60) {
				m.log(at, "leader", m.one("a", "a", "b"), "cluster", "c")
			}
		},
	},
	{
		name:    "first and last",
		ordered: true,
		rules: `
  - {alert: A, when: last(lag) - first(lag) > 50, window: 1m}`,
		logs: func(m *maker) {
			for at := 0; at < 1200; at += 5 + m.IntN(30) {
				m.log(at, "lag", m.IntN(120))
			}
		},
	},
	{
		name: "rate",
		rules: `
  - {alert: A, match: 'event:login', when: rate() > 0.2, window: 50s}`,
		logs: func(m *maker) { m.burst(0, 900, 160, "event", "login") },
	},
	{
		name: "since",
		rules: `
  - {alert: A, match: 'level>=ERROR or event:deployed', when: count(level>=ERROR) > 2 and since(event:deployed) < 5m, window: 1m, by: [service]}`,
		logs: func(m *maker) {
			m.burst(0, 1800, 50, "level", "ERROR", "service", "a")
			m.burst(0, 1800, 50, "level", "ERROR", "service", "b")
			m.burst(0, 1800, 3, "event", "deployed", "service", "a")
		},
	},
	{
		name: "nothing since",
		rules: `
  - {alert: A, match: 'event:backup*', when: 'since(event:backup_done) > 10m', window: 1m}`,
		logs: func(m *maker) {
			for at := 0; at < 6000; at += 200 + m.IntN(600) {
				m.log(at, "event", m.one("backup_done", "backup_begun"))
			}
		},
	},
	{
		name:    "sequence",
		ordered: true,
		rules: `
  - {alert: A, by: ['user=user.name|actor'], within: 2m, sequence: [{match: 'event:failed', times: 3}, {match: 'event:ok'}], window: 1m}`,
		logs: func(m *maker) {
			for i := range 80 {
				field := []string{"user.name", "actor"}[i%2]
				m.log(m.IntN(1500), "event", m.one("failed", "failed", "ok"), field,
					m.one("ann", "bob"))
			}
		},
	},
	{
		name:    "sequence with an absence at its end",
		ordered: true,
		rules: `
  - {alert: A, by: [user], within: 2m, sequence: [{match: 'event:failed', times: 2}, {match: 'event:ok'}, {not: 'event:mfa', within: 20s}], resolve: 5m}`,
		logs: func(m *maker) {
			for range 70 {
				m.log(m.IntN(2400), "event", m.one("failed", "failed", "ok", "mfa"),
					"user", m.one("ann", "bob"))
			}
		},
	},
	{
		name:    "sequence with an absence within",
		ordered: true,
		rules: `
  - {alert: A, match: 'event:*', within: 3m, sequence: [{match: 'event:begun'}, {not: 'event:beat', within: 40s}, {match: 'event:failed', within: 1m}], window: 1m}`,
		logs: func(m *maker) {
			for range 60 {
				m.log(m.IntN(1500), "event", m.one("begun", "beat", "failed", "other"))
			}
		},
	},
	{
		name: "both of two",
		rules: `
  - {alert: A, when: 'count(service:a "connection refused") > 0 and count(service:b "connection refused") > 0', window: 30s}`,
		logs: func(m *maker) {
			for range 40 {
				m.log(m.IntN(1200), "service", m.one("a", "b"),
					"message", m.one("connection refused", "fine"))
			}
		},
	},
	{
		name:  "hours",
		start: time.Date(2026, 1, 5, 8, 50, 0, 0, time.UTC),
		tail:  12 * time.Hour,
		rules: `
time_intervals:
- {name: office, time_intervals: [{weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '09:30'}, {start_time: '10:00', end_time: '17:00'}]}]}
- {name: lunch, time_intervals: [{times: [{start_time: '10:20', end_time: '10:30'}]}]}
groups:
- name: g
  rules:
  - {alert: A, match: 'level:error', when: count() > 2, window: 3m, active: [office, not lunch]}`,
		logs: func(m *maker) { m.burst(0, 7200, 130, "level", "ERROR") },
	},
	{
		name: "suppression",
		rules: `
suppressions: [{name: deploy, start: 'event:begun', end: 'event:done', by: [service], max: 10m, after: 1m}]
groups:
- name: g
  rules:
  - {alert: A, match: 'level:error', when: count() > 2, window: 2m, by: [service], suppressed_by: [deploy]}`,
		logs: func(m *maker) {
			for round := range 4 {
				at := 1800 * round
				service := m.one("a", "b")
				m.log(at, "event", "begun", "service", service)
				if m.IntN(3) > 0 {
					m.log(at+60+m.IntN(500), "event", "done", "service", service)
				}
				m.burst(at+15, 900, 30, "level", "ERROR", "service", m.one("a", "b"))
			}
		},
	},
	{
		name: "baseline",
		tail: 3 * time.Hour,
		rules: `
  - {alert: A, match: 'event:failed', when: 'count() > 2 * baseline(count(), 2w) and count() >= 5', window: 1h}`,
		logs: func(m *maker) {
			for day := range 7 {
				m.burst(day*86400, 4*3600, 4+m.IntN(8), "event", "failed")
			}
			m.burst(7*86400, 4*3600, 30, "event", "failed")
		},
	},
	{
		name: "distance from what is usual",
		tail: 3 * time.Hour,
		rules: `
  - {alert: A, match: 'event:sold', when: 'zscore(count(), 1w) > 2', window: 1h}`,
		logs: func(m *maker) {
			for day := range 6 {
				m.burst(day*86400, 3*3600, 4+m.IntN(8), "event", "sold")
			}
			m.burst(5*86400, 3*3600, 25, "event", "sold")
		},
	},
	{
		name: "against the hour before",
		tail: 5 * time.Hour,
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 2 * count() offset 10m and count() >= 3, window: 5m, by: [service]}`,
		logs: func(m *maker) { m.burst(0, 5400, 90, "event", "failed", "service", "a") },
	},
	{
		name: "a drop against the hour before",
		tail: 5 * time.Hour,
		rules: `
  - {alert: A, match: 'event:seen', when: count() < 0.5 * count() offset 10m and count() offset 10m >= 5, window: 5m}`,
		logs: func(m *maker) { m.burst(0, 5400, 90, "event", "seen") },
	},
	{
		name: "against yesterday",
		tail: 30 * time.Hour,
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 1.5 * count() offset 1d and count() >= 5, window: 1h}`,
		logs: func(m *maker) {
			for day := range 3 {
				m.burst(day*86400, 4*3600, 10+m.IntN(25), "event", "failed")
			}
		},
	},
	{
		name: "levels",
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 3, window: 1m, levels: {warning: '> 3', critical: '> 6'}}`,
		logs: func(m *maker) { m.burst(0, 900, 75, "event", "failed") },
	},
	{
		name: "keep firing",
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 2, window: 20s, keep_firing_for: 30s}`,
		logs: func(m *maker) { m.burst(0, 900, 75, "event", "failed") },
	},
	{
		name: "for",
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 2, window: 1m, for: 30s}`,
		logs: func(m *maker) { m.burst(0, 900, 60, "event", "failed") },
	},
	{
		name: "for, and keep firing",
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 2, window: 30s, for: 20s, keep_firing_for: 15s}`,
		logs: func(m *maker) { m.burst(0, 900, 90, "event", "failed") },
	},
	{
		name: "resolved after a time",
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 2, window: 20s, resolve: 2m}`,
		logs: func(m *maker) { m.burst(0, 1800, 90, "event", "failed") },
	},
	{
		name: "resolved by a condition",
		rules: `
  - {alert: A, when: count(event:failed) > 2, window: 30s, resolve: {when: count(event:ok) > 1}}`,
		logs: func(m *maker) {
			m.burst(0, 1800, 70, "event", "failed")
			m.burst(0, 2000, 60, "event", "ok")
		},
	},
	{
		name: "resolved by hand",
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 2, window: 30s, resolve: manual}`,
		logs: func(m *maker) { m.burst(0, 1800, 70, "event", "failed") },
	},
	{
		name: "hopping windows",
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 2, window: 1m, every: 20s}`,
		logs: func(m *maker) { m.burst(0, 900, 45, "event", "failed") },
	},
	{
		name: "tumbling windows",
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 2, window: 1m, every: 1m}`,
		logs: func(m *maker) { m.burst(0, 900, 40, "event", "failed") },
	},
	{
		name: "an alert about an alert",
		rules: `
  - {alert: Down, match: 'event:down', window: 2m, by: [service]}
  - {alert: A, match: 'level:error', when: count() > 1 and firing(Down), window: 1m, by: [service, host]}
  - {alert: B, match: 'level:error', when: count() > 1 and not firing(Down), window: 1m, by: [service]}`,
		logs: func(m *maker) {
			for range 8 {
				m.log(m.IntN(1800), "event", "down", "service", m.one("a", "b"))
			}
			for range 80 {
				m.log(m.IntN(1800), "level", "ERROR", "service", m.one("a", "b"),
					"host", m.one("x", "y"))
			}
		},
	},
	{
		name: "or, and not",
		rules: `
  - {alert: A, when: 'not count(event:ok) > 2 and (count(event:failed) > 3 or max(load) > 97)', window: 1m}`,
		logs: func(m *maker) {
			for range 120 {
				m.log(m.IntN(1500), "event", m.one("ok", "failed"), "load", m.IntN(100))
			}
		},
	},
	{
		name: "a map of fields, and a list",
		rules: `
lists: {vip: [ann, bob]}
groups:
- name: g
  rules:
  - {alert: A, match: {service|startswith: pay, message|contains: [refused, timeout], user: '@vip'}, when: count() > 1, window: 1m, by: [user]}`,
		logs: func(m *maker) {
			for range 80 {
				m.log(m.IntN(900), "service", m.one("payment", "pay", "shop"),
					"message", m.one("Connection Refused", "a timeout", "ok"),
					"user", m.one("ann", "bob", "eve"))
			}
		},
	},
	{
		name: "two sources",
		rules: `
groups:
- name: g
  rules:
  - {alert: A, source: [web, app], match: 'level:error', when: count() > 3, window: 1m}
  - {alert: B, source: web, match: 'level:error', when: count() == 0, window: 2m}`,
		logs: func(m *maker) {
			for range 90 {
				m.log(m.IntN(1200), "topic", m.one("web", "app", "other"), "level", "ERROR")
			}
		},
	},
	{
		name: "new values",
		rules: `
  - {alert: A, match: 'class:*', when: new(class) > 0, window: 1m, by: [service], learn: 5m, remember: 10m}`,
		logs: func(m *maker) {
			for range 60 {
				m.log(m.IntN(2400), "class", m.one("a", "b", "c", "d", "e", "f", "g"),
					"service", m.one("a", "b"))
			}
		},
	},
	{
		name: "silence of hosts that are remembered",
		rules: `
  - {alert: A, match: 'event:beat', when: count() == 0, window: 2m, by: [host], remember: 10m}`,
		logs: func(m *maker) {
			for _, host := range []string{"a", "b", "c"} {
				for at := m.IntN(500); at < 2400; at += 20 + m.IntN(130) + 700*m.IntN(8)/7 {
					m.log(at, "event", "beat", "host", host)
				}
			}
		},
	},
	{
		name: "resolved by a log",
		rules: `
  - {alert: A, match: 'event:failed', when: count() > 2, window: 30s, by: [service], resolve: 'event:ready'}`,
		logs: func(m *maker) {
			m.burst(0, 1800, 120, "event", "failed", "service", m.one("a", "b"))
			m.burst(0, 2000, 8, "event", "ready", "service", m.one("a", "b"))
		},
	},
	{
		name: "resolved by a log, or after a time",
		rules: `
  - {alert: A, when: count(event:failed) > 2, window: 30s, resolve: {match: 'event:ready', or_after: 3m}}`,
		logs: func(m *maker) {
			m.burst(0, 1800, 90, "event", "failed")
			m.burst(0, 2000, 6, "event", "ready")
		},
	},
	{
		name: "alerts as logs",
		rules: `
groups:
- name: g
  rules:
  - {alert: Slow, match: 'event:slow', when: count() > 1, window: 1m, for: 10s, by: [service]}
  - {alert: Failing, match: 'level:error', when: count() > 2, window: 1m, for: 5s, by: [service]}
- name: h
  source: alerts
  rules:
  - {alert: Trouble, match: 'state:firing', when: count() > 2, window: 2m}
  - {alert: Both, match: 'state:firing', when: distinct(alertname) > 1, window: 1m, by: [service]}`,
		logs: func(m *maker) {
			for range 150 {
				m.log(m.IntN(2400), "event", m.one("slow", "ok"), "level", m.one("ERROR", "INFO"),
					"service", m.one("a", "b"))
			}
		},
	},
}

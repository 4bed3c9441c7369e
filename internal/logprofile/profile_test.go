package logprofile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

var nine = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// profiled profiles rules, which begin in line 4, with some logs, one a second; f returns the text
// of each.
func profiled(t *testing.T, rules string, o Options, logs int, f func(i int) string) *Profile {
	t.Helper()
	set, err := rule.Read("a.yml", []byte("groups:\n- name: g\n  rules:\n"+rules))
	if err != nil {
		t.Fatal(err)
	}
	o.Decode = func(string) decode.Config { return decode.Config{} }
	s, err := New(set, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range logs {
		at := nine.Add(time.Duration(i) * time.Second)
		if o.File {
			at = nine.Add(24 * time.Hour) // when it was read
		}
		r := models.Record{
			Topic:     "logs",
			Partition: int32(i % 2),
			Timestamp: at,
			Value:     []byte(f(i)),
		}
		if err := s.Add(&r); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func found(s *Profile) (list []string) {
	for _, f := range s.Findings() {
		list = append(list, strings.TrimPrefix(f.String(), "a.yml:"))
	}
	return list
}

// Findings have the place of the text in the rule file that they are about.
func TestFindings(t *testing.T) {
	f := func(rule string, want ...string) {
		t.Helper()
		s := profiled(t, "  - "+rule+"\n", Options{File: true}, 3000, func(i int) string {
			tenant := ""
			if i%3 > 0 {
				tenant = `,"tenant":"x"`
			}
			return fmt.Sprintf(
				`{"service":"pay","level":%q,"status_code":%d,"user":{"id":%d},`+
					`"url":{"path":"/a"},"trace":"street-5","note":null%s}`,
				[]string{"ERROR", "INFO", "INFO"}[i%3],
				200+300*(i%2),
				i,
				tenant,
			)
		})
		if got := found(s); !slices.Equal(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", rule, strings.Join(got, "\n     "),
				strings.Join(want, "\n     "))
		}
	}
	f("{alert: A, match: 'level>=ERROR', by: [service], top: [url.path]}")
	f("{alert: A, match: 'http.status>=500 service.name:pay'}") // by another name of the field
	f(
		"{alert: A, match: 'servce:x or level>=ERROR'}",
		`4:24: no log of the sample has the field servce; did you mean "service"? (unknown-field)`,
	)
	f(
		"{alert: A, match: 'not path.url:x'}",
		`4:28: no log of the sample has the field path.url; if such logs are rare, use a larger `+
			`sample (unknown-field)`,
	)
	f(
		"{alert: A, when: 'avg(usr.id, note:x) > 3', match: 'level>=ERROR'}",
		`4:23: no log of the sample has the field usr.id; did you mean "user.id"? (unknown-field)`,
		`4:35: no log of the sample has the field note; if such logs are rare, use a larger `+
			`sample (unknown-field)`,
	)
	f(
		"{alert: A, match: 'level>=ERROR', by: ['who=usr|actor'], samples: {fields: [request]}}",
		`4:43: no log of the sample has any of the fields usr, actor; if such logs are rare, use `+
			`a larger sample (unknown-field)`,
		`4:71: no log of the sample has the field request; if such logs are rare, use a larger `+
			`sample (unknown-field)`,
	)
	f(
		"{alert: A, match: '@blocked or timeout', by: [service]}",
		"4:23: none of 3000 logs matches; if such logs are rare, use a larger sample "+
			"(never-matches)",
	)
	f(
		"{alert: A, match: 'service:pa level:error path:a'}",
		`4:23: none of 3000 logs matches; if such logs are rare, use a larger sample `+
			`(never-matches)`,
	)
	f(
		"{alert: A, match: 'timeout not trace:Tree'}",
		`4:23: none of 3000 logs matches; if such logs are rare, use a larger sample `+
			`(never-matches)`,
	)
	f(
		"{alert: A, match: 'trace:Tree'}",
		`4:23: none of 3000 logs matches; trace:Tree is the whole value, and there is `+
			`"street-5"; write trace:*Tree* for a part of it (never-matches)`,
	)
	f(
		"{alert: A, when: 'count(timeout) > 0 and count(refused) > 0'}",
		"4:22: none of 3000 logs matches; if such logs are rare, use a larger sample "+
			"(never-matches)",
	)
	f(
		"{alert: A, within: 5m, sequence: [{match: 'level>=ERROR'}, {match: timeout}, {not: "+
			"refused}]}",
		"4:38: none of 3000 logs matches step 2 of the sequence; if such logs are rare, use a "+
			"larger sample (never-matches)",
	)
	f("{alert: A, match: 'level>=ERROR', resolve: timeout}")
	f(
		"{alert: A, match: 'level>=ERROR', by: [tenant]}",
		"4:43: none of the 1000 logs that match has the field tenant, so all of them are one "+
			"group; group by a field that these logs have (absent-group)",
	)
	f("{alert: A, match: 'level:INFO', by: [tenant]}")
	f(
		"{alert: A, match: 'level>=ERROR', by: [service, user.id], limit: 999}",
		"4:43: 1000 logs that match have more than 999 groups, the rule's limit; further groups "+
			"are refused; "+
			"group by a field with few values, such as a service or a host, or raise limit "+
			"(too-many-groups)",
	)
	f(
		"{alert: A, match: 'level>=ERROR', by: [user.id]}",
		"4:43: 1000 logs that match have 1000 groups, nearly every log is a group of its own; "+
			"group by a field with few values, such as a service or a host (unbounded-group)",
	)
	f("{alert: A, match: 'timeout', mode: 'off'}")
	f("{alert: A, match: 'timeout', source: alerts}")
	f("{record: r, when: count()}")
}

// The table shows the expected matches a minute, of each partition by its own time until now.
func TestTable(t *testing.T) {
	rules := "  - {alert: Errors, match: 'level>=ERROR', by: [service]}\n  - {alert: Elsewhere, " +
		"match: timeout, source: audit}\n  - {alert: Rare, match: 'n:7', when: count() > 1}\n"
	log := func(i int) string {
		return fmt.Sprintf(`{"level":"ERROR","service":"s%d","n":%d}`, i%3, i)
	}
	f := func(what string, s *Profile, want string) {
		t.Helper()
		var out strings.Builder
		if err := s.Write(&out); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", what, out.String(), want)
		}
	}
	f(
		"a topic",
		profiled(t, rules, Options{Until: nine.Add(10 * time.Minute)}, 600, log),
		`600 logs in 600 records, 2026-01-05T09:00:00Z to 2026-01-05T09:09:59Z (9m59s)

RULE         MATCHES  PER MINUTE  GROUPS
g/Errors     600      60          3
g/Elsewhere  no logs  -           -
g/Rare       1        0.10        -
`,
	)
	cut := profiled(t, rules, Options{Until: nine.Add(24 * time.Hour)}, 601, log)
	cut.CutShort()
	f(
		"a topic that was not read to its end",
		cut,
		`601 logs in 601 records, 2026-01-05T09:00:00Z to 2026-01-05T09:10:00Z (10m)

RULE         MATCHES  PER MINUTE  GROUPS
g/Errors     601      60          3
g/Elsewhere  no logs  -           -
g/Rare       1        0.10        -
`,
	)
	sparse := profiled(t, rules, Options{Until: nine.Add(10 * time.Minute)}, 2, log)
	sparse.Begin(models.Partition{Topic: "logs", Partition: 0}, nine.Add(-90*time.Minute))
	sparse.Begin(models.Partition{Topic: "logs", Partition: 1}, nine.Add(-90*time.Minute))
	f(
		"a topic with few logs",
		sparse,
		`2 logs in 2 records, 2026-01-05T09:00:00Z to 2026-01-05T09:00:01Z (1s)

RULE         MATCHES  PER MINUTE  GROUPS
g/Errors     2        0.02        2
g/Elsewhere  no logs  -           -
g/Rare       0        0           -
`,
	)
	timed := func(i int) string {
		return fmt.Sprintf(
			`{"timestamp":%q,`,
			nine.Add(time.Duration(i)*time.Minute).Format(time.RFC3339),
		) + log(i)[1:]
	}
	f(
		"a file",
		profiled(t, rules, Options{File: true}, 601, timed),
		`601 logs in 601 records, 2026-01-05T09:00:00Z to 2026-01-05T19:00:00Z (10h)

RULE         MATCHES  PER MINUTE  GROUPS
g/Errors     601      1.00        3
g/Elsewhere  0        0           -
g/Rare       1        <0.01       -
`,
	)
	f("a file without times", profiled(t, rules, Options{File: true}, 2, log), `2 logs in 2 records

RULE         MATCHES  PER MINUTE  GROUPS
g/Errors     2        -           2
g/Elsewhere  0        -           -
g/Rare       0        -           -
`)
}

// Long and numerous field names take bounded memory.
func TestNamesAreBounded(t *testing.T) {
	n, long := fieldNames{}, strings.Repeat("x", maxName)
	n.tree("", map[string]any{long: 1, long + "y": 1, "a": map[string]any{long: 1}})
	for i := range maxNames {
		n.note(fmt.Sprint(i))
	}
	if n[long] != 1 || n[long+"y"] != 0 || n["a."+long] != 0 || len(n) != maxNames {
		t.Errorf("%d names; those of %d bytes and more occur %d, %d and %d times", len(n), maxName,
			n[long], n[long+"y"], n["a."+long])
	}
}

// The nearest field name is found, or none.
func TestNearest(t *testing.T) {
	n := fieldNames{
		"http.response.code":    5,
		"user.name":             9,
		"service":               9,
		"duration_ms":           2,
		"kubernetes.labels.app": 1,
		"client_ip":             3,
		"peer.ip":               1,
	}
	f := func(name, want string) {
		t.Helper()
		if got := n.nearest(name); got != want {
			t.Errorf("%s is near %q, want %q", name, got, want)
		}
	}
	f("userName", "user.name")
	f("name", "user.name")
	f("sevrice", "service")
	f("durationMs", "duration_ms")
	f("code", "http.response.code")
	f("client.ip", "client_ip")
	f("app", "kubernetes.labels.app")
	f("colour", "")
	f("service", "")
}

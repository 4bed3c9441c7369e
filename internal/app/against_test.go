package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/logprofile"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Held against a topic, a check says what no log has, and what to expect; what a rule ignores it
// does not say.
func TestCheckAgainstTopic(t *testing.T) {
	days := func(o *devbroker.Options) { o.Topics[0].Retention = 72 * time.Hour }
	inWorld(t, 3, func(w *world) {
		for i := range 60 {
			w.produce(
				int32(i%3),
				fmt.Sprintf(
					`{"level":"ERROR","service":"pay","http":{"status":500},"user":{"id":%d}}`,
					i,
				),
			)
			time.Sleep(time.Second)
		}
		f := func(sample Against, rules string, want CheckResult, output string) {
			t.Helper()
			file := filepath.Join(w.dir, "a.rules.yml")
			if err := os.WriteFile(file, []byte("groups:\n- name: g\n  rules:\n"+rules+"version: 1\n"),
				0o600); err != nil {
				t.Fatal(err)
			}
			c := DefaultConfig()
			c.Kafka.Brokers, c.Kafka.Topics = []string{brokerAddr}, []string{worldTopic}
			sample.Config, sample.dial, sample.Warn = &c, w.network.DialContext, func(err error) {
				t.Error(err)
			}
			got, out, err := check(CheckOptions{Logs: &sample}, file)
			text := strings.ReplaceAll(out, file, "FILE")
			if err != nil {
				text += err.Error()
			}
			if got != want || !like(text, output) {
				t.Errorf("%s: result %d, want %d; it says\n%s\nwant\n%s", rules, got, want, text,
					output)
			}
		}
		all := Against{Since: time.Hour, Most: 1000}
		f(
			all,
			"  - {alert: A, match: 'level>=ERROR', by: [service]}\n",
			CheckGood,
			"\n60 logs in 60 records, * (59s)\n\nRULE  MATCHES  PER MINUTE  GROUPS\ng/A   60     "+
				"  6*  1\n\n1 rule, 0 warnings\n",
		)
		few := Against{Since: time.Hour, Most: 12}
		f(
			few,
			"  - {alert: A, match: 'level>=ERROR', by: [service]}\n",
			CheckGood,
			"\n12 logs in 12 records, *\ng/A   12       6*  1\n\n1 rule, 0 warnings\n",
		)
		f(
			all,
			"  - {alert: A, match: 'servce:pay', window: 8d}\n",
			CheckLints,
			"FILE:4:23: warning: none of 60 logs matches; if such logs are rare, use a larger "+
				"sample (never-matches)\n"+
				"FILE:4:24: warning: no log of the sample has the field servce; did you mean "+
				"\"service\"? (unknown-field)\n"+
				"FILE:4:45: warning: the rule looks back 8d, and logs keeps 3d (retention.ms): "+
				"when it is new it begins with less; look back less, or have the topic keep more "+
				"(window-over-retention)\n*3 warning*\n",
		)
		f(
			all,
			"  - {alert: A, match: 'servce:pay', window: 8d, lint_ignore: [unknown-field, "+
				"never-matches, window-over-retention]}\n",
			CheckGood,
			"*0 warning*\n",
		)
		f(
			all,
			"  - {alert: A, match: 'level:error', when: 'count() > 3 * baseline(count(), 4w)', "+
				"window: 1h}\n  - {alert: B, match: pay, when: new(user.id) > 0, learn: 4d}\n"+
				"  - {alert: C, match: 'level:error', when: count() > 2 * count() offset 1d}\n  "+
				"- {alert: D, match: 'level:error', when: 'count() > 3 * baseline(count(), 4w)', "+
				"source: audit}\n",
			CheckLints,
			"FILE:4:44: warning: the rule looks back 28d1h*(window-over-retention)\nFILE:5:59: "+
				"warning: the rule looks back 4d*(window-over-retention)\n*g/D   no logs  -      "+
				"     -\n*2 warning*\n",
		)
		f(all, "  - {alert: A, macth: x}\n", CheckErrors,
			"FILE:4:16: unknown key \"macth\"; did you mean \"match\"?\n1 error\n")
		// since a time, before which there were others
		f(
			Against{Since: 31 * time.Second, Most: 1000},
			"  - {alert: A, match: 'level>=ERROR', by: [service]}\n",
			CheckGood,
			"\n30 logs in 30 records, *\ng/A   30       58 *",
		)
		f(Against{Since: time.Second, Most: 10}, "  - {alert: A}\n", CheckErrors,
			"logs has no logs of the last 1s; look further back with --since")
	}, days)
}

// When the time for reading has ended, rates are of what was read, and it is said that this is not
// all.
func TestCheckCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, err := rule.Read(
			"a.yml",
			[]byte("groups: [{name: g, rules: [{alert: A, match: 'level:error'}]}]"),
		)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		// written one a minute, read one in ten seconds
		records := func(yield func(models.Record, error) bool) {
			for i := range 100 {
				time.Sleep(10 * time.Second)
				if !yield(
					models.Record{
						Topic:     "logs",
						Timestamp: began.Add(time.Duration(i-1000) * time.Minute),
						Value:     []byte(`{"level":"error"}`),
					},
					nil,
				) {
					return
				}
			}
		}
		s, err := logprofile.New(
			set,
			logprofile.Options{
				Decode: func(string) decode.Config { return decode.Config{} },
				Until:  began,
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		a := Against{Warn: func(err error) { fmt.Fprintln(&out, err) }}
		ctx, stop := context.WithTimeout(t.Context(), sampleTime+time.Second)
		defer stop()
		if err := a.read(ctx, s, records, 100); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(&out); err != nil {
			t.Fatal(err)
		}
		if want := "the sample ends early, after 12 of 100 records, because reading takes longer " +
			"than 2m; look at fewer with --sample\n*g/A   12       1.09 *"; !like(out.String(),
			want) {
			t.Errorf("it says\n%s\nwant\n%s", out.String(), want)
		}
	})
}

// like compares a text with a pattern in which * stands for any text.
func like(text, pattern string) bool {
	first, rest, more := strings.Cut(pattern, "*")
	text, found := strings.CutPrefix(text, first)
	for found && more {
		pattern = rest
		first, rest, more = strings.Cut(pattern, "*")
		if !more {
			return strings.HasSuffix(text, first)
		}
		_, text, found = strings.Cut(text, first)
	}
	return found && text == ""
}

// A file that is not there, or has no logs, is an error; one of which some lines cannot be read is
// a sample of the others.
func TestCheckAgainstFile(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "a.rules.yml")
	if err := os.WriteFile(rules, []byte(
		"{version: 1, groups: [{name: g, rules: [{alert: A, match: 'level:error', source: audit}]}]}\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	f := func(logs, want string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "logs")
		if logs != "" {
			if err := os.WriteFile(file, []byte(logs), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a := Against{File: decode.ReadFile(file, decode.ReadOptions{Time: time.Now()})}
		_, out, err := check(CheckOptions{Logs: &a}, rules)
		if err != nil {
			out = err.Error()
		}
		if !like(out, want) {
			t.Errorf("%q: it says\n%s\nwant\n%s", logs, out, want)
		}
	}
	f("", "open *: no such file or directory")
	f("\n", "none of 1 record can be read as logs; name their format")
	f(
		"{\"level\":\"ERROR\"}\n",
		"\n1 log in 1 record\n\nRULE  MATCHES  PER MINUTE  GROUPS\ng/A   1        -           "+
			"-\n\n1 rule, 0 warnings\n",
	)
	f(
		"{\"level\":\"ERROR\"}\n\x00\x00\x00\x00\x2a\x06\x01\x02\n",
		"\n1 log in 2 records (1 unreadable)*",
	)
}

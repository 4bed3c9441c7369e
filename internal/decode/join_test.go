package decode

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

func joinerOf(t *testing.T, c JoinConfig) *Joiner {
	t.Helper()
	j, err := NewJoiner(Config{Join: c})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// recordsOf makes records of values, a millisecond apart.
func recordsOf(values []string) []models.Record {
	records := make([]models.Record, len(values))
	for i, v := range values {
		records[i] = models.Record{
			Offset:    int64(i),
			Value:     []byte(v),
			Timestamp: time.UnixMilli(1777889480000 + int64(i)),
		}
	}
	return records
}

func joinAll(j *Joiner, values ...string) (out []string) {
	records := recordsOf(values)
	events, _ := j.Join(records, true)
	for _, e := range events {
		v := e.Value
		if v == nil {
			v = records[e.First].Value
		}
		out = append(out, string(v))
	}
	return out
}

// "Each line of a stack trace is a record": the presets know the stack traces of their languages,
// and the line that follows one is an event of its own.
func TestJoinPresets(t *testing.T) {
	for preset, traces := range map[string][]string{
		"java": {
			"2026-05-04 10:11:12 ERROR Pay - it failed\njava.lang.IllegalStateException: no card\n\tat com.shop.Pay.run(Pay.java:12)\n\tat java.base/java.lang.Thread.run(Thread.java:840)\n\t... 3 more\nCaused by: java.io.IOException: closed\n\tat x.Y.z(Y.java:1)\n\tSuppressed: java.lang.Error: x\n\t\tat a.B.c(B.java:2)",
		},
		"python": {
			"ERROR:root:it failed\nTraceback (most recent call last):\n  File \"/app/pay.py\", line 3, in run\n    raise KeyError('x')\nKeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/app/pay.py\", line 5, in <module>\nshop.errors.PayError: no card",
		},
		"go": {
			"panic: runtime error: index out of range [3]\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47]\n\ngoroutine 1 [running]:\nmain.(*pay).run(0xc000, 0x1)\n\t/app/pay.go:12 +0x1d\nmain.main()\n\t/app/main.go:3 +0x20\ncreated by main.start in goroutine 1\n\t/app/a.go:9 +0x1\nexit status 2",
		},
		"node": {
			"TypeError: Cannot read properties of undefined (reading 'x')\n    at pay (/app/pay.js:1:2)\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {\n  code: 'E1'\n}",
		},
		"dotnet": {
			"fail: Pay[0]\n      it failed\nSystem.InvalidOperationException: no card\n ---> System.IO.IOException: closed\n   at Shop.Pay.Run() in /app/Pay.cs:line 12\n   --- End of inner exception stack trace ---\n   at Shop.Main()",
		},
		"ruby": {
			"/app/pay.rb:3:in 'run': no card (RuntimeError)\n\tfrom /app/main.rb:9:in '<main>'\n\t 1: from /app/a.rb:1",
		},
		"php": {
			"PHP Fatal error:  Uncaught Exception: no card in /app/pay.php:3\nStack trace:\n#0 /app/main.php(9): pay()\n#1 {main}\n  thrown in /app/pay.php on line 3",
		},
	} {
		j := joinerOf(t, JoinConfig{Presets: []string{preset}})
		next := "2026-05-04 10:11:13 INFO next one"
		for _, trace := range traces {
			values := append(
				append([]string{"2026-05-04 10:11:11 INFO before"}, strings.Split(trace, "\n")...),
				next,
			)
			if got := joinAll(j, values...); len(got) != 3 || got[1] != trace || got[2] != next {
				t.Errorf("%s: %q", preset, got)
			}
		}
	}
}

// Lines keep their envelope, are distinguished by it, and parts of a line are put together again.
func TestJoin(t *testing.T) {
	line := func(pod, log string) string {
		return fmt.Sprintf(`{"log":%q,"kubernetes":{"pod_name":%q},"n":1}`, log, pod)
	}
	const cri = "2026-05-04T10:11:12.345678901Z stderr "
	java := JoinConfig{Presets: []string{"java"}}
	for name, c := range map[string]struct {
		cfg          JoinConfig
		values, want []string
	}{
		"envelopes": {java,
			[]string{
				line("a", "boom\n"), line("b", "bang\n"), line("a", "\tat \"x\"\n"),
				line("b", "\tat y\n"), line("a", "next\n"),
			},
			[]string{
				`{"log":"boom\n\tat \"x\"","kubernetes":{"pod_name":"a"},"n":1}`,
				`{"log":"bang\n\tat y","kubernetes":{"pod_name":"b"},"n":1}`,
				line("a", "next\n"),
			}},
		"start": {
			JoinConfig{Start: `^\d{4}-`},
			[]string{"orphan", "2026-05-04 a", "b", "c", "2026-05-04 d"},
			[]string{"orphan", "2026-05-04 a\nb\nc", "2026-05-04 d"},
		},
		"continue": {JoinConfig{Continue: `^\+`}, []string{"a", "+b", "c"}, []string{"a\n+b", "c"}},
		"both": {
			JoinConfig{Start: `^\+\+`, Continue: `^\+`}, []string{"a", "+b", "++c", "+d"},
			[]string{"a\n+b", "++c\n+d"},
		},
		"lines": {
			JoinConfig{Continue: `^\+`, MaxLines: 2}, []string{"a", "+b", "+c", "+d"},
			[]string{"a\n+b", "+c\n+d"},
		},
		"bytes": {JoinConfig{Continue: `^\+`, MaxBytes: 6}, []string{"abc", "+b", "+c"}, []string{"abc\n+b", "+c"}},
		"syslog": {
			java,
			[]string{
				"<11>May  4 10:11:12 web-1 [main] shop it failed",
				"<11>May  4 10:11:12 web-1 \tjava.lang.IllegalStateException: no card",
				"<11>May  4 10:11:12 web-2 \tat a.B.c(B.java:2)",
				"<11>May  4 10:11:12 web-1 \tat x.Y.z(Y.java:1)",
				"<11>May  4 10:11:12 web-1 pay[1]: next",
			},
			[]string{
				"<11>May  4 10:11:12 web-1 [main] shop it failed\n" +
					"\tjava.lang.IllegalStateException: no card\n\tat x.Y.z(Y.java:1)",
				"<11>May  4 10:11:12 web-2 \tat a.B.c(B.java:2)",
				"<11>May  4 10:11:12 web-1 pay[1]: next",
			},
		},
		"CRI parts": {java, []string{cri + "P one ", cri + "P two ", cri + "F three", cri + "F four"},
			[]string{cri + "P one two three", cri + "F four"}},
		"flagged parts": {java, []string{`{"log":"one ","logtag":"P"}`, `{"log":"two","logtag":"F"}`}, []string{`{"log":"one two","logtag":"P"}`}},
		"Docker parts": {java, []string{`{"message":"one ","partial_message":"true","partial_last":"false"}`, `{"message":"two","partial_message":"true","partial_last":"true"}`, `{"message":"x y"}`},
			[]string{`{"message":"one two","partial_message":"true","partial_last":"false"}`, `{"message":"x y"}`}},
		"batches": {java, []string{`[{"message":"a b"},{"message":"\tat x"}]`, "\tat y"}, []string{`[{"message":"a b"},{"message":"\tat x"}]`, "\tat y"}},
	} {
		if got := joinAll(joinerOf(t, c.cfg), c.values...); fmt.Sprintf(
			"%q",
			got,
		) != fmt.Sprintf(
			"%q",
			c.want,
		) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, c.want)
		}
	}
	late := recordsOf([]string{"a", "+b"})
	late[1].Timestamp = late[0].Timestamp.Add(2 * time.Second)
	if events, _ := joinerOf(t, JoinConfig{Continue: `^\+`}).Join(late, true); len(events) != 2 {
		t.Error("a line that comes too late is joined")
	}
	for _, bad := range []JoinConfig{{Presets: []string{"cobol"}}, {Start: "("}, {Continue: "("}, {Start: "a", MaxLines: 1}, {Start: "a", Wait: time.Hour}, {MaxLines: 9}} {
		if err := (Config{Join: bad}).Validate(); err == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}

// Events do not depend on where reading pauses or begins again: whatever batches the records come
// in, and wherever a restart goes on, the events are those of all records at once.
func TestJoinBatches(t *testing.T) {
	if testing.Short() { // for the race detector; this has one goroutine
		t.Skip()
	}
	r := rand.New(rand.NewPCG(3, 4))
	j := joinerOf(t, JoinConfig{Presets: []string{"java"}})
	for range 300 {
		values := make([]string, 40)
		for i := range values {
			values[i] = fmt.Sprintf(
				`{"log":%q,"pod":"%c"}`,
				[]string{"boom\n", "\tat x.Y\n", "\tat z.Z\n", "INFO fine\n"}[r.IntN(4)],
				'a'+rune(r.IntN(3)),
			)
		}
		records := recordsOf(values)
		for i := range records { // some lines come late
			records[i].Timestamp = time.UnixMilli(
				1777889480000 + int64(i)*100 + int64(r.IntN(3))*700,
			)
		}
		show := func(at int64, e Joined, rs []models.Record) string {
			return fmt.Sprintf("%d %s;", rs[e.First].Offset, e.Value)
		}
		var want, got strings.Builder
		all, _ := j.Join(records, true)
		for _, e := range all {
			want.WriteString(show(0, e, records))
		}
		from, to := 0, 0
		for to < len(records) {
			to = min(to+1+r.IntN(7), len(records))
			if r.IntN(4) == 0 {
				j = joinerOf(t, JoinConfig{Presets: []string{"java"}}) // a restart
			}
			events, used := j.Join(records[from:to], to == len(records))
			for _, e := range events {
				got.WriteString(show(0, e, records[from:to]))
			}
			from += used
		}
		if got.String() != want.String() {
			t.Fatalf("in batches %s\nat once   %s", got.String(), want.String())
		}
	}
}

// A line of one stream waits for more of it as long as no time goes on, and those of another behind
// it. They wait up to a size, and then no event is waited for.
func TestWaitingLinesAreBounded(t *testing.T) {
	f := func(n, size int, want bool) {
		t.Helper()
		records := make([]models.Record, n)
		for i := range records {
			records[i] = models.Record{
				Offset: int64(i), Timestamp: time.UnixMilli(1777889480000),
				Value: fmt.Appendf(nil, `{"log":"%s","stream":"s%d"}`,
					strings.Repeat("a", size), min(i, 1)),
			}
		}
		j := joinerOf(t, JoinConfig{Presets: []string{"java"}})
		if _, used := j.Join(records, false); used < n != want {
			t.Errorf("%d records of %d bytes: %d are used", n, size, used)
		}
	}
	f(30, 100_000, true)
	f(60, 100_000, false)
	if testing.Short() {
		return // the race detector takes seconds for so many records
	}
	f(maxWaiting, 1, true)
	f(maxWaiting+10, 1, false)
}

// Records that wait are read once, however often those that follow are polled, and the events are
// those of one poll.
func TestWaitingRecordsAreReadOnce(t *testing.T) {
	var values []string
	for i := range 400 {
		values = append(values, fmt.Sprintf(`{"log":"ERROR","stream":"s%d"}`, i%40),
			fmt.Sprintf(`{"log":"\\tat a.b(C.java:1)","stream":"s%d"}`, i%40))
	}
	records := recordsOf(values)
	config := JoinConfig{Presets: []string{"java"}, Wait: 100 * time.Millisecond}
	all := joinerOf(t, config)
	want, _ := all.Join(records, true)
	j := joinerOf(t, config)
	var w Waiting
	var got []Joined
	from, longest := 0, 0
	for to := 1; to <= len(records); to++ {
		events, used := j.JoinWaiting(&w, records[from:to], to == len(records))
		for _, e := range events {
			got = append(got, Joined{from + e.First, from + e.Last, e.Value})
		}
		from += used
		longest = max(longest, to-from)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-one poll +many)\n%s", diff)
	}
	if j.reads != len(records) || longest < 50 || len(w.lines) > 0 {
		t.Errorf("%d records, of which up to %d waited, are read %d times; %d are kept",
			len(records), longest, j.reads, len(w.lines))
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/go-logfmt/logfmt"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"golang.org/x/sys/unix"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// source is a format: its records, how many logs each has, and the format's own library.
type source struct {
	name    string
	logs    int // of each record
	records func() [][]byte
	library string
	read    func(value []byte)
	only    string // the configured format; the default detects it
}

const otlpBatch = 100

// sources are the formats of the corpora.
func sources() []source {
	each := func(f func(i int) string) func() [][]byte {
		return func() [][]byte {
			list := make([][]byte, 2000)
			for i := range list {
				list[i] = []byte(f(i))
			}
			return list
		}
	}
	message := func(i int) string {
		return fmt.Sprintf("payment failed: card declined by issuer after %d attempts, giving up "+
			"on order A-%06d", i%5, i*104729%1_000_000)
	}
	at := func(i int) time.Time { return baseTime.Add(time.Duration(i) * time.Millisecond).UTC() }
	access := func(i int) string {
		return fmt.Sprintf(`203.0.113.%d - - [%s] "GET /api/v1/orders/%d HTTP/1.1" %d %d `+
			`"https://shop.example/cart" "Mozilla/5.0 (X11; Linux x86_64)"`,
			i%250, at(i).Format("02/Jan/2006:15:04:05 -0700"), i%1000, 200+i%5*100, i%5000)
	}
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	keysOf := func(v []byte) {
		d := logfmt.NewDecoder(bytes.NewReader(v))
		for d.ScanRecord() {
			for d.ScanKeyval() {
				sink += len(d.Key()) + len(d.Value())
			}
		}
	}
	toMap := func(v []byte) {
		var m map[string]any
		check(json.Unmarshal(v, &m))
		sink += len(m)
	}
	return []source{
		{name: "json", logs: 1, records: each(func(i int) string {
			return line("json", i)
		}), library: "encoding/json into a map", read: toMap},
		{name: "json.ecs", logs: 1, records: each(func(i int) string {
			return line("ecs", i)
		}), library: "encoding/json into a map", read: toMap},
		{name: "json in log", logs: 1, records: each(func(i int) string {
			return fmt.Sprintf(`{"log":%s,"stream":"stdout","time":"%s",`+
				`"kubernetes":{"namespace_name":"prod","pod_name":"checkout-%d","container_name":"checkout"}}`,
				quoted(line("ecs", i)+"\n"), at(i).Format(time.RFC3339Nano), i%60)
		}), library: "encoding/json twice", read: func(v []byte) {
			var m map[string]any
			check(json.Unmarshal(v, &m))
			toMap([]byte(m["log"].(string)))
		}},
		{name: "logfmt", logs: 1, records: each(func(i int) string {
			return line("logfmt", i)
		}), library: "go-logfmt", read: keysOf},
		{name: "text", logs: 1, records: each(func(i int) string { return line("text", i) })},
		{name: "access", logs: 1, records: each(access)},
		{name: "access in log", logs: 1, records: each(func(i int) string {
			return fmt.Sprintf(`{"log":%s,"stream":"stdout",`+
				`"kubernetes":{"namespace_name":"prod","pod_name":"web-%d"}}`,
				quoted(access(i)+"\n"), i%60)
		})},
		{name: "cri", logs: 1, records: each(func(i int) string {
			return at(i).Format(time.RFC3339Nano) + " stdout F " + line("text", i)
		})},
		{name: "syslog3164", logs: 1, records: each(func(i int) string {
			return fmt.Sprintf("<%d>%s web-%d payment[%d]: %s", 8+i%8,
				at(i).Format("Jan _2 15:04:05"), i%60, i, message(i))
		})},
		{name: "syslog5424", logs: 1, records: each(func(i int) string {
			return fmt.Sprintf(`<%d>1 %s web-%d payment %d ID47 [sd@32473 iut="3" order="A-%d"] %s`,
				8+i%8, at(i).Format(time.RFC3339Nano), i%60, i, i, message(i))
		})},
		{name: "syslog file", logs: 1, records: each(func(i int) string {
			return fmt.Sprintf("%s web-%d payment[%d]: %s",
				at(i).Format("2006-01-02T15:04:05.000000-07:00"), i%60, i, message(i))
		})},
		{name: "cef", logs: 1, records: each(func(i int) string {
			return fmt.Sprintf(`CEF:0|Acme|Firewall|1.2|%d|worm successfully `+
				`stopped|%d|src=10.0.0.%d dst=2.1.2.2 spt=1232 rt=%d msg=%s`, i%100, i%10, i%250,
				at(i).UnixMilli(), message(i))
		})},
		{name: "klog", logs: 1, records: each(func(i int) string {
			return fmt.Sprintf(`E%s %7d main.go:%d] "payment failed" err="card declined" `+
				`order="A-%d" attempts=%d`, at(i).Format("0102 15:04:05.000000"), i, i%500, i, i%5)
		})},
		{name: "ltsv", logs: 1, records: each(func(i int) string {
			return fmt.Sprintf("time:%s\tlevel:error\tmessage:%s\thost:web-%d\tstatus:%d",
				at(i).Format(time.RFC3339), message(i), i%60, 200+i%5*100)
		})},
		{name: "auditd", logs: 1, records: each(func(i int) string {
			return fmt.Sprintf(`type=SYSCALL msg=audit(%d.%03d:%d): arch=c000003e syscall=2 `+
				`success=no exit=-13 ppid=1 pid=%d auid=0 uid=0 comm="cat" exe="/bin/cat" `+
				`key="shop"`, at(i).Unix(), i%1000, i, i)
		})},
		{name: "loki", logs: 20, records: each(func(i int) string {
			var b strings.Builder
			b.WriteString(
				`{"streams":[{"stream":{"app":"checkout","namespace":"prod","pod":"p-1"},"values":[`,
			)
			for k := range 20 {
				fmt.Fprintf(&b, `%s["%d",%s]`, map[bool]string{true: ","}[k > 0],
					at(i*20+k).UnixNano(), quoted(line("text", i*20+k)))
			}
			return b.String() + "]}]}"
		})},
		{name: "otlp proto", logs: otlpBatch, records: func() [][]byte {
			return otlp(true)
		}, library: "pdata", only: "otlp_proto", read: func(v []byte) {
			r := plogotlp.NewExportRequest()
			check(r.UnmarshalProto(v))
			sink += r.Logs().LogRecordCount()
		}},
		{name: "otlp json", logs: otlpBatch, records: func() [][]byte {
			return otlp(false)
		}, library: "pdata", read: func(v []byte) {
			r := plogotlp.NewExportRequest()
			check(r.UnmarshalJSON(v))
			sink += r.Logs().LogRecordCount()
		}},
	}
}

var sink int

// otlp are messages of a hundred records, with ten attributes of the resource and six of each.
func otlp(proto bool) (list [][]byte) {
	for m := range 40 {
		logs := plog.NewLogs()
		rl := logs.ResourceLogs().AppendEmpty()
		for k, v := range map[string]string{
			"service.name": "checkout", "service.version": "1.2.3", "host.name": "node-1",
			"k8s.namespace.name": "prod", "k8s.pod.name": "checkout-6d5f9c7b8-x2x4q",
			"k8s.container.name": "checkout", "k8s.node.name": "ip-10-0-1-1",
			"cloud.region": "eu-1", "telemetry.sdk.language": "go",
			"deployment.environment": "prod",
		} {
			rl.Resource().Attributes().PutStr(k, v)
		}
		records := rl.ScopeLogs().AppendEmpty()
		records.Scope().SetName("shop/pay")
		for k := range otlpBatch {
			i := m*otlpBatch + k
			r := records.LogRecords().AppendEmpty()
			r.SetTimestamp(pcommonTime(i))
			r.SetObservedTimestamp(pcommonTime(i + 1))
			r.SetSeverityNumber(plog.SeverityNumber(9 + i%3*4))
			r.SetSeverityText([]string{"INFO", "WARN", "ERROR"}[i%3])
			r.Body().SetStr(fmt.Sprintf("payment failed: card declined by issuer after %d "+
				"attempts, giving up on order A-%06d", i%5, i))
			a := r.Attributes()
			a.PutStr("order.id", fmt.Sprintf("A-%06d", i))
			a.PutDouble("order.amount", float64(i%200)+0.9)
			a.PutStr("user.id", fmt.Sprintf("u-%03d", i%1000))
			a.PutInt("status", int64(200+i%5*100))
			a.PutInt("duration_ms", int64(i%997))
			a.PutStr("http.route", "/api/v1/orders")
			r.SetTraceID([16]byte(id(i)))
			r.SetSpanID([8]byte(id(i)[:8]))
		}
		request := plogotlp.NewExportRequestFromLogs(logs)
		var b []byte
		var err error
		if proto {
			b, err = request.MarshalProto()
		} else {
			b, err = request.MarshalJSON()
		}
		check(err)
		list = append(list, b)
	}
	return list
}

func threadCPU() time.Duration {
	var t unix.Timespec
	check(unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t))
	return time.Duration(t.Nano())
}

// turn is the least CPU time of a log in some rounds, and the allocations.
func turn(logs int, records [][]byte, rounds int, read func(value []byte)) (ns, allocs float64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ns, allocs = math.Inf(1), math.Inf(1)
	var before, after runtime.MemStats
	for range rounds {
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := threadCPU()
		for _, v := range records {
			read(v)
		}
		ns = min(ns, float64(threadCPU()-start)/float64(len(records)*logs))
		runtime.ReadMemStats(&after)
		allocs = min(allocs, float64(after.Mallocs-before.Mallocs)/float64(len(records)*logs))
	}
	return ns, allocs
}

// once measures one format in this build and prints the result, for the parent that compares
// builds.
func once(name string, rounds int) {
	for _, s := range sources() {
		if s.name == name {
			ns, allocs := s.decode(rounds)
			fmt.Println(ns, allocs)
		}
	}
}

func (s *source) decode(rounds int) (ns, allocs float64) {
	fields := decode.NewFields(rulePaths...)
	d, err := decode.New(decode.Config{Format: s.only}, fields)
	check(err)
	n := decode.FieldID(fields.Len())
	logs := 0
	each := func(l *decode.Log) {
		logs++
		for id := range n {
			if id != decode.FieldRaw {
				l.Value(id)
			}
		}
		l.Severity()
		l.Time()
	}
	reject := func(reason decode.Reason, detail string) {
		check(fmt.Errorf("%s: %s %s", s.name, reason, detail))
	}
	rec := models.Record{Timestamp: baseTime.Add(time.Hour)}
	read := func(v []byte) {
		rec.Value = v
		d.Decode(&rec, each, reject)
	}
	records := s.records()
	read(records[0])
	if logs != s.logs {
		check(fmt.Errorf("%s: a record has %d logs, want %d", s.name, logs, s.logs))
	}
	return turn(s.logs, records, rounds, read)
}

// formats prints the CPU time of every format beside that of the format's own library in Go, and of
// the build of another revision, which takes turns. Only formats whose name has the prefix are
// measured.
func formats(rounds int, against, prefix string) {
	self, err := os.Executable()
	check(err)
	other := ""
	if against != "" {
		var remove func()
		other, remove = build(against)
		defer remove()
	}
	fmt.Printf("## In memory: every format, %d fields asked for, CPU time\n\n", 12+len(rulePaths))
	fmt.Println("| format | bytes/log | ns/log | ns/byte | allocations/log | before | now/before " +
		"| library | ns/log | now/library |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---|---:|---:|")
	for _, s := range sources() {
		if !strings.HasPrefix(s.name, prefix) {
			continue
		}
		records := s.records()
		size := 0
		for _, r := range records {
			size += len(r)
		}
		bytes := float64(size) / float64(len(records)*s.logs)
		now, allocs, before, library := math.Inf(1), math.Inf(1), math.Inf(1), math.Inf(1)
		for range rounds {
			a, b := child(self, s.name)
			now, allocs = min(now, a), min(allocs, b)
			if other != "" {
				a, _ = child(other, s.name)
				before = min(before, a)
			}
			if s.read != nil {
				a, _ = turn(s.logs, records, 3, s.read)
				library = min(library, a)
			}
		}
		cell := func(v float64, format string) string {
			if math.IsInf(v, 0) || v == 0 || math.IsNaN(v) {
				return ""
			}
			return fmt.Sprintf(format, v)
		}
		fmt.Printf(
			"| %s | %.0f | %.0f | %.2f | %.2f | %s | %s | %s | %s | %s |\n",
			s.name,
			bytes,
			now,
			now/bytes,
			allocs,
			cell(before, "%.0f"),
			cell(now/before, "%.2f"),
			s.library,
			cell(library, "%.0f"),
			cell(now/library, "%.2f"),
		)
	}
	fmt.Println()
}

// child measures a format in a build.
func child(binary, name string) (ns, allocs float64) {
	out, err := exec.Command(binary, "-once", name).Output()
	check(err)
	_, err = fmt.Sscan(string(out), &ns, &allocs)
	if err != nil { // a build that cannot read the format
		return math.Inf(1), math.Inf(1)
	}
	return ns, allocs
}

// build builds this command with the packages of another revision.
func build(revision string) (binary string, remove func()) {
	dir, err := os.MkdirTemp("", "decode-bench")
	check(err)
	tree := filepath.Join(dir, "tree")
	run := func(at, name string, args ...string) {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Stderr = at, os.Stderr
		check(cmd.Run())
	}
	run(".", "git", "worktree", "add", "--detach", tree, revision)
	run(tree, "rm", "-rf", "bench")
	run(".", "cp", "-r", ".", filepath.Join(tree, "bench"))
	binary = filepath.Join(dir, "decode")
	run(filepath.Join(tree, "bench"), "go", "build", "-o", binary, "./decode")
	return binary, func() {
		run(".", "git", "worktree", "remove", "--force", tree)
		os.RemoveAll(dir)
	}
}

package decode

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// tokens are pieces of all formats. Repeated, they are the inputs on which a parser that looks back
// or ahead too often takes more than linear time.
var tokens = []string{
	"[", "{", `{"a":`, `"`, `\`, `a=`, `a="`, `a="b" `, "|", "=", " ", "\n", "\t", "<34>", "CEF:0|",
	"cs1Label=a cs1=b ",
	"\tat a.b(C.java:1)\n", "Caused by: x\n", `{"message":"`, `{\"message\":\"`, `[{"a":1},`, `[{"a":1},[`,
	"{}\n", "{x\n", `{"a":1}`, `{"a":1}{`,
	",", `A`, "1", "-", ":", "2026-05-04T10:11:12Z ", "k: v\n", "%20", `[a b="c"]`, `[a@1 `, "]",
	"}", `"}`, "'", `\"`, "é", "\xff",
	"\x00", "E0504 10:11:12.000000 1 a.go:1] ", `{"log":"`,
	`{"stream":{"a":"b"},"values":[["1","x"]]},`, `["1","x"],`, "a.",
	"a.b.c=1 ", "(", ")", `x=\`, `x\=y`, "LEEF:2.0|a|b|c|d|^|", "a\tb:",
	"type=A msg=audit(1.1:1): a=b ", "\r\n",
	"127.0.0.1 - - [04/May/2026:10:11:12 +0000] \"GET / HTTP/1.1\" 200 1 ", "ERROR ", `{"a":1,`,
	`"a":1,`, `"a":"b",`, `"a":[`,
	`"a":{}, `, "[1,", `["`, `{"kubernetes":{"labels":{"a":"b",`, "a:b,", "\x1b[31m",
	"stdout P x\n", "{b}", "@cee:{", "[,",
	`{"a":[,`, "x,", "{,", "{x},", "\n{\"a\":", "{\"a\":[\n", "{\"a\":\"\n", "\\u0041", "a b ",
	"GET /a ", "host:a\t", "[31m", "{{",
	"a='b' ", "p99 ", " a=( ", "web-1  | ", "11月 ", "level=error ", "<Error> ", "10:11:12 ", "May  4 ", "2026-05-04 ", "[]",
	`{"type":"a","items":[`, "\n  ",
	`<Data Name="a">b</Data>`, "<a>", "</a>", "&amp;", `a="b" c='d'`, "%ASA-6-302013: ",
	"[a: 1|b: 2] ", `{"a":"b"}{"c":`, `\"a\":`, "a\x01b=",
	// MessagePack and CBOR: maps, arrays, strings that are shorter or longer than they say, tags
	"\x81\xa1a\xa1b", "\x81\xa1a", "\x91", "\xdd\x00\x00\x00\x02", "\xdf\xff\xff\xff\xff",
	"\xd9\x05abc", "\xc7\x01\x05", "\xa1\x61a", "\x9f", "\xbf\x61a", "\xd8\x1c", "\x7f\x61a", "\xf6",
}

var prefixes = []string{
	"", "{", "[", `[{"a":1},`, `[{"a":1},[`, `{"a":1}`, "{\"a\":1}\n{\"a\":1}\n", `{"message":"`, `{"message":[`,
	`{"log":"`, "<34>1 2026-05-04T10:11:12Z h a p m ",
	"<34>May  4 10:11:12 h a: ", "CEF:0|a|b|c|d|e|5|", "LEEF:1.0|a|b|c|d|",
	"2026-05-04T10:11:12.123456789Z stdout F ",
	"type=SYSCALL msg=audit(1364481363.243:24287): ", "level=error msg=", "level=error msg=x ",
	`{"kubernetes":{"labels":{`,
	`{"ddsource":"x","ddtags":"`, `{"resourceLogs":[`, `{"streams":[`, `{"Records":[`,
	`{"logEvents":[`, `{"schema":1,"payload":{`,
	"E0504 10:11:12.000000       1 a.go:1] ", "2026-05-04 10:11:12 ERROR ",
	`{"level":"ERROR","stack_trace":"`, `{"@mt":"`, "\"",
	"2026-05-04T10:11:12Z h a[1]: ", "203.0.113.9 - a [", "syslog,a=b c=d,",
	`{"specversion":"1.0","data":`, "t\tlevel:x\t",
	`<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><EventData>`,
	`<189>date=2026-05-04 time=10:11:12 devname="a" type="traffic" `,
	"<166>May 04 2026 10:11:12 a : %ASA-6-302013: ", "26/05/04 10:11:12 INFO a.B: ",
	"[pid: 1|app: 0|req: 1/1] 10.0.0.1 () {3 vars in 5 bytes} [Mon May  4 10:11:12 2026] GET ",
	`{"authority":"a","bytes_sent":"1","response_flags":"-","path":"`,
	"\x82\xa1a\x91", "\xa2\x61a\x9f",
}

// readTime returns how long it takes to read a record, all its fields included.
func readTime(d *Decoder, rec *models.Record) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	logs := 0
	begin := linear.ThreadTime()
	d.Decode(rec, func(l *Log) {
		readAll(d)(l)
		for id := range FieldWellKnown {
			l.Value(id).Each(func(Value) bool { return true })
		}
		if logs++; logs < 100 {
			l.Entry()
			l.Lookup("a.b.c")
		}
	}, func(Reason, string) {})
	return linear.ThreadTime() - begin
}

// linearSize is the size of the larger record. LINEAR_KIB=1024 finds what costs little for each
// byte and still is quadratic: enough grows with the size, and quadratic time with its square.
var linearSize = sync.OnceValue(func() int {
	kib, err := strconv.Atoi(os.Getenv("LINEAR_KIB"))
	if err != nil || kib < 4 {
		kib = 64
	}
	return kib << 10
})

// enough is more time than a linear decoder needs for the larger record, on any machine, and less
// than a quadratic one takes: 30 ms for 64 KiB.
func enough() time.Duration {
	return 30 * time.Millisecond * time.Duration(linearSize()) / (64 << 10)
}

// superlinear reports whether a record of four times the size takes more than six times the time,
// and more than enough. It measures again before it says so.
func superlinear(d *Decoder, make func(size int) []byte) (bool, time.Duration, time.Duration) {
	return superlinearRecord(d, func(size int) *models.Record {
		return recordOf(string(make(size)))
	})
}

func superlinearRecord(
	d *Decoder, make func(size int) *models.Record,
) (bool, time.Duration, time.Duration) {
	small, large := make(linearSize()/4), make(linearSize())
	a, b := readTime(d, small), readTime(d, large)
	bad := func() bool { return b > max(6*a, enough()) }
	for try := 0; try < 12 && bad(); try++ {
		a, b = max(a, readTime(d, small)), min(b, readTime(d, large))
	}
	return bad(), a, b
}

// add adds a shape of records to a report.
func add(report *linear.Report, d *Decoder, shape string, sized func(size int) []byte) {
	report.Add(shape, func(whole bool) func() {
		size := linearSize() / 4
		if whole {
			size = linearSize()
		}
		record := recordOf(string(sized(size)))
		return func() { readTime(d, record) }
	})
}

// "One log must not stop the engine": the time to read a record is linear in its size, whatever is
// repeated in it.
func TestLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	defer debug.SetMaxStack(debug.SetMaxStack(4 << 20)) // of a depth in proportion to it, it dies
	d := newBenchDecoder(t)
	report := linear.NewReport("decode: detected")
	defer report.Log(t)
	for i, p := range prefixes {
		for j, token := range tokens {
			if os.Getenv("LINEAR") == "" && (i*5+j)%3 > 0 { // a third of them; all with LINEAR
				continue
			}
			suffix := ""
			if j%2 == i%2 {
				suffix = `"}`
			}
			sized := func(size int) []byte {
				return []byte(p + strings.Repeat(token, size/len(token)) + suffix)
			}
			add(report, d, fmt.Sprintf("%q + %q ... + %q", p, token, suffix), sized)
			bad, a, b := superlinear(d, sized)
			if bad {
				t.Errorf("%q + %q ... + %q: a quarter %v, all %v", p, token, suffix, a, b)
			}
		}
	}
}

// The same for records that are read as a format by its name, what is detected and what is not.
func TestLinearTimeOfEachFormat(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures processor time")
	}
	for i, format := range Formats() {
		d, err := New(Config{Format: format}, NewFields(benchPaths...))
		if err != nil {
			t.Fatal(err)
		}
		report := linear.NewReport("decode: " + format)
		for j, token := range tokens {
			if os.Getenv("LINEAR") == "" && (i+j)%4 > 0 { // a quarter of them; all with LINEAR
				continue
			}
			p := prefixes[(i*7+j)%len(prefixes)]
			sized := func(size int) []byte {
				return []byte(p + strings.Repeat(token, size/len(token)))
			}
			add(report, d, fmt.Sprintf("%q + %q ...", p, token), sized)
			bad, a, b := superlinear(d, sized)
			if bad {
				t.Errorf("%s: %q + %q ...: a quarter %v, all %v", format, p, token, a, b)
			}
		}
		report.Log(t)
	}
}

// Random combinations of tokens in random formats; LINEAR=4m runs it for four minutes.
func TestLinearTimeRandom(t *testing.T) {
	limit, err := time.ParseDuration(os.Getenv("LINEAR"))
	if err != nil {
		t.Skip("LINEAR is no duration")
	}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	formats := append([]string{"auto", "auto", "auto", "auto", "auto"}, Formats()...)
	pick := func(n int) (s string) {
		for range r.IntN(n + 1) {
			s += tokens[r.IntN(len(tokens))]
		}
		return s
	}
	cases := 0
	slowest, shape := time.Duration(0), ""
	for end := time.Now().Add(limit); time.Now().Before(end); cases++ {
		p, token, s := prefixes[r.IntN(len(prefixes))]+pick(2), tokens[r.IntN(len(tokens))]+pick(2),
			pick(2)
		format := formats[r.IntN(len(formats))]
		d, err := New(Config{Format: format}, NewFields(benchPaths...))
		if err != nil {
			t.Fatal(err)
		}
		sized := func(size int) []byte {
			return []byte(p + strings.Repeat(token, size/len(token)) + s)
		}
		bad, a, b := superlinear(d, sized)
		large := sized(linearSize())
		if bad {
			t.Errorf("%s %q + %q ... + %q: a quarter %v, all %v", format, p, token, s, a, b)
		}
		if b > slowest {
			for range 3 {
				b = min(b, readTime(d, recordOf(string(large))))
			}
			if b > slowest {
				slowest, shape = b, fmt.Sprintf("%s %q + %q ... + %q", format, p, token, s)
			}
		}
	}
	fmt.Printf("%d cases, the slowest %v, of %s\n", cases, slowest, shape)
}

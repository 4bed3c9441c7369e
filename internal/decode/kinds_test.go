package decode

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// readOne reads the one log of a record and returns some of its fields as "field=value" words.
func readOne(t *testing.T, cfg Config, at, value string, paths ...string) (out string) {
	t.Helper()
	recorded, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(cfg, NewFields(paths...))
	if err != nil {
		t.Fatal(err)
	}
	d.Decode(&models.Record{Timestamp: recorded, Value: []byte(value)}, func(l *Log) {
		for _, path := range paths {
			switch path {
			case "time":
				from := ""
				if l.TimeSource() == "kafka" {
					from = "record "
				}
				out += from + time.Unix(0, l.Time()).UTC().Format(time.RFC3339Nano) + " "
			case "level":
				out += string(l.Value(FieldLevel).Text) + " "
			default:
				id, _ := d.fields.ID(path)
				v := l.Value(id).Text
				if w := l.Lookup(path).Text; string(v) != string(w) {
					t.Errorf("%s: %s is %q, and %q when looked up", value, path, v, w)
				}
				out += fmt.Sprintf("%s ", v)
			}
		}
	}, func(r Reason, detail string) { out += string(r) + " " })
	return strings.TrimSpace(out)
}

const nextDay = "2026-05-05T10:11:12Z" // a day behind the logs below

// Times with the clock of twelve hours, offsets behind UTC, zones by name, US dates, and all that
// servers write.
func TestTimes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, text, "time"); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	const evening, morning, record = "2026-05-04T21:11:12Z", "2026-05-04T10:11:12Z",
		"record 2026-05-05T10:11:12Z"
	f("2026-05-04 09:11:12 PM ERROR boom", evening)
	f("[2026-05-04 9:11:12 pm] boom", evening)
	f("2026-05-04 09:11:12 p.m. boom", evening)
	f("2026-05-04 09:11:12\u202fPM boom", evening)
	f("May 4 09:11:12 PM boom", evening)
	f("2026-05-04 12:11:12 AM boom", "2026-05-04T00:11:12Z")
	f("May 4, 2026 9:11:12 PM Shop pay\nSEVERE: boom", evening)
	f("May 4, 2026, 9:11:12 PM boom", evening)
	f("05/04/2026 09:11:12 PM boom", evening)
	f("5/4/2026, 9:11:12 PM boom", evening)
	f("2026-05-04 09:11:12 PM2 is up", "2026-05-04T09:11:12Z")
	f(`{"time":"2026-05-04 09:11:12 PM","msg":"m"}`, evening)

	f("2026-05-04 07:11:12 GMT-0300 boom", morning)
	f("2026-05-04 07:11:12 UTC-03:00 boom", morning)
	f("2026-05-04 07:11:12.5Z-03:00 boom", "2026-05-04T10:11:12.5Z")
	f("2026-05-04 12:11:12 GMT+2 boom", morning)
	f("Mon May 04 2026 07:11:12 GMT-0300 (Brasilia Standard Time) boom", morning)
	f("2026-05-04 06:11:12 America/New_York boom", morning)
	f("2026-05-04T12:11:12+02:00[Europe/Berlin] boom", morning)
	f("2026-05-04T12:11:12[Europe/Berlin] boom", morning)
	f("[04-May-2026 15:41:12 Asia/Kolkata] PHP Warning:  careful", morning)
	f("2026-05-04 06:11:12 Eastern Daylight Time boom", morning)
	f("2026-05-04 00:11:12 HST boom", morning)
	f("2026-05-04 05:11:12 COT [1] boom", morning)
	f("2026-05-04 15:41:12 IST [1] boom", record) // of India, Israel or Ireland
	f("<189>44124: May  4 03:11:12.775 PSTDST: %LINK-5-UP: up", record)
	f("2026-05-04 10:11:12 Atlantis/City boom", morning)
	f("2026-05-04 10:11:12 Atlantic/Nowhere boom", record)

	f("2026-05-04 10:11:12 +15 credits", morning)
	f("2026-05-04 10:11:12 -1234 is a balance", morning)
	f("2026-05-04 05:11:12 -0500 boom", morning)
	f("2026-05-04 10:11:12 +00 boom", morning)

	f("29.04.2026 10:11:12 boom", "2026-04-29T10:11:12Z")
	f("04.05.2026 10:11:12,5 boom", "2026-05-04T10:11:12.5Z")
	f("04/29/2026 10:11:12 boom", "2026-04-29T10:11:12Z")
	f("29/04/2026 10:11:12 boom", "2026-04-29T10:11:12Z")
	f("01/02/2026 10:11:12 boom", record) // in January or in February
	f("05/05/26 10:11:12 boom", "2026-05-05T10:11:12Z")
	f("2026-05-04  7:11:12 5 [Note] x", "2026-05-04T07:11:12Z")
	f("260504  7:11:12 5 Connect", "2026-05-04T07:11:12Z")
	f("# Time: 260504  7:11:12\nselect 1;", "2026-05-04T07:11:12Z")
	f("[2026-05-04][10:11:12][cart][ERROR] boom", morning)
	f("2026/05/04 - 10:11:12 | boom", morning)
	f("shop: 2026/05/04 10:11:12.5 main.go:66: boom", "2026-05-04T10:11:12.5Z")
	f("[116] 2026/05/04 10:11:12 [INF] ready", morning)
	f("8:M 04 May 2026 10:11:12.345 * ready", "2026-05-04T10:11:12.345Z")
	f("EROR [05-04|10:11:12.345] boom", "2026-05-04T10:11:12.345Z")
	f("ERROR[2026-05-04T10:11:12Z] boom", morning)
	f("=ERROR REPORT==== 4-May-2026::10:11:12 ===\nboom", morning)
	f("1777889472: client gone", morning)
	f("1777889472345 ERROR boom", "2026-05-04T10:11:12.345Z")
	f("[1777889472] unbound[44:0] notice: init", morning)
	f("1777889472 bytes were written", "2026-05-04T10:11:12Z")
	f("4915112345678 called", record) // a number of a telephone
	f("  May  4 10:11:12.5 boom", "2026-05-04T10:11:12.5Z")
	f("Mon 2026-05-04 10:11:12 UTC boom", morning)
	f("backup of 2026-05-04 10:11:12 failed", record)
	f("file 2026-05-01 10:11:12 is old", record)
}

// A local time that occurs twice is the one nearest to the record's time.
func TestRepeatedHour(t *testing.T) {
	f := func(zone, local, recorded, want string) {
		t.Helper()
		cfg := Config{TimeZone: zone}
		if got := readOne(t, cfg, recorded, local+" boom", "time"); got != want {
			t.Errorf("%s %s: %s, want %s", zone, local, got, want)
		}
	}
	f("America/New_York", "2026-11-01 01:30:00", "2026-11-01T06:30:05Z", "2026-11-01T06:30:00Z")
	f("America/New_York", "2026-11-01 01:30:00", "2026-11-01T05:30:05Z", "2026-11-01T05:30:00Z")
	f("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30:05Z", "2026-10-25T00:30:00Z")
	f("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T01:30:05Z", "2026-10-25T01:30:00Z")
	f("Australia/Lord_Howe", "2026-04-05 01:45:00", "2026-04-04T15:15:05Z", "2026-04-04T15:15:00Z")
	f("Asia/Kolkata", "2026-05-04 15:41:12 IST", nextDay, "2026-05-04T10:11:12Z")
	f("Asia/Shanghai", "2026-05-04 18:11:12 CST", nextDay, "2026-05-04T10:11:12Z")
}

// The first word behind the clock of old syslog is the host, also when it begins with digits.
func TestHostOfDigits(t *testing.T) {
	for _, host := range []string{"2001:db8::1", "2010", "1998.example.org", "2026-web-1"} {
		got := readOne(t, Config{}, "2026-05-04T10:20:00Z", "<13>May  4 10:11:12 "+host+
			" app[1]: boom", "time", "host", "service", "message")
		if want := "2026-05-04T10:11:12Z " + host + " app boom"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A level is where the structure of a record says it is.
func TestLevels(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, text, "level"); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	// a word beats a number beside it
	f(`{"level":40,"levelname":"ERROR"}`, "ERROR")
	f(`{"level":0,"severity":"INFO"}`, "INFO")
	f(`{"Level":4,"LevelDisplayName":"Information"}`, "INFO")
	f(`{"SeverityNumber":0,"SeverityText":"ERROR","Body":"x"}`, "ERROR")
	f(`{"level":"\u001b[31merror\u001b[39m","msg":"m"}`, "ERROR")
	f(`{"level":"LogLevel.ERROR","msg":"m"}`, "ERROR")
	f(`{"lvl":"eror","msg":"m","t":"2026-05-04T10:11:12Z"}`, "ERROR")
	f(`{"level":"log","message":"m"}`, "INFO")
	f(`{"date":"2026-05-04T10:11:12Z","args":["boom"],"type":"warn","level":1,"tag":""}`, "WARN")
	f(`{"ts":1777889472345.6,"caller":"a.go:1","msg":"boom","err":"x"}`, "ERROR")
	f(`{"ts":1777889472345.6,"caller":"a.go:1","msg":"ok","v":0}`, "INFO")
	f(`{"@fields":{"levelname":"ERROR","levelno":40},"@message":"m"}`, "ERROR")
	f(`{"level":"ERROR2"}`, "ERROR")
	// the head of a line
	f("panic: runtime error", "FATAL")
	f("fatal error: all goroutines are asleep", "FATAL")
	f("warning: foo", "WARN")
	f("PHP Fatal error:  Uncaught X", "FATAL")
	f("PHP Parse error:  unexpected", "ERROR")
	f("2026.05.04 10:11:12.345678 [ 123 ] {} <Error> Application: boom", "ERROR")
	f("2026-05-04 10:11:12 [error    ] boom n=3", "ERROR")
	f("2026-05-04T10:11:12+0000 [shop.cart#critical] boom", "CRITICAL")
	f("2026-05-04T10:11:12.960Z zoneload: error: zone bad", "ERROR")
	f("May  4 10:11:12 startup\tinfo\tHello", "INFO")
	f("[cart] › ✖  error     boom", "ERROR")
	f("ERRO[0012] Failed  error=x", "ERROR")
	f("2026-05-04T10:11:12Z PNC boom", "FATAL")
	f("8:M 04 May 2026 10:11:12.345 # Error condition", "WARN")
	f("[2026-05-04 10:11:12,464: ERROR/MainProcess] Task raised", "ERROR")
	f("cart.ERROR: boom", "ERROR")
	f("2026-05-04 10:11:12 | error | cart | boom", "ERROR")
	f("2026-05-04 10:11:12 error boom", "ERROR")
	f("{'level': 'ERROR', 'message': 'boom'}", "ERROR")
	// words of the message are none
	f("2026-05-04 10:11:12 info: 0 lines with ERROR", "INFO")
	f("2026-05-04 10:11:12 [info] found ERROR", "INFO")
	f("an error: file not found", "UNKNOWN")
	f("Terror in the night", "UNKNOWN")
	f("GET /FATAL failed", "UNKNOWN")
	f("code=ERROR seen", "UNKNOWN")
	f(`said "FATAL" twice`, "UNKNOWN")
	// anyone who sends a request chooses its words
	f(`10.0.0.1 - - [04/May/2026:10:11:12 +0000] "GET /FATAL HTTP/1.1" 200 5 "-" "x"`, "UNKNOWN")
	f(`10.0.0.1 - EMERGENCY [04/May/2026:10:11:12 +0000] "GET / HTTP/1.1" 200 5 "-" "x"`, "UNKNOWN")
	f(`ERROR.example.org 10.0.0.1 - - [04/May/2026:10:11:12 +0000] "GET / HTTP/1.1" 200 5 "-" "x"`,
		"UNKNOWN")
	f(`{"log":"10.0.0.1 - - [04/May/2026:10:11:12 +0000] \"GET /ERROR HTTP/1.1\" 200 5 \"-\" `+
		`\"x\"\n"}`, "UNKNOWN")

	own := Config{Levels: map[string]string{"Sev1": "critical", "7": "error"}}
	if got := readOne(t, own, nextDay, `{"level":"Sev1"}`, "level") + " " + readOne(t, own, nextDay,
		`{"level":7}`, "level"); got != "CRITICAL ERROR" {
		t.Errorf("levels of one's own are %s", got)
	}
	if err := (Config{Levels: map[string]string{"x": "nope"}}).Validate(); err == nil {
		t.Error("an unknown level is accepted")
	}
}

// Lines in known formats are read in every wrapper.
func TestWrapped(t *testing.T) {
	const line = `203.0.113.9 - - [04/May/2026:10:11:12 +0000] "GET /pay HTTP/1.1" 502 157 "-" ` +
		`"curl/8"`
	quoted := strings.ReplaceAll(line, `"`, `\"`)
	for _, wrapped := range []string{
		line,
		`{"log":"` + quoted + `\n","stream":"stdout","kubernetes":{"pod_name":"p"}}`,
		`{"@timestamp":"2026-05-04T10:11:13Z","message":"` + quoted + `"}`,
		`2026-05-04T10:11:13.298Z stdout F ` + line,
		`<14>May  4 10:11:13 h nginx: ` + line,
		`<14>1 2026-05-04T10:11:13Z h nginx 1 - - ` + line,
		`2026-05-04T10:11:13+00:00 h nginx[1]: ` + line,
		`{"time":1777889473,"event":"` + quoted + `"}`,
		`{"streams":[{"stream":{"app":"x"},"values":[["1777889473000000000","` + quoted + `"]]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1777889473000000000",` +
			`"body":{"stringValue":"` + quoted + `"}}]}]}]}`,
		`{"schema":{"type":"string"},"payload":"` + quoted + `"}`,
		`["` + quoted + `",{}]`,
		`{"specversion":"1.0","type":"t","source":"/s","data":"` + quoted + `"}`,
	} {
		got := readOne(t, Config{}, nextDay, wrapped, "http.status", "path", "method", "source_ip",
			"level")
		if !strings.HasPrefix(got, "502 /pay GET 203.0.113.9") {
			t.Errorf("%s: %s", wrapped, got)
		}
	}
	f := func(text, path, want string) {
		t.Helper()
		if got := readOne(t, Config{Pattern: `^order (?P<order>\d+) (?P<message>.*)$`}, nextDay,
			text, path); got != want {
			t.Errorf("%s: %s is %s, want %s", text, path, got, want)
		}
	}
	f(`{"message":"CEF:0|Acme|Firewall|1.2|100|worm|10|src=10.0.0.1 dst=2.1.2.2"}`, "src",
		"10.0.0.1")
	f(`{"message":"type=SYSCALL msg=audit(1777889472.345:1): syscall=2 success=no"}`,
		"syscall", "2")
	f(`{"log":"time:04/May/2026:10:11:12 +0000\thost:10.0.0.1\tstatus:500\treq:GET /\n"}`,
		"status", "500")
	f(`{"log":"<11>May  4 10:11:12 h pay[1]: card refused"}`, "service", "pay")
	f(`{"log":"order 17 is late"}`, "order", "17")
	f(`order 17 is late`, "order", "17")
	f(`<14>May  4 10:11:12 web-2 shop: @cee:{"msg":"failed","level":"error","orderId":77}`,
		"orderId", "77")
	f(`@cee: {"msg":"failed","orderId":77}`, "message", "failed")
}

// The dialects of access logs give the same fields.
func TestAccess(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		got := readOne(t, Config{}, "2026-05-04T10:12:12Z", line, "http.status", "method", "path",
			"source_ip", "duration_ms")
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	f(`203.0.113.9 - ann smith [04/May/2026:10:11:12 +0000] "GET / HTTP/1.1" 401 5 "-" "x"`,
		"401 GET / 203.0.113.9")
	f(`203.0.113.9 - a b c [04/May/2026:10:11:12 +0000] "GET / HTTP/1.1" 401 5`,
		"401 GET / 203.0.113.9")
	f(`203.0.113.9 - [x] [04/May/2026:10:11:12 +0000] "GET / HTTP/1.1" 401 5`,
		"401 GET / 203.0.113.9")
	f(`203.0.113.9 - x [04/May/2026:10:11:12 +0000]  [04/May/2026:10:11:12 +0000] "GET / `+
		`HTTP/1.1" 401 5`, "401 GET / 203.0.113.9")
	f(`2001:db8::9 - ann smith [04/May/2026:10:11:12 +0000] "GET / HTTP/1.1" 401 5 "-" "x"`,
		"401 GET / 2001:db8::9")
	f(`shop.example:80 203.0.113.9 - - [04/May/2026:10:11:12 +0000] "GET / HTTP/1.1" 200 5 "-" "x"`,
		"200 GET / 203.0.113.9")
	f(`203.0.113.9 - ann [2026-05-04T10:11:12+00:00] "GET /pay HTTP/1.1" 502 157 0.004 0.003`,
		"502 GET /pay 203.0.113.9 4")
	f(`10.244.0.1 - - [04/May/2026:10:11:12 +0000] "GET /pay HTTP/1.1" 502 157 "-" "curl/8" 335 `+
		`0.026 [shop-web-80] [] 10.0.0.5:8181 67 0.027 502 0fb1`, "502 GET /pay 10.244.0.1 26")
	f(`10.0.0.1 - - [04/May/2026:10:11:12 +0000] "GET /pay HTTP/1.1" 502 157 "-" "curl/8" 12 `+
		`"router@docker" "http://10.0.0.2:80" 3ms`, "502 GET /pay 10.0.0.1 3")
	f(`[2026-05-04T10:11:12.345Z] "GET /pay HTTP/1.1" 503 UF,URX 0 91 1 - "-" "curl" "r-1" "pay" `+
		`"10.0.0.1:80"`, "503 GET /pay  1")
	f(`10.0.1.2:33313 [04/May/2026:10:11:12.655] http-in static/srv1 10/0/30/69/109 503 2750 - - `+
		`SC-- 1/1/1/1/0 0/0 "GET /x HTTP/1.1"`, "503 GET /x 10.0.1.2 109")
	f(`[GIN] 2026/05/04 - 10:11:12 | 502 | 19.769µs |       192.0.2.1 | GET      "/pay?q=1"`,
		"502 GET /pay?q=1 192.0.2.1 0.019769")
	f(`10:11:12 | 502 |       6.119µs | 192.0.2.1 | GET | /pay | boom`,
		"502 GET /pay 192.0.2.1 0.006119")
	f(`INFO:     127.0.0.1:46882 - "GET /pay?q=1 HTTP/1.1" 502 Bad Gateway`,
		"502 GET /pay?q=1 127.0.0.1")
	f(`[04/May/2026 10:11:12] "GET /pay HTTP/1.1" 502 1`, "502 GET /pay")
	f(`[2026-05-04 10:11:12 +0000] 127.0.0.1 - "GET /pay HTTP/1.1" 502 6.971`,
		"502 GET /pay 127.0.0.1 6.971")
	f(`[2026-05-04 10:11:12 +0000] [2454] [INFO] 127.0.0.1:55262 - - [04/May/2026:10:11:12 `+
		`+0000] "GET /pay 1.1" 502 - "-" "curl/8"`, "502 GET /pay 127.0.0.1")
	f("1777889472.382      2 127.0.0.1 TCP_DENIED/403 3371 GET http://shop.example/ - "+
		"HIER_NONE/- text/html", "403 GET http://shop.example/ 127.0.0.1 2")
	f("GET /pay?q=1 502 41.504 ms - 4", "502 GET /pay?q=1  41.504")
	f(`{"level":"info","logger":"http.log.access","msg":"handled request",`+
		`"request":{"client_ip":"127.0.0.1","method":"GET","uri":"/pay"},"duration":0.25,`+
		`"status":502}`, "502 GET /pay 127.0.0.1 250")
}

// The class and the stack of an exception are found wherever loggers keep them.
func TestExceptions(t *testing.T) {
	f := func(doc, class, stack string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, doc, "exception.class"); got != class {
			t.Errorf("%s: the class is %q, want %q", doc, got, class)
		}
		if got := readOne(t, Config{}, nextDay, doc, "stack"); !strings.Contains(got, stack) {
			t.Errorf("%s: the stack %q lacks %q", doc, got, stack)
		}
	}
	f(`{"err":{"message":"boom","name":"TypeError","stack":"TypeError: boom\n    at a.js:1"}}`,
		"TypeError", "at a.js:1")
	f(`{"msg":"m","exc_info":["Traceback (most recent call last):","  File \"a.py\", line 6",`+
		`"ValueError: boom"]}`, "ValueError", "  File \"a.py\", line 6\nValueError: boom")
	f(`{"event":"m","exception":[{"exc_type":"ValueError","exc_value":"boom",`+
		`"frames":[{"filename":"a.py","lineno":17,"name":"f"}]}]}`, "ValueError",
		"ValueError: boom\n\tat f(a.py:17)")
	f(`{"exception":"Traceback\n  x\nValueError: boom","exception_name":"ValueError",`+
		`"stack_trace":{"type":"ValueError","value":"boom"}}`, "ValueError", "Traceback")
	f(`{"reason":"boom","traceback":"Traceback (most recent call last):\n  a\nValueError: `+
		`boom\n","exception":"builtins.ValueError"}`, "builtins.ValueError", "Traceback")
	f(`{"message":"m","context":{"exception":{"class":"RuntimeException","message":"boom",`+
		`"file":"/a.php:7"}}}`, "RuntimeException", "file: /a.php:7")
	f(`{"exception":{"exceptionType":"java.lang.IllegalStateException","message":"boom",`+
		`"frames":[{"class":"M","method":"pay","line":3}],`+
		`"causedBy":{"exception":{"exceptionType":"java.io.IOException","message":"deep"}}}}`,
		"java.lang.IllegalStateException", "Caused by: ")
	f(`{"error":{"name":"Error","message":"boom","stack":[{"fileName":"a.js","fileLine":"1",`+
		`"method":"f"}]}}`, "Error", "at f(a.js:1)")
	f(`{"throwable_class":"IllegalStateException",`+
		`"stack_trace":"java.lang.IllegalStateException: boom\n\tat M"}`, "IllegalStateException",
		"at M")
	f(`{"version":"1.1","short_message":"boom","full_message":"java.lang.IllegalStateException: `+
		`boom\n\tat M.pay(M.java:3)"}`, "java.lang.IllegalStateException", "M.pay")
	f(`{"stack_trace":"System.InvalidOperationException: boom\n   at Shop.Pay()"}`,
		"System.InvalidOperationException", "Shop.Pay")
	f(`{"stack":"something else\nentirely"}`, "", "entirely")
}

// A path leads through arrays of objects, to any member or to one by its index.
func TestArraysOfObjects(t *testing.T) {
	const doc = `{"resources":[{"type":"T1","a":{"b":1}},{"type":"T2"}],` +
		`"items":{"list":[{"ip":[{"cidr":"0.0.0.0/0"}]}]},"n":[7,8],"tags":[["x","y"]]}`
	f := func(path, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, doc, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	f("resources.type", `["T1","T2"]`)
	f("resources[1].type", `["T2"]`)
	f("resources.a.b", `[1]`)
	f("items.list.ip.cidr", `["0.0.0.0/0"]`)
	f("items.list[0].ip[0].cidr", `["0.0.0.0/0"]`)
	f("n[1]", `[8]`)
	f("resources[9].type", "")
	f("resources.none", "")
}

// What a line says does not replace what its envelope says of service, host and labels.
func TestEnvelopeWins(t *testing.T) {
	f := func(doc, path, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, doc, path); got != want {
			t.Errorf("%s: %s is %s, want %s", doc, path, got, want)
		}
	}
	const own = `{\"service\":\"evil\",\"host\":\"evil\",\"namespace\":\"evil\",\"app\":\"evil\",` +
		`\"kubernetes\":{\"labels\":{\"app\":\"evil\"}},\"msg\":\"m\"}`
	shipped := `{"service":"pay","host":"h","namespace":"prod","message":"` + own + `"}`
	f(shipped, "service", "pay")
	f(shipped, "host", "h")
	f(shipped, "namespace", "prod")
	f(shipped, "line.service", "evil")
	f(shipped, "stream.service", "pay")
	f(shipped, "message", "m")
	labeled := `{"kubernetes":{"labels":{"app":"pay"}},"log":"` + own + `"}`
	f(labeled, "service", "evil") // the labels only suggest one
	f(labeled, "kubernetes.labels.app", "pay")
	loki :=
		`{"streams":[{"stream":{"app":"pay","service":"pay"},"values":[["1777889473000000000","` +
			own + `"]]}]}`
	f(loki, "app", "pay")
	f(loki, "stream.app", "pay")
	f(loki, "line.app", "evil")
	f(loki, "service", "pay")
	f(loki, "line", strings.ReplaceAll(own, `\"`, `"`))
	// the envelope names none
	f(`{"kubernetes":{"container_name":"c"},"log":"`+own+`"}`, "service", "evil")
	f(`plain text`, "line", "plain text")
	f(`<34>May  4 10:11:12 web-1 pay[1]: {"service":"evil","msg":"m"}`, "service", "pay")
}

// Lines of syslog files in RFC 3339 form have a host and a service, and a text without tag has
// none.
func TestSyslogFiles(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, line, "time", "host", "service", "procid",
			"message"); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	const at = "2026-05-04T10:11:12Z"
	f(`2026-05-04T10:11:12+00:00 web-1 payment[4711]: card refused: "acme"`,
		at+` web-1 payment 4711 card refused: "acme"`)
	f("2026-05-04T10:11:12Z db-1 postgres[991] slow query", at+" db-1 postgres 991 slow query")
	f("2026-05-04T12:11:12+0200 web-1 sudo: failed", at+" web-1 sudo  failed")
	f("Mon 2026-05-04 10:11:12 UTC web-1 su[1]: failed", at+" web-1 su 1 failed")
	f("2026-05-04T10:11:12+00:00 localhost no tag at all",
		at+"    2026-05-04T10:11:12+00:00 localhost no tag at all")
	f("2026-05-04T10:11:12Z ERROR cart: boom", at+"    2026-05-04T10:11:12Z ERROR cart: boom")
	f("May  4 10:11:12 imap-login: Info: aborted", at+"  imap-login  Info: aborted")
	f("<1>2026-05-04T10:11:12Z Server be/s1 is DOWN, reason: x",
		at+"    Server be/s1 is DOWN, reason: x")
	f("<11>May  4 10:11:12 web-1 payment[4711] card refused", at+" web-1 payment 4711 card refused")
}

// What shippers write by default is read.
func TestShippers(t *testing.T) {
	f := func(doc, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, doc, "time", "level", "service", "host",
			"message"); got != want {
			t.Errorf("%s:\n%s, want\n%s", doc, got, want)
		}
	}
	const at = "2026-05-04T10:11:12Z"
	f(`{"specversion":"1.0","id":"1","type":"t","source":"/s","time":"2026-05-04T10:11:12Z",`+
		`"data":{"level":"error","message":"refused"}}`, at+" ERROR   refused")
	f(`{"specversion":"1.0","id":"1","type":"t","source":"/s","time":"2026-05-04T10:11:12Z",`+
		`"data":"plain ERROR text"}`, at+" ERROR   plain ERROR text")
	f(`{"specversion":"1.0","id":"1","type":"t","source":"/s","time":"2026-05-04T10:11:12Z",`+
		`"data_base64":"eyJsZXZlbCI6ImVycm9yIiwibXNnIjoieCJ9"}`, at+" ERROR   x")
	f(`{"fields":{"message":"refused","severity_code":3},"name":"syslog","tags":{"appname":"pay",`+
		`"hostname":"web-1","severity":"err","host":"node-7"},"timestamp":1777889472}`,
		at+" ERROR pay web-1 refused")
	f("syslog,appname=pay,hostname=web-1,severity=err,host=node-7 "+
		"severity_code=3i,message=\"card refused\" 1777889472000000000\n",
		at+" ERROR pay web-1 card refused")
	f(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"observedTimeUnixNano":`+
		`"1777889999000000000","body":{"stringValue":"2026-05-04T10:11:12Z ERROR boom"}}]}]}]}`,
		at+" ERROR   2026-05-04T10:11:12Z ERROR boom")
	f(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"observedTimeUnixNano":`+
		`"1777889472000000000","body":{"stringValue":"boom"}}]}]}]}`, at+" UNKNOWN   boom")
	f(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1777889472000000000",`+
		`"body":{"stringValue":"<11>May 4 raw"},"attributes":[{"key":"appname",`+
		`"value":{"stringValue":"pay"}},{"key":"message","value":{"stringValue":"refused"}}]}]}]}]}`, at+" ERROR pay  refused")
	f(`{"PROGRAM":"pay","PRIORITY":"err","MESSAGE":"x","ISODATE":"2026-05-04T10:11:12+00:00",`+
		`"HOST":"web-1"}`, at+" ERROR pay web-1 x")
	f(`{"timereported":"2026-05-04T10:11:12+00:00","hostname":"h","syslogtag":"sshd[1]:",`+
		`"programname":"sshd","msg":" failed","syslogseverity":"6"}`, at+" INFO sshd h failed")
	f(`HOST=web-1 PROGRAM=pay PRIORITY=err MESSAGE="card refused"`,
		"record 2026-05-05T10:11:12Z ERROR pay web-1 card refused")
	f(`{"version":"1.1","host":"web-1","short_message":"x","level":3,"_program":"pay",`+
		`"timestamp":1777889472}`, at+" ERROR pay web-1 x")
	f(`["app.log",1777889472,{"message":"boom","level":"error"}]`, at+" ERROR   boom")
	f("Obj\x01\x02\x16avro.schema", "schema")
	f("\xc3\x01\x01\x02\x03\x04\x05\x06\x07\x08rest", "schema")
	f("\x82\xaa@timestamp\xcb\x41\xd9\x00\x00\x00\x00\x00\x00\xa3log\xd9\x43127.0.0.1 - - "+
		"[04/May/2026:10:11:12 +0000] \"GET / HTTP/1.1\" 200 5", "binary")
}

// Web servers write JSON from a template, in which values that are meant as numbers have no quotes.
// See findings/nginx-json-misses-values.sh.
func TestJSONFromTemplate(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got := readOne(t, Config{}, nextDay, text, "status", "agent", "up")
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	f(`{"status":502,"agent":"a","up":0.000, 0.000}`, "502 a 0.000, 0.000")
	f(`{"status":200,"agent":"a \x22b\x22","up":}`, `200 a "b" null`)
	f(`{"log":"{\"status\":502,\"agent\":\"a\",\"up\":-}\n","stream":"stdout"}`, "502 a null")
	f(`2026-05-04T10:11:12Z stdout F {"status":502,"agent":"a","up":0.1, 0.2}`, "502 a 0.1, 0.2")
	strict := Config{Format: "json"}
	if got := readOne(t, strict, nextDay, `{"status":502,"up":-}`, "status"); got != "invalid_json" {
		t.Errorf("a topic of JSON: %s", got)
	}
}

// What a field of one's own is called does not replace GELF's message, and Spring Boot writes the
// application's name for the host. See findings/spring-boot-gelf-host-is-the-application.sh.
func TestGELFOfSpringBoot(t *testing.T) {
	const log = `{"version":"1.1","short_message":"failed 7","timestamp":1777889480.5,"level":3,` +
		`"_level_name":"ERROR","_process_pid":7,"_process_thread_name":"main","host":"shop",` +
		`"_log_logger":"shop.Pay","_message":"mine","_order":7}`
	got := readOne(t, Config{}, nextDay, log, "service", "level", "message", "order")
	if got != "shop ERROR failed 7 7" {
		t.Error(got)
	}
	const other = `{"version":"1.1","short_message":"failed 7","host":"web-1","level":3}`
	if got := readOne(t, Config{}, nextDay, other, "service", "host"); got != "web-1" {
		t.Error(got)
	}
	// the place of the service is not learned from a log in which it is empty
	empty := strings.Replace(log, `"shop"`, `""`, 1)
	for _, sample := range [][2]string{
		{empty, log},
		{`{"ident":"","pid":7,"message":"m"}`, `{"ident":"shop","pid":7,"message":"m"}`},
	} {
		d, err := New(Config{}, NewFields())
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"", "shop"} {
			d.Decode(&models.Record{Value: []byte(sample[i])}, func(l *Log) {
				if got := string(l.Value(FieldService).Text); got != want {
					t.Errorf("%s: the service is %q", sample[i], got)
				}
			}, nil)
		}
	}
}

// A logger that fails within a record leaves it open, and writes the next one behind it. See
// findings/spring-boot-breaks-off-records.sh.
func TestRecordsLeftOpen(t *testing.T) {
	const records = `{"message":"failed 7","level":"ERROR","level_value":40000,` +
		`{"message":"next","level":"WARN",{"message":"last","level":"INFO"}`
	got := readOne(t, Config{}, nextDay, records, "level", "message")
	const want = "ERROR failed 7 WARN next INFO last"
	if got != want {
		t.Error(got)
	}
	for _, wrapped := range []string{
		fmt.Sprintf(`{"log":%q,"time":"2026-05-04T10:11:12Z"}`, records+"\n"),
		fmt.Sprintf(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":%q},`+
			`"timeUnixNano":"1777889472382000000"}]}]}]}`, " "+records),
		"2026-05-04T10:11:12Z stdout F " + records,
	} {
		if got := readOne(t, Config{}, nextDay, wrapped, "level", "message"); got != want {
			t.Errorf("%s: %s", wrapped, got)
		}
		got := readOne(t, Config{}, nextDay, wrapped, "time")
		if n := strings.Count(got, "2026-05-04T10:11:12"); n != 3 {
			t.Errorf("%s: %s", wrapped, got)
		}
	}
	many := strings.Repeat(`{"a":1,`, 1000) + `"b":1}`
	got = readOne(
		t,
		Config{},
		nextDay,
		fmt.Sprintf(`{"message":%q,"level":"ERROR"}`, many),
		"level",
	)
	if n := strings.Count(got, "ERROR"); n != maxSplits+1 {
		t.Errorf("%d logs of one message", n)
	}
}

// A repair is counted once for a log, and does not depend on which fields are requested.
func TestRepairs(t *testing.T) {
	f := func(value, want string, repairs uint64) {
		t.Helper()
		for _, paths := range [][]string{{"level"}, {"level", "x.y"}, {"level", "x"}, {"level", "x.y.z"}} {
			d, err := New(Config{}, NewFields(paths...))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			d.Decode(&models.Record{Value: []byte(value)}, func(l *Log) {
				got += string(l.Value(FieldLevel).Text) + " "
				l.Entry()
			}, nil)
			if n := d.TakeNotices()[NoticeRepaired]; n != repairs ||
				strings.TrimSpace(got) != want {
				t.Errorf("%v of %s: %q with %d repairs", paths, value, got, n)
			}
		}
	}
	f(`{"level":"ERROR","bytes":-,"agent":"cur`, "ERROR", 1)
	f(`{"level":"ERROR","x":{"y":-,"z":"cu`, "ERROR", 1)
	f(`{"level":"ERROR","x":{"y":1,{"level":"WARN"}`, "ERROR WARN", 1)
	f(`{"level":"ERROR","x":{"y":{"z":1,{"level":"WARN","x":{"y":2}}`, "ERROR WARN", 1)
	f(`{"level":"ERROR","x":{"y":[1,`, "ERROR", 1)
	f(`{"log":"{\"level\":\"ERROR\",\"x\":{\"y\":-}"}`, "ERROR", 1)
	f(`{"log":"{\"level\":\"ERROR\",\"x\":{\"y\":-","n":-}`, "ERROR", 1)
	f(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":`+
		`"{\"level\":\"ERROR\",\"n\":-}"},"attributes":[{"key":"x","value":{"kvlistValue":`+
		`{"values":[]}}}]}]}]}]}`, "ERROR", 1)
}

// The columns of an access log have a blank between each, and a status that begins with zeros is a
// number.
func TestColumnsOfAccessLogs(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, line, "status", "path"); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	const start, end = "2026-05-04T10:11:12.382123Z lb 203.0.113.9:5000 10.0.0.1:80 0.1 ",
		` 0 29 "GET http://shop.example:80/pay HTTP/1.1" "curl/8" - -`
	f(start+"0.2 0.3 502 502"+end, "502 /pay")
	f(start+"0.2 0.3 000 000"+end, "0 /pay")
	f(start+" 0.3 502 502"+end, "")
	f(start+"0.2  502 502"+end, "")
	f("2026-05-04\t10:11:12\tFRA1\t29\t203.0.113.9\tGET\td1.example\t/pay\t000\t-\tcurl\t-\t-\t"+
		"Error\tid\td1.example\thttps\t9\t0.001\t-", "0 /pay")
	f("[pid: 12|app: 0|req: 1/1] 192.0.2.1 () {30 vars in 400 bytes} [Mon May  4 10:11:12 2026] "+
		"GET /pay => generated 5 bytes in 3 msecs (HTTP/1.1 000) 2 headers in 70 bytes", "0 /pay")
	f("1777889472.382 2 127.0.0.1 NONE/000 0 GET http://a.example/ - HIER_NONE/- -",
		"0 http://a.example/")
}

// A line that is its own message is read once.
func TestWholeLineIsReadOnce(t *testing.T) {
	const event = `<Event><System><EventID>7</EventID></System><EventData><Data Name='a'>b</Data>` +
		`</EventData>%s</Event>`
	f := func(line, want string, layers int) {
		t.Helper()
		for _, value := range []string{line, fmt.Sprintf(`{"message":%q}`, line)} {
			d, err := New(Config{}, NewFields("order"))
			if err != nil {
				t.Fatal(err)
			}
			d.Decode(&models.Record{Value: []byte(value)}, func(l *Log) {
				n := len(l.over)
				if value != line {
					n--
				}
				if got := string(l.Lookup("order").Text); n != layers || got != want {
					t.Errorf("%s: order is %q in %d layers", value, got, n)
				}
			}, nil)
		}
	}
	f(fmt.Sprintf(event, ""), "", 0)
	f(fmt.Sprintf(event, `<RenderingInfo><Message>{&quot;order&quot;:1}</Message></RenderingInfo>`),
		"1", 1)
	f(`203.0.113.9 - - [04/May/2026:10:11:12 +0000] "GET /pay HTTP/1.1" 502 157`, "", 0)
}

// OTLP is read after records of so many keys that no more are remembered.
func TestExportAfterManyKeys(t *testing.T) {
	many := []byte(`{"message":"m"`)
	for i := range 1000 {
		many = fmt.Appendf(many, `,"key%d":%d`, i, i)
	}
	d, err := New(Config{}, NewFields())
	if err != nil {
		t.Fatal(err)
	}
	d.Decode(&models.Record{Value: append(many, '}')}, func(*Log) {}, nil)
	export := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"ERROR",` +
		`"timeUnixNano":"1777889472382000000","body":{"stringValue":"failed"}}]}]}]}`
	d.Decode(&models.Record{Value: []byte(export)}, func(l *Log) {
		message, level := string(l.Value(FieldMessage).Text), string(l.Value(FieldLevel).Text)
		if message != "failed" || level != "ERROR" || l.Time() != 1777889472382000000 {
			t.Errorf("message %q, level %q, time %d", message, level, l.Time())
		}
	}, nil)
}

// An export whose members are refused is not empty.
func TestRefusedMembersOfExports(t *testing.T) {
	f := func(export, want string) {
		t.Helper()
		got := readOne(t, Config{}, nextDay, `{"resourceLogs":[`+export+`]}`, "message")
		if got != want {
			t.Errorf("%s: %q, want %q", export, got, want)
		}
	}
	f(``, "empty_batch")
	f(`{"scopeLogs":[]}`, "empty_batch")
	f(`7`, "invalid_member")
	f(`{"scopeLogs":[7]}`, "invalid_member")
	f(`{"scopeLogs":[{"logRecords":[7]}]}`, "invalid_member")
	f(`{"scopeLogs":[{"logRecords":[tru]}]}`, "invalid_member")
	f(
		`{"scopeLogs":[{"logRecords":[{"body" 7}, {"body":{"stringValue":"m"}}]}]}`,
		"invalid_member m",
	)
}

// Data behind the header of a line do not replace what the header says, and have a name of their
// own.
func TestHeaderWins(t *testing.T) {
	f := func(line, want string, paths ...string) {
		t.Helper()
		paths = append([]string{"time", "level", "host", "message"}, paths...)
		if got := readOne(t, Config{}, nextDay, line, paths...); got != want {
			t.Errorf("%s:\n%s, want\n%s", line, got, want)
		}
	}
	const at = "2026-05-04T10:11:12Z"
	const windows = `<Event><System><Level>2</Level><TimeCreated SystemTime="2026-05-04T10:11:12Z"/>` +
		`<EventID>7045</EventID><Execution ProcessID="4" ThreadID="8"/><Computer>dc-1</Computer></System>` +
		`<EventData><Data Name="Computer">evil</Data><Data Name="level">info</Data>` +
		`<Data Name="_severity">info</Data><Data Name="EventID">1</Data><Data Name="ProcessId">7</Data>` +
		`<Data Name="ServiceName">pay</Data><Data Name="timestamp">2026-05-04T09:00:00Z</Data>` +
		`<Data Name="hostname">evil</Data><Data Name="short_message">evil</Data></EventData>` +
		`<UserData><System><Computer>evil</Computer></System><Level>4</Level></UserData>` +
		`<RenderingInfo><Message>m</Message></RenderingInfo></Event>`
	f(windows, at+" ERROR dc-1 m 7045 1 7 pay info 4", "EventID", "data.EventID", "ProcessId",
		"ServiceName", "data.level", "data.Level")
	f(`<163>1 2026-05-04T10:11:12Z h app 1 - [host name="evil"][level name="info"][a@1 level="x"]`+
		`[message x="y"] m`, at+" ERROR h m evil info x", "data.host.name", "data.level.name",
		"a@1.level")
	f(
		`E0504 10:11:12.000000 1 a.go:1] "m" level="info" timestamp="2026-05-04T09:00:00Z"`+
			` status=7`,
		at+" ERROR  m info 7",
		"data.level",
		"status",
	)
}

// A word in brackets before a colon is a level at the head of a line only, and a word before a list
// is no host.
func TestWordsOfTheText(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, line, "level", "host"); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	f("2026-05-04 10:11:12 +0000 Puppet (err): could not", "ERROR")
	f("2026-05-04 10:11:12 retry of the payment (error): timeout", "UNKNOWN")
	f("<14>May  4 10:11:12 retrying a,b failed", "INFO")
	f("<14>May  4 10:11:12 router system,error,critical login failure", "INFO router")
	f("<14>May  4 10:11:12 pa-1 1,2026/05/04 10:11:12,001,TRAFFIC", "INFO pa-1")
}

// Zones in parentheses, apart from UTC, or in digits alone, and dates in words.
func TestZonesApart(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, text, "time"); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	const morning = "2026-05-04T10:11:12Z"
	f("May 4, 2026 at 10:11:12 AM boom", morning)
	f("2026-05-04 07:11:12 UTC -03:00 boom", morning)
	f("2026-05-04 07:11:12 (UTC-03:00) boom", morning)
	f("2026-05-04 12:11:12 (CEST) boom", morning)
	f("2026-05-04 10:11:12 (HTTP) boom", morning)
	f("2026-05-04 18:11:12 [Asia/Shanghai] boom", morning)
	f("2026-05-04 07:11:12 \u221203:00 boom", morning)
	f("2026-05-04 07:11:12.000 -03 [7] LOG:  boom", morning)
	f("2026-05-04 10:11:12 +05 delta", morning)
	f("2026-05-04 17:11:12 WIB [7] LOG:  boom", morning)
	f("2026-05-04 17:11:12 WIB boom", morning)
	f("2026-05-05 10:11:12 CAT failed", "2026-05-05T10:11:12Z")
	f(`{"time":"Mon May 04 2026 07:11:12 GMT-0300 (-03)","msg":"m"}`, morning)
}

// Levels of enums and in quotes, in pairs within a text, between dashes, and of Heroku's router.
func TestLevelsWithin(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := readOne(t, Config{}, nextDay, text, "level"); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	f(`{"level":"LogLevel::Error","msg":"m"}`, "ERROR")
	f(`{"level":"(warning)","msg":"m"}`, "WARN")
	f(`{"level":"'error'","msg":"m"}`, "ERROR")
	f(`[app] level=error msg=m`, "ERROR")
	f(`prefix: time=now lvl="warn" m`, "WARN")
	f(`level=error`, "ERROR")
	f(`level=error;msg=m;n=1`, "ERROR")
	f(`app_1  | {"level":"error","msg":"m"}`, "ERROR")
	f(`INFO set level=error`, "INFO")
	f(`GET /?level=error failed`, "UNKNOWN")
	f(`user=ERROR failed`, "UNKNOWN")
	f(`sublevel=error failed`, "UNKNOWN")
	f(`starting with log_level=error set`, "UNKNOWN")
	f(`Started job with severity=critical flag`, "UNKNOWN")
	f(`config: retries=3 log_level=debug db=x`, "UNKNOWN")
	f(`I am {"a": "x"} and level: error`, "UNKNOWN")
	f("2026-05-04 10:11:12,345 - app - error - boom", "ERROR")
	f("error - boom", "ERROR")
	f("error[E0382]: borrow of moved value", "ERROR")
	f("{error", "UNKNOWN")
	f(`at=error code=H12 desc="Request timeout" method=GET path="/" status=503`, "ERROR")
	f(`{"at":3,"level":"warn","msg":"m"}`, "WARN")
	f(`{"at":3,"msg":"m"}`, "UNKNOWN")
}

// An empty user in quotes, and a list of addresses, hide neither the client nor the status.
func TestClients(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		got := readOne(t, Config{}, nextDay, line, "source_ip", "status", "user")
		if got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	const end = ` [04/May/2026:10:11:12 +0000] "GET / HTTP/1.1" 401 5 "-" "x"`
	f(`203.0.113.9 - ""`+end, "203.0.113.9 401")
	f(`203.0.113.9 - "ann smith"`+end, "203.0.113.9 401 ann smith")
	f(`203.0.113.9, 10.0.0.1, 10.0.0.2 - ann`+end, "203.0.113.9 401 ann")
	const wrapped = `{"log":%q}`
	f(
		fmt.Sprintf(
			wrapped,
			`http 2026-05-04T10:11:12.382123Z app/lb/1 203.0.113.9:5000 10.0.0.1:80 0.1 `+
				`0.2 0.3 502 502 0 29 "GET http://shop.example:80/pay HTTP/1.1" "curl/8" - -`,
		),
		"203.0.113.9 502",
	)
	f(
		fmt.Sprintf(
			wrapped,
			"05/04-10:11:12.382123  [**] [1:2010935:3] ET SCAN x [**] [Priority: 2] "+
				"{TCP} 203.0.113.9:44 -> 10.0.0.1:14",
		),
		"203.0.113.9",
	)
	f(
		fmt.Sprintf(
			wrapped,
			"2026-05-04\t10:11:12\tFRA1\t29\t203.0.113.9\tGET\td1.example\t/pay\t503\t"+
				"-\tcurl\t-\t-\tError\tid\td1.example\thttps\t9\t0.001\t-",
		),
		"203.0.113.9 503",
	)
}

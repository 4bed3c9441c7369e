package suggest

import "time"

// measure is what a kind of rule compares with its threshold.
type measure int

const (
	seen     measure = iota // any match fires
	counted                 // matches of a group in a window
	share                   // of the matches of a group, those that also match part, in percent
	slowest                 // the 95th percentile of a field, in milliseconds
	silent                  // a group that logged before logs nothing for a window
	newValue                // a value of a field that was never seen before
)

// kind is a rule of the library, without its threshold.
type kind struct {
	alert    string
	why      string // what it is for, as a comment in the rule file
	measure  measure
	match    string
	part     string   // of share: the matches that are counted against all
	field    string   // of slowest and newValue
	by       []string // labels; a rule is grouped by the first that most matches have
	window   time.Duration
	least    int  // the threshold is never lower
	rare     bool // is proposed although nothing matched: it is worth a page whenever it happens
	severity string
	summary  string // for one group, by the label's placeholder
	log      log    // a log that matches, for the test
}

// log are the fields of a log in a test script.
type log map[string]any

// library is what is proposed, in the order of the rule file.
var library = []kind{
	{
		alert:    "ServiceErrors",
		measure:  counted,
		match:    "level>=ERROR",
		by:       byService,
		least:    5,
		why:      "More errors than usual.",
		severity: "warning",
		summary:  "{{ .Value }} errors in {{ .Window }}",
		log:      log{"level": "ERROR", "message": "request failed"},
	},
	{
		alert:    "ErrorShare",
		measure:  share,
		match:    "level:*",
		part:     "level>=ERROR",
		by:       byService,
		why:      "A large share of the logs are errors.",
		severity: "critical",
		summary:  "{{ .Value | humanizePercentage }} of the logs are errors",
		log:      log{"message": "request handled"},
	},
	{
		alert:    "FatalLog",
		measure:  seen,
		match:    "level>=CRITICAL",
		by:       byService,
		rare:     true,
		why:      "A program reports that it cannot go on.",
		severity: "critical",
		summary:  "{{ .Last.Message }}",
		log:      log{"level": "FATAL", "message": "cannot go on"},
	},
	{
		alert:    "NewException",
		measure:  newValue,
		match:    "exception.class:*",
		field:    "exception.class",
		by:       byService,
		window:   time.Hour,
		why:      "An exception that was never seen before, often after a deployment.",
		severity: "warning",
		summary:  "new exception: {{ .Last.Message }}",
		log:      log{"level": "ERROR", "message": "request failed"},
	},
	{
		alert:    "ServiceSilent",
		measure:  silent,
		by:       byServiceOnly,
		why:      "A service that always logs logs nothing.",
		severity: "critical",
		summary:  "no logs for {{ .Window }}",
		log:      log{"level": "INFO", "message": "request handled"},
	},
	{
		alert:    "HostSilent",
		measure:  silent,
		by:       []string{"host"},
		why:      "A host that always logs logs nothing: it is down, or its log shipper is.",
		severity: "critical",
		summary:  "no logs for {{ .Window }}",
		log:      log{"level": "INFO", "message": "request handled"},
	},
	{
		alert:    "SlowRequests",
		measure:  slowest,
		match:    "duration_ms>0",
		field:    "duration_ms",
		by:       byService,
		why:      "Requests take longer than usual.",
		severity: "warning",
		summary:  "5% of the requests take longer than {{ .Value }} ms",
		log:      log{"level": "INFO", "message": "request handled"},
	},
	{
		alert:    "ServerErrors",
		measure:  share,
		match:    "http.status:*",
		part:     "http.status>=500",
		by:       byService,
		why:      "A large share of the requests fail.",
		severity: "critical",
		summary:  "{{ .Value | humanizePercentage }} of the requests fail",
		log:      log{"message": "GET /"},
	},
	{
		alert:   "FailedLogins",
		measure: counted,
		by:      []string{"source_ip", "host", "service"},
		match: `"failed password" or "invalid user" or "authentication failure" or "login ` +
			`failed" or ` +
			`"invalid credentials" or "bad credentials" or event:login_failed`,
		why:      "Passwords are guessed.",
		least:    10,
		severity: "warning",
		summary:  "{{ .Value }} failed logins in {{ .Window }}",
		log:      log{"message": "Failed password for invalid user admin"},
	},
	{
		alert:   "AccessDenied",
		measure: counted,
		by:      byService,
		least:   10,
		match: `"access denied" or "permission denied" or "unauthorized access" or ` +
			`http.status:403`,
		why:      "Many requests are refused: a probe, or a missing right.",
		severity: "warning",
		summary:  "{{ .Value }} refusals in {{ .Window }}",
		log:      log{"level": "WARN", "message": "access denied"},
	},
	{
		alert:    "DiskFull",
		measure:  seen,
		by:       []string{"host", "service"},
		rare:     true,
		match:    `"no space left on device" or "disk quota exceeded" or "disk full"`,
		why:      "A disk is full.",
		severity: "critical",
		summary:  "{{ .Last.Message }}",
		log:      log{"level": "ERROR", "message": "write: no space left on device"},
	},
	{
		alert:    "OutOfMemory",
		measure:  seen,
		by:       byService,
		rare:     true,
		match:    `OutOfMemoryError or OOMKilled or "out of memory" or "cannot allocate memory"`,
		why:      "A process has no memory left.",
		severity: "critical",
		summary:  "{{ .Last.Message }}",
		log:      log{"level": "ERROR", "message": "java.lang.OutOfMemoryError: Java heap space"},
	},
	{
		alert:   "CertificateProblem",
		measure: seen,
		by:      byService,
		rare:    true,
		window:  time.Hour,
		match: `"certificate has expired" or "certificate expired" or "certificate will expire" or ` +
			`"certificate verify failed" or "x509: certificate"`,
		why:      "A certificate has expired, or is not accepted.",
		severity: "critical",
		summary:  "{{ .Last.Message }}",
		log: log{
			"level":   "ERROR",
			"message": "x509: certificate has expired or is not yet valid",
		},
	},
	{
		alert:   "Restarts",
		measure: counted,
		by:      byService,
		least:   2,
		window:  15 * time.Minute,
		match: `"back-off restarting failed container" or CrashLoopBackOff or "panic:" or ` +
			`"segmentation fault" or "started application" or "shutting down"`,
		why:      "A program starts again and again.",
		severity: "warning",
		summary:  "{{ .Value }} restarts in {{ .Window }}",
		log:      log{"message": "Back-off restarting failed container"},
	},
	{
		alert:   "ConnectionsFail",
		measure: counted,
		by:      byService,
		least:   5,
		match: `"connection refused" or "connection reset" or "no route to host" or "no such ` +
			`host"`,
		why:      "A dependency cannot be reached.",
		severity: "warning",
		summary:  "{{ .Value }} failed connections in {{ .Window }}",
		log:      log{"level": "ERROR", "message": "dial tcp: connection refused"},
	},
	{
		alert:    "Timeouts",
		measure:  counted,
		by:       byService,
		least:    5,
		match:    `"timed out" or timeout or "deadline exceeded"`,
		why:      "A dependency answers too late.",
		severity: "warning",
		summary:  "{{ .Value }} timeouts in {{ .Window }}",
		log:      log{"level": "ERROR", "message": "request timed out"},
	},
	{
		alert:    "RateLimited",
		measure:  counted,
		by:       byService,
		least:    10,
		match:    `"rate limit exceeded" or "too many requests" or http.status:429`,
		why:      "Requests are refused because there are too many.",
		severity: "warning",
		summary:  "{{ .Value }} requests over the limit in {{ .Window }}",
		log:      log{"level": "WARN", "message": "rate limit exceeded"},
	},
	{
		alert:    "QueueFull",
		measure:  counted,
		by:       byService,
		least:    5,
		match:    `"queue full" or "queue is full" or "buffer is full" or "circuit breaker open"`,
		why:      "Work arrives faster than it is done.",
		severity: "warning",
		summary:  "{{ .Value }} refusals of a queue in {{ .Window }}",
		log:      log{"level": "WARN", "message": "queue full"},
	},
	{
		alert:    "SlowQueries",
		measure:  counted,
		by:       byService,
		least:    5,
		window:   15 * time.Minute,
		match:    `"slow query" or "long-running query"`,
		why:      "Queries of a database are slow.",
		severity: "warning",
		summary:  "{{ .Value }} slow queries in {{ .Window }}",
		log:      log{"level": "WARN", "message": "slow query"},
	},
	{
		alert:    "Deadlocks",
		measure:  counted,
		by:       byService,
		least:    1,
		window:   15 * time.Minute,
		match:    `"deadlock detected" or "deadlock found" or "lock wait timeout"`,
		why:      "Transactions of a database block each other.",
		severity: "warning",
		summary:  "{{ .Value }} deadlocks in {{ .Window }}",
		log:      log{"level": "ERROR", "message": "deadlock detected"},
	},
}

var (
	byService     = []string{"service", "namespace", "host"}
	byServiceOnly = []string{"service"}
)

const usualWindow = 5 * time.Minute

func (k *kind) windowOr() time.Duration {
	if k.window > 0 {
		return k.window
	}
	return usualWindow
}

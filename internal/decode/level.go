package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// level is the severity of a log: a canonical upper-case word, and the severity number that
// OpenTelemetry gives it; rules compare the number. The zero level is that of a log that says
// nothing about it.
type level struct {
	word     []byte // shared, or in the decoder's arena: never written to
	severity int
}

func newLevel(word string, severity int) level { return level{[]byte(word), severity} }

var (
	levelUnknown   = newLevel("UNKNOWN", 0)
	levelTrace     = newLevel("TRACE", 1)
	levelDebug     = newLevel("DEBUG", 5)
	levelHTTP      = newLevel("HTTP", 7) // of winston, between debug and info
	levelInfo      = newLevel("INFO", 9)
	levelNotice    = newLevel("NOTICE", 10)
	levelSuccess   = newLevel("SUCCESS", 10) // of Loguru, between info and warning
	levelWarn      = newLevel("WARN", 13)
	levelError     = newLevel("ERROR", 17)
	levelCritical  = newLevel("CRITICAL", 18)
	levelAlert     = newLevel("ALERT", 19)
	levelFatal     = newLevel("FATAL", 21)
	levelEmergency = newLevel("EMERGENCY", 21)
)

// ParseLevel returns the canonical word and the severity number of a level as a log or a person
// spells it: "err" is ERROR and 17. A word that is not known is returned in upper case with
// severity 0; no word at all is UNKNOWN.
func ParseLevel(word string) (canonical string, severity int) {
	l, _ := wordLevel(nil, []byte(word))
	return string(l.word), l.severity
}

// explicit says whether the log named a level, and did not merely leave one out.
func (l level) explicit() bool {
	return l.word != nil && (l.severity != 0 || string(l.word) != "UNKNOWN")
}

// weak says whether a level may be a shipper's default, which gives way to the one that the
// application wrote. NOTICE is that of syslog, for lines without a priority.
func (l level) weak() bool {
	return !l.explicit() || string(l.word) == "INFO" || string(l.word) == "NOTICE"
}

// wordLevel reads a level word. An unknown word is put into the arena in upper case, and the arena
// is returned.
func wordLevel(arena, word []byte) (level, []byte) {
	if bytes.IndexByte(word, 0x1b) >= 0 {
		word = appendPlain(nil, word)
	}
	if i := bytes.LastIndexAny(word, ".:"); i > 0 && len(word) < 40 { // LogLevel.ERROR
		if l, _ := wordLevel(nil, word[i+1:]); l.severity > 0 {
			return l, arena
		}
	}
	for len(word) > 0 && isAround(word[0]) {
		word = word[1:]
	}
	for len(word) > 0 && isAround(word[len(word)-1]) {
		word = word[:len(word)-1]
	}
	var low [16]byte
	if len(word) <= len(low) {
		for i, c := range word {
			if c-'A' < 26 {
				c |= 0x20
			}
			low[i] = c
		}
		if l := knownLevel(string(low[:len(word)])); l.word != nil {
			return l, arena
		}
		if l := offsetLevel(low[:len(word)]); l.word != nil {
			return l, arena
		}
		if l := rankedLevel(low[:len(word)]); l.word != nil {
			return l, arena
		}
		if n, ok := bytes.CutPrefix(low[:len(word)], []byte("level ")); ok { // of Python's logging
			if n, ok := smallNumber(n); ok {
				return numberLevel(scalePython, n), arena
			}
		}
	}
	if l := enumLevel(word); l.word != nil {
		return l, arena
	}
	start := len(arena)
	arena = jsonscan.AppendValid(arena, bytes.ToUpper(word[:min(len(word), 256)]))
	return level{word: arena[start:len(arena):len(arena)]}, arena
}

// enumLevel is the level of a value of an enum, whose name precedes it in the style of Protobuf:
// LOG_LEVEL_ERROR.
func enumLevel(word []byte) level {
	i := bytes.LastIndexByte(word, '_')
	if i < 3 || len(word) > 40 {
		return level{}
	}
	if prefix := word[:i]; bytes.HasSuffix(prefix, []byte("LEVEL")) ||
		bytes.HasSuffix(prefix, []byte("SEVERITY")) || string(prefix) == "LOG" {
		l, _ := wordLevel(nil, word[i+1:])
		if l.severity > 0 || string(word[i+1:]) == "UNSPECIFIED" {
			return l
		}
	}
	return level{}
}

// isAround reports whether a character may stand around a level without being a part of it.
func isAround(c byte) bool {
	switch c {
	case '[', ']', '<', '>', '(', ')', ':', ',', ';', '"', '\'':
		return true
	}
	return c <= ' '
}

// knownLevel is the level of a word in lower case, or the zero level.
func knownLevel(word string) level {
	switch word {
	case "", "default", "none", "unknown", "unspecified", "notset", "null":
		return levelUnknown
	case "trace", "finest", "finer", "verbose", "trc", "vrb", "silly", "trac", "trce", "t", "v":
		return levelTrace
	case "debug", "fine", "config", "dbg", "debu", "dbug", "debg", "deb", "d", "d1", "d2", "d3", "d4", "d5":
		return levelDebug
	case "http":
		return levelHTTP
	case "info", "information", "informational", "inf", "i", "log":
		return levelInfo
	case "notice", "ntc", "noti", "note":
		return levelNotice
	case "success":
		return levelSuccess
	case "warn", "warning", "wrn", "warni", "w":
		return levelWarn
	case "error", "err", "severe", "eror", "erro", "fail", "e":
		return levelError
	case "critical", "crit", "crt", "criti", "dpanic":
		return levelCritical
	case "alert", "alrt":
		return levelAlert
	case "fatal", "panic", "ftl", "fata", "fatl", "pani", "pnc", "f":
		return levelFatal
	case "emerg", "emergency":
		return levelEmergency
	}
	return level{}
}

// offsetLevel reads the levels of log/slog between its named ones: ERROR+4 is four above ERROR.
func offsetLevel(low []byte) level {
	i := bytes.IndexAny(low, "+-")
	if i < 0 || jsonscan.Digits(low[i+1:]) != len(low)-i-1 || len(low)-i-1 == 0 || len(low)-i > 3 {
		return level{}
	}
	base := knownLevel(string(low[:i]))
	if base.severity == 0 {
		return level{}
	}
	n := 0
	for _, c := range low[i+1:] {
		n = n*10 + int(c-'0')
	}
	if low[i] == '-' {
		n = -n
	}
	return severityLevel(min(max(base.severity+n, 1), 24))
}

// rankedLevel reads OpenTelemetry's short names of severity numbers: info3 is 11, error2 is 18.
func rankedLevel(low []byte) level {
	n := len(low) - 1
	if n < 4 || low[n]-'2' > 2 {
		return level{}
	}
	switch string(low[:n]) {
	case "trace", "debug", "info", "warn", "error", "fatal":
		return severityLevel(knownLevel(string(low[:n])).severity + int(low[n]-'1'))
	}
	return level{}
}

// severityLevel is the level of an OpenTelemetry severity number, named by its range of four.
func severityLevel(n int) level {
	if n < 1 || n > 24 {
		return levelUnknown
	}
	l := [...]level{levelTrace, levelDebug, levelInfo, levelWarn, levelError, levelFatal}[(n-1)/4]
	l.severity = n
	return l
}

// scale is the meaning of a number as a severity.
type scale uint8

const (
	scaleAny     scale = iota // a key that every library uses its own way: decided by the magnitude
	scaleSyslog               // 0 is the worst, 7 debug
	scalePython               // 10 to 50: 30 is a warning
	scaleLogback              // 5000 to 40000
	scaleOTel                 // 1 to 24
	// 0 to 4, from verbose to critical, as Azure's Application Insights has it
	scaleInsights
	scaleWindows  // 1 to 5, from critical to verbose
	scalePriority // a priority of syslog, facility and severity in one
	scaleNone     // numbers are no levels
	// a number under the key "severity": Google's 100 to 800, OpenTelemetry's, or syslog's
	scaleSeverity
)

// numberLevel is the level of a number on a scale.
func numberLevel(s scale, n int) level {
	switch s {
	case scaleNone:
		return levelUnknown
	case scaleSyslog:
		return syslogLevel(n)
	case scalePython:
		return pythonLevel(n)
	case scaleLogback:
		return stepLevel(n, 10000)
	case scaleOTel:
		return severityLevel(n)
	case scaleInsights:
		return stepped(n, levelTrace, levelInfo, levelWarn, levelError, levelCritical)
	case scaleWindows:
		return stepped(n-1, levelCritical, levelError, levelWarn, levelInfo, levelTrace)
	case scalePriority:
		return syslogLevel(n & 7)
	case scaleSeverity:
		switch {
		case n == 0:
			return levelUnknown
		case n >= 100:
			return googleLevel(n)
		case n >= 8:
			return severityLevel(n)
		}
		return syslogLevel(n)
	}
	switch {
	case n < 10:
		return syslogLevel(n)
	case n < 100: // pino and bunyan: 10 trace to 60 fatal
		return stepLevel((n-n%10)*1000-10000, 10000)
	case n >= 5000:
		return stepLevel(n, 10000)
	case n <= 600: // Monolog
		return monologLevel(n)
	}
	return julLevel(n)
}

// syslogLevel is the level of a syslog severity. ViaQ adds two.
func syslogLevel(n int) level {
	scale := [...]level{
		levelEmergency,
		levelAlert,
		levelCritical,
		levelError,
		levelWarn,
		levelNotice,
		levelInfo,
		levelDebug,
		levelTrace,
		levelUnknown,
	}
	if n < 0 || n >= len(scale) {
		return levelUnknown
	}
	return scale[n]
}

func pythonLevel(n int) level {
	switch {
	case n >= 50:
		return levelCritical
	case n >= 40:
		return levelError
	case n >= 30:
		return levelWarn
	case n >= 20:
		return levelInfo
	case n >= 10:
		return levelDebug
	case n > 0:
		return levelTrace
	}
	return levelUnknown
}

// stepLevel is for scales that go up from trace below the first step in even steps: debug, info,
// warn, error, fatal.
func stepLevel(n, step int) level {
	scale := [...]level{levelTrace, levelDebug, levelInfo, levelWarn, levelError, levelFatal}
	return scale[min(max(n/step, 0), len(scale)-1)]
}

// stepped is the n-th of some levels.
func stepped(n int, levels ...level) level {
	if n < 0 || n >= len(levels) {
		return levelUnknown
	}
	return levels[n]
}

// monologLevel is the level of a number of PHP's Monolog.
func monologLevel(n int) level {
	switch {
	case n >= 600:
		return levelEmergency
	case n >= 550:
		return levelAlert
	case n >= 500:
		return levelCritical
	case n >= 400:
		return levelError
	case n >= 300:
		return levelWarn
	case n >= 250:
		return levelNotice
	case n >= 200:
		return levelInfo
	}
	return levelDebug
}

// googleLevel is the level of a severity of Google Cloud Logging.
func googleLevel(n int) level {
	scale := [...]level{
		levelUnknown,
		levelDebug,
		levelInfo,
		levelNotice,
		levelWarn,
		levelError,
		levelCritical,
		levelAlert,
		levelEmergency,
	}
	return scale[min(n/100, len(scale)-1)]
}

// julLevel is the level of a value of java.util.logging.
func julLevel(n int) level {
	switch {
	case n >= 1000:
		return levelError
	case n >= 900:
		return levelWarn
	case n >= 800:
		return levelInfo
	case n >= 500:
		return levelDebug
	}
	return levelTrace
}

// cefLevel is the level of a severity from 0 to 10, as CEF and LEEF use it.
func cefLevel(n int) level {
	switch {
	case n >= 9:
		return levelCritical
	case n >= 7:
		return levelError
	case n >= 4:
		return levelWarn
	}
	return levelInfo
}

// smallNumber reads a whole number of at most nine digits, "50" or "50.0".
func smallNumber(t []byte) (int, bool) {
	t = bytes.TrimSpace(t)
	neg := len(t) > 0 && t[0] == '-'
	if neg {
		t = t[1:]
	}
	n := jsonscan.Digits(t)
	if n == 0 || n > 9 {
		return 0, false
	}
	if rest := t[n:]; len(rest) > 0 && (rest[0] != '.' || len(bytes.Trim(rest[1:], "0")) > 0) {
		return 0, false
	}
	v := 0
	for _, c := range t[:n] {
		v = v*10 + int(c-'0')
	}
	if neg {
		v = -v
	}
	return v, true
}

// isAuditLevel reports whether a word is a level of the Kubernetes audit policy, which is no
// severity.
func isAuditLevel(word []byte) bool {
	switch string(word) {
	case "None", "Metadata", "Request", "RequestResponse":
		return true
	}
	return false
}

// otelName reads OpenTelemetry's names of severity numbers: ERROR, ERROR2, ...
func otelName(name []byte) level {
	step := 0
	if n := len(name); n > 0 && name[n-1]-'2' < 3 {
		step = int(name[n-1] - '1')
		name = name[:n-1]
	}
	switch string(name) {
	case "TRACE":
		return severityLevel(1 + step)
	case "DEBUG":
		return severityLevel(5 + step)
	case "INFO":
		return severityLevel(9 + step)
	case "WARN":
		return severityLevel(13 + step)
	case "ERROR":
		return severityLevel(17 + step)
	case "FATAL":
		return severityLevel(21 + step)
	}
	return levelUnknown
}

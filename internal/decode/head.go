package decode

import (
	"bytes"
	"strconv"
	"time"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// head is the beginning of a line of text: where its time is.
type head struct {
	time       int64
	start, end int // of the time; end is 0 if there is none
}

const (
	maxHead   = 80 // bytes within which a time is searched behind a prefix
	maxTokens = 6  // tokens of such a prefix
)

// headOf finds the time of a line of text: at its start, or behind a short prefix, such as a level,
// a process ID or something in brackets. A time behind any other word is a part of the message.
func (c clock) headOf(t []byte) head {
	i := 0
	for i < len(t) && i < 16 && (t[i] == ' ' || t[i] == '\n' || t[i] == '\t') {
		i++
	}
	if len(t) < i+8 {
		return head{}
	}
	if ns, n := c.prefix(t[i:]); n > 0 {
		return head{ns, i, i + n}
	}
	if ns, n := c.epochPrefix(t[i:]); n > 0 {
		return head{ns, i, i + n}
	}
	if at := i + 1; len(t) > at+8 && levelLetter(t[i]).word != nil &&
		jsonscan.Digits(t[at:at+7]) == 6 && t[at+6] == ' ' { // CockroachDB: E260504 10:11:12
		if ns, n := c.iso(t[at:]); n > 0 {
			return head{ns, at, at + n}
		}
	}
	if t[i] == '<' || levelLetter(t[i]).word != nil && t[i+1] == '[' {
		at := i + 1 // <2026-05-04 10:11:12 UTC ann@shop> of PostgreSQL
		if t[i] != '<' {
			at++ // E[2026-05-04|10:11:12.382] of CometBFT
		}
		if ns, n := c.dated(t[at:]); n > 0 {
			return head{ns, at, at + n}
		}
	}
	if ns, n := c.hexPrefix(t[i:]); n > 0 {
		return head{ns, i, i + n}
	}
	if t[i] == '@' {
		if ns, n := c.taiPrefix(t[i:]); n > 0 {
			return head{ns, i, i + n}
		}
	}
	if at := behindColons(t[i:]); at > 0 {
		if ns, n := c.iso(t[i+at:]); n > 0 {
			return head{ns, i + at, i + at + n}
		}
	}
	if n := gluedWord(t[i:]); n > 0 { // raft2026/05/04 10:11:12, a prefix of Go's log package
		if ns, size := c.iso(t[i+n:]); size > 0 {
			return head{ns, i + n, i + n + size}
		}
	}
	if levelLetter(t[i]).word != nil && t[i+1] == ' ' && t[i+2] == '[' { // CUPS
		if ns, n := c.dated(t[i+3:]); n > 0 {
			return head{ns, i + 3, i + 3 + n}
		}
	}
	if at := letterInBrackets(t, i); at > 0 {
		if ns, n := c.dated(t[at:]); n > 0 {
			return head{ns, at, at + n}
		}
	}
	if at := levelInBrackets(t, i); at > 0 {
		if ns, n := c.iso(t[at:]); n > 0 {
			return head{ns, at, at + n}
		}
	}
	if at := behindName(t[i:]); at > 0 {
		if ns, n := c.dated(t[i+at:]); n > 0 {
			return head{ns, i + at, i + at + n}
		}
	}
	limit := min(len(t), maxHead)
	for tokens := 0; tokens < maxTokens; tokens++ {
		if i = skipToken(t, i, limit); i == 0 {
			return head{}
		}
		for i < limit && isSeparator(t[i]) {
			i++
		}
		if i+8 > len(t) || i >= limit {
			return head{}
		}
		j := i
		if t[j] == '[' || t[j] == '(' {
			j++
		} else if rest, ok := bytes.CutPrefix(t[j:], []byte("ts=")); ok && len(rest) > 8 { // Kratos
			j += len("ts=")
		}
		if t[j]-'0' <= 9 {
			if ns, n := c.dated(t[j:]); n > 0 {
				return head{ns, j, j + n}
			}
		} else if t[i] == '[' || t[j]-'A' < 26 && (startsMonth(t[j:]) || weekday(t[j:]) > 0) {
			if ns, n := c.prefix(t[i:]); n > 0 { // ERROR: Mon May  4 10:11:12 2026 of ClamAV
				return head{ns, i, i + n}
			}
		}
	}
	return head{}
}

// letterInBrackets returns the index of the time behind "[E ", as Tornado begins a line, or "[ E "
// and "[ ", as Phusion Passenger does; 0 for none.
func letterInBrackets(t []byte, i int) int {
	if t[i] != '[' || len(t) < i+8 {
		return 0
	}
	at := i + 1
	blank := t[at] == ' '
	if blank {
		at++
	}
	if t[at]-'A' < 26 && t[at+1] == ' ' {
		return at + 2
	}
	if blank && t[at]-'0' <= 9 {
		return at
	}
	return 0
}

// levelInBrackets returns the index of the time behind "[ns_server:error,", as Couchbase begins a
// line; 0 for none.
func levelInBrackets(t []byte, i int) int {
	if t[i] != '[' {
		return 0
	}
	name, rest, ok := bytes.Cut(t[i+1:min(len(t), i+48)], []byte(":"))
	word, _, closed := bytes.Cut(rest, []byte(","))
	if !ok || !closed || !isLabel(name) || levelWord(word).word == nil {
		return 0
	}
	return i + 1 + len(name) + 1 + len(word) + 1
}

func isSymbol(r rune) bool { return r >= 0x80 }

func isSeparator(c byte) bool {
	return c <= ' ' || c == '-' || c == '|' || c == ',' || c == '#' || c == '=' || c == '*' ||
		c == '>' || c == ':'
}

// skipToken returns the index behind a token that may stand before a time, 0 if t[i:] begins with
// none: something in brackets, a level, a number, a letter, or a word with a colon before a date as
// Go's log package writes it.
func skipToken(t []byte, i, limit int) int {
	if i >= limit {
		return 0
	}
	switch c := t[i]; {
	case c == '[' || c == '(' || c == '<':
		closing := byte(']')
		if c == '(' {
			closing = ')'
		} else if c == '<' {
			closing = '>'
		}
		end := bytes.IndexByte(t[i:limit], closing)
		if end < 0 {
			return 0
		}
		return i + end + 1
	case isSeparator(c):
		return i + 1
	}
	end := i
	for end < limit && (isWord(t[end]) || t[end] == '.' || t[end] == '-' || t[end] == '_') {
		end++
	}
	word := t[i:end]
	if symbol := t[i]; symbol >= 0x80 && len(bytes.TrimFunc(word, isSymbol)) == 0 { // an emoji
		return end
	}
	if at := bytes.IndexByte(t[i:limit], ' '); at > end-i && at < 48 && t[i]-'0' <= 9 &&
		i+at+1 < limit && t[i+at+1] == '[' && isAddress(t[i:i+at]) { // HAProxy
		return i + at
	}
	switch {
	case len(word) == 0:
		return 0
	case jsonscan.Digits(word) == len(word):
		if end+1 < limit && t[end] == ':' && t[end+1]-'A' < 26 { // Redis: 8:M
			end += 2
		}
		return end
	case len(word) == 1 && end < limit && t[end] == ',': // Ruby
		return end
	case string(word) == "Time" && end < limit && t[end] == ':': // the slow log of MariaDB
		return end
	case end < limit && t[end] == '/' && isUpper(word): // ERROR/MainProcess
		return 0
	}
	if len(word) > 9 && len(word) < 18 && word[8] == '.' && isHex(word[:8]) && isHex(word[9:]) {
		return end // the ID of a session of PostgreSQL
	}
	if rest := t[end:]; bytes.HasPrefix(rest, []byte(" REPORT====")) { // Erlang
		return end + len(" REPORT====")
	}
	if levelWord(word).word != nil {
		return end
	}
	if string(word) == "CONNECT" && end < limit && t[end] == ' ' { // a level of Tinyproxy
		return end
	}
	if rest := bytes.TrimLeft(t[end:limit], " "); bytes.HasPrefix(rest, []byte("| ")) {
		return end // the name of a container of Docker Compose
	}
	if word[0]-'A' < 26 {
		if at := padded(t[end:], word); at > 0 {
			return end + at
		}
	}
	if rest := t[end:]; len(rest) > 20 && rest[0] == ':' && rest[1] == ' ' &&
		jsonscan.Digits(rest[2:6]) == 4 && rest[6] == '/' {
		return end + 1
	}
	return 0
}

// padded returns the length of what stands between a word in a column of its own and a date, 0 for
// none: "Main  2026-05-04 10:11:12", "Main |2026-05-04 10:11:12" and "Srv 0 2026-05-04 10:11:12" of
// Sanic.
func padded(rest, word []byte) int {
	at := 2
	if string(word) == "Srv" {
		at = 3
	}
	if len(rest) < at+20 || rest[0] != ' ' ||
		jsonscan.Digits(rest[at:at+5]) != 4 || rest[at+4] != '-' ||
		rest[at+7] != '-' || rest[at+13] != ':' {
		return 0
	}
	switch {
	case at == 3 && rest[1]-'0' <= 9 && (rest[2] == ' ' || rest[2] == '|'):
		return at
	case at == 2 && (rest[1] == ' ' || rest[1] == '|'):
		return at
	}
	return 0
}

// behindName returns the index of the time in a line that begins with the name of a logger, 0 for
// none. It is one only if a level in capital letters stands beside the date, for the first word of
// a text may be any.
//
//	shop.pay 2026-05-04 10:11:12,345 ERROR failed
//	shop.pay - ERROR - 2026-05-04 10:11:12,345 - failed
func behindName(t []byte) int {
	near := t[:min(len(t), maxHead)]
	n := 0
	for n < len(near) && isTailKey(near[n]) {
		n++
	}
	if n < 2 || n+24 > len(near) || near[n] > ' ' && near[n] != ':' || near[0]-'0' <= 9 {
		return 0
	}
	at := skipSeparators(near, n)
	if word := wordAt(near[at:]); isUpper(word) && levelWord(word).word != nil {
		at = skipSeparators(near, at+len(word))
		if startsDate(near[at:]) {
			return at
		}
		return 0
	}
	if !startsDate(near[at:]) {
		return 0
	}
	end := at + len("2026-05-04 10:11:12")
	for end < len(near) && !isSeparator(near[end]) || end < len(near) && near[end] == ',' {
		end++
	}
	word := wordAt(near[skipSeparators(near, end):])
	if len(word) < 2 || !isUpper(word) || levelWord(word).word == nil {
		return 0
	}
	return at
}

// skipSeparators returns the index of the first byte from t[i] on that separates no columns.
func skipSeparators(t []byte, i int) int {
	for i < len(t) && (isSeparator(t[i]) || t[i] == '[' || t[i] == ']') {
		i++
	}
	return i
}

// startsDate reports whether a text begins with a date and a clock: 2026-05-04 10:11:12.
func startsDate(t []byte) bool {
	return len(t) > 19 && t[0] == '2' && (t[4] == '-' || t[4] == '/') && t[7] == t[4] &&
		t[13] == ':' && jsonscan.Digits(t[:4]) == 4
}

// gluedWord returns the length of the letters before a date, 0 for none.
func gluedWord(t []byte) int {
	n := 0
	for n < len(t) && n < 20 && t[n]|0x20-'a' < 26 {
		n++
	}
	if n < 2 || len(t) < n+19 || t[n] != '2' || t[n+4] != '/' || t[n+7] != '/' {
		return 0
	}
	return n
}

// hexPrefix reads the time of a line of OpenLDAP: seconds since 1970 and nanoseconds in
// hexadecimal, with the thread behind them.
//
//	69f870e0.16c6ff2b 0x7f26edffe6c0 conn=1000 fd=11 closed (connection lost)
func (c clock) hexPrefix(t []byte) (ns int64, n int) {
	if len(t) < 22 || t[8] != '.' || t[17] != ' ' || t[18] != '0' || t[19] != 'x' ||
		!isHex8(t[:8]) || !isHex8(t[9:17]) {
		return 0, 0
	}
	seconds, _ := strconv.ParseInt(string(t[:8]), 16, 64)
	nano, _ := strconv.ParseInt(string(t[9:17]), 16, 64)
	ns = seconds*int64(time.Second) + nano
	if nano >= int64(time.Second) || !c.withinYear(ns) {
		return 0, 0
	}
	return ns, 17
}

// taiPrefix reads a label of TAI64N, which daemontools, runit and s6 put before each line: 2^62 and
// seconds since 1970 of the clock TAI, which they take to be 10 ahead, and nanoseconds.
//
//	@400000006a1b2c3d0e1f2a3b payment failed
func (c clock) taiPrefix(t []byte) (ns int64, n int) {
	const size = 1 + 16 + 8
	if len(t) <= size || t[size] != ' ' || !isHex(t[1:size]) || string(t[1:9]) != "40000000" {
		return 0, 0
	}
	seconds, err := strconv.ParseInt(string(t[9:17]), 16, 64)
	nanos, err2 := strconv.ParseInt(string(t[17:size]), 16, 64)
	if err != nil || err2 != nil || nanos >= int64(time.Second) {
		return 0, 0
	}
	return (seconds-10)*int64(time.Second) + nanos, size
}

// behindColons returns the index of the time in a line whose columns stand between double colons,
// as VDSM writes it; 0 for none: MainThread::INFO::2026-05-04 10:11:12,101::vdsm::failed
func behindColons(t []byte) int {
	near := t[:min(len(t), maxHead)]
	first := bytes.Index(near, []byte("::"))
	if first <= 0 || !isLabel(near[:first]) {
		return 0
	}
	word, _, ok := bytes.Cut(near[first+2:], []byte("::"))
	if !ok || !isUpper(word) || levelWord(word).word == nil {
		return 0
	}
	return first + 2 + len(word) + 2
}

// epochPrefix reads a number of seconds or milliseconds since 1970 at the start of a line, as some
// servers begin their lines with it. It must be near to the record's time, for a text may begin
// with any number.
func (c clock) epochPrefix(t []byte) (ns int64, n int) {
	bracket := 0
	if len(t) > 0 && t[0] == '[' {
		bracket = 1
	}
	digits := jsonscan.Digits(t[bracket:min(len(t), bracket+20)])
	n = bracket + digits
	switch {
	case digits == 10 && n+1 < len(t) && t[n] == '.':
		n += 1 + jsonscan.Digits(t[n+1:min(len(t), n+12)])
	case digits == 1 && n+20 < len(t) && t[n] == '.': // zap: 1.7778894723821234e+09
		n += 1 + jsonscan.Digits(t[n+1:n+18])
		if t[n] != 'e' || t[n+1] != '+' || jsonscan.Digits(t[n+2:n+4]) != 2 {
			return 0, 0
		}
		n += len("e+09")
	case digits != 10 && digits != 13 && digits != 16 && digits != 19:
		return 0, 0
	}
	if n >= len(t) {
		return 0, 0
	}
	switch c := t[n]; {
	case bracket == 1 && c != ']':
		return 0, 0
	case bracket == 1, c == ' ', c == ':', c == '|', c == '\t', c == ',':
	default:
		return 0, 0
	}
	ns, ok := epoch(t[bracket:n])
	if !ok || ns < c.record-366*day || ns > c.record+maxAhead || c.record <= 0 {
		return 0, 0
	}
	return ns, n + bracket
}

package decode

import (
	"bytes"
	"strconv"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// header is what stood before a message within the line of another format.
type header struct {
	level string // a syslog severity, one digit
	time  []byte
	host  []byte
}

// appendSyslog rewrites a line of syslog: RFC 5424, RFC 3164 in the forms that programs write, and
// the same as daemons write it to files, without a priority. The line may have the count of its
// bytes before it, as on a stream.
//
//	<165>1 2026-05-04T10:11:12.345Z bastion sshd 4242 ID47 [example@32473 iut="3"] Failed password
//	<34>May  4 10:11:12 mymachine su[230]: 'su root' failed
func appendSyslog(dst, b []byte, last *stamp) (out []byte, name string, ok bool) {
	if n := jsonscan.Digits(b[:min(len(b), 8)]); n > 0 && n+2 < len(b) && b[n] == ' ' &&
		b[n+1] == '<' {
		b = b[n+1:]
	}
	if len(b) == 0 || b[0] != '<' {
		return appendBareSyslog(dst, b, last)
	}
	n := jsonscan.Digits(b[1:min(len(b), 5)])
	if n == 0 || n > 3 || n+1 >= len(b) || b[n+1] != '>' {
		return dst, "", false
	}
	priority := number(b[1 : n+1])
	if priority > 191 {
		return dst, "", false
	}
	h := header{level: strconv.Itoa(priority & 7)}
	rest := b[n+2:]
	if len(rest) > 2 && rest[0] == '1' && rest[1] == ' ' {
		if out, ok := append5424(dst, rest[2:], priority, h); ok {
			return out, "syslog5424", true
		}
		if out, ok := appendMeraki(dst, rest, priority, h); ok {
			return out, "syslog3164", true
		}
	}
	return append3164(dst, rest, priority, h, last)
}

// append5424 appends the fields behind the version: time, host, application, process and message
// ID, structured data, and the text.
func append5424(dst, b []byte, priority int, h header) ([]byte, bool) {
	var field [5][]byte
	for i := range field {
		var ok bool
		if field[i], b, ok = bytes.Cut(b, []byte(" ")); !ok {
			return dst, false
		}
		if string(field[i]) == "-" {
			field[i] = nil
		}
	}
	data, text, ok := cutStructuredData(b)
	if app := string(field[2]); field[4] == nil && (app == "heroku" || app == "app") &&
		(!ok || len(data) > 0 && bytes.IndexByte(data, '=') < 0) {
		data, text, ok = nil, b, true // Heroku writes no structured data
	}
	if !ok {
		return dst, false
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	h.time, h.host = field[0], field[1]
	if out, ok := appendInner(dst, text, h); ok {
		return out, true
	}
	dst = append(appendName(dst, "level"), h.level...)
	dst = strconv.AppendInt(appendName(dst, "facility"), int64(priority>>3), 10)
	keys := [...]string{"timestamp", "host", "appname", "procid", "msgid"}
	// syslog-ng passes on a whole message as an object, under its own name and host
	if string(field[2]) == "@syslog-ng" && len(text) > 0 && text[0] == '{' {
		keys[1], keys[2] = "relay", "relay_program"
	}
	for i, key := range keys {
		dst = appendBytes(dst, key, field[i])
	}
	dst = appendStructuredData(dst, data)
	return appendKnown(dst, "message", text), true
}

// cutStructuredData cuts the elements in brackets, or the dash for none, off the text behind them.
func cutStructuredData(b []byte) (data, text []byte, ok bool) {
	if len(b) > 0 && b[0] == '-' {
		return nil, bytes.TrimPrefix(b[1:], []byte(" ")), len(b) == 1 || b[1] == ' '
	}
	i := 0
	for i < len(b) && b[i] == '[' {
		for i++; i < len(b) && b[i] != ']'; i++ {
			if b[i] == '"' {
				if i = quoteEnd(b, i+1); i < 0 {
					return nil, nil, false
				}
			}
		}
		i++
	}
	if i == 0 || i > len(b) {
		return nil, nil, false
	}
	return b[:i], bytes.TrimPrefix(b[i:], []byte(" ")), true
}

func quoteEnd(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// appendStructuredData appends each element as an object of its parameters.
func appendStructuredData(dst, data []byte) []byte {
	for len(data) > 0 && data[0] == '[' {
		i := 1
		for i < len(data) && data[i] != ' ' && data[i] != ']' {
			i++
		}
		dst = append(appendKey(dst, string(syslogNames.of(data[1:i]))), '{')
		for i < len(data) && data[i] == ' ' {
			start := i + 1
			eq := bytes.IndexByte(data[start:], '=')
			if eq < 0 || start+eq+1 >= len(data) || data[start+eq+1] != '"' {
				break
			}
			value := start + eq + 2
			end := quoteEnd(data, value)
			if end < 0 {
				break
			}
			dst = appendMember(dst, string(data[start:start+eq]), unslash(data[value:end]))
			i = end + 1
		}
		dst = append(dst, '}')
		end := bytes.IndexByte(data[i:], ']')
		if end < 0 {
			break
		}
		data = data[i+end+1:]
	}
	return dst
}

// unslash takes the backslashes off the characters that they protect.
func unslash(t []byte) []byte {
	if bytes.IndexByte(t, '\\') < 0 {
		return t
	}
	out := make([]byte, 0, len(t))
	for i := 0; i < len(t); i++ {
		if t[i] == '\\' && i+1 < len(t) && (t[i+1] == '"' || t[i+1] == '\\' || t[i+1] == ']') {
			i++
		}
		out = append(out, t[i])
	}
	return out
}

// append3164 appends the fields behind a priority: time, host and tag where they are there, and the
// text.
func append3164(dst, b []byte, priority int, h header, last *stamp) ([]byte, string, bool) {
	b = bytes.TrimLeft(b, " ")
	// Cisco's sequence number
	if n := jsonscan.Digits(b[:min(len(b), 10)]); n > 0 && n+1 < len(b) && b[n] == ':' &&
		b[n+1] == ' ' {
		b = b[n+2:]
	}
	b = bytes.TrimLeft(b, " *")
	if len(b) > 1 && b[0] == ':' && b[1] == ' ' { // Cisco's Nexus
		b = b[2:]
	}
	n := last.length(b)
	if n == 0 {
		_, n = clock{record: earliest}.prefix(b)
	}
	origin := false
	if n == 0 {
		h.host, b, n = cutOrigin(b)
		origin = n > 0
	}
	if n > 0 {
		n = lateYearOf(b, n)
		h.time = b[:n]
		b = bytes.TrimPrefix(b[n:], []byte(":"))
		b = bytes.TrimPrefix(b, []byte(" "))
		if len(b) > 0 && b[0] == ' ' && bytes.Contains(b[:min(len(b), 80)], []byte("-PPE-")) {
			b = b[1:] // NetScaler without a zone
		}
		if host, rest, ok := bytes.Cut(b, []byte(" ")); ok && isHost(host) &&
			(followsHost(rest) || startsColumns(rest) && !isNoHost(host) ||
				isIPv4(host) && len(rest) > 0 && rest[0] != '-') {
			if h.host, b = host, rest; startsMnemonic(b) {
				b = b[bytes.IndexByte(b, '%'):]
			}
		}
		if out, ok := appendMeraki(dst, b, priority, h); ok {
			return out, "syslog3164", true
		}
		_, b = cutDaemonLevel(b)
	}
	name := "syslog3164"
	if out, ok := appendInner(dst, b, h); ok {
		if bytes.HasPrefix(b, []byte("LEEF:")) {
			return out, "leef", true
		}
		return out, "cef", true
	}
	dst = append(appendName(dst, "level"), h.level...)
	dst = strconv.AppendInt(appendName(dst, "facility"), int64(priority>>3), 10)
	if origin && len(b) > 0 && b[0] == '%' { // the mnemonic is no program
		dst = appendBytes(appendKnown(dst, "timestamp", h.time), "host", h.host)
		return appendKnown(dst, "message", b), name, true
	}
	return appendTagged(dst, b, h), name, true
}

// cutOrigin cuts the name of the device, and of the node within it, off the time and text behind
// them, as Cisco's IOS and IOS XR write them; n is the length of the time, 0 for none.
//
//	router-1: May  4 10:11:12.345 UTC: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down
//	router-1 RP/0/RP0/CPU0:May  4 10:11:12.345 UTC: ifmgr[123]: %PKT_INFRA-LINK-3-UPDOWN : failed
func cutOrigin(b []byte) (host, rest []byte, n int) {
	end := bytes.IndexByte(b[:min(len(b), 80)], ':')
	if end <= 0 {
		return nil, b, 0
	}
	rest = bytes.TrimLeft(b[end+1:], " *.")
	if _, n = (clock{record: earliest}).prefix(rest); n == 0 || n >= len(rest) || rest[n] != ':' {
		return nil, b, 0
	}
	host, node, two := bytes.Cut(b[:end], []byte(" "))
	if !two && bytes.IndexByte(host, '/') > 0 {
		host, node = nil, host
	}
	if host != nil && !isHost(host) || two && bytes.IndexByte(node, '/') < 0 {
		return nil, b, 0
	}
	return host, rest, n
}

// startsMnemonic reports whether a text begins with the mnemonic of a message of Cisco's, perhaps
// behind a colon.
func startsMnemonic(t []byte) bool {
	return len(bytes.TrimLeft(t[:min(len(t), 3)], ": ")) > 0 && bytes.TrimLeft(t, ": ")[0] == '%'
}

// followsHost reports whether what stands behind a word shows that the word is a host: a tag, an
// object, an event of CEF or LEEF, or an indented line.
func followsHost(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " ")
	if len(rest) == 0 {
		return false
	}
	switch rest[0] {
	case '{', '[', '@', '%':
		return true
	case '\t': // a line of a stack trace, as Logback sends each by itself
		return true
	}
	if startsMnemonic(rest) {
		return true
	}
	if n := bytes.IndexAny(rest[:min(len(rest), 40)], " \t"); n > 0 && rest[n] == '\t' {
		return true // the columns of Snare
	}
	if _, _, _, ok := cutTag(rest); ok {
		return true
	}
	if bytes.Contains(rest[:min(len(rest), 12)], []byte("-PPE-")) {
		return true // NetScaler
	}
	if jsonscan.Digits(rest[:min(len(rest), 6)]) == 5 && len(rest) > 6 && rest[5] == ' ' {
		rest = rest[6:] // the number of an event, of Aruba's switches
	}
	_, rest = cutDaemonLevel(rest)
	_, _, _, ok := cutTag(rest)
	return ok
}

// cutDaemonLevel cuts the level that F5's BIG-IP writes before the tag off the text:
// notice mcpd[7014]: ...
func cutDaemonLevel(b []byte) (level, rest []byte) {
	n := bytes.IndexByte(b[:min(len(b), len("emergency "))], ' ')
	if n < 3 || b[0]-'a' >= 26 || levelWord(b[:n]).word == nil {
		return nil, b
	}
	word, rest := b[:n], b[n+1:]
	if _, pid, _, ok := cutTag(rest); !ok || pid == nil {
		return nil, b
	}
	return word, rest
}

// lateYearOf returns the end of a time of n bytes with the year behind it, as Aruba writes it. It
// is a year only if a host and a tag follow, for a host may be called 2026.
func lateYearOf(b []byte, n int) int {
	year := b[n:]
	if len(year) < 8 || year[0] != ' ' || string(year[1:3]) != "20" ||
		jsonscan.Digits(year[1:6]) != 4 || year[5] != ' ' {
		return n
	}
	host, rest, ok := bytes.Cut(year[6:], []byte(" "))
	if _, _, _, tagged := cutTag(rest); !ok || !isHost(host) || !tagged {
		return n
	}
	return n + 5
}

// appendMeraki appends the fields of a log of Cisco's Meraki, whose time is in seconds since 1970:
// host, type of the event, and pairs.
//
//	1 1777889472.382123456 MX84 flows allow src=192.168.1.10 dst=203.0.113.9 protocol=tcp
func appendMeraki(dst, b []byte, priority int, h header) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(b, []byte("1 "))
	if !ok {
		return dst, false
	}
	at, rest, _ := bytes.Cut(rest, []byte(" "))
	host, text, ok := bytes.Cut(rest, []byte(" "))
	if !ok || jsonscan.Digits(at) != 10 || !isDecimal(at) || !isHost(host) {
		return dst, false
	}
	dst = append(appendName(dst, "level"), h.level...)
	dst = strconv.AppendInt(appendName(dst, "facility"), int64(priority>>3), 10)
	dst = appendKnown(appendKnown(dst, "timestamp", at), "host", host)
	kind, _, _ := bytes.Cut(text, []byte(" "))
	dst = appendKnown(dst, "event_type", kind)
	for word := range bytes.SplitSeq(text, []byte(" ")) {
		if key, value, ok := bytes.Cut(word, []byte("=")); ok && isLabel(key) {
			dst = appendMember(dst, string(syslogNames.of(key)), bytes.Trim(value, `"'`))
		}
	}
	return appendKnown(dst, "message", text), true
}

// startsColumns reports whether a text begins with columns that are separated by commas: those of
// Palo Alto's firewalls, the first of which is a number, or the topics of MikroTik's routers, one
// of which is a level.
func startsColumns(t []byte) bool {
	word, _, _ := bytes.Cut(t[:min(len(t), 200)], []byte(" "))
	first, rest, ok := bytes.Cut(word, []byte(","))
	if !ok || len(first) == 0 || len(rest) == 0 {
		return false
	}
	if jsonscan.Digits(first) == len(first) {
		return true
	}
	for topic := range bytes.SplitSeq(word, []byte(",")) {
		if levelWord(topic).word != nil {
			return true
		}
	}
	return false
}

// appendInner appends an event of CEF or LEEF that travels within syslog.
func appendInner(dst, b []byte, h header) ([]byte, bool) {
	if len(b) == 0 || b[0] != 'C' && b[0] != 'L' {
		return dst, false
	}
	if out, ok := appendCEF(dst, b, h); ok {
		return out, true
	}
	return appendLEEF(dst, b, h)
}

// appendTagged appends time, host, tag and text.
func appendTagged(dst, b []byte, h header) []byte {
	dst = appendBytes(dst, "timestamp", h.time)
	dst = appendBytes(dst, "host", h.host)
	if app, pid, text, ok := cutTag(b); ok {
		dst = appendKnown(dst, "appname", app)
		dst = appendBytes(dst, "procid", pid)
		b = text
	}
	return appendKnown(dst, "message", b)
}

// cutTag cuts "su[230]: " off the text behind it.
func cutTag(b []byte) (app, pid, text []byte, ok bool) {
	i := 0
	for i < len(b) && i < 64 && b[i] > ' ' && b[i] != '[' && b[i] != ':' && b[i] != '"' {
		i++
	}
	app = b[:i]
	if i == 0 || i >= len(b) || b[i] == '"' ||
		b[0]-'0' <= 9 && bytes.IndexByte(app, '/') > 0 { // a date
		return nil, nil, nil, false
	}
	if b[i] == '[' {
		end := bytes.IndexByte(b[i:], ']')
		if end < 0 || end > 40 {
			return nil, nil, nil, false
		}
		pid = b[i+1 : i+end]
		i += end + 1
	}
	// rsyslog, of RFC 5424
	if pid != nil && jsonscan.Digits(pid) == len(pid) && i < len(b) && b[i] == ' ' {
		return app, pid, b[i+1:], true
	}
	if i >= len(b) || b[i] != ':' {
		return nil, nil, nil, false
	}
	return app, pid, bytes.TrimPrefix(b[i+1:], []byte(" ")), true
}

// isHost says whether a word can be the name or address of a machine, and is not the tag that
// follows it.
func isHost(word []byte) bool {
	if i := bytes.IndexByte(word, ','); i >= 0 { // UniFi: U7PG2,788a20aabbcc,v4.0.42
		mac, version, ok := bytes.Cut(word[i+1:], []byte(","))
		return ok && isLabel(word[:i]) && isLabel(mac) && isLabel(version) && version[0] == 'v'
	}
	if len(word) == 0 || len(word) > 255 || word[len(word)-1] == ':' || word[len(word)-1] == ']' ||
		word[0] == '%' {
		return false
	}
	for _, c := range word {
		if !isWord(c) && c != '.' && c != '-' && c != ':' {
			return false
		}
	}
	return true
}

// appendBareSyslog rewrites a line of a syslog file, with a time as of old or in RFC 3339 form, or
// as journalctl prints it. It must have time, host and tag: without a tag behind it, the first word
// of a text is no host. With a time as of old, the host may be absent. Instead of a tag, JSON
// may follow, as syslog-ng and rsyslog pass on what applications write.
//
//	May  4 10:11:12 mymachine su[230]: failed
//	2026-05-04T10:11:12.345678+02:00 mymachine su[230]: failed
func appendBareSyslog(dst, b []byte, last *stamp) ([]byte, string, bool) {
	if len(b) < 20 {
		return dst, "", false
	}
	if b[0] == '[' || b[0] == '1' && jsonscan.Digits(b[:11]) == 10 {
		return appendJournal(dst, b)
	}
	old := startsMonth(b) || startsYear(b)
	iso := !old && b[0]-'0' <= 9 && b[4] == '-' && (b[10] == 'T' || b[10] == ' ' && isColored(b))
	if !old && !iso && (weekday(b) != 3 || len(b) < 30 || b[3] != ' ' || b[4]-'0' > 9) {
		return dst, "", false
	}
	n := last.length(b)
	if n == 0 {
		_, n = clock{record: earliest}.prefix(b)
	}
	if n == 0 || n >= len(b) || b[n] != ' ' {
		return dst, "", false
	}
	if iso {
		if out, ok := appendBare5424(dst, b, n); ok {
			return out, "syslog5424", true
		}
	}
	if old {
		n = lateYearOf(b, n)
	}
	rest := bytes.TrimLeft(b[n:], " ")
	host, text, ok := bytes.Cut(rest, []byte(" "))
	word, text := cutDaemonLevel(bytes.TrimLeft(text, " "))
	h := header{time: b[:n], host: host}
	if len(host) == 1 && old && levelLetter(host[0]).word != nil { // May  4 10:11:12 E shop: failed
		h.host, word, host = nil, host, nil
	}
	object := len(text) > 1 && text[0] == '{' && text[1] == '"' &&
		(old || bytes.ContainsAny(host, "-.0123456789"))
	if !ok || host != nil && !isHost(host) || isNoHost(host) || !object && !startsTag(text) {
		if tag, pid, _, ok := cutTag(rest); !old && !isDyno(tag, pid) &&
			!isProcess(rest, tag, pid) || !ok ||
			levelWord(tag).word != nil || !isHost(tag) {
			return dst, "", false
		}
		h.host, text = nil, rest
	} else if out, ok := appendInner(dst, text, h); ok {
		if text[0] == 'L' {
			return out, "leef", true
		}
		return out, "cef", true
	} else {
		dst = appendBytes(dst, "level", word)
	}
	return appendTagged(dst, text, h), "syslog3164", true
}

// appendJournal rewrites a line as journalctl prints it with seconds since 1970, or since the
// machine was started, perhaps with those since the line before. The latter are no time.
//
//	1777889472.345678 mymachine su[230]: failed
//	[12345.678901] mymachine su[230]: failed
func appendJournal(dst, b []byte) ([]byte, string, bool) {
	var h header
	at, _, ok := bytes.Cut(b[:min(len(b), 64)], []byte(" "))
	var rest []byte
	if b[0] == '[' {
		end := bytes.IndexByte(b[:min(len(b), 64)], ']')
		if end < 0 || end+2 > len(b) || b[end+1] != ' ' {
			return dst, "", false
		}
		at, rest, _ = bytes.Cut(bytes.TrimLeft(b[1:end], " "), []byte(" "))
		if ok = len(rest) == 0 || rest[0] == '<'; ok {
			rest = b[end+2:]
		}
	} else {
		h.time, rest = at, b[min(len(at)+1, len(b)):]
	}
	if !ok || !isDecimal(at) || bytes.IndexByte(at, '.') < 0 {
		return dst, "", false
	}
	host, text, ok := bytes.Cut(rest, []byte(" "))
	tag, pid, _, tagged := cutTag(text)
	if !ok || !tagged || !isHost(host) || !isProcess(text, tag, pid) && string(tag) != "kernel" {
		return dst, "", false
	}
	h.host = host
	return appendTagged(dst, text, h), "syslog3164", true
}

// appendBare5424 appends the fields of a line of RFC 5424 without priority and version, as VMware's
// appliances write it to files; n is the length of its time.
//
//	2026-05-04T10:11:12.345Z mymachine NSX 3106 - [nsx@6876 comp="edge"] payment failed
func appendBare5424(dst, b []byte, n int) ([]byte, bool) {
	var field [4][]byte
	rest := b[n+1:]
	for i := range field {
		var ok bool
		if field[i], rest, ok = bytes.Cut(rest, []byte(" ")); !ok || len(field[i]) == 0 {
			return dst, false
		}
	}
	app, pid, near := field[1], field[2], rest[:min(len(rest), 40)]
	if !isHost(field[0]) || isNoHost(field[0]) || bytes.ContainsAny(app, ":[]{}=\"") || levelWord(app).word != nil ||
		jsonscan.Digits(pid) != len(pid) && string(pid) != "-" ||
		!bytes.HasPrefix(rest, []byte("- ")) &&
			(len(rest) == 0 || rest[0] != '[' || bytes.IndexByte(near, '@') < 0) {
		return dst, false
	}
	data, text, ok := cutStructuredData(rest)
	if !ok {
		return dst, false
	}
	dst = appendKnown(dst, "timestamp", b[:n])
	for i, key := range [...]string{"host", "appname", "procid", "msgid"} {
		if string(field[i]) != "-" {
			dst = appendBytes(dst, key, field[i])
		}
	}
	dst = appendStructuredData(dst, data)
	return appendKnown(dst, "message", bytes.TrimLeft(text, " ")), true
}

// isColored reports whether a line with a blank between date and time is one of Python's
// coloredlogs, in which host, program with its process, and a level follow the time:
//
//	2026-05-04 10:11:12 mymachine shop.cart[230] ERROR failed
func isColored(b []byte) bool {
	b = b[len("2026-05-04 10:11:12"):]
	if len(b) > 4 && b[0] == ',' {
		b = b[4:]
	}
	if len(b) == 0 || b[0] != ' ' {
		return false
	}
	_, b, _ = bytes.Cut(b[1:], []byte(" "))
	_, pid, rest, ok := cutTag(b)
	word, _, _ := bytes.Cut(rest[:min(len(rest), 12)], []byte(" "))
	return ok && len(pid) > 0 && len(word) > 2 && isUpper(word) && levelWord(word).word != nil
}

// isDyno reports whether a tag is one of Heroku's command line: heroku[router], app[web.1].
func isDyno(tag, pid []byte) bool {
	return len(pid) > 0 && pid[0]-'a' < 26 && (string(tag) == "heroku" || string(tag) == "app")
}

// isProcess reports whether a text begins with a tag, the ID of its process and a colon, as daemons
// write to their own files behind a time in the form of ISO: 2026-05-04T10:11:12 ntpd[97]: failed
func isProcess(t, tag, pid []byte) bool {
	end := len(tag) + len(pid) + 2
	return len(pid) > 0 && jsonscan.Digits(pid) == len(pid) && end < len(t) && t[end] == ':'
}

// startsTag reports whether a text begins with a tag that is no level.
func startsTag(t []byte) bool {
	tag, pid, text, ok := cutTag(t)
	if ok && pid == nil && len(text) > 0 && tag[0]-'0' <= 9 && text[0]-'0' <= 9 {
		return false // an address with its port
	}
	return ok && levelWord(tag).word == nil
}

// isNoHost reports whether the first word of a text is more likely a level or a stream than a host.
func isNoHost(word []byte) bool {
	return levelWord(word).word != nil || string(word) == "stdout" || string(word) == "stderr"
}

package decode

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// accessLine holds the fields of a line of an access log.
type accessLine struct {
	at, client, user, vhost, level []byte
	method, path, protocol         []byte
	status, size, referer, agent   []byte
	flags, upstream, cache         []byte
	duration                       []byte // as it was written
	unit                           time.Duration

	frontend, backend []byte
	forwarded         []byte
}

// appendAccess rewrites a line of an access log. The whole line is the message. It reads the common
// and combined formats with what servers write around them, and the formats of Envoy, HAProxy,
// Squid, AWS load balancers, CloudFront, IIS, uWSGI, and of frameworks of Go, Python and Node.
//
//	203.0.113.9 - - [04/May/2026:10:11:12 +0000] "GET /pay HTTP/1.1" 502 157 "-" "curl/8"
//	[GIN] 2026/05/04 - 10:11:12 | 502 | 19.769µs | 192.0.2.1 | GET "/pay"
//	1777889472.382 2 127.0.0.1 TCP_DENIED/403 3371 GET http://a.example/ - HIER_NONE/- text/html
func appendAccess(dst, b []byte) ([]byte, bool) {
	if len(b) < 16 {
		return dst, false
	}
	quote := bytes.IndexByte(b[:min(len(b), 1024)], '"')
	if quote <= 0 && !startsAccess(b) {
		return dst, false
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 && i < len(b)-1 {
		return dst, false
	}
	if b[0]-'0' > 9 && b[0] != '[' && mayBeCompose(b, bytes.IndexByte(b[:min(len(b), 64)], ' ')) {
		if name, _ := cutCompose(b); name != nil {
			return dst, false
		}
	}
	var a accessLine
	switch {
	case quote > 0 && a.common(b, requestQuote(b, quote)):
	case quote > 0 && a.balancer(b, quote):
	case a.networkBalancer(b):
	case a.cloudFront(b):
	case a.airlift(b):
	case quote > 0 && a.haproxy(b):
	case quote > 0 && a.framework(b, quote):
	case a.haproxyTCP(b):
	case a.bars(b):
	case a.iis(b):
	case a.extended(b):
	case a.squid(b):
	case a.uwsgi(b):
	case a.morgan(b):
	default:
		return dst, false
	}
	return a.append(dst, b), true
}

// startsAccess reports whether a line without quotes may be of an access log: it has columns with
// bars, or begins with a number of seconds, a method, or an address.
func startsAccess(b []byte) bool {
	first, _, _ := bytes.Cut(b[:min(len(b), 64)], []byte(" "))
	return len(b) > 20 && (b[10] == '\t' && b[19] == '\t' || string(first) == "tls" ||
		b[10] == 'T' && bytes.IndexByte(first, '\t') > 18 ||
		b[10] == ' ' && b[19] == ' ' && b[4] == '-' && (mayBeAddress(b[20:21]) ||
			hasMethod(b[20:min(len(b), 120)]))) || isMethod(first) ||
		mayBeAddress(first) ||
		string(first) == "[pid:" ||
		bytes.IndexByte(b[:min(len(b), 40)], '|') >= 0
}

// hasMethod reports whether a text has the method of a request, with a path behind it, in a column.
func hasMethod(t []byte) bool {
	i := bytes.Index(t, []byte(" /"))
	if i < 3 {
		return false
	}
	return isMethod(t[bytes.LastIndexByte(t[:i], ' ')+1 : i])
}

// mayBeAddress is a quick check of whether the first field within a word may be an address, a dash
// in place of one, or a number. Blanks other than the space may end the field.
func mayBeAddress(word []byte) bool {
	for i, c := range word {
		switch {
		case c-'0' <= 9, c|0x20-'a' < 6, c == ':', c == '.', c == '[', c == ']':
		case c == '%', c <= ' ', c >= 0x80, i == 0 && c == '-':
			return true
		default:
			return false
		}
	}
	return len(word) > 0
}

// append appends the fields of a line.
func (a *accessLine) append(dst, line []byte) []byte {
	dst = appendKnown(dst, "message", line)
	dst = appendBytes(dst, "level", a.level)
	if string(a.vhost) != "-" {
		dst = appendBytes(dst, "vhost", a.vhost)
	}
	dst = appendBytes(dst, "timestamp", a.at)
	dst = appendBytes(dst, "client", a.client)
	if string(a.user) != "-" {
		dst = appendBytes(dst, "user", unescapeHex(a.user))
	}
	dst = appendBytes(dst, "method", a.method)
	dst = appendBytes(dst, "path", unescapeHex(a.path))
	dst = appendBytes(dst, "protocol", a.protocol)
	dst = appendNumber(dst, "status", a.status)
	dst = appendNumber(dst, "bytes", a.size)
	if string(a.referer) != "-" {
		dst = appendBytes(dst, "referer", unescapeHex(a.referer))
	}
	if string(a.agent) != "-" {
		dst = appendBytes(dst, "user_agent", unescapeHex(a.agent))
	}
	dst = appendBytes(dst, "x_forwarded_for", a.forwarded)
	if string(a.flags) != "-" {
		dst = appendBytes(dst, "response_flags", a.flags)
	}
	if string(a.upstream) != "-" {
		dst = appendBytes(dst, "upstream", a.upstream)
	}
	dst = appendBytes(dst, "cache_result", a.cache)
	dst = appendBytes(dst, "frontend", a.frontend)
	dst = appendBytes(dst, "backend", a.backend)
	if a.unit == 0 {
		return dst
	}
	if f, err := strconv.ParseFloat(string(a.duration), 64); err == nil && a.unit > 0 && f >= 0 &&
		f < 1e12 {
		dst = strconv.AppendFloat(appendName(dst, "duration_ms"), f*float64(a.unit)/1e6, 'f',
			-1, 64)
	}
	return dst
}

// unescapeHex resolves what nginx and Apache write for quotes and bytes beyond ASCII, \x22 and \".
// A text that would not be one, such as a handshake of TLS on a plain port, stays as it is.
func unescapeHex(t []byte) []byte {
	if bytes.IndexByte(t, '\\') < 0 {
		return t
	}
	out := make([]byte, 0, len(t))
	for i := 0; i < len(t); i++ {
		switch {
		case t[i] != '\\' || i+1 == len(t):
			out = append(out, t[i])
		case t[i+1] == '"' || t[i+1] == '\\':
			i++
			out = append(out, t[i])
		case t[i+1] == 'x' && i+3 < len(t):
			c, err := strconv.ParseUint(string(t[i+2:i+4]), 16, 8)
			if err != nil || c < ' ' || c == 0x7f {
				return t
			}
			out = append(out, byte(c))
			i += 3
		default:
			return t
		}
	}
	if !utf8.Valid(out) {
		return t
	}
	return out
}

// request reads the first line of a request: GET /pay HTTP/1.1.
func (a *accessLine) request(t []byte) {
	if string(t) == "-" { // the client said nothing
		return
	}
	a.method, t, _ = bytes.Cut(t, []byte(" "))
	if i := bytes.LastIndexByte(t, ' '); i >= 0 && (bytes.HasPrefix(t[i+1:], []byte("HTTP/")) ||
		len(t)-i <= 4) {
		a.path, a.protocol = t[:i], t[i+1:]
		return
	}
	a.path, a.protocol, _ = bytes.Cut(t, []byte(" "))
}

// requestQuote returns the index of the quote before the request: behind the time in brackets, for
// Apache writes an empty user in quotes. No server writes a quote within the user as it is.
func requestQuote(b []byte, quote int) int {
	if b[quote-1] == ' ' && quote > 1 && b[quote-2] == ']' {
		return quote
	}
	if i := bytes.Index(b[:min(len(b), 1024)], []byte(`] "`)); i > quote {
		return i + 2
	}
	return quote
}

// common reads the common and combined formats, with a virtual host before or anything behind them,
// and Envoy's. The first quote is that before the request: no server writes one before it. So a
// user's name, which the client chooses, can hold blanks and brackets without hiding anything.
func (a *accessLine) common(b []byte, quote int) bool {
	head := bytes.TrimRight(b[:quote], " ")
	if len(head) < 20 || head[len(head)-1] != ']' {
		return false
	}
	open := bytes.LastIndexByte(head, '[')
	if open < 0 || len(head)-open > 45 {
		return false
	}
	at := head[open+1 : len(head)-1]
	if !isTime(at) {
		return false
	}
	a.at = at
	end := quoteEnd(b, quote+1)
	if end < 0 {
		return false
	}
	rest := bytes.TrimPrefix(b[end+1:], []byte(" "))
	if !a.cutStatus(&rest) {
		tail, ok := bytes.CutPrefix(rest, []byte("- "))
		if !ok || open == 0 || !isRequest(b[quote+1:end]) {
			return false
		}
		rest = tail // there was no answer
	}
	a.request(b[quote+1 : end])
	if open == 0 {
		return a.envoy(rest)
	}
	a.beforeTime(bytes.TrimRight(head[:open], " "))
	a.tail(rest)
	return true
}

// balancer reads a line of a load balancer of AWS: a classic one, or an application load balancer,
// which has its type before the time.
//
//	2026-05-04T10:11:12.382123Z lb 203.0.113.9:5000 10.0.0.1:80 0.000073 0.001048 0.000057 502 502
//	0 29 "GET http://shop.example:80/pay HTTP/1.1" "curl/8" - -
func (a *accessLine) balancer(b []byte, quote int) bool {
	var all [13][]byte
	n := 0
	for t := bytes.TrimRight(b[:quote], " "); len(t) > 0 && n < len(all); n++ {
		if all[n], t, _ = bytes.Cut(t, []byte(" ")); len(all[n]) == 0 {
			return false
		}
	}
	if n != 11 && n != 12 {
		return false
	}
	f := all[n-11 : n] // time, name, client, target, three durations, two statuses, two sizes
	if len(f[0]) < 20 || f[0][len(f[0])-1] != 'Z' || !isTime(f[0]) || !mayBeAddress(f[2]) ||
		len(f[7]) != 3 || jsonscan.Digits(f[7]) != 3 {
		return false
	}
	end := quoteEnd(b, quote+1)
	if end < 0 {
		return false
	}
	a.at, a.client, a.status, a.size, a.backend = f[0], f[2], f[7], f[10], f[1]
	if f[5][0] != '-' {
		a.duration, a.unit = f[5], time.Second
	}
	if string(f[3]) != "-" {
		a.upstream = f[3]
	}
	a.request(b[quote+1 : end])
	a.splitURL()
	if rest := b[end+1:]; len(rest) > 2 && rest[1] == '"' {
		if end := quoteEnd(rest, 2); end > 0 {
			a.agent = rest[2:end]
		}
	}
	return true
}

// networkBalancer reads a line of a network load balancer of AWS, which logs connections of TLS:
// version, time, name, listener, client, target, two durations, and bytes in and out.
//
//	tls 2.0 2026-05-04T10:11:12 net/lb/c6e7 g3d4 203.0.113.9:5000 10.0.0.1:443 5 2 98 246 - arn
func (a *accessLine) networkBalancer(b []byte) bool {
	rest, ok := bytes.CutPrefix(b, []byte("tls "))
	if !ok {
		return false
	}
	var f [17][]byte
	for i := range f {
		if f[i], rest, ok = bytes.Cut(rest, []byte(" ")); !ok {
			return false
		}
	}
	if !isTime(f[1]) || !isAddress(f[4]) || !isAddress(f[5]) || !isDecimal(f[6]) {
		return false
	}
	a.at, a.backend, a.client, a.upstream = f[1], f[2], f[4], f[5]
	a.duration, a.unit, a.size = f[6], time.Millisecond, f[9]
	a.vhost = f[15]
	return true
}

// airlift reads a line of the request log of Airlift, which Trino and Presto are built on: time,
// client, method, path, user, agent, status, sizes of request and response, and milliseconds,
// between tabs.
func (a *accessLine) airlift(b []byte) bool {
	if b[10] != 'T' || bytes.IndexByte(b[:min(len(b), 40)], '\t') < 0 {
		return false
	}
	var f [11][]byte
	rest, ok := b, false
	for i := range f {
		if f[i], rest, ok = bytes.Cut(rest, []byte("\t")); !ok {
			return false
		}
	}
	if !isTime(f[0]) || !isAddress(f[1]) || !isMethod(f[2]) || len(f[6]) != 3 ||
		jsonscan.Digits(f[6]) != 3 {
		return false
	}
	a.at, a.client, a.method, a.path, a.status, a.size = f[0], f[1], f[2], f[3], f[6], f[8]
	a.duration, a.unit = f[9], time.Millisecond
	for i, field := range [...]*[]byte{&a.user, &a.agent} {
		if string(f[4+i]) != "null" {
			*field = f[4+i]
		}
	}
	return true
}

// splitURL leaves the path of a whole address in path, and its host in vhost.
func (a *accessLine) splitURL() {
	_, rest, ok := bytes.Cut(a.path, []byte("://"))
	if !ok {
		return
	}
	a.vhost, a.path = rest, []byte("/")
	if i := bytes.IndexByte(rest, '/'); i >= 0 {
		a.vhost, a.path = rest[:i], rest[i:]
	}
	a.vhost = withoutPort(a.vhost)
}

// cloudFront reads a line of the standard log of CloudFront, whose columns are set apart by tabs.
func (a *accessLine) cloudFront(b []byte) bool {
	if len(b) < 40 || b[10] != '\t' || b[19] != '\t' {
		return false
	}
	var f [19][]byte
	n := 0
	for t := b; len(t) > 0 && n < len(f); n++ {
		f[n], t, _ = bytes.Cut(t, []byte("\t"))
	}
	if n < 19 || !isTime(b[:19]) || !mayBeAddress(f[4]) || !isMethod(f[5]) || len(f[8]) != 3 ||
		jsonscan.Digits(f[8]) != 3 {
		return false
	}
	a.at, a.size, a.client, a.method, a.vhost = b[:19], f[3], f[4], f[5], f[6]
	a.path, a.status, a.referer, a.agent, a.cache = f[7], f[8], f[9], f[10], f[13]
	a.duration, a.unit = f[18], time.Second
	return true
}

// isTime reports whether a text is a whole time.
func isTime(t []byte) bool {
	_, n := (clock{}).prefix(t)
	if n == 0 && len(t) >= 10 && jsonscan.Digits(t[:10]) == 10 {
		_, n = clock{record: 1 << 62}.epochPrefix(append(t[:len(t):len(t)], ' '))
	}
	return n > 0 && n == len(t)
}

// cutStatus cuts the status off, and what follows it. Envoy writes 0 where there was no answer.
func (a *accessLine) cutStatus(rest *[]byte) bool {
	status, tail, _ := bytes.Cut(*rest, []byte(" "))
	if len(status) == 3 && jsonscan.Digits(status) == 3 && status[0] != '0' ||
		string(status) == "0" {
		a.status, *rest = status, tail
		return true
	}
	return false
}

// beforeTime reads what stands before the time: the client's address, its identity, and the user,
// perhaps behind the virtual host or a prefix in brackets.
func (a *accessLine) beforeTime(head []byte) {
	for len(head) > 0 && head[0] == '[' { // [2026-05-04 10:11:12 +0000] [2454] [INFO] of Hypercorn
		end := bytes.IndexByte(head, ']')
		if end < 0 {
			break
		}
		if levelWord(head[1:end]).word != nil {
			a.level = head[1:end]
		}
		head = bytes.TrimLeft(head[end+1:], " ")
	}
	first, rest, _ := bytes.Cut(head, []byte(" "))
	if bytes.HasSuffix(first, []byte(",")) { // the header X-Forwarded-For
		for last := first; bytes.HasSuffix(last, []byte(",")); {
			last, rest, _ = bytes.Cut(rest, []byte(" "))
		}
		first = bytes.TrimSuffix(first, []byte(","))
		if peer, tail, ok := bytes.Cut(rest, []byte(" ")); ok && isAddress(peer) {
			rest = tail
		}
	}
	second, tail, _ := bytes.Cut(rest, []byte(" "))
	switch {
	case isAddress(second) && (!isAddress(first) || bytes.Count(first, []byte(":")) == 1) &&
		hasPort(first) || isAddress(second) && !isAddress(first) && !hasPort(second):
		a.vhost, a.client = first, second
		_, a.user, _ = bytes.Cut(tail, []byte(" "))
	default:
		a.client = first
		a.user = tail
		if len(tail) == 0 && string(second) != "-" {
			a.user = nil
		}
	}
	a.client, a.user = withoutPort(a.client), bytes.Trim(a.user, `"`)
}

func hasPort(t []byte) bool {
	i := bytes.LastIndexByte(t, ':')
	return i > 0 && i < len(t)-1 && jsonscan.Digits(t[i+1:]) == len(t)-i-1 &&
		bytes.Count(t, []byte(":")) == 1
}

// isAddress reports whether a text is the address of a network, perhaps with a port.
func isAddress(t []byte) bool {
	if len(t) < 2 || len(t) > 60 || t[0] != ':' && t[0] != '[' && t[0]-'0' > 9 &&
		(t[0]|0x20)-'a' > 5 {
		return false
	}
	if isIPv4(t) {
		return true
	}
	if bytes.IndexByte(t, ':') < 0 {
		return false
	}
	if _, err := netip.ParseAddr(string(t)); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(string(t))
	return err == nil
}

// isIPv4 reports whether a text is an address of version 4, perhaps with a port.
func isIPv4(t []byte) bool {
	for i := range 4 {
		n := jsonscan.Digits(t[:min(len(t), 4)])
		if n == 0 || n > 3 || number(t[:n]) > 255 {
			return false
		}
		if t = t[n:]; i < 3 {
			if len(t) == 0 || t[0] != '.' {
				return false
			}
			t = t[1:]
		}
	}
	return len(t) == 0 || t[0] == ':' && len(t) <= 6 && len(t) > 1 &&
		jsonscan.Digits(t[1:]) == len(t)-1
}

// withoutPort cuts a port off an address.
func withoutPort(t []byte) []byte {
	if isIPv4(t) {
		t, _, _ = bytes.Cut(t, []byte(":"))
		return t
	}
	if bytes.IndexByte(t, ':') < 0 {
		return t
	}
	if _, err := netip.ParseAddrPort(string(t)); err != nil {
		return t
	}
	return bytes.Trim(t[:bytes.LastIndexByte(t, ':')], "[]")
}

// tail reads what stands behind the status: the size, the referer and the user agent, and what some
// servers add: nginx's ingress the length and duration of the request, Traefik its duration.
func (a *accessLine) tail(t []byte) {
	a.size, t, _ = bytes.Cut(t, []byte(" "))
	if len(t) > 0 && t[0]-'0' <= 9 { // $request_time of nginx before the referer
		word, _, ok := bytes.Cut(t, []byte(" \""))
		if ok && bytes.IndexByte(word, '.') > 0 && isDecimal(word) {
			a.duration, a.unit, t = word, time.Second, t[len(word)+1:]
		}
	}
	for _, to := range [...]*[]byte{&a.referer, &a.agent} {
		if len(t) == 0 || t[0] != '"' {
			break
		}
		e := quoteEnd(t, 1)
		if e < 0 {
			return
		}
		*to = t[1:e]
		t = bytes.TrimPrefix(t[e+1:], []byte(" "))
	}
	if len(t) > 3 && t[0] == '"' { // the format main of nginx
		e := quoteEnd(t, 1)
		if first, _, _ := bytes.Cut(t[1:max(e, 1)], []byte(",")); string(first) == "-" {
			t = t[e+1:]
		} else if isAddress(first) {
			a.forwarded, t = t[1:e], t[e+1:]
		}
	}
	if t = bytes.TrimSpace(t); len(t) == 0 {
		return
	}
	fields := bytes.Fields(t[:min(len(t), 512)])
	switch n := len(fields); {
	case n >= 7 && jsonscan.Digits(fields[0]) == len(fields[0]) && isDecimal(fields[1]) &&
		fields[2][0] == '[': // ingress-nginx
		a.duration, a.unit = fields[1], time.Second
		a.upstream = bytes.Trim(fields[2], "[]")
	case n > 0 && bytes.HasSuffix(fields[n-1], []byte("ms")) &&
		isDecimal(bytes.TrimSuffix(fields[n-1], []byte("ms"))): // Traefik
		a.duration, a.unit = bytes.TrimSuffix(fields[n-1], []byte("ms")), time.Millisecond
	case n >= 1 && bytes.IndexByte(fields[0], '.') > 0 && isDecimal(fields[0]):
		// $request_time of nginx, Rack
		a.duration, a.unit = fields[0], time.Second
	case a.unit == 0:
		for _, field := range fields {
			key, value, _ := bytes.Cut(field, []byte("="))
			value = bytes.Trim(value, `"`)
			if (string(key) == "rt" || string(key) == "request_time") && isDecimal(value) {
				a.duration, a.unit = value, time.Second
			}
		}
	}
}

func isDecimal(t []byte) bool {
	n := jsonscan.Digits(t)
	return n > 0 && (n == len(t) || t[n] == '.' && n+1+jsonscan.Digits(t[n+1:]) == len(t))
}

// envoy reads what Envoy writes behind the status:
//
//	UF,URX 0 91 1 - "-" "curl" "r-1" "pay" "10.0.0.1:80"
func (a *accessLine) envoy(rest []byte) bool {
	var quoted [4][]byte // client, agent, ID of the request, host
	near := rest[:min(len(rest), 400)]
	fields := bytes.Fields(near)
	if len(fields) == 0 {
		return true
	}
	a.flags = fields[0]
	for i := 1; i+2 < len(fields) && i < 6; i++ { // details of the answer may come first
		if jsonscan.Digits(fields[i]) == len(fields[i]) &&
			jsonscan.Digits(fields[i+1]) == len(fields[i+1]) &&
			jsonscan.Digits(fields[i+2]) == len(fields[i+2]) {
			a.size, a.duration, a.unit = fields[i+1], fields[i+2], time.Millisecond
			break
		}
	}
	if a.unit == 0 {
		return true
	}
	// the duration is followed by that of the upstream, and by texts in quotes
	at := bytes.Index(near, append(append([]byte(" "), a.duration...), ' '))
	for i := range quoted {
		open := bytes.IndexByte(near[max(at, 0):], '"')
		if open < 0 {
			return true
		}
		at = max(at, 0) + open
		end := quoteEnd(near, at+1)
		if end < 0 {
			return true
		}
		quoted[i], at = near[at+1:end], end+1
	}
	if client, _, _ := bytes.Cut(quoted[0], []byte(",")); isAddress(client) {
		a.client, a.forwarded = client, quoted[0]
	}
	a.agent, a.vhost = quoted[1], quoted[3]
	return true
}

// haproxy reads a line of HAProxy's httplog.
//
//	10.0.1.2:33313 [04/May/2026:10:11:12.655] http-in static/srv1 10/0/30/69/109 503 2750 - - SC--
//	1/1/1/1/0 0/0 "GET / HTTP/1.1"
func (a *accessLine) haproxy(b []byte) bool {
	client, rest, _ := bytes.Cut(b, []byte(" "))
	if !isAddress(client) || len(rest) < 30 || rest[0] != '[' {
		return false
	}
	at, rest, ok := bytes.Cut(rest[1:], []byte("] "))
	if !ok || !isTime(at) {
		return false
	}
	fields := bytes.SplitN(rest, []byte(" "), 6)
	if len(fields) < 6 || bytes.Count(fields[2], []byte("/")) < 4 {
		return false
	}
	a.status = fields[3]
	if string(a.status) == "-1" {
		a.status = []byte("0")
	}
	if n := jsonscan.Digits(a.status); n == 0 || n != len(a.status) || n > 3 ||
		n > 1 && a.status[0] == '0' {
		return false
	}
	a.at, a.client, a.size = at, withoutPort(client), bytes.TrimPrefix(fields[4], []byte("+"))
	a.frontend = bytes.TrimSuffix(fields[0], []byte("~"))
	a.backend = fields[1]
	timers := fields[2]
	a.duration, a.unit = bytes.TrimPrefix(timers[bytes.LastIndexByte(timers, '/')+1:], []byte("+")),
		time.Millisecond
	quote := bytes.LastIndexByte(rest[:max(len(rest)-1, 0)], '"')
	if open := bytes.IndexByte(rest, '"'); open >= 0 && open <= quote {
		if end := quoteEnd(rest, open+1); end > 0 {
			a.request(rest[open+1 : end])
		}
	}
	return true
}

// haproxyTCP reads a line of HAProxy's tcplog, which has no request and no status.
//
//	10.0.1.2:33313 [04/May/2026:10:11:12.655] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0
func (a *accessLine) haproxyTCP(b []byte) bool {
	client, rest, _ := bytes.Cut(b, []byte(" "))
	if len(rest) < 30 || rest[0] != '[' || !isAddress(client) {
		return false
	}
	at, rest, ok := bytes.Cut(rest[1:], []byte("] "))
	if !ok || !isTime(at) {
		return false
	}
	f := bytes.Fields(rest[:min(len(rest), 512)])
	if len(f) < 7 || bytes.Count(f[2], []byte("/")) != 2 || len(f[4]) != 2 ||
		bytes.Count(f[5], []byte("/")) != 4 || bytes.Count(f[6], []byte("/")) != 1 {
		return false
	}
	a.at, a.client, a.size = at, withoutPort(client), bytes.TrimPrefix(f[3], []byte("+"))
	a.frontend, a.backend = bytes.TrimSuffix(f[0], []byte("~")), f[1]
	a.duration = bytes.TrimPrefix(f[2][bytes.LastIndexByte(f[2], '/')+1:], []byte("+"))
	a.unit = time.Millisecond
	if string(f[4]) != "--" {
		a.flags = f[4]
	}
	return true
}

// framework reads lines that hold a request in quotes and its status behind it, with an address or
// a time before it, in whatever order.
//
//	INFO:     127.0.0.1:46882 - "GET /pay?q=1 HTTP/1.1" 502 Bad Gateway
//	[29/Nov/2026 07:58:05] "GET /pay?q=1 HTTP/1.1" 502 1
func (a *accessLine) framework(b []byte, quote int) bool {
	head := b[:quote]
	end := quoteEnd(b, quote+1)
	if end < 0 || len(head) > 160 || !isRequest(b[quote+1:end]) {
		return false
	}
	rest := bytes.TrimPrefix(b[end+1:], []byte(" "))
	if after, ok := bytes.CutPrefix(rest, []byte("from ")); ok { // chi
		if client, tail, ok := bytes.Cut(after, []byte(" - ")); ok && isAddress(client) {
			a.client, rest = withoutPort(client), tail
		}
	}
	if !a.cutStatus(&rest) {
		return false
	}
	for len(head) > 0 {
		head = bytes.TrimLeft(head, " -")
		if len(head) == 0 {
			break
		}
		if h := (clock{}).headOf(head); h.end > 0 && h.start <= 1 && a.at == nil {
			a.at = bytes.Trim(head[h.start:h.end], "[]")
			head = bytes.TrimLeft(head[h.end:], "]")
			continue
		}
		word, tail, _ := bytes.Cut(head, []byte(" "))
		switch bare := bytes.Trim(word, "[]:"); {
		case isAddress(bare) || isAddress(bytes.TrimRight(word, ":")):
			if a.client == nil {
				a.client = withoutPort(bytes.TrimRight(word, ":,"))
				if isAddress(bare) {
					a.client = withoutPort(bare)
				}
			}
		case levelWord(bare).word != nil && a.level == nil:
			a.level = bare
		case a.client == nil && a.at == nil && len(bare) > 40:
			return false
		}
		head = tail
	}
	if a.client == nil && a.at == nil {
		return false
	}
	a.request(b[quote+1 : end])
	a.splitURL()
	size, tail, _ := bytes.Cut(rest, []byte(" "))
	if took, ok := bytes.CutPrefix(tail, []byte("in ")); ok { // chi
		a.size = bytes.TrimSuffix(size, []byte("B"))
		a.setDuration(took)
		return true
	}
	if len(tail) > 1 && (tail[0] == '"' || bytes.Contains(tail[:min(len(tail), 24)], []byte(` "`))) {
		a.tail(rest) // Actix, APISIX
		return true
	}
	if jsonscan.Digits(size) == len(size) {
		a.size = size
	} else if isDecimal(size) { // Granian's milliseconds
		a.duration, a.unit = size, time.Millisecond
	}
	if ms, _, ok := bytes.Cut(tail, []byte("ms")); ok && isDecimal(bytes.TrimSpace(ms)) {
		a.duration, a.unit = bytes.TrimSpace(ms), time.Millisecond
	}
	return true
}

// isRequest reports whether a text is the first line of a request.
func isRequest(t []byte) bool {
	method, rest, ok := bytes.Cut(t, []byte(" "))
	return ok && isMethod(method) && len(rest) > 0 && (rest[0] == '/' || rest[0] == '*' ||
		bytes.Contains(rest[:min(len(rest), 12)], []byte("://")) || string(method) == "CONNECT")
}

func isMethod(t []byte) bool {
	switch string(t) {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PROPFIND",
		"REPORT", "PURGE":
		return true
	}
	return false
}

// bars reads the lines of Go's frameworks, whose columns have bars between them.
//
//	[GIN] 2026/05/04 - 10:11:12 | 502 | 19.769µs |       192.0.2.1 | GET      "/pay?q=1"
//	10:11:12 | 502 | 6.119µs | 0.0.0.0 | GET | /pay | boom
func (a *accessLine) bars(b []byte) bool {
	if i := bytes.IndexByte(b[:min(len(b), 40)], '|'); i < 0 ||
		bytes.Count(b[:min(len(b), 160)], []byte("|")) < 4 {
		return false
	}
	columns := bytes.SplitN(b, []byte("|"), 7)
	for i := range columns {
		columns[i] = bytes.TrimSpace(columns[i])
	}
	status := columns[1]
	if len(columns) < 5 || len(status) != 3 || jsonscan.Digits(status) != 3 || status[0] == '0' ||
		!isAddress(columns[3]) && !bytes.HasPrefix(b, []byte("[negroni] ")) {
		return false
	}
	if h := (clock{}).headOf(columns[0]); h.end > 0 {
		a.at = columns[0][h.start:h.end]
	}
	if a.status = status; isAddress(columns[3]) {
		a.client = columns[3]
	} else {
		a.vhost = columns[3]
	}
	a.setDuration(columns[2])
	method, path, _ := bytes.Cut(columns[4], []byte(" "))
	if !isMethod(method) {
		return false
	}
	if len(columns) > 5 && len(path) == 0 {
		path = columns[5]
	}
	a.method, a.path = method, bytes.Trim(bytes.TrimSpace(path), `"`)
	return true
}

// iis reads a line of IIS in W3C format, with the columns that are written by default.
//
//	2026-05-04 10:11:12 10.0.0.1 GET /pay q=1 443 - 203.0.113.9 curl/8 - 502 0 0 29
func (a *accessLine) iis(b []byte) bool {
	if len(b) < 40 || b[4] != '-' || b[10] != ' ' || b[19] != ' ' {
		return false
	}
	f := bytes.SplitN(b[20:], []byte(" "), 14)
	if len(f) < 13 || !isAddress(f[0]) || !isMethod(f[1]) || jsonscan.Digits(f[4]) != len(f[4]) ||
		!isAddress(f[6]) || len(f[9]) != 3 || jsonscan.Digits(f[9]) != 3 || !isDecimal(f[12]) ||
		!isTime(b[:19]) {
		return false
	}
	a.at, a.method, a.path, a.user, a.client = b[:19], f[1], f[2], f[5], f[6]
	a.agent, a.referer, a.status = f[7], f[8], f[9]
	a.duration, a.unit = f[12], time.Millisecond
	return true
}

// extended reads a line in W3C's extended format whose columns are not those of iis: behind date
// and time there are a method, its path, and the status before nothing but numbers, or directly
// behind the query as old versions of IIS have it.
//
//	2026-05-04 10:11:12 W3SVC1 WEB01 GET /pay - 443 - 203.0.113.9 curl/8 502 0 64 29
//	2026-05-04 10:11:12 203.0.113.9 - 10.0.0.1 80 GET /pay - 502 curl/8
//	2026-05-04<tab>10:11:12<tab>GET<tab>/pay<tab>502
func (a *accessLine) extended(b []byte) bool {
	if len(b) < 28 || b[4] != '-' || b[10] != ' ' && b[10] != '\t' || b[19] != b[10] {
		return false
	}
	if !isTime(append(append(b[:10:10], ' '), b[11:19]...)) {
		return false
	}
	f := bytes.Fields(b[20:min(len(b), 4096)])
	at := 0
	for ; at < len(f) && !isMethod(f[at]); at++ {
		if at > 7 || levelWord(f[at]).word != nil || !isHost(bytes.Trim(f[at], `"`)) &&
			string(f[at]) != "-" {
			return false
		}
	}
	if at+2 >= len(f) || f[at+1][0] != '/' && !bytes.Contains(f[at+1], []byte("://")) {
		return false
	}
	numbers := len(f) // of the columns at the end
	for numbers > at+2 && (isDecimal(f[numbers-1]) || string(f[numbers-1]) == "-") {
		numbers--
	}
	isStatus := func(t []byte) bool {
		return len(t) == 3 && jsonscan.Digits(t) == 3 && t[0]-'1' < 5
	}
	switch {
	case numbers < len(f) && isStatus(f[numbers]):
		a.status = f[numbers]
		if n := len(f) - numbers; n >= 4 { // status, substatus, status of Windows, ..., duration
			a.duration, a.unit = f[len(f)-1], time.Millisecond
		}
	case at+3 < len(f) && isStatus(f[at+3]):
		a.status = f[at+3]
	case numbers+1 < len(f) && isStatus(f[numbers+1]):
		a.status = f[numbers+1] // behind the query, or a dash for none
	default:
		return false
	}
	a.at = append(append(b[:10:10], ' '), b[11:19]...)
	a.method, a.path = f[at], f[at+1]
	for _, field := range f[at+2:] {
		if a.client == nil && isAddress(field) {
			a.client = withoutPort(field)
		}
	}
	if a.client == nil && at > 0 && isAddress(f[0]) && (at > 1 || b[10] == '\t') {
		a.client = f[0]
	}
	return true
}

// setDuration sets a duration as Go writes it.
func (a *accessLine) setDuration(t []byte) {
	if d, err := time.ParseDuration(string(bytes.ReplaceAll(t, []byte(" "), nil))); err == nil {
		a.duration, a.unit = strconv.AppendFloat(nil, float64(d)/1e6, 'f', -1, 64), time.Millisecond
	}
}

// squid reads a line of Squid's native format.
func (a *accessLine) squid(b []byte) bool {
	if len(b) < 40 || jsonscan.Digits(b[:11]) != 10 || b[10] != '.' {
		return false
	}
	fields := bytes.Fields(b[:min(len(b), 4096)])
	if len(fields) < 9 || !isDecimal(fields[0]) || len(fields[0]) < 12 ||
		bytes.IndexByte(fields[0], '.') != 10 || !isAddress(fields[2]) && string(fields[2]) != "-" {
		return false
	}
	result, status, ok := bytes.Cut(fields[3], []byte("/"))
	if !ok || len(status) != 3 || jsonscan.Digits(status) != 3 {
		return false
	}
	a.at, a.client, a.cache, a.status, a.size = fields[0], fields[2], result, status, fields[4]
	a.method, a.path, a.user = fields[5], fields[6], fields[7]
	a.duration, a.unit = fields[1], time.Millisecond
	return true
}

// uwsgi reads the line that uWSGI writes of a request.
//
//	[pid: 12|app: 0|req: 1/1] 192.0.2.1 () {30 vars in 400 bytes} [Mon May  4 10:11:12 2026]
//	GET /pay => generated 5 bytes in 3 msecs (HTTP/1.1 502) 2 headers in 70 bytes
//
// It is one line; how long it took is in msecs or micros.
func (a *accessLine) uwsgi(b []byte) bool {
	head, rest, ok := bytes.Cut(b, []byte("] "))
	if !ok || !bytes.HasPrefix(head, []byte("[pid: ")) {
		return false
	}
	if a.client, rest, ok = bytes.Cut(rest, []byte(" ")); !ok || !isAddress(a.client) {
		return false
	}
	_, rest, ok = bytes.Cut(rest, []byte("} ["))
	if !ok {
		return false
	}
	if a.at, rest, ok = bytes.Cut(rest, []byte("] ")); !ok || !isTime(a.at) {
		return false
	}
	// the client chooses the path; what is behind the last mark is uWSGI's own
	mark := bytes.LastIndex(rest, []byte(" => generated "))
	if mark < 0 || !isRequest(rest[:mark]) {
		return false
	}
	a.request(rest[:mark])
	fields := bytes.Fields(rest[mark+len(" => generated "):])
	if len(fields) < 6 || string(fields[1]) != "bytes" || string(fields[2]) != "in" {
		return false
	}
	a.size, a.duration, a.unit = fields[0], fields[3], time.Millisecond
	if string(fields[4]) == "micros" {
		a.unit = time.Microsecond
	}
	a.protocol = bytes.TrimPrefix(fields[5], []byte("("))
	status := []byte(nil)
	if len(fields) > 6 {
		status = bytes.TrimSuffix(fields[6], []byte(")"))
	}
	if len(status) != 3 || jsonscan.Digits(status) != 3 {
		return false
	}
	a.status = status
	return true
}

// morgan reads the short lines of Node's morgan: GET /pay?q=1 502 41.504 ms - 4
func (a *accessLine) morgan(b []byte) bool {
	first, _, _ := bytes.Cut(b[:min(len(b), 64)], []byte(" "))
	if len(first) == 0 || !isMethod(first) && (!mayBeAddress(first) ||
		first[0]-'0' > 9 && first[0] != ':' && string(first) != "-" ||
		!bytes.Contains(b[:min(len(b), 1024)], []byte(" ms"))) {
		return false
	}
	fields := bytes.Fields(b[:min(len(b), 1024)])
	for len(fields) > 6 && !isMethod(fields[0]) && (isAddress(fields[0]) ||
		string(fields[0]) == "-") {
		if isAddress(fields[0]) && a.client == nil {
			a.client = fields[0]
		}
		fields = fields[1:]
	}
	if len(fields) > 3 && bytes.HasPrefix(fields[2], []byte("HTTP/")) {
		a.protocol = fields[2]
		fields = append(fields[:2:2], fields[3:]...)
	}
	if len(fields) < 5 || !isMethod(fields[0]) || len(fields[2]) != 3 ||
		jsonscan.Digits(fields[2]) != 3 || fields[2][0] == '0' {
		return false
	}
	a.method, a.path, a.status = fields[0], fields[1], fields[2]
	for i := 3; i+1 < len(fields); i++ {
		if string(fields[i+1]) == "ms" && isDecimal(fields[i]) {
			a.duration, a.unit = fields[i], time.Millisecond
			return true
		}
	}
	return false
}

package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// appendAccess rewrites a line of an access log in the common or combined format. The whole line is
// the message; its parts are fields.
//
//	203.0.113.9 - - [04/May/2026:10:11:12 +0000] "GET /pay HTTP/1.1" 502 157 "-" "curl/8"
func appendAccess(dst, b []byte) ([]byte, bool) {
	if len(b) > 0 && b[0] == '[' {
		return appendEnvoy(dst, b)
	}
	open := bytes.IndexByte(b[:min(len(b), 200)], '[')
	if open < 5 || bytes.IndexByte(b, '\n') >= 0 {
		return dst, false
	}
	line, host := b, []byte(nil)
	switch bytes.Count(b[:open], []byte(" ")) {
	case 3:
	case 4: // the virtual host comes first
		host, b, _ = bytes.Cut(b, []byte(" "))
		open -= len(host) + 1
	default:
		return dst, false
	}
	if open < 5 {
		return dst, false
	}
	end := bytes.IndexByte(b[open:], ']')
	if end < 20 || end > 40 {
		return dst, false
	}
	at := b[open+1 : open+end]
	if _, n := (clock{}).dayFirst(at); n != len(at) {
		return dst, false
	}
	rest := bytes.TrimPrefix(b[open+end+1:], []byte(" "))
	if len(rest) < 2 || rest[0] != '"' {
		return dst, false
	}
	quote := quoteEnd(rest, 1)
	if quote < 0 {
		return dst, false
	}
	status, tail, _ := bytes.Cut(bytes.TrimPrefix(rest[quote+1:], []byte(" ")), []byte(" "))
	if len(status) != 3 || jsonscan.Digits(status) != 3 || status[0] == '0' {
		return dst, false
	}
	client, user, _ := bytes.Cut(b[:open-1], []byte(" "))
	dst = appendMember(dst, "message", line)
	dst = appendBytes(dst, "vhost", host)
	dst = appendMember(dst, "timestamp", at)
	dst = appendMember(dst, "client", client)
	if _, user, _ = bytes.Cut(user, []byte(" ")); string(user) != "-" {
		dst = appendBytes(dst, "user", user)
	}
	method, path, _ := bytes.Cut(rest[1:quote], []byte(" "))
	path, protocol, _ := bytes.Cut(path, []byte(" "))
	dst = appendBytes(dst, "method", method)
	dst = appendBytes(dst, "path", path)
	dst = appendBytes(dst, "protocol", protocol)
	dst = append(appendKey(dst, "status"), status...)
	size, tail, _ := bytes.Cut(tail, []byte(" "))
	if n := jsonscan.Digits(size); n > 0 && n == len(size) && jsonscan.IsNumber(size) {
		dst = append(appendKey(dst, "bytes"), size...)
	}
	for _, key := range [...]string{"referer", "user_agent"} {
		if len(tail) == 0 || tail[0] != '"' {
			break
		}
		e := quoteEnd(tail, 1)
		if e < 0 {
			break
		}
		if string(tail[1:e]) != "-" {
			dst = appendMember(dst, key, tail[1:e])
		}
		tail = bytes.TrimPrefix(tail[e+1:], []byte(" "))
	}
	return dst, true
}

// appendEnvoy rewrites a line of an access log in Envoy's format.
//
//	[2026-05-04T10:11:12.345Z] "GET /pay HTTP/1.1" 503 UF,URX 0 91 1 - "-" "curl" "r-1" "pay" "10.0.0.1:80"
func appendEnvoy(dst, b []byte) ([]byte, bool) {
	end := bytes.IndexByte(b[:min(len(b), 40)], ']')
	if end < 20 || len(b) < end+3 || b[end+1] != ' ' || b[end+2] != '"' ||
		bytes.IndexByte(b, '\n') >= 0 {
		return dst, false
	}
	if _, n := (clock{}).iso(b[1:end]); n != end-1 {
		return dst, false
	}
	quote := quoteEnd(b, end+3)
	if quote < 0 {
		return dst, false
	}
	status, tail, _ := bytes.Cut(bytes.TrimPrefix(b[quote+1:], []byte(" ")), []byte(" "))
	if len(status) != 3 && len(status) != 1 || jsonscan.Digits(status) != len(status) ||
		status[0] == '0' && len(status) != 1 {
		return dst, false
	}
	dst = appendMember(dst, "message", b)
	dst = appendMember(dst, "timestamp", b[1:end])
	method, path, _ := bytes.Cut(b[end+3:quote], []byte(" "))
	path, protocol, _ := bytes.Cut(path, []byte(" "))
	dst = appendBytes(dst, "method", method)
	dst = appendBytes(dst, "path", path)
	dst = appendBytes(dst, "protocol", protocol)
	dst = append(appendKey(dst, "status"), status...)
	if flags, _, _ := bytes.Cut(tail, []byte(" ")); string(flags) != "-" {
		dst = appendBytes(dst, "response_flags", flags)
	}
	return dst, true
}

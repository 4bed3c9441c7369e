package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// appendAudit rewrites a record of the Linux audit daemon. The whole line is the message; its pairs
// are fields, those within msg='...' included.
//
//	type=USER_LOGIN msg=audit(1777889472.345:124): pid=1 uid=0 msg='op=login acct="root"
//	exe="/usr/sbin/sshd" addr=203.0.113.9 res=failed'
func appendAudit(dst, b []byte) ([]byte, bool) {
	rest := b
	var node []byte
	if after, ok := bytes.CutPrefix(rest, []byte("node=")); ok {
		node, rest, _ = bytes.Cut(after, []byte(" "))
	}
	rest, ok := bytes.CutPrefix(rest, []byte("type="))
	if !ok {
		return dst, false
	}
	kind, rest, _ := bytes.Cut(rest, []byte(" "))
	rest, ok = bytes.CutPrefix(rest, []byte("msg=audit("))
	stamp, rest, closed := bytes.Cut(rest, []byte(")"))
	at, serial, found := bytes.Cut(stamp, []byte(":"))
	if !ok || !closed || !found || !jsonscan.IsNumber(at) || len(kind) == 0 {
		return dst, false
	}
	dst = appendMember(dst, "message", b)
	dst = append(appendKey(dst, "timestamp"), at...)
	dst = appendMember(dst, "type", kind)
	dst = appendBytes(dst, "serial", serial)
	dst = appendBytes(dst, "host", node)
	return appendAuditPairs(dst, bytes.TrimPrefix(rest, []byte(":"))), true
}

func appendAuditPairs(dst, b []byte) []byte {
	for {
		b = bytes.TrimLeft(b, " \t\n\x1d")
		key, rest, ok := bytes.Cut(b, []byte("="))
		if !ok || !isLabel(key) {
			return dst
		}
		var value []byte
		if quote := bytes.IndexByte([]byte(`"'`), first(rest)); quote >= 0 {
			if value, b, ok = bytes.Cut(rest[1:], rest[:1]); !ok {
				return dst
			}
			if string(key) == "msg" {
				dst = appendAuditPairs(dst, value)
				continue
			}
		} else {
			end := bytes.IndexAny(rest, " \n\x1d")
			if end < 0 {
				end = len(rest)
			}
			value, b = rest[:end], rest[end:]
		}
		switch string(key) {
		case "message", "timestamp", "type", "serial", "host":
		case "hostname": // of the client, where it is known; not of the machine
			dst = appendMember(dst, "remote_hostname", value)
		default:
			dst = appendMember(dst, string(key), value)
		}
	}
}

func first(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

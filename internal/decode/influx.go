package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// influx emits the points of InfluxDB's line protocol, one a line, and reports whether all lines
// are points with a time: a measurement, tags, fields, and nanoseconds.
//
//	syslog,appname=pay,hostname=web-1,severity=err code=3i,message="refused" 1777889472668208453
func (d *Decoder) influx(b []byte) bool {
	lines := 0
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if _, ok := appendPoint(d.inner[0][:0], line); !ok {
			return false
		}
		lines++
	}
	if lines == 0 {
		return false
	}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		d.built, _ = appendPoint(append(d.built[:0], '{'), line)
		d.emitBuilt("influx", line)
	}
	return true
}

// isPoint reports whether the first line is a point, in whose fields logfmt could be read. Only a
// line with a comma before its first equals sign is looked at. The space behind dst is used.
func isPoint(dst, b []byte) bool {
	i := bytes.IndexByte(b[:min(len(b), 256)], '=')
	if i < 0 || bytes.IndexByte(b[:i], ',') <= 0 {
		return false
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	_, ok := appendPoint(dst, bytes.TrimSpace(line))
	return ok
}

// appendPoint rewrites a point as Telegraf writes it in JSON: tags and fields are members, and
// those of its syslog input have the names of a log's fields.
func appendPoint(dst, b []byte) ([]byte, bool) {
	space := unescaped(b, 0, ' ')
	if space <= 0 {
		return dst, false
	}
	name, tags, _ := cutUnescaped(b[:space], ',')
	if len(name) == 0 || len(tags) == 0 {
		return dst, false
	}
	dst = appendMember(dst, "measurement", withoutSlashes(name))
	for len(tags) > 0 {
		var tag []byte
		tag, tags, _ = cutUnescaped(tags, ',')
		key, value, ok := cutUnescaped(tag, '=')
		if !ok || len(key) == 0 {
			return dst, false
		}
		dst = appendMember(dst, tagName(key), withoutSlashes(value))
	}
	rest := b[space+1:]
	for fields := 0; ; fields++ {
		eq := unescaped(rest, 0, '=')
		if eq <= 0 || eq+1 >= len(rest) {
			return dst, false
		}
		key := string(withoutSlashes(rest[:eq]))
		rest = rest[eq+1:]
		if rest[0] == '"' {
			end := quoteEnd(rest, 1)
			if end < 0 {
				return dst, false
			}
			if key == "value" { // the line that Telegraf's tail reads
				key = "message"
			}
			dst = appendMember(dst, key, withoutSlashes(rest[1:end]))
			rest = rest[end+1:]
		} else {
			end := bytes.IndexAny(rest, ", ")
			if end <= 0 {
				return dst, false
			}
			value := bytes.TrimRight(rest[:end], "iu")
			switch {
			case jsonscan.IsNumber(value):
				dst = append(appendKey(dst, key), value...)
			case len(value) < 6 && (value[0]|0x20 == 't' || value[0]|0x20 == 'f'):
				dst = appendMember(dst, key, value)
			default:
				return dst, false
			}
			rest = rest[end:]
		}
		if len(rest) == 0 {
			return dst, false
		}
		if rest[0] == ' ' {
			break
		}
		if rest[0] != ',' {
			return dst, false
		}
		rest = rest[1:]
	}
	at := rest[1:]
	if n := jsonscan.Digits(at); n < 10 || n > 19 || n != len(at) {
		return dst, false
	}
	return appendNumber(dst, "timestamp", at), true
}

// tagName is the name of a tag. The host is that of Telegraf, not of the log's sender.
func tagName(key []byte) string {
	if string(key) == "host" {
		return "tags.host"
	}
	return string(withoutSlashes(key))
}

// unescaped returns the index of the first byte c at or behind i that no backslash escapes, -1 for
// none.
func unescaped(b []byte, i int, c byte) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case c:
			return i
		}
	}
	return -1
}

func cutUnescaped(b []byte, c byte) (before, after []byte, found bool) {
	if i := unescaped(b, 0, c); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}

// withoutSlashes resolves the escapes of the line protocol.
func withoutSlashes(t []byte) []byte {
	if bytes.IndexByte(t, '\\') < 0 {
		return t
	}
	out := make([]byte, 0, len(t))
	for i := 0; i < len(t); i++ {
		if t[i] == '\\' && i+1 < len(t) && bytes.IndexByte([]byte(`,= "\`), t[i+1]) >= 0 {
			i++
		}
		out = append(out, t[i])
	}
	return out
}

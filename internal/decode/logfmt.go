package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// appendLogfmt rewrites a line of logfmt: key=value pairs, values in quotes where they must be.
//
//	time="2026-05-04T10:11:12Z" level=warning msg="payment slow" order=A-1
//
// Much text has a = in it, so a line must be two pairs at least, nothing else, and one of them must
// be a level or a message; unless the topic is held to logfmt, where a word by itself is a key that
// is true.
func appendLogfmt(dst, b []byte, held bool) ([]byte, bool) {
	pairs, telling := 0, false
	for i := 0; ; {
		for i < len(b) && b[i] <= ' ' {
			i++
		}
		if i >= len(b) {
			break
		}
		start := i
		for i < len(b) && b[i] > ' ' && b[i] != '=' && b[i] != '"' {
			i++
		}
		key := b[start:i]
		if len(key) == 0 {
			return dst, false
		}
		if i >= len(b) || b[i] != '=' {
			if !held {
				return dst, false
			}
			dst = append(appendKey(dst, string(key)), "true"...)
			continue
		}
		telling = telling || isTelling(key)
		var ok bool
		// the Linux audit daemon has pairs of its own, in which msg is the time
		if bytes.HasPrefix(b[i+1:], []byte("audit(")) {
			return dst, false
		}
		if dst, i, ok = appendPair(dst, key, b, i+1); !ok {
			return dst, false
		}
		pairs++
	}
	return dst, held && pairs > 0 || pairs >= 2 && telling
}

// appendPair appends the pair whose value begins at b[i], and returns the index behind it.
func appendPair(dst, key, b []byte, i int) ([]byte, int, bool) {
	if len(key) == 1 && key[0] == 't' { // as Grafana and Go's log15 have it
		key = []byte("ts")
	}
	dst = appendKey(dst, string(key))
	if i < len(b) && b[i] == '"' {
		e, _ := jsonscan.ScanString(b, i+1)
		if e < 0 || e+1 < len(b) && b[e+1] > ' ' {
			return dst, 0, false
		}
		return append(dst, b[i:e+1]...), e + 1, true
	}
	start := i
	for i < len(b) && b[i] > ' ' {
		i++
	}
	return jsonscan.AppendQuoted(dst, b[start:i]), i, true
}

// appendPlainPairs appends pairs, of which there may be none, and says whether there was nothing
// else.
func appendPlainPairs(dst, b []byte) (out []byte, pairs int, ok bool) {
	for i := 0; ; {
		for i < len(b) && b[i] <= ' ' {
			i++
		}
		if i >= len(b) {
			return dst, pairs, true
		}
		start := i
		for i < len(b) && b[i] > ' ' && b[i] != '=' && b[i] != '"' {
			i++
		}
		if i == start || i >= len(b) || b[i] != '=' {
			return dst, pairs, false
		}
		if dst, i, ok = appendPair(dst, b[start:i], b, i+1); !ok {
			return dst, pairs, false
		}
		pairs++
	}
}

// isTelling says whether a key is one of those that only a log has.
func isTelling(key []byte) bool {
	switch string(key) {
	case "level",
		"lvl",
		"msg",
		"message",
		"severity",
		"loglevel",
		"log_level",
		"log.level",
		"error",
		"err":
		return true
	}
	return false
}

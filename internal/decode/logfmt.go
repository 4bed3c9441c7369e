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
// be a level or a message. Four pairs, as in lines about requests, need neither. Without a message
// of its own, the whole line is the message. A line that begins with a pair and names a known level
// may have bare words, which are keys that are true, and damaged quotes. If the topic is of format
// logfmt, any line with a pair is read.
func appendLogfmt(dst, b []byte, held bool) ([]byte, bool) {
	start := len(dst)
	pairs, specific, leveled, messaged := 0, false, false, false
	bare, damaged := 0, 0
	prose := false    // a message without quotes was read
	var word []byte   // the value of a level's key
	unclosed := false // no single quote that opens from here on is closed
	for i := 0; ; {
		for i < len(b) && b[i] <= ' ' {
			i++
		}
		if i >= len(b) {
			break
		}
		begin := i
		for i < len(b) && pairBytes[b[i]]&endsKey == 0 {
			i++
		}
		key := b[begin:i]
		if pairs == 0 && len(key) > 2 && key[0] == '[' { // [WAN_IN-default-D]IN=eth0 of a firewall
			key = key[bytes.IndexByte(key, ']')+1:]
		}
		switch {
		case i >= len(b) || b[i] != '=':
			if pairs == 0 && !held {
				return dst[:start], false
			}
			if prose { // its words
				for i < len(b) && b[i] > ' ' {
					i++
				}
				continue
			}
			if i < len(b) && b[i] == '"' { // a stray quote
				for i < len(b) && b[i] > ' ' {
					i++
				}
				damaged++
				continue
			}
			if bare++; bare > 64 {
				return dst[:start], false
			}
			dst = append(appendKey(dst, string(key)), "true"...)
			continue
		case len(key) == 0:
			if pairs == 0 {
				return dst[:start], false
			}
			damaged++
			for i < len(b) && b[i] > ' ' {
				i++
			}
			continue
		}
		// the Linux audit daemon has pairs of its own, in which msg is the time
		if i+1 < len(b) && b[i+1] == 'a' && bytes.HasPrefix(b[i+1:], []byte("audit(")) {
			return dst[:start], false
		}
		specific = specific || isSpecific(key)
		at := i + 1
		if isMessageKey(key) {
			messaged = true
			if end := proseEnd(b, at); end > 0 {
				dst, prose = appendMember(dst, string(key), b[at:end]), true
				for i = at; i < len(b) && b[i] > ' '; {
					i++
				}
				pairs++
				continue
			}
		}
		var ok bool
		if dst, i, ok = appendPair(dst, key, b, at, &unclosed); !ok {
			if pairs == 0 {
				return dst[:start], false
			}
			damaged++
			dst, i = appendDamaged(dst, b, at)
		}
		if !leveled && isLevelKey(key) {
			// the last is read where it matters only
			leveled = word != nil && isLevelWord(word)
			word = b[at:i]
		}
		pairs++
	}
	ok := held && pairs > 0 || pairs >= 2 && specific || pairs >= 4
	if !held && (bare > 0 || damaged > 0) {
		leveled = leveled || word != nil && isLevelWord(word)
		ok = leveled && pairs >= 2 && bare <= 2*pairs
	}
	if ok && !messaged {
		dst = appendKnown(dst, "message", b)
	}
	return dst, ok
}

const (
	endsKey   = 1 << iota // a blank, an equals sign, a quote
	endsPlain             // a blank, or a byte that JSON escapes
)

// pairBytes says of each byte what it ends.
var pairBytes = func() (classes [256]uint8) {
	for c := range byte(' ' + 1) {
		classes[c] = endsKey | endsPlain
	}
	classes['='] = endsKey
	classes['"'] = endsKey | endsPlain
	classes['\\'] = endsPlain
	return classes
}()

// appendPair appends the pair whose value begins at b[i], and returns the index behind it. It notes
// when a single quote is not closed up to the end, and looks for no end of one again: a line of
// many such quotes would be read to its end for each.
func appendPair(dst, key, b []byte, i int, unclosed *bool) ([]byte, int, bool) {
	if len(key) == 1 && key[0] == 't' { // as Grafana and Go's log15 have it
		key = []byte("ts")
	}
	if bytes.IndexByte(key, '\\') >= 0 { // a key has neither quotes nor blanks
		dst = appendKey(dst, string(key))
	} else if n := len(dst); n > 0 && dst[n-1] != '{' {
		dst = append(append(append(dst, ',', '"'), key...), '"', ':')
	} else {
		dst = append(append(append(dst, '"'), key...), '"', ':')
	}
	if i < len(b) && b[i] == '"' {
		e, _ := jsonscan.ScanString(b, i+1)
		if e < 0 || e+1 < len(b) && b[e+1] > ' ' && b[e+1] != ',' {
			return dst, 0, false
		}
		dst = append(dst, b[i:e+1]...)
		if e+1 < len(b) && b[e+1] == ',' { // F5 BIG-IP
			e++
		}
		return dst, e + 1, true
	}
	if i < len(b) && b[i] == '\'' && !*unclosed {
		if out, end := appendSingle(dst, b, i); end > 0 {
			return out, end, true
		}
		*unclosed = true
	}
	start := i
	for i < len(b) && pairBytes[b[i]]&endsPlain == 0 {
		i++
	}
	if i-start == len("2026-05-04") && i+6 < len(b) && b[i] == ' ' && b[i+3] == ':' &&
		(b[start+4] == '-' || b[start+4] == '/') && b[i+1]-'0' <= 9 { // a time without quotes
		for i++; i < len(b) && pairBytes[b[i]]&endsPlain == 0; {
			i++
		}
	}
	if i == len(b) || b[i] <= ' ' {
		dst = append(append(dst, '"'), b[start:i]...)
		return append(dst, '"'), i, true
	}
	for i < len(b) && b[i] > ' ' {
		i++
	}
	return jsonscan.AppendQuoted(dst, b[start:i]), i, true
}

// appendSingle appends a value in single quotes, as Python's repr writes it, and returns the index
// behind it, 0 if the quote is not closed before a blank.
func appendSingle(dst, b []byte, i int) ([]byte, int) {
	end := i + 1
	for ; end < len(b); end++ {
		if b[end] == '\\' {
			end++
		} else if b[end] == '\'' && (end+1 == len(b) || b[end+1] <= ' ') {
			break
		}
	}
	if end >= len(b) {
		return dst, 0
	}
	text := b[i+1 : end]
	if bytes.IndexByte(text, '\\') < 0 {
		return jsonscan.AppendQuoted(dst, text), end + 1
	}
	plain := make([]byte, 0, len(text))
	for k := 0; k < len(text); k++ {
		if text[k] == '\\' && k+1 < len(text) {
			k++
			switch text[k] {
			case 'n':
				plain = append(plain, '\n')
			case 't':
				plain = append(plain, '\t')
			case 'r':
				plain = append(plain, '\r')
			default:
				plain = append(plain, text[k])
			}
			continue
		}
		plain = append(plain, text[k])
	}
	return jsonscan.AppendQuoted(dst, plain), end + 1
}

// appendDamaged appends a value whose quote does not end as it should: up to the next pair, or the
// end of the line.
func appendDamaged(dst, b []byte, i int) ([]byte, int) {
	end := i + 1
	for end < len(b) {
		if b[end] == '"' {
			next := end + 1
			if next >= len(b) || b[next] <= ' ' || b[next]-'a' < 26 { // msg="x"z=1
				return jsonscan.AppendQuoted(dst, b[i+1:end]), next
			}
		}
		if b[end] == ' ' && startsPair(b[end+1:]) {
			break
		}
		end++
	}
	return jsonscan.AppendQuoted(dst, bytes.Trim(b[i+1:end], `"`)), end
}

// startsPair reports whether a text begins with a key and an equals sign.
func startsPair(t []byte) bool {
	for i, c := range t[:min(len(t), 40)] {
		if c == '=' {
			return i > 0
		}
		if !isWord(c) && c != '.' && c != '-' {
			return false
		}
	}
	return false
}

// proseEnd returns the end of a message of several words without quotes, which is that of the line,
// as a format such as "level=%s msg=%s" has it; 0 if b[i:] is a value of one word or in quotes. The
// pairs within the message are read, too.
func proseEnd(b []byte, i int) int {
	if i >= len(b) || b[i] <= ' ' || b[i] == '"' || b[i] == '\'' {
		return 0
	}
	n := bytes.IndexByte(b[i:], ' ')
	if n < 0 {
		return 0
	}
	rest := bytes.TrimLeft(b[i+n:], " ")
	if len(rest) == 0 || startsPair(rest) {
		return 0
	}
	return len(bytes.TrimRight(b, " \r\n"))
}

func isLevelKey(key []byte) bool {
	switch string(key) {
	case "level", "lvl", "severity", "loglevel", "log_level", "log.level", "at", "PRIORITY",
		"LEVEL", "SEVERITY":
		return true
	}
	return false
}

func isLevelWord(value []byte) bool {
	value = bytes.Trim(value, `"'`)
	l, _ := wordLevel(nil, value)
	return l.severity > 0
}

// appendPlainPairs appends pairs, of which there may be none, and says whether there was nothing
// else.
func appendPlainPairs(dst, b []byte) (out []byte, pairs int, ok bool) {
	unclosed := false
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
		// several lines, of klog
		if rest := b[i+1:]; len(rest) > 1 && rest[0] == '<' && rest[1] == '\n' {
			if end := bytes.Index(rest, []byte("\n >")); end > 0 {
				dst = appendMember(dst, string(klogNames.of(b[start:i])),
					bytes.TrimPrefix(bytes.ReplaceAll(rest[2:end], []byte("\n\t"), []byte("\n")),
						[]byte("\t")))
				i += 1 + end + 3
				pairs++
				continue
			}
		}
		if dst, i, ok = appendPair(dst, klogNames.of(b[start:i]), b, i+1, &unclosed); !ok {
			return dst, pairs, false
		}
		pairs++
	}
}

// isMessageKey reports whether the value of a key is the message.
func isMessageKey(key []byte) bool {
	switch string(key) {
	case "msg", "message", "MSG", "MESSAGE", "log", "event", "body", "text", "@message", "@m":
		return true
	}
	return false
}

// isSpecific reports whether only logs have a key.
func isSpecific(key []byte) bool {
	switch string(key) {
	case "MESSAGE", "PRIORITY", "LEVEL", "MSG", "level",
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

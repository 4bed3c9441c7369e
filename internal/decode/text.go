package decode

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// format is one of the formats of a line that is no JSON.
type format uint8

const (
	formatNone format = iota
	formatSyslog
	formatCEF
	formatLEEF
	formatCRI
	formatKlog
	formatAudit
	formatLogfmt
	formatAccess
	formatLTSV
	formatInflux
	formatWindows
	formatWebLogic
	formatSnort
	formatLogXML
	formatCompose
	formatCount
	formatTail = formatCount // text with pairs behind it, which is not distinguished from others
)

// held is the name under which the configuration holds a topic to the format.
func (f format) held() string {
	return [...]string{"", "syslog", "cef", "leef", "cri", "klog", "auditd", "logfmt", "access",
		"ltsv", "influx", "windows_xml", "weblogic", "snort", "log_xml", "compose"}[f]
}

// keepsLine reports whether the message of a line in the format is the whole line.
func (f format) keepsLine(line []byte) bool {
	switch f {
	case formatAccess, formatAudit, formatSnort, formatTail:
		return true
	case formatWindows:
		return !bytes.Contains(line, []byte("<RenderingInfo"))
	}
	return false
}

// winner is the format of the last record of a partition that was in one.
type winner struct {
	topic     string
	partition int32
	format    format
}

// formatted reads a line in whichever format it is, and says whether it is in one. The formats
// exclude each other, so the order in which they are tried matters for speed only: the one of the
// partition's previous record is first.
func (d *Decoder) formatted(b []byte) bool {
	last := &d.last[d.rec.Partition&15]
	if last.partition != d.rec.Partition || last.topic != d.rec.Topic {
		*last = winner{topic: d.rec.Topic, partition: d.rec.Partition}
	}
	if last.format != formatNone && d.parse(last.format, b) {
		return true
	}
	left := formatsOf(b)
	switch d.set.format {
	case "logfmt", "ltsv": // these topics need less to be of the format
		left = 1<<formatCount - 1<<formatSyslog
	}
	for left &^= 1 << last.format; left != 0; left &= left - 1 {
		f := format(bits.TrailingZeros32(uint32(left)))
		if d.parse(f, b) {
			last.format = f
			return true
		}
	}
	return false
}

// formatSet is a set of formats, a bit for each.
type formatSet uint32

// byFirst is, for each first byte of a line, the formats that may begin with it.
var byFirst = func() (sets [256]formatSet) {
	for c := range sets {
		sets[c] = 1<<formatLogfmt | 1<<formatAccess | 1<<formatLTSV | 1<<formatInflux
	}
	add := func(f format, first string) {
		for _, c := range []byte(first) {
			sets[c] |= 1 << f
		}
	}
	add(formatSyslog, "<[0123456789ADFJMNOSTW") // a priority, a date, a month, a day of the week
	add(formatCEF, "C")
	add(formatLEEF, "L")
	add(formatCRI, "0123456789")
	add(formatKlog, "IWEFDT")
	add(formatAudit, "tn")
	add(formatWindows, "<")
	add(formatLogXML, "<")
	add(formatWebLogic, "#")
	add(formatSnort, "01")
	return sets
}()

// labelBytes are the bytes of a label.
var labelBytes = func() (set [256]bool) {
	for c := range set {
		set[c] = isLabel([]byte{byte(c)})
	}
	return set
}()

// formatsOf returns the formats that a line may be in. It reads the first word only: LTSV begins
// with a label and a colon, logfmt with a key and an equals sign, and a point of InfluxDB has one
// before its first blank.
func formatsOf(b []byte) formatSet {
	if len(b) == 0 {
		return 0
	}
	set := byFirst[b[0]]
	if b[0] <= ' ' {
		return set
	}
	i := 0
	for i < len(b) && labelBytes[b[i]] {
		i++
	}
	if i == 0 || i == len(b) || b[i] != ':' {
		set &^= 1 << formatLTSV
	}
	for i < len(b) && b[i] > ' ' && b[i] != '=' && b[i] != '"' {
		i++
	}
	if i == 0 || i == len(b) || b[i] != '=' {
		if mayBeCompose(b, i) {
			set |= 1 << formatCompose
		}
		if !mayHavePairs(b) {
			set &^= 1 << formatLogfmt
		}
		if i < len(b) && b[i] == ' ' && bytes.IndexByte(b[:i], '\\') < 0 {
			set &^= 1 << formatInflux
		}
	}
	return set
}

// parse reads a line in one format, and says whether it is in it.
func (d *Decoder) parse(f format, b []byte) bool {
	dst, name, ok := append(d.built[:0], '{'), f.held(), false
	switch f {
	case formatSyslog:
		dst, name, ok = appendSyslog(dst, b, &d.stamp)
	case formatCEF:
		dst, ok = appendCEF(dst, b, header{})
	case formatLEEF:
		dst, ok = appendLEEF(dst, b, header{})
	case formatCRI:
		dst, ok = appendCRI(dst, b, &d.today)
	case formatKlog:
		dst, ok = appendKlog(dst, b)
	case formatAudit:
		dst, ok = appendAudit(dst, b)
	case formatLTSV:
		dst, ok = appendLTSV(dst, b, d.set.format == "ltsv")
	case formatLogfmt:
		if held := d.set.format == "logfmt"; held || !isPoint(dst, b) {
			dst, ok = appendAnyPairs(dst, b, held)
		}
	case formatAccess:
		dst, ok = appendAccess(dst, b)
	case formatWindows:
		dst, ok = appendWindows(dst, b)
	case formatWebLogic:
		dst, ok = appendWebLogic(dst, b)
	case formatSnort:
		dst, ok = appendSnort(dst, b)
	case formatLogXML:
		dst, ok = appendLogXML(dst, b)
	case formatCompose:
		dst, ok = appendCompose(dst, b)
	case formatInflux:
		d.built = dst
		return d.influx(b)
	}
	d.built = dst
	if ok {
		d.access, d.wholeLine = f == formatAccess, f.keepsLine(b)
		d.emitBuilt(name, b)
		d.access, d.wholeLine = false, false
		if f == formatCRI && bytes.HasPrefix(d.built, []byte(`{"logtag":"P`)) {
			d.notice(NoticePartial)
		}
	}
	return ok
}

// rewritten rewrites the text of a message into an object, if it is in one of the formats of lines,
// or matches the configured pattern.
func (d *Decoder) rewritten(dst, text []byte) (out []byte, f format, ok bool) {
	start := append(dst, '{')
	if rest, ok := cutCookie(text); ok {
		return append(dst, rest...), formatNone, true
	}
	for left := formatsOf(text) &^ (1 << formatInflux); left != 0; left &= left - 1 {
		f := format(bits.TrailingZeros32(uint32(left)))
		if f == formatLTSV && bytes.IndexByte(text[:min(len(text), 200)], '\t') < 0 {
			continue
		}
		var out []byte
		ok := false
		switch f {
		case formatSyslog:
			out, _, ok = appendSyslog(start, text, &d.stamp)
		case formatCEF:
			out, ok = appendCEF(start, text, header{})
		case formatLEEF:
			out, ok = appendLEEF(start, text, header{})
		case formatCRI:
			out, ok = appendCRI(start, text, &d.today)
		case formatKlog:
			out, ok = appendKlog(start, text)
		case formatAudit:
			out, ok = appendAudit(start, text)
		case formatLTSV:
			out, ok = appendLTSV(start, text, false)
		case formatLogfmt:
			out, ok = appendAnyPairs(start, text, false)
		case formatAccess:
			out, ok = appendAccess(start, text)
		case formatWindows:
			out, ok = appendWindows(start, text)
		case formatWebLogic:
			out, ok = appendWebLogic(start, text)
		case formatSnort:
			out, ok = appendSnort(start, text)
		case formatLogXML:
			out, ok = appendLogXML(start, text)
		case formatCompose:
			out, ok = appendCompose(start, text)
		}
		if ok {
			return append(out, '}'), f, true
		}
	}
	if d.set.pattern != nil {
		if out, ok := d.appendPattern(start, text); ok {
			return append(out, '}'), formatNone, true
		}
	}
	if mayHaveTail(text) {
		if out, ok := appendTail(start, text); ok {
			return append(out, '}'), formatTail, true
		}
	}
	return dst, formatNone, false
}

// cutCookie cuts the cookie of CEE off the object behind it.
func cutCookie(text []byte) ([]byte, bool) {
	if len(text) < 6 || text[0] != '@' {
		return text, false
	}
	rest, ok := bytes.CutPrefix(text, []byte("@cee:"))
	rest = bytes.TrimSpace(rest)
	return rest, ok && len(rest) > 0 && rest[0] == '{'
}

// binaryReason returns why bytes are not text, or nothing. A stray control character or Latin-1
// does not make a text binary.
func binaryReason(b []byte) (Reason, string) {
	if len(b) > 1 &&
		(b[0]&0xf0 == 0x80 && b[1]&0xe0 == 0xa0 || b[0] == 0xde && b[1] == 0 ||
			b[0] == 0xdf && b[1] == 0) &&
		!utf8.Valid(b) {
		return Binary, "the value looks like MessagePack"
	}
	sample := b[:min(len(b), 1024)]
	if isPlain(sample) {
		return "", ""
	}
	control, odd := 0, 0
	for i := 0; i < len(sample); {
		r, size := utf8.DecodeRune(sample[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			odd++
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != 0x1b && r != 0 || r == 0x7f:
			control++
		}
		i += size
	}
	if control*10 > len(sample) || control > 0 && (control+odd)*5 > len(sample) {
		return Binary, "the value is neither text nor a known binary format"
	}
	return "", ""
}

// isPlain says whether a text has no byte that could make it binary.
func isPlain(t []byte) bool {
	for len(t) >= 8 {
		w := binary.LittleEndian.Uint64(t)
		// a control character, which may be a tab, or a byte beyond ASCII
		if (w|(w-jsonscan.Blanks)&^w)&jsonscan.Tops != 0 {
			break
		}
		t = t[8:]
	}
	for _, c := range t {
		if c >= 0x7f || c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

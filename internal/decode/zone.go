package decode

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// zone reads a zone at t[i], with or without a blank before it, and returns the index behind it: Z,
// +02:00, UTC+2, an abbreviation, a name such as Europe/Berlin or Eastern Daylight Time. A word
// that looks like a zone and is none that is known makes the time unknown.
func (v *civil) zone(t []byte, i int) int {
	end := v.zoneWord(t, i)
	if end < len(t) && end > i && t[end] == '[' { // 10:11:12+02:00[Europe/Berlin]
		if close := bytes.IndexByte(t[end:min(len(t), end+40)], ']'); close > 0 &&
			locationName(t[end+1:end+close]) == close-1 {
			return end + close + 1
		}
	}
	if end > i && v.zoned && end+3 < len(t) && t[end] == ' ' && t[end+1] == '(' { // JavaScript
		if close := bytes.IndexByte(t[end:min(len(t), end+60)], ')'); close > 0 &&
			(isName(t[end+2:end+close]) || t[end+2]-'+' < 3) {
			return end + close + 1
		}
	}
	return end
}

func (v *civil) zoneWord(t []byte, i int) int {
	j := i
	if j < len(t) && t[j] == ' ' {
		j++
	}
	if j >= len(t) {
		return i
	}
	switch c := t[j]; {
	case c == minus[0] && bytes.HasPrefix(t[j:], []byte(minus)):
		hyphen := append([]byte("-"), t[j+len(minus):min(len(t), j+len(minus)+9)]...)
		if n := v.offsetAt(hyphen, 0, j > i); n > 0 {
			return j + len(minus) + n - 1
		}
	case c == 'Z' || c == 'z':
		if j+1 < len(t) && isWord(t[j+1]) {
			return i
		}
		v.zoned = true
		if end := v.offsetAt(t, j+1, false); end > 0 { // Z+01:00
			return end
		}
		return j + 1
	case c == '+' || c == '-':
		if end := v.offsetAt(t, j, j > i); end > 0 {
			return end
		}
	case c == '(': // 10:11:12 (UTC-03:00)
		if end := v.inParens(t, j); end > 0 {
			return end
		}
	case c == '[': // 10:11:12[Europe/Berlin]
		n := locationName(t[j+1:])
		if n > 0 && j+1+n < len(t) && t[j+1+n] == ']' && v.locate(t[j+1:j+1+n]) {
			return j + n + 2
		}
	case c-'A' < 26:
		if end := v.zoneName(t, j); end > 0 {
			return end
		}
	}
	return i
}

// minus is the sign that ISO 8601 prefers to the hyphen.
const minus = "\u2212"

// inParens reads a zone in parentheses at t[j] and returns the index behind it, 0 for none. The
// zone must be a known one: programs have other words in parentheses behind the time.
func (v *civil) inParens(t []byte, j int) int {
	size := bytes.IndexByte(t[j:min(len(t), j+48)], ')')
	if size < 4 || t[j+1]-'A' >= 26 {
		return 0
	}
	inner, name := *v, t[j+1:j+size]
	if end := inner.zoneName(name, 0); end != len(name) || inner.unknown {
		return 0
	}
	if word := inner.abbreviation; word != nil {
		if _, known := zones[string(word)]; !known && !ambiguous(word) {
			return 0
		}
	}
	inner.doubtful = false
	*v = inner
	return j + size + 1
}

// offsetAt reads +0200, +02:00, +02 or, behind UTC or GMT, +2, and returns the index behind it, 0
// for none. After a blank a number may begin the message: it is an offset only if it is one that
// zones have, in full.
func (v *civil) offsetAt(t []byte, i int, strict bool) int {
	if i >= len(t) || t[i] != '+' && t[i] != '-' {
		return 0
	}
	k := i + 1
	hours, mins := 0, 0
	switch n := jsonscan.Digits(t[k:min(len(t), k+5)]); {
	case n == 4:
		hours, mins = number(t[k:k+2]), number(t[k+2:k+4])
		k += 4
	case n <= 2 && n > 0 && k+n+3 <= len(t) && t[k+n] == ':' &&
		jsonscan.Digits(t[k+n+1:k+n+3]) == 2:
		hours, mins = number(t[k:k+n]), number(t[k+n+1:k+n+3])
		// +05:53:28, before 1900
		if k += n + 3; k+3 <= len(t) && t[k] == ':' && jsonscan.Digits(t[k+1:k+3]) == 2 {
			k += 3
		}
	case n == 2 && (!strict || number(t[k:k+2]) == 0 || bytes.HasPrefix(t[k+2:], []byte(" ["))):
		// PostgreSQL writes -03 [7] of zones without an abbreviation
		hours = number(t[k : k+2])
		k += 2
	default:
		return 0
	}
	if hours > 14 || mins > 59 || strict && (mins%15 != 0 || k < len(t) && isWord(t[k])) {
		return 0
	}
	if v.offset = hours*3600 + mins*60; t[i] == '-' {
		v.offset = -v.offset
	}
	v.zoned = true
	return k
}

// zoneName reads a zone in letters at t[j] and returns the index behind it, 0 for none.
func (v *civil) zoneName(t []byte, j int) int {
	n := 0
	for j+n < len(t) && t[j+n]-'A' < 26 {
		n++
	}
	word, end := t[j:j+n], j+n
	whole := end == len(t) || !isWord(t[end])
	switch {
	case whole && (string(word) == "UTC" || string(word) == "GMT" || string(word) == "UT"):
		v.zoned = true
		if k := v.offsetAt(t, end, false); k > 0 { // UTC+02:00
			return k
		}
		if end+4 < len(t) && t[end] == ' ' && t[end+4] == ':' { // UTC +02:00
			if k := v.offsetAt(t, end+1, true); k > 0 {
				return k
			}
		}
		if end+1 < len(t) && (t[end] == '+' || t[end] == '-') && t[end+1]-'0' <= 9 { // GMT+2
			if k := jsonscan.Digits(t[end+1 : min(len(t), end+3)]); end+1+k == len(t) ||
				!isWord(t[end+1+k]) {
				if v.offset = number(t[end+1:end+1+k]) * 3600; t[end] == '-' {
					v.offset = -v.offset
				}
				return end + 1 + k
			}
		}
		return end
	case whole && n > 1 && n <= 6:
		switch string(word) { // most often it is the level of the line
		case "INFO", "ERROR", "WARN", "DEBUG", "TRACE", "FATAL":
			return 0
		}
		if _, known := zones[string(word)]; !known && !ambiguous(word) && !likeZone(word) {
			return 0
		}
		v.abbreviation = word
		v.doubtful = wordZones[string(word)] && end+1 < len(t) && t[end] == ' ' && isWord(t[end+1])
		return end
	}
	if n := locationName(t[j:]); n > 0 {
		if !v.locate(t[j : j+n]) {
			v.unknown = true
		}
		return j + n
	}
	return v.longName(t, j)
}

// abbreviated resolves the abbreviation of a zone: as one of the configured zone, else as the only
// zone of that abbreviation. It reports whether the zone is known.
func (c clock) abbreviated(v *civil) bool {
	word := v.abbreviation
	if c.zone != nil && c.zone != time.UTC {
		t := time.Date(v.year, time.Month(v.month), v.day, v.hour, v.min, v.sec, v.nano, c.zone)
		for _, at := range [...]time.Time{t, t.Add(-time.Hour), t.Add(time.Hour)} {
			if name, offset := at.Zone(); name == string(word) {
				v.offset, v.zoned = offset, true
				return true
			}
		}
	}
	if ambiguous(word) {
		return false
	}
	if minutes, ok := zones[string(word)]; ok {
		plain := *v
		plain.abbreviation = nil
		v.offset, v.zoned = minutes*60, true
		if v.doubtful && c.record > 0 {
			zoned := *v
			zoned.abbreviation = nil
			if a, b := c.nanos(&zoned), c.nanos(&plain); c.near(b) && (!c.near(a) || b > a) {
				v.offset, v.zoned = 0, false
			}
		}
		return true
	}
	// an unknown one: the configured zone is the best guess, if there is one
	return c.zone != nil && c.zone != time.UTC
}

// likeZone reports whether a word looks like the abbreviation of a zone: PSTDST, XST.
func likeZone(word []byte) bool {
	if len(word) < 3 || !bytes.HasSuffix(word, []byte("ST")) &&
		!bytes.HasSuffix(word, []byte("DT")) {
		return false
	}
	switch string(word) {
	case "POST", "TEST", "HOST", "LIST", "LAST", "FAST", "COST", "DIST", "BEST", "REST", "EXIST",
		"FIRST", "MUST", "JUST", "TRUST", "DST", "EDT":
		return string(word) == "EDT"
	}
	return true
}

func ambiguous(word []byte) bool {
	switch string(word) {
	case "IST", "BST", "AST", "ADT", "SST", "GST", "AMT", "WST", "ECT", "MMT":
		return true
	}
	return false
}

// wordZones are the abbreviations with which a message may begin, too.
var wordZones = map[string]bool{
	"MET": true, "MEST": true, "WET": true, "ICT": true, "WIT": true, "CAT": true, "EAT": true,
	"WAT": true, "ART": true, "COT": true, "PET": true, "VET": true, "BOT": true, "MSD": true,
	"MYT": true, "NDT": true, "NST": true, "CLT": true, "PHT": true,
}

// zones are the zones that are known by their abbreviation, in minutes east of UTC: those of RFC
// 822, and others of one meaning.
var zones = map[string]int{
	"EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480,
	"PDT": -420, "HST": -600, "AKST": -540, "AKDT": -480,
	"NST": -210, "NDT": -150, "WET": 0, "WEST": 60, "CET": 60, "CEST": 120, "MET": 60, "MEST": 120,
	"MEZ": 60, "MESZ": 120, "EET": 120, "EEST": 180,
	"MSK": 180, "MSD": 240, "TRT": 180, "SAMT": 240, "YEKT": 300, "OMST": 360, "KRAT": 420,
	"IRKT": 480, "YAKT": 540, "VLAT": 600, "MAGT": 660,
	"JST": 540, "KST": 540, "HKT": 480, "SGT": 480, "MYT": 480, "PHT": 480, "ICT": 420, "WIB": 420,
	"WITA": 480, "WIT": 540, "PKT": 300, "NPT": 345,
	"IRST": 210, "IRDT": 270, "UZT": 300, "CAT": 120, "EAT": 180, "WAT": 60, "SAST": 120,
	"AEST": 600, "AEDT": 660, "ACST": 570, "ACDT": 630,
	"AWST": 480, "NZST": 720, "NZDT": 780, "BRT": -180, "BRST": -120, "ART": -180, "CLT": -240,
	"CLST": -180, "COT": -300, "PET": -300, "VET": -240,
	"BOT": -240, "UYT": -180, "PYT": -240,
}

// longNames are zones as Windows and JavaScript write them, in minutes east of UTC.
var longNames = map[string]int{
	"Coordinated Universal Time": 0, "Greenwich Mean Time": 0, "Universal Time": 0,
	"Eastern Standard Time": -300, "Eastern Daylight Time": -240, "Central Standard Time": -360,
	"Central Daylight Time":  -300,
	"Mountain Standard Time": -420, "Mountain Daylight Time": -360, "Pacific Standard Time": -480,
	"Pacific Daylight Time": -420,
	"Central European Time": 60, "Central European Standard Time": 60,
	"Central European Summer Time":   120,
	"Eastern European Standard Time": 120, "Eastern European Summer Time": 180,
	"India Standard Time": 330, "China Standard Time": 480,
	"Japan Standard Time": 540, "Korean Standard Time": 540, "Brasilia Standard Time": -180,
	"Singapore Standard Time": 480,
	"British Summer Time":     60, "Australian Eastern Standard Time": 600,
	"Australian Eastern Daylight Time": 660,
}

// longName reads the name of a zone in words that end with Time.
func (v *civil) longName(t []byte, j int) int {
	text := t[j:min(len(t), j+48)]
	i := bytes.Index(text, []byte(" Time"))
	if i < 0 || !isName(text[:i+5]) || i+5 < len(text) && isWord(text[i+5]) {
		return 0
	}
	if minutes, ok := longNames[string(text[:i+5])]; ok {
		v.offset, v.zoned = minutes*60, true
		return j + i + 5
	}
	if name := string(text[:i]); strings.HasSuffix(name, " Standard") ||
		strings.HasSuffix(name, " Daylight") || strings.HasSuffix(name, " Summer") {
		v.unknown = true
		return j + i + 5
	}
	return 0
}

// isName reports whether a text is words of letters with a blank between each.
func isName(t []byte) bool {
	for _, c := range t {
		if c|0x20-'a' >= 26 && c != ' ' && c != '.' && c < 0x80 {
			return false
		}
	}
	return len(t) > 0
}

// locationName returns the length of the name of a location, such as Europe/Berlin, that a text
// begins with, 0 for none.
func locationName(t []byte) int {
	n, slash := 0, 0
	for n < len(t) && n < 40 && (isWord(t[n]) && t[n] < 0x80 || t[n] == '/' || t[n] == '-' ||
		t[n] == '+') {
		if t[n] == '/' {
			if slash == 0 {
				slash = n
			}
		}
		n++
	}
	switch string(t[:slash]) {
	case "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe",
		"Indian", "Pacific", "Etc", "US", "Canada", "Brazil":
		if n > slash+1 {
			return n
		}
	}
	return 0
}

// locations caches the locations that were met, unknown ones included. It is bounded, because logs
// may name any number of them.
var (
	locations     sync.Map
	locationCount atomic.Int32
)

// locate sets the location of a name, and reports whether there is one.
func (v *civil) locate(name []byte) bool {
	if known, ok := locations.Load(string(name)); ok {
		v.location, _ = known.(*time.Location)
		return v.location != nil
	}
	location, err := time.LoadLocation(string(name))
	if err != nil {
		location = nil
	}
	if locationCount.Add(1) < 2000 {
		locations.Store(string(name), location)
	}
	v.location = location
	return location != nil
}

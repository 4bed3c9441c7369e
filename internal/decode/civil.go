package decode

import (
	"bytes"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// civil is a time as it is written. A year of -1 is absent.
type civil struct {
	year, month, day, hour, min, sec, nano int
	offset                                 int // seconds east of UTC
	zoned                                  bool
	abbreviation                           []byte         // of a zone, to be resolved
	doubtful                               bool           // it may be a word of the message
	location                               *time.Location // of a zone's name
	unknown                                bool           // the zone is unknown
	local                                  bool           // the date is not in English
}

// prefix reads the time at the start of a text, in any common form, and returns its length, 0 for
// none. It reads no numbers of seconds, because a text may begin with any number. A time whose zone
// is unknown is unknownTime.
func (c clock) prefix(t []byte) (ns int64, n int) { return c.inBrackets(t, 0) }

// mostBrackets is how many brackets a time may stand in. A text may begin with millions of them.
const mostBrackets = 4

// inBrackets is prefix of a text that stands in so many brackets.
func (c clock) inBrackets(t []byte, depth int) (ns int64, n int) {
	if len(t) < 8 || depth > mostBrackets {
		return 0, 0
	}
	if t[0] == '[' || t[0] == '(' {
		ns, n := c.inBrackets(t[1:], depth+1)
		if n == 0 || n+1 >= len(t) {
			return 0, 0
		}
		switch t[n+1] {
		case ']', ')':
			return ns, n + 2
		case ' ', ':', ',': // the brackets hold more than the time
			return ns, n + 1
		}
		return 0, 0
	}
	if t[0]-'0' > 9 {
		ns, n := c.named(t)
		if n == 0 && mayBeLocal(t) {
			return c.localDate(t)
		}
		return ns, n
	}
	if len(t) > 5 && t[4] == ' ' && jsonscan.Digits(t[:5]) == 4 { // klog's 0504 10:11:12.1
		if startsYear(t) { // 2026 May  4 10:11:12 of Cisco and of templates of rsyslog
			if ns, n := c.namedIn(number(t[:4]), t[5:]); n > 0 {
				return ns, 5 + n
			}
			return 0, 0
		}
		v := civil{year: -1, month: number(t[:2]), day: number(t[2:4])}
		return c.instant(&v, v.clock(t, 5))
	}
	return c.dated(t)
}

// TimeLength is the length of the time, with its date and zone, that a text begins with; 0 when it
// begins with none. It reads the forms that a log's own time may have.
func TimeLength(text []byte) int {
	_, n := clock{}.prefix(text)
	return n
}

// dated reads a time that begins with a date in digits.
func (c clock) dated(t []byte) (ns int64, n int) {
	if len(t) < 8 {
		return 0, 0
	}
	if ns, n := c.iso(t); n > 0 {
		return ns, n
	}
	if ns, n := c.dayFirst(t); n > 0 {
		return ns, n
	}
	if ns, n := c.numeric(t); n > 0 {
		return ns, n
	}
	if mayHaveClock(t) {
		return c.localDate(t)
	}
	return 0, 0
}

// startsYear reports whether a text begins with a year and the name of a month.
func startsYear(t []byte) bool {
	return len(t) > 18 && t[4] == ' ' && string(t[:2]) == "20" && jsonscan.Digits(t[:4]) == 4 &&
		startsMonth(t[5:])
}

// iso reads 2026-05-04T10:11:12.345Z and similar: other separators of date and clock, a comma as
// decimal point, no seconds, any zone or none; 20260504T101112Z; and 260504 10:11:12.
func (c clock) iso(t []byte) (int64, int) {
	v := civil{}
	i := 0
	switch jsonscan.Digits(t[:min(len(t), 15)]) {
	case 4:
		if len(t) > 17 && t[4] == '-' && (t[8] == 'T' || t[8] == ' ') &&
			jsonscan.Digits(t[5:8]) == 3 { // 2026-124T10:11:12, the day of the year
			v.year, v.month, v.day = number(t[:4]), 1, number(t[5:8])
			for v.month < 12 && v.day > daysIn(v.year, v.month) {
				v.day -= daysIn(v.year, v.month)
				v.month++
			}
			if i = v.clock(t, 9); i == 0 {
				return 0, 0
			}
			return c.instant(&v, v.zone(t, i))
		}
		if len(t) > 21 && t[4] == '-' && t[10] == '-' && t[13] == ' ' { // 2026-05+00-04 10:11:12
			return c.zoneWithin(t)
		}
		if len(t) < 16 || t[4] != '-' && t[4] != '/' && t[4] != '.' || t[7] != t[4] {
			return 0, 0
		}
		if jsonscan.Digits(t[5:7]) != 2 || jsonscan.Digits(t[8:10]) != 2 {
			return 0, 0
		}
		v.year, v.month, v.day = number(t[:4]), number(t[5:7]), number(t[8:10])
		if len(t) > 18 && t[13] == '.' && t[16] == '.' && (t[10] == '-' || t[10] == 'T') {
			return c.dotted(&v, t)
		}
		if i = separator(t, 10); i == 0 {
			return 0, 0
		}
	case 8:
		if len(t) < 15 || t[8] != 'T' && t[8] != ' ' && t[8] != '-' && t[8] != ':' &&
			(t[8] != '.' || jsonscan.Digits(t[9:min(len(t), 16)]) != 6) {
			return 0, 0
		}
		v.year, v.month, v.day = number(t[:4]), number(t[4:6]), number(t[6:8])
		if jsonscan.Digits(t[9:15]) == 6 {
			v.hour, v.min, v.sec = number(t[9:11]), number(t[11:13]), number(t[13:15])
			i = v.fraction(t, 15)
			return c.instant(&v, v.zone(t, i))
		}
		i = 9
	case 6: // MariaDB
		if t[6] != ' ' {
			return 0, 0
		}
		v.year, v.month, v.day = 2000+number(t[:2]), number(t[2:4]), number(t[4:6])
		i = 7
	default:
		return 0, 0
	}
	if i = v.clock(t, i); i == 0 {
		return 0, 0
	}
	return c.instant(&v, v.zone(t, i))
}

// zoneWithin reads 2026-05+00-04 10:11:12, as Apicurio Registry writes its times, with the zone
// between month and day.
func (c clock) zoneWithin(t []byte) (int64, int) {
	if t[7] != '+' && t[7] != '-' || jsonscan.Digits(t[5:7]) != 2 ||
		jsonscan.Digits(t[8:10]) != 2 || jsonscan.Digits(t[11:13]) != 2 {
		return 0, 0
	}
	v := civil{
		year: number(t[:4]), month: number(t[5:7]), day: number(t[11:13]),
		offset: number(t[8:10]) * 3600, zoned: true,
	}
	if t[7] == '-' {
		v.offset = -v.offset
	}
	return c.instant(&v, v.clock(t, 14))
}

// dotted reads the clock of 2026-05-04-10.11.12.345678+060, whose zone is in minutes, as IBM's Db2
// writes it.
func (c clock) dotted(v *civil, t []byte) (int64, int) {
	if jsonscan.Digits(t[11:13]) != 2 || jsonscan.Digits(t[14:16]) != 2 ||
		jsonscan.Digits(t[17:19]) != 2 {
		return 0, 0
	}
	v.hour, v.min, v.sec = number(t[11:13]), number(t[14:16]), number(t[17:19])
	i := v.fraction(t, 19)
	if i+4 <= len(t) && (t[i] == '+' || t[i] == '-') &&
		jsonscan.Digits(t[i+1:min(len(t), i+5)]) == 3 && number(t[i+1:i+4]) <= 14*60 {
		if v.offset, v.zoned = number(t[i+1:i+4])*60, true; t[i] == '-' {
			v.offset = -v.offset
		}
		return c.instant(v, i+4)
	}
	return c.instant(v, v.zone(t, i))
}

// separator returns the index of the clock behind a date that ends at i, 0 for none.
func separator(t []byte, i int) int {
	switch t[i] {
	case 'T', 't', '_', '|', '\t':
		return i + 1
	case ':':
		if i+1 < len(t) && t[i+1] == ':' { // Erlang
			return i + 2
		}
		return i + 1
	case ' ':
		if i+2 < len(t) && (t[i+1] == '-' || t[i+1] == '>') && t[i+2] == ' ' {
			return i + 3
		}
		if i+4 < len(t) && string(t[i+1:i+4]) == "at " {
			return i + 4
		}
		return i + 1
	case ',':
		if i+1 < len(t) && t[i+1] == ' ' {
			return i + 2
		}
	case '/': // 2026-05-04/10:11:12 of Seelog
		if i > 4 && t[i-3] == '-' {
			return i + 1
		}
	case ']': // [2026-05-04][10:11:12], [5/4/2026] [10:11:12 AM]
		if i+1 < len(t) && t[i+1] == '[' {
			return i + 2
		}
		if i+2 < len(t) && t[i+1] == ' ' && t[i+2] == '[' {
			return i + 3
		}
	}
	return 0
}

// dayFirst reads 04/May/2026:10:11:12 +0000 (the common log format), 04 May 2026 10:11:12,
// 04May2026 10:11:12, 04-May-2026::10:11:12, and 04 May 10:11:12; and 04-May-26 10:11:12 where that
// is within a year before the record's time.
func (c clock) dayFirst(t []byte) (int64, int) {
	n := jsonscan.Digits(t[:min(len(t), 3)])
	if n != 1 && n != 2 || len(t) < n+12 {
		return 0, 0
	}
	v := civil{day: number(t[:n])}
	i, apart := n, 0
	if c := t[n]; c == '/' || c == ' ' || c == '-' {
		i, apart = n+1, 1
	}
	var size int
	if v.month, size = monthName(t[i:]); v.month == 0 {
		return 0, 0
	}
	year := i + size + apart
	if len(t) < year+5 || apart > 0 && t[i+size] != t[n] {
		return 0, 0
	}
	digits := jsonscan.Digits(t[year : year+5])
	if digits == 2 && t[n] == ' ' && t[year+2] == ':' { // 30 Nov 10:11:12.382 of Redis before 5
		v.year = -1
		return c.instant(&v, v.clock(t, year))
	}
	short := digits == 2 && apart > 0
	if digits != 4 && !short {
		return 0, 0
	}
	if v.year = number(t[year : year+digits]); short {
		v.year += 2000
	}
	if i = separator(t, year+digits); i == 0 {
		return 0, 0
	}
	if i = v.clock(t, i); i == 0 {
		return 0, 0
	}
	ns, end := c.instant(&v, v.zone(t, i))
	if short && !c.withinYear(ns) {
		return 0, 0
	}
	return ns, end
}

// withinYear reports whether a time is at most a year before the record's.
func (c clock) withinYear(t int64) bool {
	return t <= c.record+maxAhead && t > c.record-366*day
}

// numeric reads dates whose year comes last: 29.11.2026 10:11:12, 29 11 2026 10:11:12 (log4js),
// 11/29/2026, 10:11:12 AM, 11/29/26 10:11:12, 11/29/2026-10:11:12; 26/11/29 10:11:12, as Spark and
// Hadoop write it, where that is near to the record's time; and 11-29|10:11:12, 11-29 10:11:12,
// 11/29 10:11:12 and 11/29-10:11:12, which have no year.
func (c clock) numeric(t []byte) (int64, int) {
	n := jsonscan.Digits(t[:min(len(t), 3)])
	if n != 1 && n != 2 || n+3 > len(t) {
		return 0, 0
	}
	mark := t[n]
	if mark == ' ' && n == 2 && len(t) > 19 && t[5] == ' ' && t[10] == ' ' &&
		jsonscan.Digits(t[3:5]) == 2 && jsonscan.Digits(t[6:10]) == 4 {
		v := civil{day: number(t[:2]), month: number(t[3:5]), year: number(t[6:10])}
		if ns, end := c.instant(&v, v.clock(t, 11)); end > 0 && c.withinYear(ns) {
			return ns, end
		}
		return 0, 0
	}
	if mark != '/' && mark != '.' && mark != '-' {
		return 0, 0
	}
	m := jsonscan.Digits(t[n+1 : min(len(t), n+4)])
	if m != 1 && m != 2 || n+m+2 > len(t) {
		return 0, 0
	}
	first, second := number(t[:n]), number(t[n+1:n+1+m])
	i := n + m + 1
	v := civil{year: -1}
	if mark == '-' && t[i] == '|' { // log15
		v.month, v.day = first, second
		return c.instant(&v, v.clock(t, i+1))
	}
	if mark == '/' && t[i] == ' ' && n == 2 && m == 2 {
		return c.yearless(first, second, t, i+1)
	}
	// Snort, and Android and others whose dates have a dash
	if mark == '/' && t[i] == '-' || mark == '-' && t[i] == ' ' && n == 2 && m == 2 {
		v.month, v.day = first, second
		ns, size := c.instant(&v, v.clock(t, i+1))
		if mark == '-' && !c.near(ns) { // 10-12 may be anything
			return 0, 0
		}
		return ns, size
	}
	y := jsonscan.Digits(t[i+1 : min(len(t), i+6)])
	if t[i] != mark || y != 4 && y != 2 || i+1+y >= len(t) {
		return 0, 0
	}
	if v.year = number(t[i+1 : i+1+y]); y == 2 {
		v.year += 2000
	}
	at := separator(t, i+1+y)
	if mark == '/' && t[i+1+y] == '-' { // Suricata
		at = i + 1 + y + 1
	}
	colon := t[i+1+y] == ':'
	if at == 0 || colon && (mark != '/' || y != 4) || t[i+1+y] == 'T' { // NetScaler has a colon
		return 0, 0
	}
	end := v.clock(t, at)
	if end == 0 {
		return 0, 0
	}
	twelve := t[end-1]|0x20 == 'm' || t[end-1] == '.'
	end = v.zone(t, end)
	monthDay, dayMonth := v, v
	monthDay.month, monthDay.day = first, second
	dayMonth.month, dayMonth.day = second, first
	if mark == '.' {
		ns, n := c.instant(&dayMonth, end)
		if y == 2 && !c.withinYear(ns) {
			return 0, 0
		}
		return ns, n
	}
	us, n1 := c.instant(&monthDay, end)
	eu, n2 := c.instant(&dayMonth, end)
	if y == 2 && mark == '/' {
		yearFirst := v
		yearFirst.year, yearFirst.month, yearFirst.day = 2000+first, second, v.year-2000
		if t, n := c.instant(&yearFirst, end); n > 0 && c.near(t) && !c.near(us) && !c.near(eu) {
			return t, n
		}
	}
	switch {
	case n1 == 0 || n2 == 0 || us == eu || twelve:
		if n1 > 0 {
			return us, n1
		}
		return eu, n2
	case c.near(us) && !c.near(eu):
		return us, end
	case c.near(eu) && !c.near(us):
		return eu, end
	}
	return unknownTime, end // 05/04/2026 is in April or in May
}

// yearless reads the clock at t[i] behind 11/30 or 30/11, whichever is near to the record's time.
func (c clock) yearless(first, second int, t []byte, i int) (int64, int) {
	v := civil{year: -1}
	end := v.clock(t, i)
	if end == 0 {
		return 0, 0
	}
	end = v.zone(t, end)
	monthDay, dayMonth := v, v
	monthDay.month, monthDay.day = first, second
	dayMonth.month, dayMonth.day = second, first
	if ns, n := c.instant(&monthDay, end); n > 0 && c.near(ns) {
		return ns, n
	}
	if ns, n := c.instant(&dayMonth, end); n > 0 && c.near(ns) {
		return ns, n
	}
	return 0, 0
}

// near reports whether a time is close enough to the record's to tell two readings apart.
func (c clock) near(t int64) bool {
	return t <= c.record+maxAhead && t > c.record-day
}

// named reads times that begin with the name of a day or month: May 4 10:11:12, Mon May 4
// 10:11:12.345 2026, Mon, 04 May 2026 10:11:12 GMT, May 4, 2026 8:14:08 AM, May-04-2026 10:11:12.
func (c clock) named(t []byte) (int64, int) { return c.namedIn(-1, t) }

// namedIn is named of a year that stood before it, -1 for none.
func (c clock) namedIn(year int, t []byte) (int64, int) {
	i := weekday(t)
	if i > 0 {
		if i < len(t) && t[i] == ',' {
			i++
		}
		if i >= len(t) || t[i] != ' ' {
			return 0, 0
		}
		i++
		if i < len(t) && t[i]-'0' <= 9 {
			ns, n := c.dated(t[i:])
			if n == 0 {
				return 0, 0
			}
			return ns, i + n
		}
	}
	dated := i > 0 // the year may come behind the clock
	v := civil{year: year}
	var size int
	if v.month, size = monthName(t[i:]); v.month == 0 {
		return 0, 0
	}
	v.local = t[i] >= 'a'
	i += size
	if year < 0 && len(t) > i+10 && (t[i] == '-' || t[i] == '/') && t[i+3] == t[i] &&
		t[i+8] == ' ' && jsonscan.Digits(t[i+1:i+3]) == 2 && jsonscan.Digits(t[i+4:i+8]) == 4 {
		v.day, v.year = number(t[i+1:i+3]), number(t[i+4:i+8])
		if i = v.clock(t, i+9); i == 0 {
			return 0, 0
		}
		return c.instant(&v, v.zone(t, i))
	}
	for i < len(t) && t[i] == ' ' {
		i++
	}
	n := jsonscan.Digits(t[i:min(len(t), i+3)])
	if n != 1 && n != 2 || i+n+1 >= len(t) || t[i+n] != ' ' && (t[i+n] != ',' || t[i+n+1] != ' ') {
		return 0, 0
	}
	v.day = number(t[i : i+n])
	if i += n; t[i] == ',' {
		i++
	}
	i++
	// Cisco and Java write the year before the clock
	if v.year < 0 && i+5 < len(t) && jsonscan.Digits(t[i:i+4]) == 4 && (t[i+4] == ' ' ||
		t[i+4] == ',' && t[i+5] == ' ') {
		v.year = number(t[i : i+4])
		if i += 4; t[i] == ',' {
			i++
		}
		i++
		if bytes.HasPrefix(t[i:], []byte("at ")) { // November 29, 2026 at 8:04:36 AM
			i += len("at ")
		} else if bytes.HasPrefix(t[i:], []byte("> ")) { // Loguru's example
			i += len("> ")
		}
	}
	if i = v.clock(t, i); i == 0 {
		return 0, 0
	}
	if v.year < 0 {
		i = c.lateYear(&v, t, i, dated)
	}
	i = v.zone(t, i)
	if v.year < 0 && v.zoned { // date(1) writes the year behind the zone
		i = c.lateYear(&v, t, i, true)
	}
	return c.instant(&v, i)
}

// lateYear reads a year behind the clock. Without a weekday before it, four digits are a year only
// if they are the record's: a host, or a count, may begin with any digits.
func (c clock) lateYear(v *civil, t []byte, i int, dated bool) int {
	if i+5 > len(t) || t[i] != ' ' || jsonscan.Digits(t[i+1:i+5]) != 4 {
		return i
	}
	if i+5 < len(t) && t[i+5] != ' ' && t[i+5] != ']' && t[i+5] != ':' && t[i+5] != ')' &&
		t[i+5] != ',' && t[i+5] != '\n' {
		return i
	}
	year := number(t[i+1 : i+5])
	if now := time.Unix(0, c.record).UTC().Year(); !dated && (year < now-1 || year > now+1) {
		return i
	}
	v.year = year
	return i + 5
}

// clock reads 10:11:12.345, 10:11.12 or 8:11:12 PM at t[i], perhaps padded with a blank, and
// returns the index behind it, 0 for none.
func (v *civil) clock(t []byte, i int) int {
	if i+1 < len(t) && t[i] == ' ' && t[i+1]-'0' <= 9 {
		i++
	}
	n := jsonscan.Digits(t[min(i, len(t)):min(len(t), i+2)])
	if n == 0 && i < len(t) && t[i] >= 0x80 {
		return v.halfClock(t, i)
	}
	if n == 0 || i+n+3 > len(t) || t[i+n] != ':' || jsonscan.Digits(t[i+n+1:i+n+3]) != 2 {
		return 0
	}
	v.hour, v.min = number(t[i:i+n]), number(t[i+n+1:i+n+3])
	i += n + 3
	if i+3 <= len(t) && t[i] == ':' && jsonscan.Digits(t[i+1:i+3]) == 2 {
		v.sec = number(t[i+1 : i+3])
		i = v.fraction(t, i+3)
	} else if i+3 <= len(t) && t[i] == '.' && jsonscan.Digits(t[i+1:min(len(t), i+4)]) == 2 {
		v.sec = number(t[i+1 : i+3]) // structlog's %H:%M.%S
		i += 3
	}
	return v.half(t, i)
}

// halfClock is clock with the half of the day before it, as in 下午11:04:36.
func (v *civil) halfClock(t []byte, i int) int {
	size, pm := halfSign(t[i:])
	if size == 0 {
		return 0
	}
	if i += size; i < len(t) && t[i] == ' ' {
		i++
	}
	if i >= len(t) || t[i]-'0' > 9 {
		return 0
	}
	end := v.clock(t, i)
	switch {
	case end == 0 || v.hour > 12:
		return 0
	case pm && v.hour < 12:
		v.hour += 12
	case !pm && v.hour == 12:
		v.hour = 0
	}
	return end
}

// half reads the half of the day: AM, pm, p.m.
func (v *civil) half(t []byte, i int) int {
	j := i
	switch {
	case j < len(t) && t[j] == ' ':
		j++
	case j+3 <= len(t) && string(t[j:j+3]) == "\u202f": // of newer versions of ICU
		j += 3
	case j+2 <= len(t) && string(t[j:j+2]) == "\u00a0":
		j += 2
	}
	if j+2 > len(t) {
		return i
	}
	if t[j]|0x20 != 'a' && t[j]|0x20 != 'p' {
		if t[j] >= 0x80 || v.local {
			if end := v.localHalf(t, j); end > 0 {
				return end
			}
		}
		return i
	}
	pm := t[j]|0x20 == 'p'
	switch {
	case t[j+1]|0x20 == 'm' && (j+2 == len(t) || !isWord(t[j+2])):
		j += 2
	case j+4 <= len(t) && t[j+1] == '.' && t[j+2]|0x20 == 'm' && t[j+3] == '.':
		j += 4
	case t[j+1] == '.' || v.local:
		if end := v.spanishHalf(t, j); end > 0 {
			return end
		}
		return i
	default:
		return i
	}
	switch {
	case pm && v.hour < 12:
		v.hour += 12
	case !pm && v.hour == 12:
		v.hour = 0
	}
	return j
}

// fraction reads the fraction of a second, to the nanosecond.
func (v *civil) fraction(t []byte, i int) int {
	if i+1 >= len(t) || t[i] != '.' && t[i] != ',' && t[i] != ':' {
		return i
	}
	n := jsonscan.Digits(t[i+1:])
	if n == 0 || t[i] == ':' && n != 3 && n != 6 || t[i] == ',' && n > 9 {
		return i // more digits behind a comma are a column
	}
	unit := 100_000_000
	for _, c := range t[i+1 : i+1+n] {
		v.nano += int(c-'0') * unit
		unit /= 10
	}
	return i + 1 + n
}

// instant turns a civil time of n bytes into nanoseconds since 1970. An absent year is the
// record's, or the one before or after it if that brings the time nearer to the record's.
func (c clock) instant(v *civil, n int) (int64, int) {
	if n == 0 || v.month < 1 || v.month > 12 || v.hour > 24 || v.min > 59 || v.sec > 60 {
		return 0, 0
	}
	if v.year >= 0 {
		if v.day < 1 || v.day > daysIn(v.year, v.month) {
			return 0, 0
		}
		return c.nanos(v), n
	}
	if v.day < 1 || v.day > 31 {
		return 0, 0
	}
	v.year = time.Unix(0, c.record).UTC().Year()
	t := c.nanos(v)
	switch {
	case t == unknownTime:
	case t > c.record+182*day:
		v.year--
		t = c.nanos(v)
	case t < c.record-182*day:
		v.year++
		if next := c.nanos(v); next <= c.record+maxAhead {
			t = next
		}
	}
	return t, n
}

func (c clock) nanos(v *civil) int64 {
	if v.unknown {
		return unknownTime
	}
	if v.abbreviation != nil && !c.abbreviated(v) {
		return unknownTime
	}
	zone := c.zone
	if v.location != nil {
		zone = v.location
	}
	if !v.zoned && zone != nil && zone != time.UTC {
		return c.local(v, zone)
	}
	secs := daysSince1970(v.year, v.month, v.day)*86400 + int64(v.hour*3600+v.min*60+v.sec-v.offset)
	return bounded(secs, int64(v.nano))
}

// local returns a time of a location. Of a local time that occurs twice, when clocks are set back,
// it returns the instant that is nearest to the record's time and not ahead of it.
func (c clock) local(v *civil, zone *time.Location) int64 {
	t := time.Date(v.year, time.Month(v.month), v.day, v.hour, v.min, v.sec, v.nano, zone)
	at := bounded(t.Unix(), int64(v.nano))
	_, before := t.Add(-3 * time.Hour).Zone()
	_, after := t.Add(3 * time.Hour).Zone()
	if before <= after || c.record <= 0 {
		return at
	}
	for _, shift := range [...]int64{int64(before - after), int64(after - before)} {
		other := t.Add(time.Duration(shift) * time.Second)
		if other.Hour() != t.Hour() || other.Minute() != t.Minute() || other.Day() != t.Day() {
			continue
		}
		o := at + shift*int64(time.Second)
		if o <= c.record+maxAhead && (o > at || at > c.record+maxAhead) {
			at = o
		}
	}
	return at
}

// monthName returns the month whose name, short or long, a text begins with, and the name's length.
func monthName(t []byte) (month, size int) {
	if len(t) < 3 || t[0]-'A' > 'S'-'A' {
		return localMonth(t)
	}
	i := 0
	switch string(t[:3]) {
	case "Jan":
		i = 0
	case "Feb":
		i = 1
	case "Mar":
		i = 2
	case "Apr":
		i = 3
	case "May":
		i = 4
	case "Jun":
		i = 5
	case "Jul":
		i = 6
	case "Aug":
		i = 7
	case "Sep":
		i = 8
	case "Oct":
		i = 9
	case "Nov":
		i = 10
	case "Dec":
		i = 11
	default:
		return localMonth(t)
	}
	if len(t) == 3 || t[3]|0x20-'a' >= 26 {
		if len(t) > 5 && t[3] == '.' && (t[4] == ' ' || t[4] == '-') && t[5]-'0' <= 9 {
			return i + 1, 4 // Nov. 30, 2026 and 30-Nov.-2026, of Java in German
		}
		return i + 1, 3
	}
	switch name := monthNames[i]; {
	case len(t) >= len(name) && string(t[:len(name)]) == name:
		return i + 1, len(name)
	case i == 8 && len(t) > 4 && t[3] == 't' && t[4]|0x20-'a' >= 26: // Sept
		return 9, 4
	}
	return localMonth(t)
}

var monthNames = [...]string{
	"January", "February", "March", "April", "May", "June", "July", "August", "September",
	"October", "November", "December",
}

var weekdayNames = [...]string{
	"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
}

// weekday returns the length of the name of a day, short or long, that a text begins with.
func weekday(t []byte) int {
	if len(t) < 4 || t[0]-'F' > 'W'-'F' {
		return 0
	}
	switch string(t[:3]) {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
	default:
		return 0
	}
	if t[3]|0x20-'a' >= 26 {
		return 3
	}
	for _, name := range weekdayNames {
		if len(t) >= len(name) && string(t[:len(name)]) == name {
			return len(name)
		}
	}
	return 3
}

// localMonths are short and long names of months in languages other than English, as programs write
// them whose dates are in the language of their machine. Names of several months are left out.
var localMonths = func() map[string]int {
	months := map[string]int{}
	for i, names := range [...]string{
		"jan januar janv janvier ene enero gen gennaio janeiro januari ian sty",
		"feb februar febr févr février febrero febbraio fev fevereiro februari lut",
		"mar mär märz mrz mars marzo março mrt maart",
		"apr april avr avril abr abril aprile kwi",
		"may mai mayo mag maggio maio mei maj",
		"jun juni juin junio giu giugno junho cze",
		"jul juli juil juillet julio lug luglio julho lip",
		"aug august août ago agosto augustus augusti sie",
		"sep sept september septembre septiembre set settembre setembro wrz",
		"oct okt oktober octobre octubre ott ottobre out outubro paź",
		"nov november novembre noviembre novembro lis",
		"dec dez dezember déc décembre dic diciembre dicembre dezembro des desember gru",
	} {
		for _, name := range strings.Fields(names) {
			months[name] = i + 1
		}
	}
	return months
}()

// localMonth is monthName of other languages. A dot may follow the name; digits must follow,
// for these are words of other meanings, too.
func localMonth(t []byte) (month, size int) {
	n := 0
	var low [12]byte
	for n < len(t) && n < len(low) && (t[n]|0x20-'a' < 26 || t[n] >= 0x80) {
		low[n] = t[n]
		if t[n] < 0x80 {
			low[n] |= 0x20
		}
		n++
	}
	if size = n; n < len(t) && t[n] == '.' {
		size++
	}
	if n < 3 || size+1 >= len(t) || t[size+1]-'0' > 9 || t[size] != ' ' && t[size] != '-' &&
		t[size] != '/' {
		return 0, 0
	}
	if month = localMonths[string(low[:n])]; month == 0 {
		return 0, 0
	}
	return month, size
}

// startsMonth reports whether a text begins with the name of a month.
func startsMonth(t []byte) bool {
	month, _ := monthName(t)
	return month > 0
}

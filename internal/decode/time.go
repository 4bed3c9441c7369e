package decode

import (
	"bytes"
	"math"
	"time"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

const (
	day = 24 * int64(time.Hour)
	// further ahead of its record's time, a time is a broken clock's
	maxAhead = 5 * int64(time.Minute)

	// earliest is 1980: anything before is a zero, or a clock that was never set.
	earliest = 315532800 * int64(time.Second)
)

// clock is what the reading of a time without zone or year depends on.
type clock struct {
	zone   *time.Location // nil is UTC
	record int64          // the record's timestamp, in nanoseconds since 1970; 0 when it has none
}

// plausible says whether a log can have been written at t.
func (c clock) plausible(t int64) bool {
	return t >= earliest && (c.record <= 0 || t <= c.record+maxAhead)
}

// today remembers the last day on which a log was written, for the next one was most likely written
// on the same.
type today struct {
	date  [10]byte // 2026-05-04
	start int64
}

// read reads the time that nearly all logs have, 2026-05-04T10:11:12.345Z, on the day that is
// remembered.
func (d *today) read(t []byte) (int64, bool) {
	n := len(t) - 1
	if n < 19 || n > 29 || t[n] != 'Z' || t[10] != 'T' || t[13] != ':' || t[16] != ':' ||
		string(t[:10]) != string(d.date[:]) {
		return 0, false
	}
	h1, h2, m1, m2, s1, s2 := t[11]-'0', t[12]-'0', t[14]-'0', t[15]-'0', t[17]-'0', t[18]-'0'
	hour, minute, sec := int64(h1)*10+int64(h2), int64(m1)*10+int64(m2), int64(s1)*10+int64(s2)
	if h1 > 9 || h2 > 9 || m1 > 5 || m2 > 9 || s1 > 5 || s2 > 9 || hour > 23 {
		return 0, false
	}
	nano := int64(0)
	if n > 19 {
		if t[19] != '.' || n == 20 {
			return 0, false
		}
		for _, c := range t[20:n] {
			if c -= '0'; c > 9 {
				return 0, false
			}
			nano = nano*10 + int64(c)
		}
		nano *= powersOf10[29-n]
	}
	return d.start + (hour*3600+minute*60+sec)*int64(time.Second) + nano, true
}

var powersOf10 = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// remember notes the day of a time that was read from a text.
func (d *today) remember(t []byte, ns int64) {
	if len(t) >= 20 && t[4] == '-' && t[10] == 'T' && t[len(t)-1] == 'Z' && ns > earliest {
		copy(d.date[:], t)
		d.start = ns - ns%day
		if again, _ := d.read(t); again != ns { // a leap second belongs to the day before
			*d = today{}
		}
	}
}

// read reads a whole text as a time, in nanoseconds since 1970.
func (c clock) read(t []byte) (int64, bool) {
	t = bytes.TrimSpace(t)
	if len(t) == 0 || len(t) > 64 {
		return 0, false
	}
	if ns, ok := epoch(t); ok {
		return ns, true
	}
	ns, n := c.prefix(t)
	if n == 0 || n != len(t) {
		return 0, false
	}
	return ns, true
}

// prefix reads the time at the start of a text, in whatever format people write it, and returns how
// many bytes it takes, 0 for none. Numbers of seconds are not times here: a text may begin with any
// number.
func (c clock) prefix(t []byte) (ns int64, n int) {
	if len(t) < 8 {
		return 0, 0
	}
	if t[0] == '[' || t[0] == '(' {
		ns, n := c.prefix(t[1:])
		if n == 0 || n+1 >= len(t) {
			return 0, 0
		}
		switch t[n+1] {
		case ']', ')':
			return ns, n + 2
		case ' ', ':': // more stands within the brackets
			return ns, n + 1
		}
		return 0, 0
	}
	if t[0]-'0' > 9 {
		return c.named(t)
	}
	if ns, n := c.iso(t); n > 0 {
		return ns, n
	}
	return c.dayFirst(t)
}

// civil is a time as people write it. A year of -1 is one that was left out.
type civil struct {
	year, month, day, hour, min, sec, nano int
	offset                                 int // seconds east of UTC
	zoned                                  bool
}

// iso reads 2026-05-04T10:11:12.345Z and its relatives: blank or underscore for the T, slashes or
// dots for the dashes, comma for the dot, seconds left out, a zone of hours or of a word, or none;
// and 20260504T101112Z.
func (c clock) iso(t []byte) (int64, int) {
	v := civil{}
	i := 0
	switch jsonscan.Digits(t[:min(len(t), 15)]) {
	case 4:
		if len(t) < 16 || t[4] != '-' && t[4] != '/' && t[4] != '.' || t[7] != t[4] {
			return 0, 0
		}
		if jsonscan.Digits(t[5:7]) != 2 || jsonscan.Digits(t[8:10]) != 2 {
			return 0, 0
		}
		v.year, v.month, v.day = number(t[:4]), number(t[5:7]), number(t[8:10])
		i = 10
		if t[i] != 'T' && t[i] != 't' && t[i] != ' ' && t[i] != '_' && t[i] != ':' {
			return 0, 0
		}
	case 8:
		if len(t) < 15 || t[8] != 'T' && t[8] != ' ' && t[8] != '-' {
			return 0, 0
		}
		v.year, v.month, v.day = number(t[:4]), number(t[4:6]), number(t[6:8])
		i = 8
		if jsonscan.Digits(t[9:15]) == 6 {
			v.hour, v.min, v.sec = number(t[9:11]), number(t[11:13]), number(t[13:15])
			i = v.fraction(t, 15)
			i = v.zone(t, i)
			return c.instant(v, i)
		}
	default:
		return 0, 0
	}
	if i = v.clock(t, i+1); i == 0 {
		return 0, 0
	}
	return c.instant(v, v.zone(t, i))
}

// dayFirst reads 04/May/2026:10:11:12 +0000, the common log format, and 04 May 2026 10:11:12; and
// klog's 0504 10:11:12.1.
func (c clock) dayFirst(t []byte) (int64, int) {
	n := jsonscan.Digits(t[:min(len(t), 5)])
	if n == 4 && len(t) > 5 && t[4] == ' ' {
		v := civil{year: -1, month: number(t[:2]), day: number(t[2:4])}
		// no zone and no year: instant is reached with what clock filled in
		return c.instant(v, v.clock(t, 5))
	}
	if n != 1 && n != 2 {
		return 0, 0
	}
	v := civil{day: number(t[:n])}
	i := n + 1
	if len(t) < i+8 || t[n] != '/' && t[n] != ' ' && t[n] != '-' {
		return 0, 0
	}
	if v.month = month(t[i:]); v.month == 0 || t[i+3] != t[n] || jsonscan.Digits(t[i+4:i+8]) != 4 {
		return 0, 0
	}
	v.year = number(t[i+4 : i+8])
	i += 8
	if i >= len(t) || t[i] != ':' && t[i] != ' ' {
		return 0, 0
	}
	if i = v.clock(t, i+1); i == 0 {
		return 0, 0
	}
	return c.instant(v, v.zone(t, i))
}

// named reads times that begin with the name of a day or month: May 4 10:11:12, Mon May 4
// 10:11:12.345 2026, Mon, 04 May 2026 10:11:12 GMT.
func (c clock) named(t []byte) (int64, int) {
	i := 0
	if isWeekday(t) {
		i = 3
		if i < len(t) && t[i] == ',' {
			i++
		}
		if i >= len(t) || t[i] != ' ' {
			return 0, 0
		}
		i++
		if i < len(t) && t[i]-'0' <= 9 {
			ns, n := c.dayFirst(t[i:])
			if n == 0 {
				return 0, 0
			}
			return ns, i + n
		}
	}
	v := civil{year: -1}
	if v.month = month(t[i:]); v.month == 0 {
		return 0, 0
	}
	i += 3
	for i < len(t) && t[i] == ' ' {
		i++
	}
	n := jsonscan.Digits(t[i:min(len(t), i+3)])
	if n != 1 && n != 2 || i+n >= len(t) || t[i+n] != ' ' {
		return 0, 0
	}
	v.day = number(t[i : i+n])
	i += n + 1
	// Cisco writes the year before the clock
	if i+5 < len(t) && jsonscan.Digits(t[i:i+4]) == 4 && t[i+4] == ' ' {
		v.year = number(t[i : i+4])
		i += 5
	}
	if i = v.clock(t, i); i == 0 {
		return 0, 0
	}
	if v.year < 0 && i+5 <= len(t) && t[i] == ' ' && jsonscan.Digits(t[i+1:i+5]) == 4 &&
		(i+5 == len(t) || t[i+5]-'0' > 9) {
		v.year = number(t[i+1 : i+5])
		i += 5
	}
	i = v.zone(t, i)
	// date(1) writes the year behind the zone
	if v.year < 0 && v.zoned && i+5 <= len(t) && t[i] == ' ' && jsonscan.Digits(t[i+1:i+5]) == 4 {
		v.year = number(t[i+1 : i+5])
		i += 5
	}
	return c.instant(v, i)
}

// clock reads 10:11:12.345 at t[i] and returns the index behind it, 0 for none.
func (v *civil) clock(t []byte, i int) int {
	n := jsonscan.Digits(t[min(i, len(t)):min(len(t), i+2)])
	if n == 0 || i+n+3 > len(t) || t[i+n] != ':' || jsonscan.Digits(t[i+n+1:i+n+3]) != 2 {
		return 0
	}
	v.hour, v.min = number(t[i:i+n]), number(t[i+n+1:i+n+3])
	i += n + 3
	if i+3 > len(t) || t[i] != ':' || jsonscan.Digits(t[i+1:i+3]) != 2 {
		return i
	}
	v.sec = number(t[i+1 : i+3])
	return v.fraction(t, i+3)
}

// fraction reads the fraction of a second, to the nanosecond.
func (v *civil) fraction(t []byte, i int) int {
	if i+1 >= len(t) || t[i] != '.' && t[i] != ',' && t[i] != ':' {
		return i
	}
	n := jsonscan.Digits(t[i+1:])
	if n == 0 || t[i] == ':' && n != 3 && n != 6 {
		return i
	}
	unit := 100_000_000
	for _, c := range t[i+1 : i+1+n] {
		v.nano += int(c-'0') * unit
		unit /= 10
	}
	return i + 1 + n
}

// zone reads a zone at t[i], with or without a blank before it, and returns the index behind it.
func (v *civil) zone(t []byte, i int) int {
	j := i
	if j < len(t) && t[j] == ' ' {
		j++
	}
	if j >= len(t) {
		return i
	}
	switch c := t[j]; {
	case c == 'Z' || c == 'z':
		if j+1 < len(t) && isWord(t[j+1]) {
			return i
		}
		v.zoned = true
		return j + 1
	case c == '+' || c == '-':
		k := j + 1
		n := jsonscan.Digits(t[k:min(len(t), k+5)])
		switch {
		case n == 4:
			v.offset = number(t[k:k+2])*3600 + number(t[k+2:k+4])*60
			k += 4
		case n == 2 && k+5 <= len(t) && t[k+2] == ':' && jsonscan.Digits(t[k+3:k+5]) == 2:
			v.offset = number(t[k:k+2])*3600 + number(t[k+3:k+5])*60
			k += 5
		case n == 2:
			v.offset = number(t[k:k+2]) * 3600
			k += 2
		default:
			return i
		}
		if c == '-' {
			v.offset = -v.offset
		}
		v.zoned = true
		return k
	case len(t)-j >= 3 && (string(t[j:j+3]) == "UTC" || string(t[j:j+3]) == "GMT") && (len(t) == j+3 || !isWord(t[j+3])):
		v.zoned = true
		return j + 3
	case c-'A' < 26:
		n := 0
		for j+n < len(t) && t[j+n]-'A' < 26 {
			n++
		}
		if hours, ok := zones[string(t[j:j+min(n, 5)])]; ok && (j+n == len(t) || !isWord(t[j+n])) {
			v.offset, v.zoned = hours*3600, true
			return j + n
		}
	}
	return i
}

// zones are the zones that are known by their letters: those of RFC 822, and others that mean only
// one thing. Hours east of UTC.
var zones = map[string]int{
	"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
	"WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}

// instant turns a civil time that took n bytes into nanoseconds since 1970. A year that was left
// out is the record's, or the one before or after it when that brings the time nearer to the
// record's.
func (c clock) instant(v civil, n int) (int64, int) {
	if n == 0 || v.month < 1 || v.month > 12 || v.hour > 24 || v.min > 59 || v.sec > 60 {
		return 0, 0
	}
	if v.year >= 0 {
		if v.day < 1 || v.day > daysIn(v.year, v.month) {
			return 0, 0
		}
		return c.nanos(v), n
	}
	v.year = time.Unix(0, c.record).UTC().Year()
	t := c.nanos(v)
	switch {
	case t > c.record+182*day:
		v.year--
		t = c.nanos(v)
	case t < c.record-182*day:
		v.year++
		if next := c.nanos(v); next <= c.record+maxAhead {
			t = next
		}
	}
	if v.day < 1 || v.day > 31 {
		return 0, 0
	}
	return t, n
}

func (c clock) nanos(v civil) int64 {
	if !v.zoned && c.zone != nil && c.zone != time.UTC {
		t := time.Date(v.year, time.Month(v.month), v.day, v.hour, v.min, v.sec, v.nano, c.zone)
		return bounded(t.Unix(), int64(v.nano))
	}
	secs := daysSince1970(v.year, v.month, v.day)*86400 + int64(v.hour*3600+v.min*60+v.sec-v.offset)
	return bounded(secs, int64(v.nano))
}

// bounded keeps a time that does not fit into 64 bits of nanoseconds at the bound, where it is not
// plausible.
func bounded(secs, nano int64) int64 {
	if secs > math.MaxInt64/int64(time.Second)-1 {
		return math.MaxInt64
	}
	if secs < math.MinInt64/int64(time.Second)+1 {
		return math.MinInt64
	}
	return secs*int64(time.Second) + nano
}

// daysSince1970 counts days in the Gregorian calendar, by years that begin in March so that the
// leap day comes last.
func daysSince1970(y, m, d int) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yearOfEra := y - era*400
	dayOfYear := (153*(m-3)+2)/5 + d - 1
	return int64(era)*146097 + int64(yearOfEra*365+yearOfEra/4-yearOfEra/100+dayOfYear) - 719468
}

func daysIn(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func number(t []byte) int {
	n := 0
	for _, c := range t {
		n = n*10 + int(c-'0')
	}
	return n
}

func month(t []byte) int {
	if len(t) < 3 {
		return 0
	}
	switch string(t[:3]) {
	case "Jan":
		return 1
	case "Feb":
		return 2
	case "Mar":
		return 3
	case "Apr":
		return 4
	case "May":
		return 5
	case "Jun":
		return 6
	case "Jul":
		return 7
	case "Aug":
		return 8
	case "Sep":
		return 9
	case "Oct":
		return 10
	case "Nov":
		return 11
	case "Dec":
		return 12
	}
	return 0
}

func isWeekday(t []byte) bool {
	if len(t) < 3 {
		return false
	}
	switch string(t[:3]) {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

// epoch reads a number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart
// by its magnitude. It works on the decimal digits, for a float64 loses the nanoseconds:
// 1777889472345678901, "1777889472.345678" and 1.777889472345e+09 are all exact.
func epoch(t []byte) (int64, bool) {
	var buf [40]byte
	mantissa := buf[:0]
	point, exponent := -1, 0
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case c-'0' <= 9:
			if len(mantissa) < len(buf) {
				mantissa = append(mantissa, c)
			} else if point < 0 {
				return 0, false
			}
		case c == '.' && point < 0 && len(mantissa) > 0:
			point = len(mantissa)
		case (c == 'e' || c == 'E') && len(mantissa) > 0:
			n, ok := smallNumber(bytes.TrimPrefix(t[i+1:], []byte("+")))
			if !ok || n > 40 || n < -40 {
				return 0, false
			}
			exponent = n
			i = len(t)
		default:
			return 0, false
		}
	}
	if len(mantissa) == 0 {
		return 0, false
	}
	if point < 0 {
		point = len(mantissa)
	}
	point += exponent
	for len(mantissa) > 1 && mantissa[0] == '0' {
		mantissa = mantissa[1:]
		point--
	}
	shift := 0
	switch {
	case point <= 11:
		shift = 9
	case point <= 14:
		shift = 6
	case point <= 17:
		shift = 3
	}
	if point+shift > 19 {
		return 0, false
	}
	var ns uint64
	for i := range max(point+shift, 0) {
		ns *= 10
		if i < len(mantissa) {
			ns += uint64(mantissa[i] - '0')
		}
	}
	if ns > math.MaxInt64 {
		return 0, false
	}
	return int64(ns), true
}

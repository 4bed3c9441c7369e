package decode

import (
	"bytes"
	"math"
	"time"
)

const (
	day = 24 * int64(time.Hour)
	// a time further ahead of its record's is implausible
	maxAhead = 5 * int64(time.Minute)
	// 1980: an earlier time is a zero, or of a clock that was never set
	earliest = 315532800 * int64(time.Second)
	// a time whose zone, or whose order of day and month, is unknown; it is never plausible
	unknownTime = math.MinInt64
)

// clock is what reading a time without zone or year depends on.
type clock struct {
	zone   *time.Location // nil is UTC
	record int64          // the record's timestamp, in nanoseconds since 1970; 0 when it has none
}

// plausible reports whether a log can have been written at t.
func (c clock) plausible(t int64) bool {
	return t >= earliest && (c.record <= 0 || t <= c.record+maxAhead)
}

// today caches the last day on which a log was written: the next log is most likely of the same
// day.
type today struct {
	date  [10]byte // 2026-05-04
	start int64
}

// read reads the most common form of a time, 2026-05-04T10:11:12.345Z, on the cached day.
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

// remember caches the day of a time that was read from a text.
func (d *today) remember(t []byte, ns int64) {
	if len(t) >= 20 && t[4] == '-' && t[10] == 'T' && t[len(t)-1] == 'Z' && ns > earliest {
		copy(d.date[:], t)
		d.start = ns - ns%day
		if again, _ := d.read(t); again != ns { // a leap second belongs to the day before
			*d = today{}
		}
	}
}

// stamp caches the last time in the form of old syslog, May  4 10:11:12: many logs are of the same
// second.
type stamp struct {
	text [15]byte
	time int64
}

// settled reports whether a time without a year and zone is the same for every record near to it:
// the year is then the record's, or the one whose beginning or end is near.
func (s *stamp) settled(c clock) bool {
	return (c.zone == nil || c.zone == time.UTC) && s.time <= c.record+maxAhead &&
		s.time > c.record-90*day
}

// read reads the cached time.
func (s *stamp) read(t []byte, c clock) (int64, bool) {
	if len(t) != len(s.text) || string(t) != string(s.text[:]) || !s.settled(c) {
		return 0, false
	}
	return s.time, true
}

// remember caches a time that was read from a text.
func (s *stamp) remember(t []byte, ns int64, c clock) {
	if len(t) != len(s.text) || t[0]-'A' >= 26 || t[3] != ' ' || t[6] != ' ' || t[9] != ':' ||
		t[12] != ':' {
		return
	}
	if next := (stamp{[15]byte(t), ns}); next.settled(c) {
		*s = next
	}
}

// length returns the length of the cached time if a text begins with it and what follows cannot
// belong to it, as AM, a year or a zone would: a blank and a letter that begins none of them.
func (s *stamp) length(t []byte) int {
	n := len(s.text)
	if s.text[0] != 0 && len(t) > n+1 && t[n] == ' ' && t[n+1]-'b' < 'z'-'b' && t[n+1] != 'p' &&
		string(t[:n]) == string(s.text[:]) {
		return n
	}
	return 0
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

// epoch reads a number of seconds, milliseconds, microseconds or nanoseconds since 1970,
// distinguished by their magnitude. It works on the decimal digits, for a float64 loses the
// nanoseconds: 1777889472345678901, "1777889472.345678" and 1.777889472345e+09 are all exact.
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

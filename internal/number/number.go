// Package number reads numbers as users and programs write them, with or without a unit. Queries,
// conditions and the values of logs share it, so that 1.005s in a rule equals 1005ms in a log.
//
// Results are the float64 nearest to the decimal that is written, with its unit: 0.7% in a
// condition is the same number as 7/1000.
package number

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
)

// Kind is what the unit of a number measures.
type Kind uint8

const (
	Plain Kind = iota
	Percent
	Duration
	Size
)

// Number is a number that was read.
type Number struct {
	Value float64 // milliseconds of a Duration, bytes of a Size, 85 of 85%
	Kind  Kind
}

// Parse reads a number:
//
//   - decimals, with an exponent or without one: 5, -0.5, 1e3;
//   - with a unit, and blanks before it: 250ms, 2 seconds, 5MB, 512 KiB, 5k, 85 %;
//   - durations of several units, as Go prints them: 1m30.5s, 1h2m3s;
//   - durations of ISO 8601 without years and months: PT26.481S, P1DT2H;
//   - durations as a clock, of hours, minutes and seconds: 0:00:26.481, 1.02:03:04 with days.
//
// Blanks around the text are ignored. Underscores, thousands separators, hexadecimal numbers,
// infinities and NaN are not numbers. Parse does not allocate, except for numbers of very many
// digits.
func Parse(text []byte) (float64, bool) {
	n, ok := parse(text, false)
	return n.Value, ok
}

// ParseConstant reads a constant of a condition. It is as Parse, but for the scale: a percentage is
// a fraction (5% is 0.05), and a duration is in seconds.
func ParseConstant(text []byte) (Number, bool) { return parse(text, true) }

func parse(text []byte, constant bool) (Number, bool) {
	for len(text) > 0 && isBlank(text[0]) {
		text = text[1:]
	}
	for len(text) > 0 && isBlank(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	if len(text) == 0 {
		return Number{}, false
	}
	if text[0]|0x20 == 'p' {
		return iso8601(text, constant)
	}
	d, n := scan(text)
	if n == 0 {
		return Number{}, false
	}
	rest := text[n:]
	if len(rest) > 5 && rest[0] == ':' {
		return clock(text, constant)
	}
	if len(rest) == 0 {
		v, ok := d.value(text[:n], 0)
		return Number{v, Plain}, ok
	}
	for len(rest) > 0 && isBlank(rest[0]) {
		rest = rest[1:]
	}
	// the no-break spaces of typographers
	switch {
	case len(rest) > 2 && rest[0] == 0xC2 && rest[1] == 0xA0:
		rest = rest[2:]
	case len(rest) > 3 && rest[0] == 0xE2 && rest[1] == 0x80 && rest[2] == 0xAF:
		rest = rest[3:]
	}
	u, ok := unitOf(rest)
	if !ok && len(rest) <= maxUnit {
		u, ok = unitInWords(rest)
	}
	if !ok {
		return compound(text, constant)
	}
	exp := 0
	if constant {
		exp = shift(u.kind)
	}
	v, ok := d.times(text[:n], u, exp)
	return Number{v, u.kind}, ok
}

// shift is the power of ten between the scale of fields and that of conditions.
func shift(k Kind) int {
	switch k {
	case Percent:
		return -2
	case Duration:
		return -3
	}
	return 0
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// decimal is a number as it is written: mantissa times a power of ten. A long one has more digits
// than the mantissa holds.
type decimal struct {
	mantissa uint64
	exp      int
	negative bool
	long     bool
}

// scan reads the decimal number at the start of a text and returns its length, 0 when there is
// none.
func scan(t []byte) (d decimal, n int) {
	i := 0
	if t[0] == '-' || t[0] == '+' {
		d.negative = t[0] == '-'
		i++
	}
	digits, point := 0, false
	for ; i < len(t); i++ {
		c := t[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c-'0' > 9 {
			break
		}
		digits++
		if d.mantissa > (math.MaxUint64-9)/10 {
			d.long = true
			continue
		}
		d.mantissa = d.mantissa*10 + uint64(c-'0')
		if point {
			d.exp--
		}
	}
	if digits == 0 {
		return d, 0
	}
	if i+1 < len(t) && t[i]|0x20 == 'e' {
		j, negative := i+1, false
		if t[j] == '-' || t[j] == '+' {
			negative = t[j] == '-'
			j++
		}
		e, k := 0, j
		for k < len(t) && t[k]-'0' <= 9 {
			e = min(e*10+int(t[k]-'0'), 1e6)
			k++
		}
		if k > j {
			if negative {
				e = -e
			}
			d.exp += e
			i = k
		}
	}
	return d, i
}

var tens = [...]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
	1e18, 1e19, 1e20, 1e21, 1e22,
}

// value is the nearest float64 to the decimal times a power of ten; text is how it is written.
func (d decimal) value(text []byte, exp int) (float64, bool) {
	exp += d.exp
	var v float64
	switch {
	case d.long:
		var err error
		if v, err = strconv.ParseFloat(string(text), 64); err != nil {
			return 0, false
		}
		return v * math.Pow10(exp-d.exp), true
	case d.mantissa < 1<<53 && exp >= 0 && exp < len(tens):
		v = float64(d.mantissa) * tens[exp] // a product of exact numbers is the nearest
	case d.mantissa < 1<<53 && exp < 0 && -exp < len(tens):
		v = float64(d.mantissa) / tens[-exp]
	default:
		var buf [48]byte
		b := strconv.AppendUint(buf[:0], d.mantissa, 10)
		b = strconv.AppendInt(append(b, 'e'), int64(exp), 10)
		var err error
		if v, err = strconv.ParseFloat(string(b), 64); err != nil {
			return 0, false
		}
	}
	if d.negative {
		v = -v
	}
	return v, true
}

// times is the decimal in a unit.
func (d decimal) times(text []byte, u unit, exp int) (float64, bool) {
	if high, low := bits.Mul64(d.mantissa, u.factor); high == 0 && !d.long {
		d.mantissa = low
		v, ok := d.value(text, u.exp+exp)
		return v * float64(uint64(1)<<u.shift), ok // a power of two is exact
	}
	v, ok := d.value(text, u.exp+exp)
	return v * float64(u.factor) * float64(uint64(1)<<u.shift), ok
}

// unit is a factor: factor * 10^exp * 2^shift.
type unit struct {
	kind   Kind
	factor uint64
	exp    int
	shift  uint
}

// unitOf reads a unit: of time, to milliseconds; of size, to bytes.
func unitOf(text []byte) (unit, bool) {
	switch string(text) {
	case "%":
		return unit{Percent, 1, 0, 0}, true
	case "ns", "nsec", "nsecs", "nanosecond", "nanoseconds", "nanos":
		return unit{Duration, 1, -6, 0}, true
	case "us", "µs", "μs", "usec", "usecs", "µsec", "μsec", "microsecond", "microseconds", "micros":
		return unit{Duration, 1, -3, 0}, true
	case "ms", "msec", "msecs", "millisecond", "milliseconds", "millis":
		return unit{Duration, 1, 0, 0}, true
	case "s", "sec", "secs", "second", "seconds":
		return unit{Duration, 1, 3, 0}, true
	case "m", "min", "mins", "minute", "minutes":
		return unit{Duration, 6, 4, 0}, true
	case "h", "hr", "hrs", "hour", "hours":
		return unit{Duration, 36, 5, 0}, true
	case "d", "day", "days":
		return unit{Duration, 864, 5, 0}, true
	case "w", "week", "weeks":
		return unit{Duration, 6048, 5, 0}, true
	case "B", "byte", "bytes", "Bytes":
		return unit{Size, 1, 0, 0}, true
	case "k", "K", "kB", "KB", "kb":
		return unit{Size, 1, 3, 0}, true
	case "M", "MB", "mb":
		return unit{Size, 1, 6, 0}, true
	case "G", "GB", "gb":
		return unit{Size, 1, 9, 0}, true
	case "T", "TB", "tb":
		return unit{Size, 1, 12, 0}, true
	case "P", "PB", "pb":
		return unit{Size, 1, 15, 0}, true
	case "Ki", "KiB", "kib":
		return unit{Size, 1, 0, 10}, true
	case "Mi", "MiB", "mib":
		return unit{Size, 1, 0, 20}, true
	case "Gi", "GiB", "gib":
		return unit{Size, 1, 0, 30}, true
	case "Ti", "TiB", "tib":
		return unit{Size, 1, 0, 40}, true
	case "Pi", "PiB", "pib":
		return unit{Size, 1, 0, 50}, true
	}
	return unit{}, false
}

const maxUnit = 12 // bytes: the longest unit

// unitInWords reads a word for a unit in any case: 2 Seconds, 250 MSec. Shorter names differ by
// their case.
func unitInWords(text []byte) (unit, bool) {
	if len(text) < 3 {
		return unit{}, false
	}
	var low [maxUnit]byte
	for i, c := range text {
		if c-'A' < 26 {
			c |= 0x20
		}
		low[i] = c
	}
	return unitOf(low[:len(text)])
}

// clock reads a duration of hours, minutes and seconds, perhaps of days before a dot, as .NET,
// Python and databases print it: 0:00:26.481, 1.02:03:04.
func clock(t []byte, constant bool) (Number, bool) {
	negative := false
	if t[0] == '-' || t[0] == '+' {
		negative = t[0] == '-'
		t = t[1:]
	}
	var total float64
	part := func(end byte, factor float64) bool {
		n := 0
		for n < len(t) && t[n]-'0' <= 9 {
			n++
		}
		if n == 0 || n > 9 || n == len(t) || t[n] != end {
			return false
		}
		v, err := strconv.Atoi(string(t[:n]))
		total += float64(v) * factor
		t = t[n+1:]
		return err == nil
	}
	part('.', 86_400_000)
	if !part(':', 3_600_000) || len(t) < 5 || t[2] != ':' || t[0] > '5' || !part(':', 60_000) ||
		t[0] > '5' || t[1]-'0' > 9 || len(t) > 2 && t[2] != '.' {
		return Number{}, false
	}
	d, n := scan(t)
	seconds, ok := d.value(t, 3)
	if !ok || n != len(t) {
		return Number{}, false
	}
	return milliseconds(total+seconds, negative, constant), true
}

// compound reads a duration of several units, the larger first: 1h2m3.5s, or "1 h 30 min".
func compound(t []byte, constant bool) (Number, bool) {
	var total float64
	negative := false
	if t[0] == '-' || t[0] == '+' {
		negative = t[0] == '-'
		t = t[1:]
	}
	last := math.Inf(1)
	for len(t) > 0 {
		if t[0] == '-' || t[0] == '+' {
			return Number{}, false
		}
		d, n := scan(t)
		if n == 0 {
			return Number{}, false
		}
		from := n
		for from < len(t) && isBlank(t[from]) {
			from++
		}
		to := from
		for to < len(t) && t[to]-'0' > 9 && !isBlank(t[to]) && t[to] != '.' && to-from <= maxUnit {
			to++
		}
		u, ok := unitOf(t[from:to])
		size := float64(u.factor) * math.Pow10(u.exp)
		if !ok || u.kind != Duration || size >= last {
			return Number{}, false
		}
		last = size
		v, ok := d.times(t[:n], u, 0)
		if !ok {
			return Number{}, false
		}
		total += v
		for t = t[to:]; len(t) > 0 && isBlank(t[0]); {
			t = t[1:]
		}
	}
	return milliseconds(total, negative, constant), true
}

// maxISO bounds a duration of ISO 8601.
const maxISO = 64

// iso8601 reads a duration like PT26.481S or P1DT2H.
func iso8601(t []byte, constant bool) (Number, bool) {
	t = t[1:]
	if len(t) > maxISO || len(t) > 0 && t[0]-'0' > 9 && t[0]|0x20 != 't' {
		return Number{}, false
	}
	if bytes.IndexByte(t, ',') >= 0 { // the decimal sign that ISO 8601 prefers
		t = bytes.ReplaceAll(t, []byte(","), []byte("."))
	}
	var total float64
	time, parts := false, 0
	last := math.Inf(1)
	for len(t) > 0 {
		if t[0]|0x20 == 't' && !time {
			time = true
			t = t[1:]
			continue
		}
		if t[0] == '-' || t[0] == '+' {
			return Number{}, false
		}
		d, n := scan(t)
		if n == 0 || n == len(t) {
			return Number{}, false
		}
		var name string
		switch c := t[n] | 0x20; {
		case c == 'w' && !time:
			name = "w"
		case c == 'd' && !time:
			name = "d"
		case c == 'h' && time:
			name = "h"
		case c == 'm' && time:
			name = "m"
		case c == 's' && time:
			name = "s"
		default:
			return Number{}, false
		}
		u, _ := unitOf([]byte(name))
		size := float64(u.factor) * math.Pow10(u.exp)
		v, ok := d.times(t[:n], u, 0)
		if !ok || size >= last {
			return Number{}, false
		}
		last = size
		total += v
		parts++
		t = t[n+1:]
	}
	return milliseconds(total, false, constant), parts > 0
}

func milliseconds(total float64, negative, constant bool) Number {
	if negative {
		total = -total
	}
	if constant {
		total /= 1000
	}
	return Number{total, Duration}
}

// Compare compares two computed numbers. Results that differ only by the rounding of their
// computation are equal: three times 0.1 is 0.3. Whole numbers are always exact.
func Compare(a, b float64) int {
	switch {
	case a == b:
		return 0
	case math.Abs(a-b) <= 8*epsilon*max(math.Abs(a), math.Abs(b)) &&
		(a != math.Trunc(a) || b != math.Trunc(b)):
		return 0
	case a < b:
		return -1
	}
	return 1
}

const epsilon = 1.0 / (1 << 53)

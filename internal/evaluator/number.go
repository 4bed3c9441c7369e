package evaluator

import (
	"math"
	"math/big"
	"regexp"
	"strings"
)

// Number is an exact number, infinity, or undefined. The zero Number is undefined.
type Number struct {
	rat      *big.Rat
	infinite bool
}

func whole(n int64) Number       { return Number{rat: big.NewRat(n, 1)} }
func fraction(a, b int64) Number { return Number{rat: big.NewRat(a, b)} }
func (n Number) Defined() bool   { return n.rat != nil || n.infinite }
func infinity() Number           { return Number{infinite: true} }
func exact(r *big.Rat) Number    { return Number{rat: r} }

// Float is the nearest floating-point number; that of an undefined one is not a number.
func (n Number) Float() float64 {
	switch {
	case n.infinite:
		return math.Inf(1)
	case n.rat == nil:
		return math.NaN()
	}
	f, _ := n.rat.Float64()
	return f
}

// arithmetic is one of + - * /. It is undefined where a side is, and for a division by zero.
func arithmetic(op string, a, b Number) Number {
	if a.rat == nil || b.rat == nil {
		return Number{}
	}
	r := new(big.Rat)
	switch op {
	case "+":
		r.Add(a.rat, b.rat)
	case "-":
		r.Sub(a.rat, b.rat)
	case "*":
		r.Mul(a.rat, b.rat)
	case "/":
		if b.rat.Sign() == 0 {
			return Number{}
		}
		r.Quo(a.rat, b.rat)
	}
	return exact(r)
}

// compare compares a with b. A comparison with something undefined is false.
func compare(op string, a, b Number) bool {
	if !a.Defined() || !b.Defined() {
		return false
	}
	var c int
	switch {
	case a.infinite && b.infinite:
		c = 0
	case a.infinite:
		c = 1
	case b.infinite:
		c = -1
	default:
		c = a.rat.Cmp(b.rat)
	}
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	case "==":
		return c == 0
	}
	return c != 0
}

var numberText = regexp.MustCompile(
	`^[ \t]*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)[ \t]*([^\d\s.:]*)[ \t]*$`)

// scale is how many of the plain unit a unit is: milliseconds, bytes, and plain numbers.
var scale = map[string]string{"": "1", "%": "1"}

// times are the units of durations.
var times = map[string]bool{}

func init() {
	for factor, names := range map[string]string{
		"0.000001":  "ns nsec nsecs nanosecond nanoseconds nanos",
		"0.001":     "us µs μs usec usecs µsec μsec microsecond microseconds micros",
		"1":         "ms msec msecs millisecond milliseconds millis",
		"1000":      "s sec secs second seconds",
		"60000":     "m min mins minute minutes",
		"3600000":   "h hr hrs hour hours",
		"86400000":  "d day days",
		"604800000": "w week weeks",
	} {
		for name := range strings.FieldsSeq(names) {
			scale[name], times[name] = factor, true
		}
	}
	for factor, names := range map[string]string{
		"1":                "B byte bytes",
		"1000":             "k K kB KB kb",
		"1000000":          "M MB mb",
		"1000000000":       "G GB gb",
		"1000000000000":    "T TB tb",
		"1000000000000000": "P PB pb",
		"1024":             "Ki KiB kib",
		"1048576":          "Mi MiB mib",
		"1073741824":       "Gi GiB gib",
		"1099511627776":    "Ti TiB tib",
		"1125899906842624": "Pi PiB pib",
	} {
		for name := range strings.FieldsSeq(names) {
			scale[name] = factor
		}
	}
}

// unitOf is a unit by its name. Names of three letters and more may be in any case.
func unitOf(name string) string {
	low := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, name)
	if len(name) > 2 && scale[low] != "" {
		return low
	}
	return name
}

// parts of durations such as 1m30s, PT1M26.481S and 1.00:01:26.481
var (
	timeText  = `(\d+\.?\d*|\.\d+)[ \t]*([a-zµμA-Z]+)`
	timePart  = regexp.MustCompile(timeText)
	durations = regexp.MustCompile(`^[ \t]*([+-]?)((?:` + timeText + `[ \t]*){2,})$`)
	clocks    = regexp.MustCompile(`^[ \t]*([+-]?)(?:(\d{1,9})\.)?(\d{1,9}):` +
		`([0-5]\d):([0-5]\d(?:\.\d*)?)[ \t]*$`)
)

// readNumber reads the number of a field, with its unit.
func readNumber(text string) (Number, bool) {
	if m := numberText.FindStringSubmatch(text); m != nil {
		return times10(m[1], unitOf(m[2]))
	}
	if m := clocks.FindStringSubmatch(text); m != nil {
		return sumOf(m[1] == "-", m[2], "d", m[3], "h", m[4], "m", m[5], "s")
	}
	if m := isoTime.FindStringSubmatch(text); m != nil && strings.Join(m[1:], "") != "" {
		for i := range m {
			m[i] = strings.Replace(m[i], ",", ".", 1)
		}
		return sumOf(false, m[1], "w", m[2], "d", m[3], "h", m[4], "m", m[5], "s")
	}
	if m := durations.FindStringSubmatch(text); m != nil {
		var parts []string
		for _, p := range timePart.FindAllStringSubmatch(m[2], -1) {
			unit := unitOf(p[2])
			if !times[unit] {
				return Number{}, false
			}
			parts = append(parts, p[1], unit)
		}
		for i := 3; i < len(parts); i += 2 { // the larger comes first
			a, _ := times10("1", parts[i-2])
			if b, _ := times10("1", parts[i]); !compare(">", a, b) {
				return Number{}, false
			}
		}
		return sumOf(m[1] == "-", parts...)
	}
	return Number{}, false
}

var isoTime = regexp.MustCompile(strings.ReplaceAll(
	`^[ \t]*(?i:P(?:(N)W)?(?:(N)D)?(?:T(?:(N)H)?(?:(N)M)?(?:(N)S)?)?)[ \t]*$`,
	"(N)", `(\d+(?:[.,]\d*)?|[.,]\d+)`))

// times10 is a decimal number of a unit.
func times10(number, unit string) (Number, bool) {
	factor, ok := new(big.Rat).SetString(scale[unit])
	n, ok2 := new(big.Rat).SetString(number)
	if !ok || !ok2 {
		return Number{}, false
	}
	if f, _ := n.Mul(n, factor).Float64(); math.IsInf(f, 0) {
		return Number{}, false
	}
	return exact(n), true
}

// sumOf is the sum of numbers, each followed by its unit.
func sumOf(negative bool, parts ...string) (Number, bool) {
	sum := whole(0)
	for i := 0; i+1 < len(parts); i += 2 {
		if parts[i] == "" {
			continue
		}
		n, ok := times10(parts[i], parts[i+1])
		if !ok {
			return Number{}, false
		}
		sum = arithmetic("+", sum, n)
	}
	if negative {
		sum = arithmetic("-", whole(0), sum)
	}
	return sum, true
}

// constant reads a constant of a condition. The parser has decided of which unit it is, and its
// approximate value says which.
func constant(text string, value float64) Number {
	n, ok := readNumber(text)
	if !ok {
		return exact(new(big.Rat).SetFloat64(value))
	}
	best := n
	for _, divisor := range []int64{1000, 100} {
		other := arithmetic("/", n, whole(divisor))
		if math.Abs(other.Float()-value) < math.Abs(best.Float()-value) {
			best = other
		}
	}
	return best
}

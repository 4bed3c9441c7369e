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

// compare holds a against b. A comparison with something undefined is false.
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
	`^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s.]*)\s*$`)

// scale is how many of the plain unit a unit is: milliseconds, bytes, and plain numbers.
var scale = map[string]string{
	"": "1", "%": "1", "k": "1000", "second": "1000", "seconds": "1000",
	"ns": "0.000001", "us": "0.001", "µs": "0.001", "μs": "0.001", "ms": "1", "s": "1000",
	"m": "60000", "min": "60000", "h": "3600000", "d": "86400000", "w": "604800000",
	"b": "1", "kb": "1000", "mb": "1000000", "gb": "1000000000", "tb": "1000000000000",
	"kib": "1024", "mib": "1048576", "gib": "1073741824", "tib": "1099511627776",
}

// parts of durations such as 1m30s and PT1M26.481S
var (
	durations  = regexp.MustCompile(`^\s*-?(\d+(\.\d+)?(h|min|ms|m|s|d|w|us|ns)){2,}\s*$`)
	isoTimes   = regexp.MustCompile(`^\s*-?PT(\d+(\.\d+)?[HMS])+\s*$`)
	timeNumber = regexp.MustCompile(`(?i)(\d+(?:\.\d+)?)(h|min|ms|m|s|d|w|us|ns)`)
)

// readNumber reads the number of a field, with its unit.
func readNumber(text string) (Number, bool) {
	if durations.MatchString(text) || isoTimes.MatchString(text) {
		sum := whole(0)
		for _, m := range timeNumber.FindAllStringSubmatch(text, -1) {
			part, _ := readNumber(m[1] + m[2])
			sum = arithmetic("+", sum, part)
		}
		if strings.HasPrefix(strings.TrimSpace(text), "-") {
			sum = arithmetic("-", whole(0), sum)
		}
		return sum, true
	}
	m := numberText.FindStringSubmatch(text)
	if m == nil {
		return Number{}, false
	}
	factor, ok := scale[strings.ToLower(m[2])]
	if !ok {
		return Number{}, false
	}
	r, ok := new(big.Rat).SetString(m[1])
	if !ok {
		return Number{}, false
	}
	f, _ := new(big.Rat).SetString(factor)
	return exact(r.Mul(r, f)), true
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

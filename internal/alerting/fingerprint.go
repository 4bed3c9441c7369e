package alerting

import (
	"encoding/binary"
	"hash"
	"hash/fnv"
	"math"
	"reflect"
	"regexp"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// fingerprint identifies a rule together with what it means. A rule that means something else than
// before is another one: its windows would hold what it never asked for. What only users read
// (annotations, samples, top values, its place in the file) does not count, and neither does its
// limit.
func fingerprint(r *rule.Rule) uint64 {
	c := *r
	c.Annotations, c.Samples, c.Top, c.Limit, c.Pos, c.MatchText, c.WhenText, c.LintIgnore = nil,
		rule.Samples{}, nil, 0, rule.Pos{}, "", "", nil
	c.Origin, c.Author, c.References = rule.Origin{}, "", nil
	return fingerprintOf(c)
}

func fingerprintOf(v any) uint64 {
	h := fnv.New64a()
	fingerprintValue(h, reflect.ValueOf(v))
	return h.Sum64()
}

// fingerprintValue writes a value so that different values are written differently.
func fingerprintValue(h hash.Hash64, v reflect.Value) {
	word := func(n uint64) {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], n)
		h.Write(b[:])
	}
	text := func(s string) {
		word(uint64(len(s)))
		h.Write([]byte(s))
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			word(0)
			return
		}
		if re, ok := v.Interface().(*regexp.Regexp); ok {
			text(re.String())
			return
		}
		text(v.Elem().Type().Name())
		fingerprintValue(h, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[rule.Pos]() {
			return
		}
		call := v.Type() == reflect.TypeFor[rule.Call]()
		label := v.Type() == reflect.TypeFor[rule.Label]()
		whole := v.Type() == reflect.TypeFor[rule.Rule]()
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			later := call && (name == "Also" || name == "Within" || name == "Over") ||
				label && name == "Of" || whole && name == "LatenessAuto"
			if later && v.Field(i).IsZero() {
				continue // earlier releases did not have them, and their state stays readable
			}
			fingerprintValue(h, v.Field(i))
		}
	case reflect.Slice:
		word(uint64(v.Len()))
		for i := range v.Len() {
			fingerprintValue(h, v.Index(i))
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(
			keys,
			func(a, b reflect.Value) int { return compareText(a.String(), b.String()) },
		)
		word(uint64(len(keys)))
		for _, k := range keys {
			text(k.String())
			fingerprintValue(h, v.MapIndex(k))
		}
	case reflect.String:
		text(v.String())
	case reflect.Bool:
		if v.Bool() {
			word(1)
		} else {
			word(2)
		}
	case reflect.Float64:
		word(math.Float64bits(v.Float()))
	case reflect.Uint8, reflect.Uint64:
		word(v.Uint())
	default:
		word(uint64(v.Int()))
	}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

package number

import (
	"math"
	"math/big"
	"strconv"
	"testing"
)

func TestParseReadsEverySpelling(t *testing.T) {
	f := func(text string, want float64) {
		t.Helper()
		if got, ok := Parse([]byte(text)); !ok || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, ok, want)
		}
	}
	f("5", 5)
	f("-0.5", -0.5)
	f("+7", 7)
	f(".5", 0.5)
	f("5.", 5)
	f("1e3", 1000)
	f("1E-3", 0.001)
	f("12345678901234567890", 12345678901234567890)
	f("0.1234567890123456789", 0.1234567890123456789)
	f("  5 ", 5)
	f("\t5", 5)
	f("85%", 85)
	f("85 %", 85)
	f("250ms", 250)
	f(" 250 ms ", 250)
	f("250\u00a0ms", 250)
	f("250\u202fms", 250)
	f("250msec", 250)
	f("2 seconds", 2000)
	f("1 minute", 60_000)
	f("1.005s", 1005)
	f("0.25 s", 250)
	f("1.5 min", 90_000)
	f("1.5h", 5_400_000)
	f("2d", 172_800_000)
	f("1w", 604_800_000)
	f("250us", 0.25)
	f("250µs", 0.25)
	f("250μs", 0.25)
	f("3ns", 3e-6)
	f("1e3ms", 1000)
	f("1m30s", 90_000)
	f("-1m30s", -90_000)
	f("1m30.5s", 90_500)
	f("1h2m3s", 3_723_000)
	f("+1000", 1000)
	f("1h0m0.000000001s", 3_600_000+1e-6)
	f("1 h 30 min", 5_400_000)
	f("1d12h", 129_600_000)
	f("2m3s4ms", 123_004)
	f("PT26.481S", 26_481)
	f("PT26,481S", 26_481)
	f("pt1m", 60_000)
	f("P1DT2H", 93_600_000)
	f("P2W", 1_209_600_000)
	f("2 Seconds", 2000)
	f("00:00:02", 2000)
	f("0:00:26.481", 26_481)
	f("-00:00:26.4810000", -26_481)
	f("123:00:01", 442_801_000)
	f("1.02:03:04", 93_784_000)
	f("5MB", 5e6)
	f("5 MB", 5e6)
	f("700 kB", 700_000)
	f("5k", 5000)
	f("5M", 5e6)
	f("5G", 5e9)
	f("5Ki", 5120)
	f("5 MiB", 5<<20)
	f("512 bytes", 512)
	f("64mb", 64e6)
	f("0.3Gi", 0.3*(1<<30))
}

func TestParseRefusesNonNumbers(t *testing.T) {
	for _, text := range []string{
		"0:0000:", "0:0000:5", "0:000:5", "0:500:00", "0:00:5", "0:00:", "-", "+0:00:0x",
		"", " ", "ms", "5 parsecs", "1.2.3", "5msx", "-", "+", ".", "e5", "1e999", "NaN",
		"nan", "Inf",
		"-inf", "infinity", "0x10", "0x1p-2", "1_000", "1,000", "10.1.2.3", "2026-01-05", "12:30",
		"1s1m", "1m1m", "1m-3s", "5MB5s", "1m30", "P", "PT", "P1Y", "P1M", "PT1D", "P1S", "PT-1S",
		"PT1S1M", "P1", "p99", "1m 3", "--5", "5 %%", "5 m s",
	} {
		if got, ok := Parse([]byte(text)); ok {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestConstantsHaveTheScaleOfConditions(t *testing.T) {
	f := func(text string, value float64, kind Kind) {
		t.Helper()
		if got, ok := ParseConstant([]byte(text)); !ok || got != (Number{value, kind}) {
			t.Errorf("%q: got %v, %v, want %v", text, got, ok, value)
		}
	}
	f("5", 5, Plain)
	f("0.7%", 0.007, Percent)
	f("2.9%", 0.029, Percent)
	f("10m", 600, Duration)
	f("1.005s", 1.005, Duration)
	f("1m30s", 90, Duration)
	f("5MB", 5e6, Size)
}

// Every percentage with a few decimals is the quotient that a person takes it for.
func TestPercentagesAreExactAtEquality(t *testing.T) {
	for tenths := range 10_000 {
		text := strconv.Itoa(tenths/100) + "." +
			strconv.Itoa(tenths/10%10) + strconv.Itoa(tenths%10) + "%"
		got, ok := ParseConstant([]byte(text))
		if want := float64(tenths) / 10_000; !ok || got.Value != want {
			t.Fatalf("%s: got %v, want %v", text, got.Value, want)
		}
	}
}

func TestCompareIgnoresRoundingErrors(t *testing.T) {
	tenth, fifth := 0.1, 0.2
	f := func(a, b float64, want int) {
		t.Helper()
		if got := Compare(a, b); got != want || Compare(b, a) != -want {
			t.Errorf("%v and %v: got %d, want %d", a, b, got, want)
		}
	}
	f(tenth+fifth, 0.3, 0)
	f(7.0/1000*100, 0.7, 0)
	f(0.3, 0.3000001, -1)
	f(1<<53, 1<<53+2, -1)
	f(1e14, 1e14+0.5, -1)
	f(0, 1e-300, -1)
	f(math.Inf(1), 1, 1)
	f(math.Inf(1), math.Inf(1), 0)
}

func FuzzParseIsTheNearestFloat(f *testing.F) {
	for _, s := range []string{
		"1.25", "0.1ms", "123456789012345s", "9.9h", "1e5", "-7d", "1.005s", "1:02:03.5", "0:000:5",
	} {
		f.Add(s)
	}
	factors := map[string]string{
		"": "1", "%": "1", "ns": "1e-6", "us": "1e-3", "ms": "1", "s": "1e3", "m": "6e4",
		"h": "36e5",
		"d": "864e5", "w": "6048e5", "kB": "1e3", "KiB": "1024", "MiB": "1048576",
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := Parse([]byte(text))
		if !ok || len(text) > 18 {
			return
		}
		n := len(text)
		for n > 0 && (text[n-1] < '0' || text[n-1] > '9') && text[n-1] != '.' {
			n--
		}
		factor, known := factors[text[n:]]
		value, isNumber := new(big.Rat).SetString(text[:n])
		if !known || !isNumber {
			return
		}
		scale, _ := new(big.Rat).SetString(factor)
		if want, _ := value.Mul(value, scale).Float64(); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, text := range []string{"200", "12.345", "250ms", "1m30.5s"} {
		b.Run(text, func(b *testing.B) {
			t := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				Parse(t)
			}
		})
	}
}

package decode

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The cache of times without a year changes nothing: not at the turn of a year, not for records
// that are far from their logs, not behind other texts that begin with the same time.
func TestStamp(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, zone := range []*time.Location{nil, time.UTC, zone} {
		var s stamp
		random := rand.New(rand.NewPCG(3, 4))
		newYear := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 100_000 {
			at := newYear.Add(time.Duration(random.IntN(41)-20) * time.Hour)
			text := []byte(at.Format("Jan _2 15:04:05"))
			c := clock{
				zone:   zone,
				record: at.Add(time.Duration(random.IntN(17_520)-8_760) * time.Hour).UnixNano(),
			}
			if random.IntN(4) > 0 {
				c.record = at.Add(time.Duration(random.IntN(40)-20) * time.Minute).UnixNano()
			}
			want, ok := c.read(text)
			if got, cached := s.read(text, c); cached && (!ok || got != want) {
				t.Fatalf("%s of a record of %v is %v, want %v", text, time.Unix(0, c.record),
					time.Unix(0, got), time.Unix(0, want))
			}
			if ok {
				s.remember(text, want, c)
			}
		}
		const text = "May  4 10:11:12"
		at := time.Date(2026, 5, 4, 10, 11, 12, 0, time.UTC).UnixNano()
		s.remember([]byte(text), at, clock{zone: zone, record: at})
		for first := range 256 {
			for _, rest := range []string{
				"", "m", "M x", ".m.", "web-1 x: y", "2026 x", "02:00 x", "UTC x", "ulu x",
				"+01:00 x",
			} {
				line := []byte(text + " " + string([]byte{byte(first)}) + rest)
				if n := s.length(line); n > 0 {
					if _, want := (clock{record: earliest}).prefix(line); n != want {
						t.Errorf("the time of %q has %d bytes, want %d", line, n, want)
					}
				}
			}
		}
	}
}

// Logs of one second have the same time, which is read once; a host behind it is distinguished from
// a zone.
func TestSyslogOfOneSecond(t *testing.T) {
	d := newBenchDecoder(t)
	record := time.Date(2026, 5, 4, 10, 11, 15, 0, time.UTC)
	for i, host := range []string{"web-1", "zeta", "alpha", "web-2", "p1"} {
		line := fmt.Sprintf("<11>May  4 10:11:12 %s su[%d]: failed", host, i)
		d.Decode(&models.Record{Timestamp: record, Value: []byte(line)}, func(l *Log) {
			if got := string(l.Value(FieldHost).Text); got != host {
				t.Errorf("the host of %q is %q", line, got)
			}
			if got := time.Unix(0, l.Time()).UTC(); !got.Equal(record.Add(-3 * time.Second)) {
				t.Errorf("the time of %q is %v", line, got)
			}
		}, nil)
	}
}

// A text may begin with millions of brackets; a time stands in few.
func TestTimeInManyBrackets(t *testing.T) {
	for n, want := range map[int]bool{0: true, 1: true, 4: true, 5: false, 5 << 20: false} {
		text := strings.Repeat("(", n) + "2026-05-04T10:11:12Z" + strings.Repeat(")", n)
		if got := TimeLength([]byte(text)) == len(text); got != want {
			t.Errorf("in %d brackets: %t", n, got)
		}
	}
}

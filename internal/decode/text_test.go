package decode

import (
	"testing"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Partitions in different formats do not take each other's turn, and what was found of one record
// never decides the next.
func TestFormatByPartition(t *testing.T) {
	d, err := New(Config{}, NewFields())
	if err != nil {
		t.Fatal(err)
	}
	f := func(partition int32, line, want string) {
		t.Helper()
		d.Decode(
			&models.Record{Topic: "t", Partition: partition, Value: []byte(line)},
			func(l *Log) {
				if l.Format() != want {
					t.Errorf("%q is %s, want %s", line, l.Format(), want)
				}
			},
			nil,
		)
	}
	const logfmt, syslog = `level=error msg="payment failed"`,
		`<34>May  4 10:11:12 mymachine su[230]: failed`
	f(1, logfmt, "logfmt")
	f(2, syslog, "syslog3164")
	f(1, logfmt, "logfmt")
	if d.last[1].format != formatLogfmt || d.last[2].format != formatSyslog {
		t.Errorf("partitions 1 and 2 are in formats %d and %d", d.last[1].format, d.last[2].format)
	}
	f(1, syslog, "syslog3164")
	f(17, logfmt, "logfmt")
	f(1, "plain text", "text")
}

// A format that the first word of a line excludes does not read the line.
func TestFormatsOfALine(t *testing.T) {
	d := newBenchDecoder(t)
	d.rec = &models.Record{}
	defer func() { d.rec = nil }()
	check := func(line []byte) {
		if len(line) == 0 || isBlank(line[0]) || startsJSON(line) {
			return
		}
		set := formatsOf(line)
		for f := formatNone + 1; f < formatCount; f++ {
			if set&(1<<f) == 0 && d.parse(f, line) {
				t.Errorf("%q is in the format %s, which its first word excludes", line, f.held())
			}
		}
	}
	for _, prefix := range prefixes {
		check([]byte(prefix))
		for _, a := range tokens {
			check([]byte(prefix + a + "level=error msg=x time:1\thost:a\treq:b"))
			for _, b := range tokens {
				check([]byte(a + prefix + b))
			}
		}
	}
	for _, name := range []string{"formats.jsonl", "dialects.jsonl", "more.jsonl"} {
		for _, s := range readSamples(t, name) {
			line := trim(s.record(t).Value)
			for _, cut := range []int{0, 1, 2, 5, len(line) / 2} {
				if cut <= len(line) {
					check(line[cut:])
				}
			}
			for _, c := range []byte(" =:\"\\\t-[<") {
				for i := range min(len(line), 12) {
					changed := append([]byte(nil), line...)
					changed[i] = c
					check(changed)
				}
			}
		}
	}
}

// The words that are most often behind a time are no zones.
func TestLevelsAreNoZones(t *testing.T) {
	for _, word := range []string{"INFO", "ERROR", "WARN", "DEBUG", "TRACE", "FATAL"} {
		if _, known := zones[word]; known || ambiguous([]byte(word)) || likeZone([]byte(word)) {
			t.Errorf("%s is a zone", word)
		}
	}
}

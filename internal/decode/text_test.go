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
	const logfmt, syslog = `level=error msg="payment failed"`, `<34>May  4 10:11:12 mymachine su[230]: failed`
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

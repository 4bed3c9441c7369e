package alerting

import (
	"fmt"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// BenchmarkLogs is the cost of a log, by how many of them match.
func BenchmarkLogs(b *testing.B) {
	f := func(name string, level func(i int) string, users int) {
		b.Run(name, func(b *testing.B) {
			e := NewEngine(WithRules(read(b, countErrors)), WithEmit(func(models.Alert) {}))
			s := e.NewScanner()
			at := time.Unix(1_700_000_000, 0).UTC()
			records := make([]models.Record, 512)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				for j := range records {
					at = at.Add(time.Millisecond)
					records[j] = models.Record{
						Topic:     "logs",
						Offset:    int64(n),
						Timestamp: at,
						Value: fmt.Appendf(nil, `{"timestamp":%q,"level":%q,`+
							`"user":"user-%06d","service":"checkout","message":"something has `+
							`happened to somebody"}`, at.Format(time.RFC3339Nano), level(n),
							n*7919%users),
					}
					n++
				}
				b.StartTimer()
				e.Apply(s.Scan(records))
				e.Advance(at, []models.Progress{{Topic: "logs", Next: int64(n), End: int64(n)}})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/log")
		})
	}
	f("none matches", func(int) string { return "INFO" }, 1)
	f("one in a hundred", func(i int) string {
		if i%100 == 0 {
			return "ERROR"
		}
		return "INFO"
	}, 1000)
	f("all match, 100 groups", func(int) string { return "ERROR" }, 100)
	f("all match, 100,000 groups", func(int) string { return "ERROR" }, 100_000)
}

package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// nothing is an engine that does not evaluate, so that what is left is what consuming costs.
type nothing struct{ end chan struct{} }

type empty struct{ n int }

func (e empty) Logs() int                  { return e.n }
func (empty) Rejected() []models.Rejection { return nil }

func (nothing) Scan(records []models.Record) models.Scan { return empty{len(records)} }
func (n nothing) NewScanner() models.Scanner             { return n }
func (nothing) Apply(models.Scan)                        {}

func (n nothing) Advance(_ time.Time, progress []models.Progress) {
	for _, p := range progress {
		if p.Next < benchRecords {
			return
		}
	}
	if len(progress) > 0 {
		select {
		case n.end <- struct{}{}:
		default:
		}
	}
}

const benchRecords = 200_000

// BenchmarkSource reads a backlog of small JSON logs from a broker in the same process.
func BenchmarkSource(b *testing.B) {
	broker, err := devbroker.Start(
		devbroker.Options{Topics: []devbroker.Topic{{Name: "logs", RetentionBytes: -1}}},
	)
	if err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker.Addr()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.DefaultProduceTopic("logs"),
	)
	if err != nil {
		b.Fatal(err)
	}
	for i := range benchRecords {
		client.Produce(
			context.Background(),
			kgo.StringRecord(
				fmt.Sprintf(
					`{"timestamp":"2026-01-02T03:04:05Z","level":"INFO","service":"shop",`+
						`"message":"order %d handed to the warehouse"}`,
					i,
				),
			),
			nil,
		)
	}
	if err := client.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	client.Close()
	for b.Loop() {
		engine := nothing{make(chan struct{}, 1)}
		s := NewSource(SourceConfig{
			Client: ClientConfig{
				Brokers: []string{broker.Addr()},
			},
			Topics: []string{"logs"},
			Group:  fmt.Sprint("g", b.Elapsed()),
			Logger: slog.New(slog.DiscardHandler),
		}, engine)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-engine.end
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(benchRecords)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

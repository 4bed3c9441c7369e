package kafka

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Partitions returns the offsets that Records would read now.
func (r *Reader) Partitions(ctx context.Context) ([]models.Progress, error) {
	opts, err := r.cfg.Client.options(r.cfg.Logger)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	spans, err := r.spans(ctx, kadm.NewClient(client))
	if err != nil {
		return nil, r.failed(err)
	}
	list := make([]models.Progress, 0, len(spans))
	for p, s := range spans {
		list = append(
			list,
			models.Progress{Topic: p.Topic, Partition: p.Partition, Next: s.next, End: s.end},
		)
	}
	slices.SortFunc(list, func(a, b models.Progress) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return list, nil
}

// Samples converts records for backtests, which keep some of them.
func Samples(records iter.Seq2[models.Record, error]) iter.Seq2[decode.Sample, error] {
	return func(yield func(decode.Sample, error) bool) {
		for r, err := range records {
			r.Key, r.Value, r.Headers = slices.Clone(r.Key), slices.Clone(r.Value),
				slices.Clone(r.Headers)
			for i := range r.Headers {
				r.Headers[i].Value = slices.Clone(r.Headers[i].Value)
			}
			if !yield(decode.Sample{Record: r}, err) {
				return
			}
		}
	}
}

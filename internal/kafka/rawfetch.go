package kafka

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchRaw fetches the bytes from the batch with an offset on. The client itself gives up on
// damaged bytes.
func fetchRaw(
	ctx context.Context,
	client *kgo.Client,
	p *partition,
	offset int64,
) (*kmsg.FetchResponseTopicPartition, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	leader, _, err := client.PartitionLeader(p.Topic, p.Partition.Partition)
	if err != nil || leader < 0 {
		return nil, cmp.Or(err, error(kerr.LeaderNotAvailable))
	}
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = 100, 1,
		1<<20, -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = p.Topic, p.id
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch =
		p.Partition.Partition, offset, 1<<20, -1
	topic.Partitions = append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client.Broker(int(leader)))
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return nil, errors.New("the broker answered for another partition")
	}
	return &answer.Topics[0].Partitions[0],
		kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode)
}

// firstBatch returns the base offset of an answer's first batch, if the client can read it. A
// decompression bomb counts as readable: it is handled later.
func firstBatch(
	answer *kmsg.FetchResponseTopicPartition,
	p *partition,
	offset int64,
) (first int64, ok bool) {
	if len(answer.RecordBatches) < 8 {
		return 0, false
	}
	o := kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true,
		Topic:              p.Topic,
		Partition:          p.Partition.Partition,
		Offset:             offset,
	}
	fetched, next := kgo.ProcessFetchPartition(o, answer, kgo.DefaultDecompressor(), nil)
	if next <= offset || fetched.Err != nil && len(fetched.Records) == 0 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(answer.RecordBatches)), true
}

// nextReadable returns the first offset after a damaged one at which the log can be read again.
// Batches are of any length, so it looks further and further, and then closes in.
func nextReadable(
	ctx context.Context,
	client *kgo.Client,
	p *partition,
	damaged, end int64,
) (int64, bool) {
	low, high := damaged, int64(-1)
	for step := int64(1); high < 0; step *= 2 {
		at := min(damaged+step, end-1)
		if at <= low {
			return 0, false // unreadable up to the end
		}
		if first, ok := readableBatchAt(ctx, client, p, at); ok && first > low {
			high = first
		} else if ctx.Err() != nil {
			return 0, false
		} else {
			low = at
		}
	}
	for low+1 < high {
		middle := low + (high-low)/2
		if first, ok := readableBatchAt(ctx, client, p, middle); ok && first > low {
			high = first
		} else {
			low = middle
		}
	}
	return high, true
}

func readableBatchAt(
	ctx context.Context,
	client *kgo.Client,
	p *partition,
	offset int64,
) (first int64, ok bool) {
	answer, err := fetchRaw(ctx, client, p, offset)
	if err != nil {
		return 0, false
	}
	return firstBatch(answer, p, offset)
}

// batchEnd finds the end offset of the batch with the given offset. A batch header is: base
// offset (8 bytes), length after this field (4), leader epoch (4), format 2 (1), checksum (4),
// attributes (2), last offset delta (4).
func batchEnd(batches []byte, offset int64) (int64, bool) {
	const head = 27
	for len(batches) >= head && batches[16] == 2 {
		first, length := int64(binary.BigEndian.Uint64(batches)),
			int64(int32(binary.BigEndian.Uint32(batches[8:])))
		end := first + int64(int32(binary.BigEndian.Uint32(batches[23:]))) + 1
		if first < 0 || end <= first || length < head-12 {
			return 0, false
		}
		if end > offset {
			return end, first <= offset
		}
		if length+12 > int64(len(batches)) {
			return 0, false
		}
		batches = batches[length+12:]
	}
	return 0, false
}

package kafka

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// batchEnd returns the offset after the batch that holds the next record of a partition, by the batch's header alone.
func batchEnd(ctx context.Context, client *kgo.Client, p *partition) (int64, bool) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	leader, _, err := client.PartitionLeader(p.Topic, p.Partition.Partition)
	if err != nil || leader < 0 {
		return 0, false
	}
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = 100, 1, 1<<20, -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = p.Topic, p.id
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = p.Partition.Partition, p.next, 1<<20, -1
	topic.Partitions = append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client.Broker(int(leader)))
	if err != nil || len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, false
	}
	return endOf(answer.Topics[0].Partitions[0].RecordBatches, p.next)
}

// endOf walks the batches to the one that holds the offset. A batch begins with its first offset (8 bytes), its length after this field (4), the leader epoch (4), the
// format (1), which is 2, a checksum (4), attributes (2), and its last offset relative to the first (4).
func endOf(batches []byte, offset int64) (int64, bool) {
	const head = 27
	for len(batches) >= head && batches[16] == 2 {
		first, length := int64(binary.BigEndian.Uint64(batches)), int64(int32(binary.BigEndian.Uint32(batches[8:])))
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

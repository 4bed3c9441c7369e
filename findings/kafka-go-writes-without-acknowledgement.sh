#!/usr/bin/env bash
# kafka-go's Writer asks for no acknowledgement by default (RequireNone): a log that the broker refuses is written without an error, and is nowhere.
# Java's client, librdkafka, franz-go and KafkaJS ask for all replicas.
# Seen with kafka-go 0.4.51, on franz-go's kfake.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'MOD'
module finding
go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func main() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "logs"))
	if err != nil {
		panic(err)
	}
	acks := make(chan int16, 10)
	cluster.ControlKey(kmsg.Produce.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		request := r.(*kmsg.ProduceRequest)
		acks <- request.Acks
		if request.Acks == 0 {
			return nil, nil, true // a broker does not answer then
		}
		answer := r.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range request.Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic = t.Topic
			for _, p := range t.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
				topic.Partitions = append(topic.Partitions, part)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer, nil, true
	})
	defaults := &kafka.Writer{Addr: kafka.TCP(cluster.ListenAddrs()[0]), Topic: "logs", BatchTimeout: 10 * time.Millisecond, MaxAttempts: 1}
	all := &kafka.Writer{Addr: defaults.Addr, Topic: "logs", BatchTimeout: 10 * time.Millisecond, MaxAttempts: 1, RequiredAcks: kafka.RequireAll, Transport: &kafka.Transport{}}
	for _, w := range []*kafka.Writer{defaults, all} {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := w.WriteMessages(ctx, kafka.Message{Value: []byte("card refused")})
		cancel()
		fmt.Println("acks", <-acks, "refused:", err != nil && strings.Contains(err.Error(), "Topic Authorization Failed"), "error:", err != nil)
	}
}
GO
go get github.com/segmentio/kafka-go@v0.4.51 github.com/twmb/franz-go@v1.22.2 github.com/twmb/franz-go/pkg/kfake@v0.0.0-20260918054303-01f206a7e32c >/dev/null 2>&1
go run . | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
acks 0 refused: false error: false
acks -1 refused: true error: true
OUT

#!/usr/bin/env bash
# Producing with franz-go to a topic that a broker leaves out of its metadata answer waits until its context ends, also with UnknownTopicRetries(0): that setting counts answers that say UNKNOWN_TOPIC, not absence.
# Seen with franz-go v1.22.2, on kfake. We give every such write a deadline.
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
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func main() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "there"))
	if err != nil {
		panic(err)
	}
	defer cluster.Close()
	cluster.ControlKey(int16(kmsg.Metadata), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		r := request.(*kmsg.MetadataRequest)
		r.Topics = slices.DeleteFunc(r.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.Topic != nil && *t.Topic == "absent" })
		return nil, nil, false
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.UnknownTopicRetries(0))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	err = client.ProduceSync(ctx, &kgo.Record{Topic: "absent"}).FirstErr()
	fmt.Println(errors.Is(err, context.DeadlineExceeded), err)
}
GO
go get github.com/twmb/franz-go@v1.22.2 github.com/twmb/franz-go/pkg/kfake@v0.0.0-20260918054303-01f206a7e32c >/dev/null 2>&1
go run . | tee out.txt
grep -q '^true ' out.txt || { echo 'CHANGED'; exit 1; }

#!/usr/bin/env bash
# A producer of franz-go that was refused its producer id once, for lack of a right, fails for the life of the client: it does not ask again when the right is granted.
# The error names CLUSTER_AUTHORIZATION_FAILED, where what is missing may be WRITE on the topic.
# Seen with franz-go v1.22.2, on kfake, which refuses the first request and would grant every later one.
# We check WRITE at the start, and make the client anew after this error.
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
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func main() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "logs"))
	if err != nil {
		panic(err)
	}
	defer cluster.Close()
	asked := 0
	cluster.ControlKey(int16(kmsg.InitProducerID), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if asked++; asked > 1 {
			return nil, nil, false
		}
		refusal := request.ResponseKind().(*kmsg.InitProducerIDResponse)
		refusal.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return refusal, nil, true
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("logs"))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 3 {
		fmt.Println(client.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr() != nil, asked)
		time.Sleep(300 * time.Millisecond)
	}
}
GO
go get github.com/twmb/franz-go@v1.22.2 github.com/twmb/franz-go/pkg/kfake@v0.0.0-20260918054303-01f206a7e32c >/dev/null 2>&1
got=$(go run . | tr '\n' ' ')
echo "failed, and requests so far: $got"
[ "$got" = 'true 1 true 1 true 1 ' ] || { echo 'CHANGED'; exit 1; }

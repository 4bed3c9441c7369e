#!/usr/bin/env bash
# One key, two partitions: librdkafka (confluent-kafka, Fluent Bit, rsyslog, syslog-ng, kcat) places keys by CRC32 by default, Java's client, kafka-python and KafkaJS by murmur2.
# Of twelve keys over twelve partitions eleven lie elsewhere. Services that ship by different clients are then not together, although all key their records by service.
# An empty key has a fixed place in kafka-python and KafkaJS, and a random one in librdkafka's default.
# Seen with confluent-kafka 2.16.1 and kafka-python 3.0.12, on franz-go's kfake. partitioner=murmur2_random makes librdkafka agree.
set -euo pipefail
work=$(mktemp -d); trap 'kill "${broker:-}" 2>/dev/null || true; rm -rf "$work"' EXIT; cd "$work"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'MOD'
module finding
go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(12, "logs"))
	if err != nil {
		panic(err)
	}
	fmt.Println(cluster.ListenAddrs()[0])
	time.Sleep(2 * time.Minute)
}
GO
go get github.com/twmb/franz-go@v1.22.2 github.com/twmb/franz-go/pkg/kfake@v0.0.0-20260918054303-01f206a7e32c >/dev/null 2>&1
go build -o broker .
./broker >address & broker=$!
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check confluent-kafka==2.16.1 kafka-python==3.0.12
cat >finding.py <<'PY'
import sys
from confluent_kafka import Producer
from kafka import KafkaProducer

address = open('address').read().strip()
keys = [f'service-{i}' for i in range(12)]

def librdkafka(**config):
    placed = {}
    producer = Producer({'bootstrap.servers': address, **config})
    for key in keys:
        producer.produce('logs', 'x', key=key, callback=lambda e, m: placed.__setitem__(m.key().decode(), m.partition()))
    producer.flush(20)
    return [placed[k] for k in keys]

producer = KafkaProducer(bootstrap_servers=address)
python = [producer.send('logs', b'x', key=k.encode()).get(20).partition for k in keys]
default, murmur2 = librdkafka(), librdkafka(partitioner='murmur2_random')
print('kafka-python       ', python)
print('librdkafka         ', default)
print('librdkafka, murmur2', murmur2)
if python != murmur2 or sum(a == b for a, b in zip(python, default)) > 3:
    raise SystemExit('CHANGED')
PY
venv/bin/python finding.py 2>/dev/null

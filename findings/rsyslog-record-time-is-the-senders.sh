#!/usr/bin/env bash
# rsyslog's omkafka gives the Kafka record the time that the sender wrote into the message, not that of sending: a device whose clock is 50 minutes ahead writes records of the future.
# What takes the time of records for the broker's or the shipper's clock, such as a watermark, is moved by one device.
# Seen with rsyslog 8.2302.0 of Debian 12. We hold the time of records against our own clock as well.
set -euo pipefail
work=$(mktemp -d); chmod 755 "$work"; cd "$work"
trap 'kill "${broker:-}" "${daemon:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
# A broker: franz-go's kfake.
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
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "logs"))
	if err != nil {
		panic(err)
	}
	fmt.Println(cluster.ListenAddrs()[0])
	time.Sleep(time.Minute)
}
GO
go get github.com/twmb/franz-go@v1.22.2 github.com/twmb/franz-go/pkg/kfake@v0.0.0-20260918054303-01f206a7e32c >/dev/null 2>&1
go build -o broker .
./broker >address & broker=$!
# rsyslog of Debian 12, unpacked here and not installed.
apt-get download -q rsyslog=8.2302.0-1+deb12u2 rsyslog-kafka=8.2302.0-1+deb12u2 librdkafka1 libestr0 libfastjson4 liblognorm5 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check kafka-python==3.0.12
cat >rsyslog.conf <<CONF
global(workDirectory="$work")
module(load="imudp")
module(load="omkafka")
input(type="imudp" port="25514" address="127.0.0.1")
action(type="omkafka" broker="$(cat address)" topic="logs")
CONF
LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu root/usr/sbin/rsyslogd -n -f rsyslog.conf -M root/usr/lib/x86_64-linux-gnu/rsyslog -i "$work/pid" >rsyslog.log 2>&1 & daemon=$!
cat >finding.py <<'PY'
import datetime, json, socket, time
from kafka import KafkaConsumer

time.sleep(2)
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def send(message):
    out.sendto(message, ('127.0.0.1', 25514))
    time.sleep(0.2)
ahead = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=50)
send(b'<14>1 %s switch-1 app 1 - - link up' % ahead.strftime('%Y-%m-%dT%H:%M:%SZ').encode())
sent = 1
consumer = KafkaConsumer('logs', bootstrap_servers=open('address').read().strip(), auto_offset_reset='earliest', consumer_timeout_ms=8000)
records = []
for record in consumer:
    records.append(record)
    print(record.value)
    if len(records) == sent:
        break
minutes = (records[0].timestamp / 1000 - time.time()) / 60
print(f'the record lies {minutes:.0f} minutes ahead')
if not 48 < minutes < 51:
    raise SystemExit('CHANGED')
PY
venv/bin/python finding.py 2>/dev/null

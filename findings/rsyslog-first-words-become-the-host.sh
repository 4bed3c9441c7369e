#!/usr/bin/env bash
# A message without a syslog header loses its first two words in rsyslog: "card refused by gateway" comes from the host "card", program "refused", and says "by gateway".
# A host that is an IPv6 address loses itself: of "2001:db8::1 payment: refused" the program is 2001, and the host the relay's.
# Seen with rsyslog 8.2302.0 of Debian 12. A rule that groups by host has a group for each first word.
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
template(name="json" type="list" option.jsonf="on") {
  property(outname="message" name="msg" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="program" name="programname" format="jsonf")
}
action(type="omkafka" broker="$(cat address)" topic="logs" template="json")
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
send(b'<11>card refused by gateway')
send(b'<11>Nov 29 10:00:00 2001:db8::1 payment: refused')
sent = 2
consumer = KafkaConsumer('logs', bootstrap_servers=open('address').read().strip(), auto_offset_reset='earliest', consumer_timeout_ms=8000)
records = []
for record in consumer:
    records.append(record)
    print(record.value)
    if len(records) == sent:
        break
first, second = (json.loads(r.value) for r in records)
if (first['host'], first['program'], first['message'].strip()) != ('card', 'refused', 'by gateway') or second['program'] != '2001' or '2001' in second['host']:
    raise SystemExit('CHANGED')
PY
venv/bin/python finding.py 2>/dev/null

#!/usr/bin/env python3
"""Writes logs through one librdkafka producer with its defaults: feed.py BROKERS TOPIC SECONDS FROM TO.

Ten hosts log once a second. From second FROM to second TO a service logs an error every two seconds.
Needs: pip install confluent-kafka
"""
import datetime
import json
import sys
import time

from confluent_kafka import Producer

brokers, topic, seconds, first, last = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:6])
producer = Producer({"bootstrap.servers": brokers})


def log(kind, service):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    value = json.dumps({"timestamp": now, "kind": kind, "service": service})
    producer.produce(topic, value, on_delivery=delivered)


def delivered(error, _):
    if error is not None:
        sys.exit(f"not delivered: {error}")


start, i = time.time(), 0
while time.time() - start < seconds:
    for host in range(10):
        log("beat", f"host-{host}")
    if first < time.time() - start < last and i % 2 == 0:
        log("error", "shop")
    i += 1
    producer.poll(0)
    time.sleep(max(0, start + i - time.time()))
producer.flush()

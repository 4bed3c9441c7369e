#!/usr/bin/env bash
# Kafka's retention goes by the records' own timestamps. Logs that are shipped late, or with a wrong year, are deleted at the next check (five minutes, here one second), before a consumer that lags has read them; one log of today beside them keeps them all.
# Seen with Apache Kafka 4.4.0 and confluent-kafka 2.16.1.
set -euo pipefail
work=$(mktemp -d); trap 'kill "${broker:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.4.0</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -DincludeScope=runtime -Dmdep.outputFile=classpath >/dev/null
cat >server.properties <<'CONF'
node.id=1
process.roles=broker,controller
listeners=PLAINTEXT://127.0.0.1:28492,CONTROLLER://127.0.0.1:28493
advertised.listeners=PLAINTEXT://127.0.0.1:28492,CONTROLLER://127.0.0.1:28493
controller.quorum.bootstrap.servers=127.0.0.1:28493
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=data
log.initial.task.delay.ms=1000
log.retention.check.interval.ms=1000
CONF
java -cp "$(cat classpath)" kafka.tools.StorageTool format --standalone -t "$(java -cp "$(cat classpath)" kafka.tools.StorageTool random-uuid 2>/dev/null | tail -n 1)" -c server.properties >/dev/null 2>&1
java -Xmx512m -cp "$(cat classpath)" kafka.Kafka server.properties >server.log 2>&1 & broker=$!
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check confluent-kafka==2.16.1
cat >finding.py <<'PY'
import time
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

servers = {'bootstrap.servers': '127.0.0.1:28492'}
admin = AdminClient(servers)
admin.list_topics(timeout=60)
producer, consumer = Producer(servers), Consumer({**servers, 'group.id': 'finding'})
now = int(time.time() * 1000)
topics = {'late': [9, 8], 'late, and one of today': [9, 8, 0]}
for name, days in topics.items():
    topic = name.replace(', ', '-').replace(' ', '-')
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    for age in days:
        producer.produce(topic, f'{age} days old', timestamp=now - age * 86_400_000)
    producer.flush(30)
time.sleep(8)
for name in topics:
    topic = name.replace(', ', '-').replace(' ', '-')
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
    print(f'{name}: {end} written, {end - first} there after seconds')
PY
venv/bin/python finding.py 2>/dev/null | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
late: 2 written, 0 there after seconds
late, and one of today: 3 written, 3 there after seconds
OUT

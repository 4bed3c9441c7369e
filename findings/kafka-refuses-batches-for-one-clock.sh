#!/usr/bin/env bash
# Since Kafka 4.0 a broker refuses a record whose timestamp is more than an hour ahead of its clock (message.timestamp.after.max.ms), and with it all records of its batch: nine right logs are lost for one.
# Kafka 3 accepted any time. A shipper that takes the time from the log has such records wherever a clock, or a time zone, is wrong.
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
listeners=PLAINTEXT://127.0.0.1:28392,CONTROLLER://127.0.0.1:28393
advertised.listeners=PLAINTEXT://127.0.0.1:28392,CONTROLLER://127.0.0.1:28393
controller.quorum.bootstrap.servers=127.0.0.1:28393
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=data
CONF
java -cp "$(cat classpath)" kafka.tools.StorageTool format --standalone -t "$(java -cp "$(cat classpath)" kafka.tools.StorageTool random-uuid 2>/dev/null | tail -n 1)" -c server.properties >/dev/null 2>&1
java -Xmx512m -cp "$(cat classpath)" kafka.Kafka server.properties >server.log 2>&1 & broker=$!
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check confluent-kafka==2.16.1
cat >finding.py <<'PY'
import time
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

servers = {'bootstrap.servers': '127.0.0.1:28392'}
admin = AdminClient(servers)
admin.list_topics(timeout=60)
admin.create_topics([NewTopic('logs', 1, 1)])['logs'].result(30)
producer = Producer({**servers, 'linger.ms': 500})
for minutes in (30, 120):
    answers = []
    for i in range(10):
        ahead = minutes * 60_000 if i == 4 else 0
        producer.produce('logs', f'log {i}', timestamp=int(time.time() * 1000) + ahead,
                         callback=lambda error, message: answers.append(error.name() if error else 'written'))
    producer.flush(30)
    print(f'one of ten is {minutes} minutes ahead:', {a: answers.count(a) for a in answers})
PY
venv/bin/python finding.py 2>/dev/null | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
one of ten is 30 minutes ahead: {'written': 10}
one of ten is 120 minutes ahead: {'INVALID_TIMESTAMP': 10}
OUT

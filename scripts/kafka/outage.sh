#!/bin/bash
# outage.sh librdkafka|java BINARY [seconds=40] [dir=.kafka-outage] [base port=29692]
# Kills the only broker of a real Kafka for some seconds, while a producer with its defaults writes
# the logs of ten hosts, and looks at what a receiver gets: no host was silent, and the errors that
# were written within the outage raise one alert.
# Needs what start.sh needs; for librdkafka also python3 with confluent-kafka.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kind=$1; binary=$2; outage=${3:-40}; dir=${4:-.kafka-outage}; base=${5:-29692}
mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
broker=127.0.0.1:$base
cleanup() { kill "${engine:-}" "${feed:-}" 2>/dev/null || true; "$here/stop.sh" "$dir/kafka" --wipe; }
trap cleanup EXIT
"$here/start.sh" 1 "$dir/kafka" "$base" > /dev/null
cat > "$dir/silence.rules.yml" <<'R'
version: 1
groups:
- name: outage
  rules:
  - {alert: Silent, match: 'kind:beat', when: count() == 0, window: 20s, by: [service]}
  - {alert: Errors, match: 'kind:error', when: count() > 5, window: 30s, by: [service]}
R
rm -rf "$dir/data" "$dir/alerts.json"
feed() { # SECONDS FROM TO
  case $kind in
    librdkafka) exec python3 "$here/feed.py" "$broker" outage-logs "$@" ;;
    java) exec "${JAVA:-java}" -cp "$(cat "$dir/kafka/classpath.txt")" "$here/Feed.java" "$broker" outage-logs "$@" ;;
    *) echo "unknown producer $kind" >&2; exit 2 ;;
  esac
}
(feed 1 0 0) > "$dir/feed.log" 2>&1 # its first record creates the topic
cat > "$dir/alert-engine.yml" <<C
kafka: {brokers: ["$broker"], topics: [outage-logs]}
rules: ["$dir/silence.rules.yml"]
data_dir: $dir/data
notify: {file: $dir/alerts.json}
web: {listen: 127.0.0.1:0}
C
"$binary" run --config "$dir/alert-engine.yml" > "$dir/engine.log" 2>&1 & engine=$!
until grep -q "partitions assigned" "$dir/engine.log"; do
  kill -0 "$engine" || { cat "$dir/engine.log" >&2; exit 1; }
  sleep 1
done
feed $((25 + outage + 100)) 25 $((25 + outage)) > "$dir/feed.log" 2>&1 & feed=$!
sleep 25
kill -9 "$(cat "$dir/kafka/node1/pid")"; rm -f "$dir/kafka/node1/pid"
sleep "$outage"
"$here/start.sh" 1 "$dir/kafka" "$base" > /dev/null
wait "$feed" || { cat "$dir/feed.log" >&2; exit 1; }
feed=
kill -0 "$engine" || { cat "$dir/engine.log" >&2; exit 1; }
sleep 5
touch "$dir/alerts.json"
silent=$(grep -c '"Silent"' "$dir/alerts.json" || true)
errors=$(grep '"Errors"' "$dir/alerts.json" | grep -c '"firing"' || true)
echo "$kind, $outage seconds: $silent notifications of silent hosts (0 are right), $errors of errors (1 is right)"
[ "$silent" = 0 ] && [ "$errors" = 1 ]

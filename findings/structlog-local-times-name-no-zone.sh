#!/usr/bin/env bash
# structlog's TimeStamper(fmt="iso", utc=False) writes the local time without its offset, where Python's own isoformat of an aware time has one.
# East or west of Greenwich a reader takes it for UTC, so all logs of the service are hours ahead or late.
# Seen with structlog 26.1.0. For such a topic: `formats.time_zone`.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check structlog==26.1.0
cat >finding.py <<'PY'
import datetime, os, re, time
os.environ['TZ'] = 'America/New_York'
time.tzset()
import structlog

event = structlog.processors.TimeStamper(fmt='iso', utc=False)(None, 'info', {})
print(event['timestamp'], 'while it is', datetime.datetime.now(datetime.timezone.utc).isoformat())
if not re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?', event['timestamp']):
    raise SystemExit('CHANGED: ' + event['timestamp'])
PY
venv/bin/python finding.py

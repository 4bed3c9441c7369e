#!/usr/bin/env bash
# Google's handler for containers writes a record of its own before the first log of a process: severity INFO, a diagnostic of the library, and no message. A second handler, or a second process of the same program, writes it again.
# A traceback has no field either: it is a part of the message.
# Seen with google-cloud-logging 3.17.0. Rules that count logs of INFO, or look for logs without a message, see it at each start.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check google-cloud-logging==3.17.0
cat >finding.py <<'PY'
import io, json, logging
from google.cloud.logging_v2.handlers import StructuredLogHandler

out = io.StringIO()
log = logging.getLogger('shop')
log.addHandler(StructuredLogHandler(stream=out, project_id='p'))
try:
    raise ValueError('card refused')
except ValueError:
    log.exception('payment failed')
records = [json.loads(line) for line in out.getvalue().splitlines()]
for record in records:
    print(json.dumps(record)[:230])
first, last = records[0], records[-1]
if len(records) < 2 or first['severity'] != 'INFO' or 'message' in first \
        or 'logging.googleapis.com/diagnostic' not in first or last['severity'] != 'ERROR' \
        or not last['message'].endswith('ValueError: card refused'):
    raise SystemExit('CHANGED')
PY
venv/bin/python finding.py

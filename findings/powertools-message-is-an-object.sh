#!/usr/bin/env bash
# Lambda Powertools writes a dict that is logged as the message itself: `message` is an object, so what expects a text there finds none.
# An exception is in three places: `exception` as text, `exception_name`, and `stack_trace` as an object with frames.
# Seen with aws-lambda-powertools 3.37.0. Our decoder merges the object into the fields; a bare word is searched in the whole record then.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check aws-lambda-powertools==3.37.0
cat >finding.py <<'PY'
import io, json
from aws_lambda_powertools import Logger

out = io.StringIO()
log = Logger(service='payment', stream=out)
log.error({'order': 17, 'reason': 'card refused'})
try:
    raise ValueError('card refused')
except ValueError:
    log.exception('failed')
first, second = map(json.loads, out.getvalue().splitlines())
print(first['message'], first['timestamp'])
print(type(second['exception']).__name__, second['exception_name'], sorted(second['stack_trace']))
if not isinstance(first['message'], dict) or second['exception_name'] != 'ValueError' or 'frames' not in second['stack_trace']:
    raise SystemExit('CHANGED')
PY
venv/bin/python finding.py

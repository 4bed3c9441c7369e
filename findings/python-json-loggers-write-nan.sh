#!/usr/bin/env bash
# Five JSON formatters of Python write NaN as a bare word, which is no JSON: one undefined ratio in a field, and a strict parser refuses the record.
# Seen with python-json-logger 4.2.0, structlog 26.1.0, ecs-logging 2.3.0, JSON-log-formatter 1.2.1, aws-lambda-powertools 3.37.0; refused by Go's encoding/json and by JSON.parse of Node.js.
# Our decoder reads such a record and keeps the word as text.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check python-json-logger==4.2.0 structlog==26.1.0 ecs-logging==2.3.0 JSON-log-formatter==1.2.1 aws-lambda-powertools==3.37.0
cat >finding.py <<'PY'
import io, json, logging
from pythonjsonlogger.json import JsonFormatter
import aws_lambda_powertools, ecs_logging, json_log_formatter, structlog

def strict(line):
    def refuse(word):
        raise ValueError(word)
    try:
        json.loads(line, parse_constant=refuse)
        return 'valid'
    except ValueError as e:
        return f'not JSON: {e}'

seen = {}
for formatter in (JsonFormatter(), ecs_logging.StdlibFormatter(), json_log_formatter.JSONFormatter()):
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    log = logging.Logger('finding')
    log.addHandler(handler)
    log.error('ratio', extra={'ratio': float('nan')})
    seen[type(formatter).__module__] = strict(out.getvalue())
seen['structlog'] = strict(structlog.processors.JSONRenderer()(None, 'error', {'event': 'ratio', 'ratio': float('nan')}))
out = io.StringIO()
aws_lambda_powertools.Logger(service='finding', stream=out).error('ratio', extra={'ratio': float('nan')})
seen['powertools'] = strict(out.getvalue())
for name, verdict in seen.items():
    print(f'{name}: {verdict}')
if len(seen) != 5 or set(seen.values()) != {'not JSON: NaN'}:
    raise SystemExit('CHANGED')
PY
venv/bin/python finding.py

#!/usr/bin/env bash
# The default of two widely used JSON formatters of Python says neither that a line is an error nor, of one of them, when it was written.
# A rule over `level>=ERROR` sees none of the errors of such a service until its format names levelname.
# Seen with python-json-logger 4.2.0 and JSON-log-formatter 1.2.1.
# For topics like these: `formats.default_level`, or a query over the text or `exc_info:*`.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check python-json-logger==4.2.0 JSON-log-formatter==1.2.1
cat >finding.py <<'PY'
import io, json, logging
from pythonjsonlogger.json import JsonFormatter
import json_log_formatter

seen = []
for formatter in (JsonFormatter(), json_log_formatter.JSONFormatter()):
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    log = logging.Logger('finding')
    log.addHandler(handler)
    log.critical('disk full')
    print(out.getvalue(), end='')
    seen.append(sorted(json.loads(out.getvalue())))
if seen != [['message'], ['message', 'time']]:
    raise SystemExit(f'CHANGED: {seen}')
PY
venv/bin/python finding.py

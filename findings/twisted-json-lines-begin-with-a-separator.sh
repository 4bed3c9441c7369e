#!/usr/bin/env bash
# Twisted's JSON log begins each line with the byte 0x1E, the record separator of JSON text sequences (RFC 7464): as a line it is no JSON.
# The message is a template (log_format) beside its values, the level an object, and no key is called message, msg, level, time or timestamp.
# Seen with Twisted 26.10.0. Shippers that parse lines as JSON refuse them; we drop the separator, and fill in the template.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check twisted==26.10.0
cat >finding.py <<'PY'
import io, json
from twisted.logger import Logger, jsonFileLogObserver

out = io.StringIO()
Logger(namespace='shop', observer=jsonFileLogObserver(out)).error('order {order} lost', order=17)
line = out.getvalue().rstrip('\n')
print(repr(line))
try:
    json.loads(line)
    raise SystemExit('CHANGED: the line is JSON')
except json.JSONDecodeError:
    pass
record = json.loads(line[1:])
if line[0] != '\x1e' or record['log_format'] != 'order {order} lost' or record['log_level']['name'] != 'error' \
        or {'message', 'level', 'time', 'timestamp'} & record.keys():
    raise SystemExit(f'CHANGED: {record}')
PY
venv/bin/python finding.py

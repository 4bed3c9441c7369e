#!/usr/bin/env bash
# Eliot writes how an action ended as action_status, without a level; the record of a failure has none of the action's fields, which stand in the record of its start.
# Seen with eliot 1.18.0 (Python).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check eliot==1.18.0
cat >finding.py <<'PY'
import io, json
from eliot import start_action, to_file

out = io.StringIO()
to_file(out)
try:
    with start_action(action_type='pay', order=4711):
        raise ValueError('card refused')
except ValueError:
    pass
for line in out.getvalue().splitlines():
    record = json.loads(line)
    print({k: v for k, v in sorted(record.items()) if k not in ('timestamp', 'task_uuid')})
PY
venv/bin/python finding.py | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
{'action_status': 'started', 'action_type': 'pay', 'order': 4711, 'task_level': [1]}
{'action_status': 'failed', 'action_type': 'pay', 'exception': 'builtins.ValueError', 'reason': 'card refused', 'task_level': [2]}
OUT

#!/usr/bin/env bash
# A record of Logbook as JSON, as its handlers for queues send it, has the level 14 for an error and 13 for a warning, where Python's numbers are 40 and 30.
# No word of the level is in it.
# Seen with Logbook 1.10.1 (Python).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check Logbook==1.10.1
cat >finding.py <<'PY'
import json
import logbook

kept = logbook.TestHandler()
with kept:
    logbook.Logger('shop').warning('disk full')
    logbook.Logger('shop').error('order 17 lost')
for record in kept.records:
    print(json.dumps({k: v for k, v in record.to_dict(json_safe=True).items() if k in ('channel', 'level', 'level_name', 'message')}))
PY
venv/bin/python finding.py | tee out.txt
grep -q '"level": 13' out.txt && grep -q '"level": 14' out.txt && ! grep -q level_name out.txt || { echo CHANGED; exit 1; }

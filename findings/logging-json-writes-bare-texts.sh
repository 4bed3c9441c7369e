#!/usr/bin/env bash
# The JSON formatter of logging-json writes a message without extra fields as a bare text, no JSON and no level; its own keys come only with `fields`.
# Seen with logging-json 0.6.0 (Python). Of one program some lines are objects and some are texts.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check logging-json==0.6.0
cat >finding.py <<'PY'
import logging, sys
import logging_json

handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(logging_json.JSONFormatter())
logging.basicConfig(handlers=[handler], level=logging.INFO)
logging.error('order 17 lost')
logging.error('order 18 lost', extra={'order': 18})
PY
venv/bin/python finding.py | tee out.txt
grep -qx 'order 17 lost' out.txt && grep -q '^{"message": "order 18 lost", "order": 18}$' out.txt || { echo CHANGED; exit 1; }

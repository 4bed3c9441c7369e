#!/usr/bin/env bash
# A field `service` passed as the logging module's `extra` becomes a string beside ECS's other fields, where the schema has an object service.name; `level` stands beside log.level with another word.
# An index refuses the record or drops the field; a reader of ECS finds no service.
# Seen with ecs-logging 2.3.0 (ECS 1.6.0). Our decoder takes service of either form, and log.level before level.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check ecs-logging==2.3.0
cat >finding.py <<'PY'
import io, json, logging
import ecs_logging

out = io.StringIO()
handler = logging.StreamHandler(out)
handler.setFormatter(ecs_logging.StdlibFormatter())
log = logging.Logger('finding')
log.addHandler(handler)
log.error('refused', extra={'service': 'payment', 'level': 'gold'})
record = json.loads(out.getvalue())
print({k: record[k] for k in ('log.level', 'level', 'service', 'ecs.version')})
if (record['service'], record['level'], record['log.level']) != ('payment', 'gold', 'error'):
    raise SystemExit('CHANGED')
PY
venv/bin/python finding.py

#!/usr/bin/env bash
# The threshold of a correlation may be any number: `value_avg` with `gte: 0.5` is an average of a half and more. pySigma cuts it to a whole number without a word, so that is `>= 0`, which every event satisfies, and `gte: 10.9` is met by 10. Written as a text, '0.5' is refused.
# Seen with pySigma 1.5.1, pySigma-backend-sqlite 2.0.0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pysigma==1.5.1 pysigma-backend-sqlite==2.0.0
cat >finding.py <<'PY'
import re
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

rule = """
title: Slow
id: 11111111-0000-4000-8000-000000000001
name: request
logsource: {category: webserver}
detection: {selection: {method: GET}, condition: selection}
---
title: Slow Mean
id: 11111111-0000-4000-8000-000000000002
correlation:
  type: %s
  rules: [request]
  timespan: 5m
  condition: {gte: %s, field: seconds}
"""
for kind, threshold in ('value_avg', '0.5'), ('value_sum', '10.9'):
    sql = sqliteBackend().convert(SigmaCollection.from_yaml(rule % (kind, threshold)))[-1]
    print(kind, 'gte', threshold, '->', re.search(r'WHERE (metric >= [\d.]+)', sql)[1])
PY
venv/bin/python finding.py | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
value_avg gte 0.5 -> metric >= 0
value_sum gte 10.9 -> metric >= 10
OUT

#!/usr/bin/env bash
# Sigma's modifier `re` finds an expression anywhere in a value. pySigma passes it as it is to Lucene, whose expressions match whole terms, and to Loki, whose label filters are anchored: the converted rule asks that the whole value is the expression.
# `CommandLine|re: Invoke-\w+Exec` then never matches a real command line, and the conversion says nothing. Its SQLite backend searches.
# Seen with pySigma 1.5.1, pySigma-backend-elasticsearch 2.1.1, pySigma-backend-loki 0.15.1. Here `re` searches.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pysigma==1.5.1 pysigma-backend-elasticsearch==2.1.1 pysigma-backend-loki==0.15.1
cat >finding.py <<'PY'
from sigma.collection import SigmaCollection
from sigma.backends.elasticsearch import LuceneBackend
from sigma.backends.loki import LogQLBackend

rule = SigmaCollection.from_yaml(r"""
title: T
logsource: {category: process_creation, product: windows}
detection:
  selection: {CommandLine|re: 'Invoke-\w+Exec'}
  condition: selection
""")
lucene, logql = LuceneBackend().convert(rule)[0], LogQLBackend().convert(rule)[0]
print(lucene)
print(logql)
if lucene != r'CommandLine:/Invoke-\w+Exec/' or not logql.endswith(r'| json | CommandLine=~`Invoke-\w+Exec`'):
    raise SystemExit('CHANGED')
PY
venv/bin/python finding.py

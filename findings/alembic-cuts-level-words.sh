#!/usr/bin/env bash
# The configuration that `alembic init` writes cuts levels after five letters: warnings are WARNI, critical logs CRITI, words that no list of levels has.
# Pyramid's templates have the same format, and both are copied widely.
# Seen with alembic 1.20.0. Such words are read as WARN and CRITICAL.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check alembic==1.20.0
venv/bin/alembic -q init migrations
grep -n 'levelname' alembic.ini
cat >finding.py <<'PY'
import logging, logging.config, sys

sys.stderr = sys.stdout
logging.config.fileConfig('alembic.ini')
logging.getLogger('alembic').warning('no revision')
logging.getLogger('alembic').critical('order 17 lost')
PY
venv/bin/python finding.py | tee out.txt
grep -q '^WARNI \[alembic\] no revision' out.txt && grep -q '^CRITI \[alembic\] order 17 lost' out.txt || { echo CHANGED; exit 1; }

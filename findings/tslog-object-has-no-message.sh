#!/usr/bin/env bash
# tslog in JSON spreads a logged object over the record: log.fatal({order: 17}) has no message at all, and its keys stand beside the logger's own.
# The level is a word with a number of tslog's own scale beside it: levelId 5 is ERROR, where 5 is NOTICE of syslog and DEBUG of OpenTelemetry.
# Seen with tslog 5.1.0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund tslog@5.1.0
cat >finding.mjs <<'JS'
import { Logger } from 'tslog';

const log = new Logger({ type: 'json' });
log.error('failed');
log.fatal({ order: 17 });
JS
node finding.mjs | tee out.jsonl
grep -q '"message":"failed","level":"ERROR","levelId":5' out.jsonl && grep '"FATAL"' out.jsonl | grep '"order":17' | grep -qv '"message"' || { echo 'CHANGED'; exit 1; }

#!/usr/bin/env bash
# SAP's logger for Cloud Foundry writes an error that is logged alone with an empty message: its text stands only in the first line of the stack.
# Numbers in custom fields become strings.
# Seen with cf-nodejs-logging-support 7.4.6.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund cf-nodejs-logging-support@7.4.6
cat >finding.js <<'JS'
const log = require('cf-nodejs-logging-support');

log.error(new Error('order 17 lost'));
log.error('payment failed', { order: 18 });
JS
node finding.js | tee out.jsonl
grep -q '"msg":"","level":"error","stacktrace":\["Error: order 17 lost"' out.jsonl && grep -q '"order":"18"' out.jsonl || { echo CHANGED; exit 1; }

#!/usr/bin/env bash
# NestJS's logger takes a last argument that is a text for the context, so the reason of a failure stands where the class should; of several objects only the last is written.
# Seen with @nestjs/common 12.5.1, json: true.
# For rules: do not group by `context`; give one object only, and search reasons in `context` too.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund @nestjs/common@12.5.1 reflect-metadata@0.2.2 rxjs@7.8.2 >/dev/null 2>&1
cat >finding.js <<'JS'
require('reflect-metadata');
const { ConsoleLogger } = require('@nestjs/common');
const log = new ConsoleLogger('Payments', { json: true, colors: false });
log.error('payment failed', 'refused by the bank');
log.warn('retry', { order: 7 }, { order: 8 });
JS
node finding.js 2>&1 | sed -E 's/"(pid|timestamp)":[0-9]+,//g' | sort | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
{"level":"error","message":"payment failed","context":"refused by the bank"}
{"level":"warn","message":"retry","context":"Payments","params":{"order":8}}
OUT

#!/usr/bin/env bash
# A field `level` in bunyan's fields object replaces the level of the call, and decides whether the record is written at all: log.error({level: 10}, "failed") writes nothing.
# Any request object with a key `level` below the threshold loses its error without a trace.
# Seen with bunyan 2.0.5.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund bunyan@2.0.5
cat >finding.mjs <<'JS'
import bunyan from 'bunyan';

const lines = [];
const log = bunyan.createLogger({ name: 'finding', stream: { write: (line) => lines.push(line) } });
log.error({ order: 17 }, 'failed');
log.error({ order: 18, level: 10 }, 'failed');
log.error({ order: 19, level: 30 }, 'failed');
const seen = lines.map((l) => JSON.parse(l)).map((r) => [r.order, r.level]);
console.log(JSON.stringify(seen));
if (JSON.stringify(seen) !== '[[17,50],[19,30]]') { console.log('CHANGED'); process.exit(1); }
JS
node finding.mjs

#!/usr/bin/env bash
# pino drops an error that is passed behind the message, log.error("failed", err), as console and winston take it: nothing of it is written. Under the key `error` instead of `err` it is {}.
# Seen with pino 10.4.0. A rule over exception.class or the stack sees such services as healthy.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund pino@10.4.0
cat >finding.mjs <<'JS'
import pino from 'pino';

const lines = [];
const log = pino({ base: null, timestamp: false }, { write: (line) => lines.push(line.trim()) });
log.error('failed', new Error('boom'));
log.error({ error: new Error('boom') }, 'failed');
console.log(lines.join('\n'));
const want = ['{"level":50,"msg":"failed"}', '{"level":50,"error":{},"msg":"failed"}'];
if (JSON.stringify(lines) !== JSON.stringify(want)) { console.log('CHANGED'); process.exit(1); }
JS
node finding.mjs

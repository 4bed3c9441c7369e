#!/usr/bin/env bash
# winston's JSON format writes `logger.error(new Error("boom"))` as {"level":"error"}: no message, no stack, no class. Under any other key than the second argument an error is {}.
# A rule over the message or exception.class never sees it. format.errors({stack: true}) has to stand before json(), which the quick start does not do.
# Seen with winston 3.19.0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund winston@3.19.0
cat >finding.mjs <<'JS'
import winston from 'winston';
import { Writable } from 'node:stream';

const lines = [];
const stream = new Writable({ write(chunk, _, done) { lines.push(chunk.toString().trim()); done(); } });
const log = winston.createLogger({ format: winston.format.json(), transports: [new winston.transports.Stream({ stream })] });
log.error(new Error('boom'));
log.error('failed', { error: new Error('boom') });
console.log(lines.join('\n'));
const want = ['{"level":"error"}', '{"error":{},"level":"error","message":"failed"}'];
if (JSON.stringify(lines) !== JSON.stringify(want)) { console.log('CHANGED'); process.exit(1); }
JS
node finding.mjs

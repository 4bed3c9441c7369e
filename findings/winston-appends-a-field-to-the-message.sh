#!/usr/bin/env bash
# A field `message` in winston's metadata is appended to the message, with a blank: "payment refused" with {message: "card expired"} is one text of both, and the field is gone; a field `level` is dropped.
# `message:="payment refused"` no longer matches, and every value of the field is another message.
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
log.error('payment refused', { message: 'card expired', level: 'gold', order: 17 });
console.log(lines.join('\n'));
if (lines[0] !== '{"level":"error","message":"payment refused card expired","order":17}') { console.log('CHANGED'); process.exit(1); }
JS
node finding.mjs

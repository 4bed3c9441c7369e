#!/usr/bin/env bash
# winston writes level, timestamp and its default metadata into the Error that is logged, not into a copy. Whatever logs the same error later, such as a framework or pino, has these as fields of its own: a warning about a handled error says level: error.
# Seen with winston 3.19.0 and pino 10.4.0, Node.js 20.20.2.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund winston@3.19.0 pino@10.4.0
cat >finding.mjs <<'JS'
import pino from 'pino';
import winston from 'winston';
import { Writable } from 'node:stream';

const stream = new Writable({ write(chunk, _, done) { done(); } });
const log = winston.createLogger({
  defaultMeta: { service: 'checkout' },
  format: winston.format.combine(winston.format.timestamp(), winston.format.errors({ stack: true }), winston.format.json()),
  transports: [new winston.transports.Stream({ stream })],
});
const error = new Error('boom');
log.error(error);
let line;
pino({ base: null }, { write: (text) => { line = JSON.parse(text); } }).warn({ err: error }, 'handled');
console.log(Object.keys(error), JSON.stringify({ ...line, err: { ...line.err, stack: undefined } }));
if (line.level !== 40 || line.err.level !== 'error' || line.err.service !== 'checkout' || !line.err.timestamp) {
  console.log('CHANGED'); process.exit(1);
}
JS
node finding.mjs

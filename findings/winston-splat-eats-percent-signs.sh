#!/usr/bin/env bash
# With winston's format.splat() a percent sign that stands before a letter of printf takes the metadata: "disk 93%done" with {host: "a"} becomes "disk 93NaNone", and the field host is lost.
# A rule by host has no host for exactly the lines that say how full a disk is; before a blank or at the end nothing happens.
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
const format = winston.format.combine(winston.format.splat(), winston.format.json());
const log = winston.createLogger({ format, transports: [new winston.transports.Stream({ stream })] });
log.error('disk 93% full', { host: 'a' });
log.error('disk 93%done', { host: 'a' });
console.log(lines.join('\n'));
const records = lines.map((l) => JSON.parse(l));
if (records[0].host !== 'a' || records[1].message !== 'disk 93NaNone' || 'host' in records[1]) { console.log('CHANGED'); process.exit(1); }
JS
node finding.mjs

#!/usr/bin/env bash
# bunyan writes {err: new Error("boom")} as "err":{}, unless the logger was made with its serializers: neither message nor stack is there.
# Only an error that is the first argument itself is written whole.
# Seen with bunyan 2.0.5.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund bunyan@2.0.5
cat >finding.mjs <<'JS'
import bunyan from 'bunyan';

const lines = [];
const log = bunyan.createLogger({ name: 'finding', stream: { write: (line) => lines.push(line) } });
log.error({ err: new Error('boom') }, 'failed');
log.error(new Error('boom'));
const seen = lines.map((l) => JSON.parse(l).err).map((e) => e.message ?? 'nothing');
console.log(seen.join(', '));
if (seen.join() !== 'nothing,boom') { console.log('CHANGED'); process.exit(1); }
JS
node finding.mjs

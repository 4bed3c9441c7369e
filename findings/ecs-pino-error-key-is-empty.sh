#!/usr/bin/env bash
# Elastic's ECS format for pino makes {error: new Error("boom")}, the key that ECS itself uses, into "error":{}; only the key `err` becomes error.message, error.type and error.stack_trace.
# A field `service` stays a string where ECS has an object, and `level` stands beside log.level.
# Seen with @elastic/ecs-pino-format 1.5.0 and pino 10.4.0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund pino@10.4.0 @elastic/ecs-pino-format@1.5.0
cat >finding.mjs <<'JS'
import pino from 'pino';
import { ecsFormat } from '@elastic/ecs-pino-format';

const lines = [];
const log = pino(ecsFormat(), { write: (line) => lines.push(JSON.parse(line)) });
log.error({ error: new Error('boom'), service: 'payment', level: 'gold' }, 'failed');
log.error({ err: new Error('boom') }, 'failed');
console.log(JSON.stringify(lines[0]));
console.log(lines[1].error.type, lines[1].error.message);
if (JSON.stringify(lines[0].error) !== '{}' || lines[0].service !== 'payment' || lines[0].level !== 'gold' || lines[1].error.message !== 'boom') {
  console.log('CHANGED'); process.exit(1);
}
JS
node finding.mjs

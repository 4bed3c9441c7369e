#!/usr/bin/env bash
# Fastify logs a reply of 503, and an error with a status below 500, at level info; a failed request is an error only where a handler threw.
# Seen with fastify 5.12.8.
# For rules: match `res.statusCode>=500`, not the level.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund fastify@5.12.8 >/dev/null 2>&1
cat >finding.js <<'JS'
import Fastify from 'fastify';
const app = Fastify({ logger: true });
app.get('/reply', (request, reply) => reply.code(503).send({}));
app.get('/throw', async () => { throw Object.assign(new Error('no such order'), { statusCode: 404 }); });
await app.inject('/reply');
await app.inject('/throw');
JS
node finding.js | grep -v 'incoming request' |
  sed -E 's/"(time|pid|hostname|reqId|responseTime)":[^,}]*,//g; s/"req":\{[^}]*\},//; s/"stack":"[^"]*"/"stack":""/' | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
{"level":30,"res":{"statusCode":503},"msg":"request completed"}
{"level":30,"res":{"statusCode":404},"err":{"type":"Error","message":"no such order","stack":"","statusCode":404},"msg":"no such order"}
{"level":30,"res":{"statusCode":404},"msg":"request completed"}
OUT

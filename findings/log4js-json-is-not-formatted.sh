#!/usr/bin/env bash
# The event of log4js, written by JSON.stringify as its documentation of layouts shows, has the arguments unformatted, the level as an object with a number of its own scale, and an error as {}.
# The message "failed %d" is only in data[0]; MARK has the level 9007199254740992, above every error.
# Seen with log4js 6.9.1. Our decoder takes level.levelStr, and data as the message.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund log4js@6.9.1
cat >finding.mjs <<'JS'
import log4js from 'log4js';

const lines = [];
log4js.addLayout('json', () => (event) => JSON.stringify(event));
log4js.configure({
  appenders: { out: { type: { configure: (config, layouts) => { const l = layouts.layout('json'); return (e) => lines.push(l(e)); } } } },
  categories: { default: { appenders: ['out'], level: 'trace' } },
});
log4js.getLogger('shop').error('failed %d', 17, new Error('boom'));
log4js.getLogger('shop').mark('here');
const [error, mark] = lines.map((l) => JSON.parse(l));
console.log(JSON.stringify(error.data), JSON.stringify(error.level), JSON.stringify(mark.level));
if (JSON.stringify(error.data) !== '["failed %d",17,{}]' || error.level.level !== 40000 || mark.level.level !== 2 ** 53) { console.log('CHANGED'); process.exit(1); }
JS
node finding.mjs

#!/usr/bin/env bash
# The logfmt package of Node.js quotes a value with a blank but writes a line break as it is: one record with a stack trace becomes several lines, of which the later have no keys, or keys of their own.
# A blank that stands behind the break is lost as a pair. Go's libraries write \\n in quotes.
# Seen with logfmt 1.4.0 of npm.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund logfmt@1.4.0
cat >finding.mjs <<'JS'
import logfmt from 'logfmt';

const line = logfmt.stringify({ level: 'error', stack: 'Error: boom\nat=main.js', user: 'ann' });
console.log(line);
const lines = line.split('\n').map((l) => logfmt.parse(l));
console.log(JSON.stringify(lines));
if (lines.length !== 2 || lines[0].user !== undefined || lines[1].level !== undefined) { console.log('CHANGED'); process.exit(1); }
JS
node finding.mjs

#!/usr/bin/env bash
# fancy-log, with which gulp and its plugins write, has an hour 24: five minutes past midnight is [24:05:00]. It asks Intl for hour12: false, which in English counts from 1 to 24; hourCycle: 'h23' would not. Times made so sort behind the whole day.
# Seen with fancy-log 2.0.0, Node.js 20.20.2.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund fancy-log@2.0.0
cat >finding.cjs <<'JS'
const RealDate = Date;
const at = new RealDate(2026, 10, 30, 0, 5, 0);
global.Date = class extends RealDate { constructor(...a) { super(...(a.length ? a : [at])); } static now() { return +at; } };
require('fancy-log').error('payment failed');
JS
node finding.cjs 2>&1 | tee out.txt
sed 's/\x1b\[[0-9;]*m//g' out.txt | grep -q '^\[24:05:00\] payment failed$' || { echo 'CHANGED'; exit 1; }

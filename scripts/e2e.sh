#!/usr/bin/env bash
# Drives the pages in a headless Chromium, against the demo.
#
#   scripts/e2e.sh            tests
#   scripts/e2e.sh shots      takes the pictures in docs/screenshots instead
#
# Needs Go and Node. Where there is no Chromium and apt-get may install one, it does; otherwise name one in CHROMIUM. SLOW=1 relaxes what is asked of a busy machine.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${CHROMIUM:-}" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -q && $sudo apt-get install -y -q chromium
fi
scratch=$(mktemp -d)
trap 'kill "${demo:-}" 2>/dev/null || true; rm -rf "$scratch"' EXIT
go build -o "$scratch/alert-engine" ./cmd/alert-engine
cd e2e
npm install --no-audit --no-fund --silent
if [ "${1:-}" = shots ]; then
  "$scratch/alert-engine" demo --broker 127.0.0.1:0 --listen 127.0.0.1:18091 >"$scratch/demo.txt" &
  demo=$!
  sleep 60 # by then the demo workload has had its first incident, which is in the history
  node shots.mjs http://127.0.0.1:18091 ../docs/screenshots
  if command -v pngquant >/dev/null; then pngquant --force --ext .png --quality 90-100 --speed 1 ../docs/screenshots/*.png; fi
else
  ALERT_ENGINE="$scratch/alert-engine" node --test --test-reporter=spec pages.test.mjs
fi

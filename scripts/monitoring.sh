#!/usr/bin/env bash
# Checks and tests the alerts of monitoring/ with promtool, and that the dashboard is JSON. Needs promtool, or Go, which builds it in some minutes.
# No step of .ci/run, for those minutes.
set -euo pipefail
cd "$(dirname "$0")/../monitoring"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
command -v promtool >/dev/null || {
  GOBIN=$work go install github.com/prometheus/prometheus/cmd/promtool@v0.306.0
  PATH=$work:$PATH
}
promtool check rules --lint-fatal alerts.yaml
promtool test rules alerts_test.yaml
python3 -c 'import json; p = json.load(open("dashboard.json"))["panels"]; ids = {q["id"] for q in p}; assert len(ids) == len(p), "two panels have one ID"'

#!/usr/bin/env bash
# Checks and tests the alerts of monitoring/ with promtool, and that the dashboard is JSON.
# Without promtool it takes the one of the Debian package prometheus, which it does not install. Where apt-get cannot download that, it ends with 75: nothing was checked.
set -euo pipefail
cd "$(dirname "$0")/../monitoring"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
promtool_of_debian() {
  command -v apt-get >/dev/null && cd "$work" || return
  apt-get download -qq prometheus 2>/dev/null && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
}
command -v promtool >/dev/null || {
  (promtool_of_debian) || { echo 'SKIPPED: there is no promtool, and apt-get cannot download the package prometheus (apt-get update?)'; exit 75; }
  PATH=$work/usr/bin:$PATH
}
promtool check rules --lint-fatal alerts.yaml
promtool test rules alerts_test.yaml
python3 -c 'import json; p = json.load(open("dashboard.json"))["panels"]; ids = {q["id"] for q in p}; assert len(ids) == len(p), "two panels have one ID"'

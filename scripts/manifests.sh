#!/usr/bin/env bash
# Writes packaging/kubernetes/alert-engine.yaml from the Helm chart, and checks both: helm lint, and the schemas of Kubernetes.
# Needs Go, and Python for the schemas. With --check it fails where the file differs from the chart.
set -euo pipefail
cd "$(dirname "$0")/.."
helm() { go run helm.sh/helm/v3/cmd/helm@v3.19.0 "$@"; }
chart=packaging/helm/alert-engine file=packaging/kubernetes/alert-engine.yaml
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

helm lint --strict "$chart"
helm template alert-engine "$chart" --kube-version 1.33.0 --set networkPolicy.enabled=true >"$work/chart.yaml"
{
  echo '# alert-engine on Kubernetes without Helm: kubectl apply -f alert-engine.yaml'
  echo '# Written from the chart in packaging/helm by scripts/manifests.sh.'
  grep -v '^# Source\|managed-by: Helm' "$work/chart.yaml"
} >"$work/alert-engine.yaml"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check kubernetes-validate==1.37.0
"$work/venv/bin/kubernetes-validate" --strict "$work/alert-engine.yaml"
if [ "${1:-}" = --check ]; then
  diff "$file" "$work/alert-engine.yaml" || { echo "$file differs from the chart; run scripts/manifests.sh"; exit 1; }
else
  cp "$work/alert-engine.yaml" "$file"
fi

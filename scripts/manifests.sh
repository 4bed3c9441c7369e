#!/usr/bin/env bash
# Writes packaging/kubernetes/*.yaml, an instance alone and a cluster of three, from the Helm chart, and checks both: helm lint, and the schemas of Kubernetes.
# Needs Go, or helm, and Python for the schemas. With --check it fails where the files differ from the chart.
# Where there is no helm it is built from source: four minutes of processor time, or seconds with what an earlier run left in Go's cache. The exit code is 75 when it cannot be.
# TestManifestsAreRead reads the configuration in the manifests with every run of the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
chart=packaging/helm/alert-engine
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
if ! command -v helm >/dev/null; then
  GOBIN=$work go install helm.sh/helm/v3/cmd/helm@v3.19.0 || { echo 'SKIPPED: helm cannot be built'; exit 75; }
  PATH=$work:$PATH
fi

helm lint --strict "$chart"
helm lint --strict "$chart" --set replicas=3
# one replica of a cluster has the pods of three, so that more replicas restart none
members() { helm template a "$chart" --kube-version 1.33.0 --set config.cluster.enabled=true,replicas="$1" | grep -v '^  replicas:'; }
diff <(members 1) <(members 3) || { echo "the pods of one replica with config.cluster.enabled differ from those of three"; exit 1; }
# manifest FILE "WHAT" SETTING... writes a manifest of the chart with some settings.
manifest() {
  local file=$1 what=$2; shift 2
  helm template alert-engine "$chart" --kube-version 1.33.0 --set networkPolicy.enabled=true "$@" >"$work/chart.yaml"
  {
    echo "# $what on Kubernetes without Helm: kubectl apply -f $file"
    echo '# Written from the chart in packaging/helm by scripts/manifests.sh.'
    grep -v '^# Source\|managed-by: Helm' "$work/chart.yaml"
  } >"$work/$file"
}
manifest alert-engine.yaml alert-engine
manifest cluster.yaml 'A cluster of three alert-engines' --set replicas=3 --set persistence.enabled=false
# every value that adds an object, and those that are set by hand, make valid objects too
helm template alert-engine "$chart" --kube-version 1.33.0 --set replicas=5,secretName=s,rulesConfigMap=r,serviceMonitor.enabled=false \
  --set alertmanagerConfig='route: {receiver: a}' --set config.kafka.rack=a --set config.kafka.instance_id=none >"$work/all.yaml"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check kubernetes-validate==1.37.0
"$work/venv/bin/kubernetes-validate" --strict "$work/alert-engine.yaml" "$work/cluster.yaml" "$work/all.yaml"
for file in alert-engine.yaml cluster.yaml; do
  if [ "${1:-}" = --check ]; then
    diff "packaging/kubernetes/$file" "$work/$file" || { echo "packaging/kubernetes/$file differs from the chart; run scripts/manifests.sh"; exit 1; }
  else
    cp "$work/$file" "packaging/kubernetes/$file"
  fi
done

#!/usr/bin/env bash
# The JSON of Kubernetes' own components has no level: an error is a line with `err` and without `v`, an informational one has "v":0.
# A reader that looks for a level finds none in the API server's and the kubelet's errors. The time is a float of milliseconds.
# Seen with k8s.io/component-base v0.34.2. Our decoder takes the absence of `v` in this shape for an error.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'MOD'
module finding
go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"errors"
	"os"

	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/logs/json/register"
	"k8s.io/klog/v2"
)

func main() {
	config := logsapi.NewLoggingConfiguration()
	config.Format = logsapi.JSONLogFormat
	if err := logsapi.ValidateAndApplyWithOptions(config, &logsapi.LoggingOptions{ErrorStream: os.Stdout, InfoStream: os.Stdout}, nil); err != nil {
		panic(err)
	}
	klog.InfoS("started", "port", 10250)
	klog.ErrorS(errors.New("boom"), "sync failed")
	logs.FlushLogs()
}
GO
go get k8s.io/component-base@v0.34.2 k8s.io/klog/v2@v2.130.1 >/dev/null 2>&1
go run . | tee out.txt
grep started out.txt | grep -q '"v":0' && grep 'sync failed' out.txt | grep -q '"err":"boom"' && ! grep 'sync failed' out.txt | grep -qE '"(v|level|severity)"' || { echo 'CHANGED'; exit 1; }

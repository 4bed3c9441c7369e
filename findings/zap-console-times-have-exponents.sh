#!/usr/bin/env bash
# zap's production configuration with the console encoder writes the time as 1.7959394763821234e+09: seconds since 1970 in scientific notation, as many digits as a float64 needs.
# Patterns for seconds, milliseconds or dates do not match it, so pipelines take the time of arrival.
# Seen with go.uber.org/zap v1.28.0. The time is read.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'MOD'
module finding
go 1.25
MOD
cat >main.go <<'GO'
package main

import "go.uber.org/zap"

func main() {
	config := zap.NewProductionConfig()
	config.Encoding, config.OutputPaths = "console", []string{"stdout"}
	log, err := config.Build()
	if err != nil {
		panic(err)
	}
	log.Warn("payment slow")
}
GO
go get go.uber.org/zap@v1.28.0 >/dev/null 2>&1
go run . | tee out.txt
grep -qP '^1\.\d+e\+09\twarn\t' out.txt || { echo 'CHANGED'; exit 1; }

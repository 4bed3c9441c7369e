#!/usr/bin/env bash
# The JSON of logr's own sink has "level":0 for information, a verbosity that grows with less important logs; errors have no level, only the key error, which is null without one.
# On the scale of syslog and GELF 0 is an emergency, and 4 a warning.
# Seen with github.com/go-logr/logr v1.4.3. The shape (logger, msg and a small number) is recognised.
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
	"fmt"

	"github.com/go-logr/logr/funcr"
)

func main() {
	log := funcr.NewJSON(func(line string) { fmt.Println(line) }, funcr.Options{Verbosity: 4})
	log.Info("paid")
	log.V(4).Info("polling")
	log.Error(nil, "payment failed")
}
GO
go get github.com/go-logr/logr@v1.4.3 >/dev/null 2>&1
go run . | tee out.txt
[ "$(cat out.txt)" = '{"logger":"","level":0,"msg":"paid"}
{"logger":"","level":4,"msg":"polling"}
{"logger":"","msg":"payment failed","error":null}' ] || { echo 'CHANGED'; exit 1; }

#!/usr/bin/env bash
# Two HyperLogLogs of one library over the same 2,000 values estimate 2,000 and 2,017, by whether they began sparse or dense.
# What is compared with a threshold must therefore not depend on how a sketch came about: merged, restored, or filled.
# Seen with github.com/axiomhq/hyperloglog v0.3.0. We use the dense form only.
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

	"github.com/axiomhq/hyperloglog"
)

func main() {
	sparse, dense := hyperloglog.New(), hyperloglog.NewNoSparse()
	for i := range 2000 {
		value := fmt.Appendf(nil, "user-%d", i)
		sparse.Insert(value)
		dense.Insert(value)
	}
	fmt.Println(sparse.Estimate(), dense.Estimate())
}
GO
go get github.com/axiomhq/hyperloglog@v0.3.0 >/dev/null 2>&1
got=$(go run .)
echo "sparse and dense estimate of 2000 values: $got"
[ "$got" = '2000 2017' ] || { echo 'CHANGED'; exit 1; }

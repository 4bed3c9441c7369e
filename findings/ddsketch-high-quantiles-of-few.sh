#!/usr/bin/env bash
# The 99th percentile of four values by DDSketch is about the third of them, not the largest: it takes the lower rank of q*(n-1).
# 1, 2, 3, 4 have a p99 of 2.97. By the usual definition (the least value that 99 % do not exceed) it is 4.
# Seen with github.com/DataDog/sketches-go v1.4.8.
# We compute small sets exactly, by rank, and ask the sketch for the rank that this definition means.
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

	"github.com/DataDog/sketches-go/ddsketch"
)

func main() {
	sketch, err := ddsketch.NewDefaultDDSketch(0.01)
	if err != nil {
		panic(err)
	}
	for _, v := range []float64{1, 2, 3, 4} {
		sketch.Add(v)
	}
	for _, q := range []float64{0.5, 0.75, 0.99, 1} {
		v, err := sketch.GetValueAtQuantile(q)
		fmt.Printf("%.2f %.1f %v\n", q, v, err)
	}
}
GO
go get github.com/DataDog/sketches-go@v1.4.8 >/dev/null 2>&1
got=$(go run .)
echo "$got"
[ "$got" = $'0.50 2.0 <nil>\n0.75 3.0 <nil>\n0.99 3.0 <nil>\n1.00 4.0 <nil>' ] || { echo 'CHANGED'; exit 1; }

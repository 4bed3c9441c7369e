#!/usr/bin/env bash
# The most used MessagePack library of Go refuses every record of Fluentd and Fluent Bit: their time is an extension of type 0.
# The whole record is an error, not the time alone, until the program registers that type.
# Seen with github.com/vmihailenco/msgpack/v5 v5.4.1.
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

	"github.com/vmihailenco/msgpack/v5"
)

func main() {
	// [EventTime(1764409600 s, 0 ns), {"log": "x"}], as the forward protocol specifies it.
	record := []byte{0x92, 0xd7, 0x00, 0x69, 0x2a, 0xc1, 0x00, 0, 0, 0, 0, 0x81, 0xa3, 'l', 'o', 'g', 0xa1, 'x'}
	var v any
	fmt.Println(msgpack.Unmarshal(record, &v), v)
}
GO
go get github.com/vmihailenco/msgpack/v5@v5.4.1 >/dev/null 2>&1
got=$(go run .)
echo "$got"
[ "$got" = 'msgpack: unknown ext id=0 <nil>' ] || { echo 'CHANGED'; exit 1; }

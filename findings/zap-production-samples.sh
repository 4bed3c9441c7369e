#!/usr/bin/env bash
# zap's production configuration writes 109 of 1,000 equal errors of one second: it samples by level and message.
# A rule that counts lines sees a tenth of the failures, and `count() > 500` never holds.
# Seen with go.uber.org/zap v1.28.0. For rules: count what is not sampled, or compare with a low threshold.
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
	"os"

	"go.uber.org/zap"
)

func main() {
	config := zap.NewProductionConfig()
	config.OutputPaths = []string{os.Args[1]}
	log, err := config.Build()
	if err != nil {
		panic(err)
	}
	for i := range 1000 {
		log.Error("connection refused", zap.Int("attempt", i))
	}
	log.Sync()
}
GO
go get go.uber.org/zap@v1.28.0 >/dev/null 2>&1
go run . out.jsonl
lines=$(wc -l <out.jsonl)
echo "1000 errors logged, $lines written"
# A second may end in between, which allows a hundred more each time.
[ "$lines" -ge 109 ] && [ "$lines" -lt 500 ] || { echo 'CHANGED: zap no longer samples as seen'; exit 1; }

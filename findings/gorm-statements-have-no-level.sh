#!/usr/bin/env bash
# GORM's default logger begins each log with a line break and writes the SQL in a line of its own: of a failed statement a shipper of lines gets an empty line, one with time, file and error, and one with the SQL. None names a level, so a failed statement and a traced one look alike.
# Seen with gorm.io/gorm v1.31.2. Match the text, join the lines by `start`, or give GORM a slog handler.
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
	"context"
	"errors"
	"time"

	"gorm.io/gorm/logger"
)

func main() {
	sql := func() (string, int64) { return "INSERT INTO orders VALUES (17)", 0 }
	log := logger.Default.LogMode(logger.Error)
	log.Trace(context.Background(), time.Now(), sql, errors.New("duplicate key"))
}
GO
go get gorm.io/gorm@v1.31.2 >/dev/null 2>&1
go run . 2>&1 | sed 's/\x1b\[[0-9;]*m//g' | tr -d '\r' | tee out.txt
[ "$(wc -l <out.txt)" = 3 ] && [ -z "$(head -1 out.txt)" ] && sed -n 2p out.txt | grep -q 'main.go:14 duplicate key$' &&
  sed -n 3p out.txt | grep -qP '^\[\d+\.\d+ms\] \[rows:0\] INSERT' && ! grep -qi error out.txt || { echo 'CHANGED'; exit 1; }

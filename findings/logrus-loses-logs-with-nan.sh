#!/usr/bin/env bash
# logrus' JSON formatter drops the whole entry when a field is NaN or infinite: the line is lost, and one on stderr says so.
# A ratio of 0/0 in a field is enough, and a rule over these errors never sees them. slog, zap and zerolog write the line.
# Seen with github.com/sirupsen/logrus v1.10.2.
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
	"math"
	"os"

	"github.com/sirupsen/logrus"
)

func main() {
	log := logrus.New()
	log.SetOutput(os.Stdout)
	log.SetFormatter(&logrus.JSONFormatter{})
	log.WithField("ratio", 0.5).Error("first")
	log.WithField("ratio", math.NaN()).Error("second")
	log.WithField("ratio", math.Inf(1)).Error("third")
}
GO
go get github.com/sirupsen/logrus@v1.10.2 >/dev/null 2>&1
go run . >out.txt 2>err.txt
cat out.txt err.txt
[ "$(wc -l <out.txt)" = 1 ] && [ "$(grep -c 'Failed to format entry' err.txt)" = 2 ] || { echo 'CHANGED'; exit 1; }

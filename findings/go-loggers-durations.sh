#!/usr/bin/env bash
# The same duration of 1.5 seconds is 1.5, 1500, 1500000000 or "1.5s" in the JSON of four Go loggers, and two forms in one logger.
# A rule `duration > 250` over such a field means seconds, milliseconds or nanoseconds, by the library of the service.
# Seen with log/slog of Go 1.26, zap v1.28.0, zerolog v1.35.1, logrus v1.10.2.
# For rules: name the unit in the field, as duration_ms, and map other fields by `formats.fields`.
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
	"log/slog"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func main() {
	const took = 1500 * time.Millisecond
	slog.New(slog.NewJSONHandler(os.Stdout, nil)).Info("slog json", "took", took)
	slog.New(slog.NewTextHandler(os.Stdout, nil)).Info("slog text", "took", took)
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	zap.New(zapcore.NewCore(encoder, zapcore.AddSync(os.Stdout), zap.DebugLevel)).Info("zap", zap.Duration("took", took))
	log := zerolog.New(os.Stdout)
	log.Info().Dur("took", took).Msg("zerolog")
	l := logrus.New()
	l.SetOutput(os.Stdout)
	l.SetFormatter(&logrus.JSONFormatter{})
	l.WithField("took", took).Info("logrus")
}
GO
go get go.uber.org/zap@v1.28.0 github.com/rs/zerolog@v1.35.1 github.com/sirupsen/logrus@v1.10.2 >/dev/null 2>&1
go run . | tee out.txt
got=$(grep -oE 'took"?[=:][0-9.s]+' out.txt | sed 's/.*[=:]//' | tr '\n' ' ')
[ "$got" = '1500000000 1.5s 1.5 1500 1500000000 ' ] || { echo "CHANGED: $got"; exit 1; }

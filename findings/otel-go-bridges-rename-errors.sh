#!/usr/bin/env bash
# OpenTelemetry's bridge of slog takes an error out of whatever field it was logged under, that of zap out of `error` alone: it becomes exception.message and exception.type.
# The type is Go's (*errors.errorString). Durations and times become whole numbers of nanoseconds, and a slog level far above ERROR a severity number beyond 24.
# Seen with otelslog and otelzap v0.21.0, sdk/log v1.47.0.
# For rules: `err:timeout` of a service with JSON logs is `exception.message:timeout` once it ships by OTLP.
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
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/bridges/otelzap"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/log"
	"go.uber.org/zap"
)

type printer struct{}

func (printer) Export(_ context.Context, records []log.Record) error {
	for _, r := range records {
		fmt.Print(int(r.Severity()))
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			fmt.Printf(" %s=%s", kv.Key, kv.Value.Emit())
			return true
		})
		fmt.Println()
	}
	return nil
}
func (printer) Shutdown(context.Context) error   { return nil }
func (printer) ForceFlush(context.Context) error { return nil }

func main() {
	p := log.NewLoggerProvider(log.WithProcessor(log.NewSimpleProcessor(printer{})))
	err := errors.New("timeout")
	s := otelslog.NewLogger("shop", otelslog.WithLoggerProvider(p))
	s.Error("payment failed", "err", err, "took", 1500*time.Millisecond, "at", time.Unix(7, 0))
	s.Log(context.Background(), slog.Level(100), "far above")
	z := zap.New(otelzap.NewCore("shop", otelzap.WithLoggerProvider(p)))
	z.Error("payment failed", zap.Error(err))
	z.Error("payment failed", zap.NamedError("err", err))
}
GO
go get go.opentelemetry.io/contrib/bridges/otelslog@v0.21.0 go.opentelemetry.io/contrib/bridges/otelzap@v0.21.0 go.opentelemetry.io/otel/sdk/log@v1.47.0 go.opentelemetry.io/otel@v1.47.0 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go run . | tee out.txt
diff out.txt - <<'OUT' || { echo CHANGED; exit 1; }
17 took=1500000000 at=7000000000 exception.message=timeout exception.type=*errors.errorString
109
17 exception.message=timeout exception.type=*errors.errorString
17 err=timeout
OUT

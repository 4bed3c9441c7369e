#!/usr/bin/env bash
# A field that is called like a key of the logger is written a second time, and which of the two a reader gets depends on the logger:
# slog, zap and charm write their own first, so a reader that takes the last gets the field; zerolog writes its message last; charm keeps its own level.
# A value under the programmer's key `level` then hides that the line is an error.
# Seen with log/slog of Go 1.26, zap v1.28.0, zerolog v1.35.1, charmbracelet/log v1.0.0.
# Our decoder takes the last of equal keys, as every JSON library in Go does.
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

	charm "github.com/charmbracelet/log"
	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func main() {
	slog.New(slog.NewJSONHandler(os.Stdout, nil)).Error("own", "msg", "field", "level", "DEBUG")
	config := zap.NewProductionEncoderConfig()
	config.TimeKey = ""
	zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(config), zapcore.AddSync(os.Stdout), zap.DebugLevel)).
		Error("own", zap.String("msg", "field"), zap.String("level", "debug"))
	log := zerolog.New(os.Stdout)
	log.Error().Str("message", "field").Str("level", "debug").Msg("own")
	charm.NewWithOptions(os.Stdout, charm.Options{Formatter: charm.JSONFormatter}).
		Error("own", "msg", "field", "level", "debug")
}
GO
go get go.uber.org/zap@v1.28.0 github.com/rs/zerolog@v1.35.1 github.com/charmbracelet/log@v1.0.0 >/dev/null 2>&1
go run . | tee out.jsonl
python3 - <<'PY'
import json
seen = []
for line in open('out.jsonl'):
    pairs = json.loads(line, object_pairs_hook=list)
    keys = [k for k, _ in pairs]
    last = dict(pairs)
    seen.append((keys.count('level'), last['level'].lower(), last.get('msg', last.get('message'))))
want = [(2, 'debug', 'field'), (2, 'debug', 'field'), (2, 'debug', 'own'), (1, 'error', 'field')]
if seen != want:
    raise SystemExit(f'CHANGED: {seen}')
print('level occurs twice in three of four lines; a reader that takes the last reads debug')
PY

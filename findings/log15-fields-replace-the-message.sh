#!/usr/bin/env bash
# In log15's JSON a context key `msg` or `lvl` replaces the message and the level of the record; in its logfmt both are written.
# The same program gives ERROR in one format and none in the other.
# Seen with github.com/inconshreveable/log15 v2.16.0+incompatible.
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

	"github.com/inconshreveable/log15"
)

func main() {
	log := log15.New()
	for _, format := range []log15.Format{log15.JsonFormat(), log15.LogfmtFormat()} {
		log.SetHandler(log15.StreamHandler(os.Stdout, format))
		log.Error("disk full", "msg", "user text", "lvl", "user level")
	}
}
GO
go get github.com/inconshreveable/log15@v2.16.0+incompatible >/dev/null 2>&1
go run . | tee out.txt
head -1 out.txt | grep -q '"lvl":"user level","msg":"user text"' && ! head -1 out.txt | grep -q 'disk full' &&
  tail -1 out.txt | grep -q 'lvl=eror msg="disk full" msg="user text" lvl="user level"' || { echo 'CHANGED'; exit 1; }

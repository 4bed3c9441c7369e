#!/usr/bin/env bash
# An alert of Alertmanager's packages that is made as a literal has the fingerprint 0 since v0.35.0: silences, inhibition and the API then take all such alerts for one, and no error says so.
# Until v0.34 the fingerprint was computed whenever it was asked for.
# Seen with github.com/prometheus/alertmanager v0.35.0. We make alerts by alert.New alone.
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
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
)

func main() {
	literal := &alert.Alert{Alert: model.Alert{Labels: model.LabelSet{"service": "shop"}}}
	made := alert.New(literal.Alert, time.Now(), false)
	fmt.Println(literal.Fingerprint(), made.Fingerprint() == literal.Alert.Labels.Fingerprint())
}
GO
go get github.com/prometheus/alertmanager@v0.35.0 >/dev/null 2>&1
go run . | tee out.txt
[ "$(cat out.txt)" = '0000000000000000 true' ] || { echo 'CHANGED'; exit 1; }

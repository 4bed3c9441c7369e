#!/usr/bin/env bash
# LogQL's `| logfmt level, status` reads these two labels of a line. In a query that is aggregated, as all rules are, Loki stops reading a line at the first of them: of `level=error status=500` the status is empty, so `sum by (status)` puts all lines into one series, and a rule with `status="500"` never fires.
# A label that is asked for under another name, `| logfmt code="status"`, is always empty then. `| logfmt` without names, the same labels of JSON, and a query without aggregation are right.
# Seen with Loki 3.7.8. Its parser is compiled: two minutes of processor time.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/grafana/loki/v3 v3.7.8
replace github.com/hashicorp/memberlist => github.com/grafana/memberlist v0.3.1-0.20260515134459-1798cf41aca7
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"

	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/prometheus/prometheus/model/labels"
)

func main() {
	for _, query := range []string{
		`sum by (status) (count_over_time({app="a"} | logfmt [5m]))`,
		`sum by (status) (count_over_time({app="a"} | logfmt status [5m]))`,
		`sum by (status) (count_over_time({app="a"} | logfmt level, status [5m]))`,
		`sum by (code) (count_over_time({app="a"} | logfmt code="status" [5m]))`,
		`sum(count_over_time({app="a"} | logfmt level, status | status="500" [5m]))`,
		`count_over_time({app="a"} | logfmt level, code="status" | code="500" [5m])`,
	} {
		e, err := syntax.ParseSampleExpr(query)
		if err != nil {
			panic(err)
		}
		extractors, err := e.Extractors()
		if err != nil {
			panic(err)
		}
		stream := extractors[0].ForStream(labels.FromStrings("app", "a"))
		found, _ := stream.Process(1, []byte("level=error status=500"), labels.EmptyLabels())
		fmt.Println(query, len(found))
		for _, s := range found {
			fmt.Println("  ", s.Labels)
		}
	}
}
GO
go mod tidy >/dev/null 2>&1
go run . | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
sum by (status) (count_over_time({app="a"} | logfmt [5m])) 1
   {status="500"}
sum by (status) (count_over_time({app="a"} | logfmt status [5m])) 1
   {status="500"}
sum by (status) (count_over_time({app="a"} | logfmt level, status [5m])) 1
   {status=""}
sum by (code) (count_over_time({app="a"} | logfmt code="status" [5m])) 1
   {code=""}
sum(count_over_time({app="a"} | logfmt level, status | status="500" [5m])) 0
count_over_time({app="a"} | logfmt level, code="status" | code="500" [5m]) 1
   {app="a", code="500", level="error"}
OUT

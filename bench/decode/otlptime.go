package main

import "go.opentelemetry.io/collector/pdata/pcommon"

func pcommonTime(i int) pcommon.Timestamp {
	return pcommon.Timestamp(baseTime.UnixNano() + int64(i)*1_000_003)
}

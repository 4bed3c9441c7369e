package notify

import (
	"runtime"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Deliveries keep no packed alert in memory, whose parts their ID and rule are.
func TestDeliveriesKeepNoPackedAlert(t *testing.T) {
	const size = 16 << 20
	var d deliveries
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for _, detail := range []string{"accepted", "refused", "accepted"} {
		packed := "id" + "rule" + strings.Repeat("x", size)
		d.add(packed[:2], Delivery{Rule: packed[2:6], State: models.AlertFiring, Detail: detail})
	}
	if kept := heap() - before; kept > size/2 {
		t.Errorf("%d bytes are kept", kept)
	}
	if list := d.of("id"); len(list) != 3 || list[2].Rule != "rule" || len(d.last()) != 3 {
		t.Errorf("deliveries are %v", list)
	}
}

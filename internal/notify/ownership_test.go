package notify

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// An alert of an instance that ends before the instance becomes a member of a cluster is resolved
// at the receivers: by that member, and by another one that leads with the state it has published.
func TestInheritedAlertIsResolved(t *testing.T) {
	home := models.Partition{Topic: "frames"}
	for _, leader := range []string{"the instance", "another member"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "hook")
			o := Options{WebhookURL: "http://hook/x", DataDir: t.TempDir()}
			l := start(t, w, o)
			l.outbox.add(firingAlert("Errors", "a", 1))
			after(2 * time.Minute)
			expect(t, "of the instance", w.sites["hook"].received(), "firing Errors a")
			l.stop()
			o.Home, o.Outbox = home, nil
			l = start(t, w, o)
			notified, _ := l.n.InheritableState()
			if len(notified) == 0 {
				t.Error("nothing is published of the instance")
			}
			if leader == "another member" {
				l.stop()
				o.DataDir = ""
				l = start(t, w, o)
			}
			l.n.Lead(nil, notified, func() {})
			after(orphanTimeout + 2*time.Minute)
			expect(t, "led by "+leader, w.sites["hook"].received(), "resolved Errors a")
			l.stop()
		})
	}
}

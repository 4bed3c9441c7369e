package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// disk is where the state of a million groups is saved, on a real disk, as the program does it.
type disk struct {
	dir   string
	store *store.Store
}

func newDisk() *disk {
	dir, err := os.MkdirTemp("", "alert-engine-bench")
	check(err)
	d := &disk{dir: dir}
	d.open()
	return d
}

func (d *disk) open() {
	s, err := store.Open(filepath.Join(d.dir, "state"), store.Options{})
	check(err)
	d.store = s
}

func (d *disk) remove() {
	check(d.store.Close())
	check(os.RemoveAll(d.dir))
}

// checkpoint saves what has changed, and returns how long that took and how much was written. The
// state cannot be changed meanwhile.
func (d *disk) checkpoint(engine *alerting.Engine) (took time.Duration, bytes int) {
	began := time.Now()
	c := d.store.Begin()
	engine.Save(c.Full(), c.Put, c.Delete)
	bytes = c.Size()
	check(d.store.Commit(c))
	return time.Since(began), bytes
}

// restart opens the directory anew and restores an engine from it. It returns how long that took:
// from then on logs are evaluated.
func (d *disk) restart(set *rule.Set) time.Duration {
	check(d.store.Close())
	began := time.Now()
	d.open()
	engine := alerting.NewEngine(alerting.WithRules(set), alerting.WithMaxGroups(2*groupCount),
		alerting.WithEmit(func(models.Alert) {}))
	check(engine.Restore(d.store.Load))
	took := time.Since(began)
	defer runtime.KeepAlive(engine)
	if n := engine.Stats().Groups; n != groupCount {
		check(fmt.Errorf("%d groups were restored, not %d", n, groupCount))
	}
	return took
}

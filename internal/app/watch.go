package app

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/wait"
)

// Kubernetes changes the files of a mounted ConfigMap or Secret at once, by pointing the link
// ..data in their directory to another directory.
const (
	mountLink  = "..data"
	watchEvery = 2 * time.Second
)

// watchMounts reloads rules and routes when a mounted ConfigMap or Secret changes, until ctx is
// done.
func (p *process) watchMounts(ctx context.Context) error {
	before := p.mounts()
	for wait.Sleep(ctx, watchEvery) {
		now := p.mounts()
		if slices.Equal(before, now) {
			continue
		}
		before = now
		p.logger.Info("mounted files have changed; reloading", "mounts", len(now))
		_ = p.reload(ctx) // it was logged
	}
	return nil
}

// mounts are the targets of the links in all directories that the configuration names files of.
func (p *process) mounts() []string {
	c := p.config
	files := append(c.ruleFiles(), string(c.Notify.AlertmanagerConfig), c.file,
		string(c.Web.TokenFile), string(c.Web.ReadTokenFile))
	for _, one := range c.Notify.Lookups {
		// a table of a topic has none
		files = append(files, string(one.File))
	}
	var dirs, targets []string
	for _, file := range files {
		if file == "" {
			continue
		}
		for dir := file; ; {
			dirs = append(dirs, dir)
			if dir != file && !strings.ContainsAny(dir, "*?[") {
				break
			}
			dir = filepath.Dir(dir)
		}
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if target, err := os.Readlink(filepath.Join(dir, mountLink)); err == nil {
			targets = append(targets, filepath.Join(dir, target))
		}
	}
	return targets
}

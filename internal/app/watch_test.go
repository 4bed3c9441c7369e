package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A ConfigMap is mounted; when it changes, its rules are reloaded. A mount without change, and one
// whose rules are broken, leave the rules as they are.
func TestMountedRulesAreReloaded(t *testing.T) {
	dir := t.TempDir()
	inWorld(t, 1, func(w *world) {
		t := w.t
		version := func(name, rules string) {
			t.Helper()
			sub := filepath.Join(dir, "..", filepath.Base(dir)+"-"+name)
			if err := os.MkdirAll(sub, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(sub, "a.rules.yml"), []byte(rules),
				0o600); err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(dir, "new")
			if err := os.Symlink(sub, link); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(link, filepath.Join(dir, mountLink)); err != nil {
				t.Fatal(err)
			}
		}
		version("1", "groups: [{name: g, rules: [{alert: A, match: boom}]}]\n")
		if err := os.Symlink(filepath.Join(mountLink, "a.rules.yml"),
			filepath.Join(dir, "a.rules.yml")); err != nil {
			t.Fatal(err)
		}
		r := w.prepare("data")
		r.process.config.Rules = []Path{Path(filepath.Join(dir, "*.rules.yml"))}
		r.process.rules = loadRules
		r.process.load = func() (*Config, error) { return r.process.config, nil }
		r.begin()
		rules := func() []string { return []string{fmt.Sprint(len(r.set.Load().Rules), " rules")} }
		time.Sleep(10 * time.Second)
		want(t, "at first", rules(), "1 rules")
		version("2",
			"groups: [{name: g, rules: [{alert: A, match: boom}, {alert: B, match: bang}]}]\n")
		time.Sleep(10 * time.Second)
		want(t, "after a change", rules(), "2 rules")
		version("3", "groups: [{name: g, rules: [{alert: A, macth: boom}]}]\n")
		time.Sleep(10 * time.Second)
		want(t, "after a broken change", rules(), "2 rules")
		r.end()
	})
}

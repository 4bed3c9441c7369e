package app

import (
	"runtime/debug"
	"time"
)

// Set by the linker in releases: -X
// github.com/log-monitoring/alert-engine/internal/app.version=1.2.3
var version, commit, date string

// Version is the version of the program: that of the release, else that of the module as it was
// built, which is a tag, or the commit it was built from.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	if revision := buildSetting(info, "vcs.revision"); revision != "" {
		return "devel-" + revision[:min(12, len(revision))]
	}
	return "devel"
}

// Commit is the commit that the program was built from, and the date of that commit in RFC 3339.
// Both are empty where the build did not record them.
func Commit() (revision, when string) {
	if commit != "" {
		return commit, date
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", ""
	}
	revision = buildSetting(info, "vcs.revision")
	if t, err := time.Parse(time.RFC3339, buildSetting(info, "vcs.time")); err == nil {
		when = t.UTC().Format(time.RFC3339)
	}
	return revision[:min(12, len(revision))], when
}

// buildSetting is what the toolchain recorded under a name, or "".
func buildSetting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

package app

import (
	"io"
	"log/slog"
	"runtime/debug"
)

// Terminal is where the program talks to people: alerts and what they asked for on Out, what it
// says about itself on Err.
type Terminal struct {
	Out, Err io.Writer
}

// logger returns the program's log, which goes to Err.
func (t Terminal) logger(c LogConfig) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(t.Err, o))
	}
	return slog.New(slog.NewTextHandler(t.Err, o))
}

// Version is the version of the module as it was built: a tag, or the commit it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}

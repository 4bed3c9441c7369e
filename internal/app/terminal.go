package app

import (
	"io"
	"log/slog"

	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// Terminal is where the program talks to users: alerts and what they asked for on Out, what it says
// about itself on Err.
type Terminal struct {
	Out, Err io.Writer
}

// logger returns the program's log, which goes to Err.
func (t Terminal) logger(c LogConfig) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(safetext.NewJSONWriter(t.Err), o))
	}
	return slog.New(slog.NewTextHandler(safetext.NewWriter(t.Err), o))
}

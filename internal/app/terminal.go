package app

import (
	"io"
	"log/slog"
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

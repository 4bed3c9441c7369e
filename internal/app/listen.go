package app

import (
	"errors"
	"syscall"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/problem"
)

// portHint adds to the error of a port that is taken how to take another.
func portHint(err error, try string) error {
	var broker *devbroker.InUseError
	if errors.Is(err, syscall.EADDRINUSE) || errors.As(err, &broker) {
		return problem.New(problem.Pos{}, "try "+try, "%v", err)
	}
	return err
}

package devbroker

import (
	"errors"
	"syscall"
)

// isInUse looks for WSAEADDRINUSE and, when the other process asked for the port exclusively,
// WSAEACCES.
func isInUse(err error) bool {
	return errors.Is(err, syscall.Errno(10048)) || errors.Is(err, syscall.Errno(10013))
}

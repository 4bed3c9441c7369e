// Package wait waits for a time or for the end of a context.
package wait

import (
	"context"
	"time"
)

// Sleep waits for d. It returns false as soon as ctx is done.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

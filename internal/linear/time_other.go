//go:build !linux

package linear

import "time"

var begun = time.Now()

// threadTime is the time so far.
func threadTime() time.Duration { return time.Since(begun) }

//go:build !linux

package linear

import "time"

var begun = time.Now()

// ThreadTime is the time so far.
func ThreadTime() time.Duration { return time.Since(begun) }
